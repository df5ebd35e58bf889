//! Configuration file of the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::program::serve_bytes;
use crate::pty::assert_restored;
use crate::stage::{PtyTerminal, TestAgent, is_error};

/// Returns a folder with this configuration, and the path of the file.
fn config_folder(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("loadline").join("config.toml");
    fs::create_dir(folder.path().join("loadline")).unwrap();
    fs::write(&path, text).unwrap();
    (folder, path)
}

/// Runs the program with a configuration folder and environment variables.
fn output(home: &Path, variables: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadline"));
    command.env("XDG_CONFIG_HOME", home).env_remove("LOADLINE_CONFIG");
    command.envs(variables.iter().copied()).args(args).stdin(Stdio::null());
    command.output().unwrap()
}

/// Returns the first line of a successful run's output.
fn first_line(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
}

/// Starts a server that sends a row of two numbers to each client.
fn serve_row() -> String {
    serve_bytes(b"1 2\n").to_string()
}

#[test]
fn options_override_variables_and_variables_override_the_file() {
    let address = serve_row();
    let (home, path) = config_folder("[options]\noutput = \"csv\"\ncolumns = [\"file\", \"b\"]\n");
    let home = home.path();
    let of = |variables: &[(&str, &str)], args: &[&str]| {
        first_line(&output(home, variables, &[&[address.as_str(), "-n", "1"], args].concat()))
    };
    assert_eq!(of(&[], &[]), "timestamp,received,source,seq,file,b");
    let variable = ("LOADLINE_COLUMNS", "variable,b");
    assert_eq!(of(&[variable], &[]), "timestamp,received,source,seq,variable,b");
    assert_eq!(of(&[variable], &["-c", "typed,b"]), "timestamp,received,source,seq,typed,b");
    assert_eq!(
        of(&[("LOADLINE_CONFIG", "")], &["-o", "csv"]),
        "timestamp,received,source,seq,c1,c2"
    );
    assert_eq!(of(&[], &["--config", "", "-o", "csv"]), "timestamp,received,source,seq,c1,c2");
    assert!(of(&[("LOADLINE_OUTPUT", "json")], &[]).contains("\"file\":1"));
    let other = tempfile::tempdir().unwrap();
    let path = path.to_str().unwrap();
    let elsewhere = output(other.path(), &[("LOADLINE_CONFIG", path)], &[&address, "-n", "1"]);
    assert_eq!(first_line(&elsewhere), "timestamp,received,source,seq,file,b");
    assert!(
        fs::read_dir(other.path()).unwrap().next().is_none(),
        "the program creates no file there"
    );
    // Without a file, the defaults apply.
    let defaults = output(other.path(), &[], &[&address, "-n", "1", "-o", "csv"]);
    assert_eq!(first_line(&defaults), "timestamp,received,source,seq,c1,c2");
}

#[test]
fn a_group_is_watched_under_the_names_of_its_sources() {
    let text = format!(
        "[sources]\nleft = {{ source = \"{}\", columns = \"x,y\" }}\nright = \"{}\"\n\
         [groups]\nboth = [\"left\", \"right\"]\n",
        serve_row(),
        serve_row()
    );
    let (home, _) = config_folder(&text);
    let output = output(home.path(), &[], &["@both", "-o", "json", "-n", "2"]);
    assert!(output.status.success(), "{output:?}");
    let rows = String::from_utf8(output.stdout).unwrap();
    assert!(rows.contains("\"source\":\"left\"") && rows.contains("\"x\":1"), "{rows}");
    assert!(rows.contains("\"source\":\"right\"") && rows.contains("\"c1\":1"), "{rows}");
}

#[test]
fn an_invalid_configuration_is_reported_with_line_and_caret() {
    let (home, path) = config_folder("[options]\nwindow = \"fast\"\n");
    let failed = output(home.path(), &[], &["-o", "csv"]);
    assert_eq!((failed.status.code(), failed.stdout.len()), (Some(2), 0));
    assert_eq!(
        String::from_utf8(failed.stderr).unwrap(),
        format!(
            "error: {}:2:10: window: invalid duration \"fast\"\n   2 | window = \"fast\"\n     \
             |          ^^^^^^\nhint: write it like 250ms, 1s, 10m or 1h30m\n",
            path.display()
        )
    );
    for (args, part) in [
        (&["@prod"][..], "unknown group \"prod\"\nhint: the configuration has no groups"),
        (&["--config", "/nowhere/c.toml"], "/nowhere/c.toml: no such file\nhint: choose another"),
    ] {
        let failed = output(tempfile::tempdir().unwrap().path(), &[], args);
        let errors = String::from_utf8(failed.stderr).unwrap();
        assert_eq!(failed.status.code(), Some(2));
        assert!(is_error(&errors) && errors.contains(part), "{errors}");
    }
    // The error names the variable, so that nobody searches the command line for it.
    let variable = [("LOADLINE_WINDOW", "fast")];
    let failed = output(tempfile::tempdir().unwrap().path(), &variable, &["-o", "csv"]);
    let errors = String::from_utf8(failed.stderr).unwrap();
    let expected = "error: LOADLINE_WINDOW in the environment: invalid duration \"fast\"";
    assert!(errors.starts_with(expected) && failed.status.code() == Some(2), "{errors}");
}

#[test]
fn the_printed_configuration_is_valid() {
    let nowhere = tempfile::tempdir().unwrap();
    let printed = output(nowhere.path(), &[], &["--print-config"]);
    assert!(printed.status.success() && printed.stderr.is_empty());
    let text = String::from_utf8(printed.stdout).unwrap();
    for part in ["\n#quit = [\"q\", \"ctrl-c\"]", "\n#theme = \"dark\"", "\n[thresholds]\n"] {
        assert!(text.contains(part), "{part}");
    }
    let (home, _) = config_folder(&text);
    let address = serve_row();
    let read = output(home.path(), &[], &[&address, "-n", "1", "-o", "csv"]);
    assert_eq!(first_line(&read), "timestamp,received,source,seq,c1,c2");
}

#[test]
fn a_rebound_key_works_and_is_in_help_and_footer() {
    let server = TestAgent::start(0, Duration::from_millis(20));
    let (_home, path) = config_folder(
        "[keys]\nquit = [\"F10\"]\nhelp = [\"h\"]\ncolumns-left = []\ntable = [\"ctrl-t\"]\n\
         [thresholds]\nmem = { warn = 40 }\n",
    );
    let config = ("LOADLINE_CONFIG", path.to_str().unwrap());
    let mut terminal = PtyTerminal::run_with(&[config], &[&server.address.to_string()]);
    let screen = terminal.wait_for_text("LIVE");
    let footer = screen.lines().last().unwrap_or_default();
    assert!(footer.starts_with("F10 quit   h help") && footer.contains("Ctrl-T table"), "{footer}");
    assert!(screen.contains("warning 40.0 %"), "{screen}");
    // `?` and `q` are not bound any more. The effect of Ctrl-T shows that both were read.
    terminal.press("?q\x14");
    terminal
        .wait_for("the table alone", |screen| !screen.contains("CPU") && screen.contains("seq"));
    terminal.press("h");
    terminal.wait_for("the help", |screen| screen.contains("h              this help"));
    assert!(terminal.screen().contains("F10, Ctrl-C    quit"));
    terminal.press("\x1b[21~");
    let (status, written) = terminal.wait_for_end();
    assert!(status.success());
    assert_restored(&written);
}

#[test]
fn environment_variables_turn_colours_on_and_off() {
    let server = TestAgent::start(0, Duration::from_millis(20));
    for (variables, expected) in [
        (&[("CLICOLOR", "1")][..], true),
        (&[("CLICOLOR", "0")], false),
        (&[("CLICOLOR", "0"), ("CLICOLOR_FORCE", "1")], true),
    ] {
        let terminal = PtyTerminal::run_with(variables, &[&server.address.to_string()]);
        terminal.wait_for_text("LIVE");
        assert_eq!(terminal.has_colour(), expected, "{variables:?}");
        terminal.quit();
    }
}

//! The program without a screen: output, errors and exit codes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::stage::{TestAgent, is_error, wait_until};

pub(crate) fn loadline(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadline"));
    command.env("LOADLINE_CONFIG", "");
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn output(args: &[&str]) -> Output {
    loadline(args).output().unwrap()
}

/// Starts a server that sends these bytes to each client and keeps the connection until the client
/// closes it.
pub(crate) fn serve_bytes(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let _ = client.write_all(bytes);
            let _ = std::io::copy(&mut client, &mut std::io::sink());
        }
    });
    address
}

/// Returns a port that was just free.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

#[test]
fn a_server_of_another_protocol_is_named() {
    for (greeting, expected) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "a web server (HTTP) answered, not an agent\nhint: check the port",
        ),
        (b"\x15\x03\x03\x00\x02\x02\x46", "the server speaks TLS\nhint: use tls://HOST:PORT"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "an ssh server answered, not an agent"),
        (
            b"220 mail.example.org ESMTP\r\n",
            "a mail or file server (SMTP, FTP) answered, not an agent",
        ),
    ] {
        let address = serve_bytes(greeting).to_string();
        for args in [&["--check"][..], &["-o", "csv"], &["-o", "raw"]] {
            let output = output(&[&[address.as_str()], args].concat());
            let errors = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{args:?}: {errors}");
            assert!(is_error(&errors) && errors.contains(expected), "{errors}");
            assert!(output.stdout.is_empty(), "{args:?}");
        }
    }
}

#[test]
fn each_failure_is_one_error_with_its_exit_code() {
    let unused = format!("127.0.0.1:{}", free_port());
    for (args, code, part) in [
        (
            &["--interval", "fast"][..],
            2,
            "error: --interval: invalid duration \"fast\"\nhint: write",
        ),
        (&["-o", "tui"], 2, "not a terminal"),
        (&["--nonsense"], 2, "--help"),
        (&["-o", "tabel"], 2, "did you mean 'table'? possible values: tui, table, csv, json, raw"),
        (&["--intervall", "1s"], 2, "did you mean '--interval'? see --help"),
        (&["--generate", "fsh"], 2, "did you mean 'fish'?"),
        (&["me@-web-1", "-o", "csv"], 2, "USER@HOST"),
        (&["me@web-1", "-o", "csv", "--ssh", "/nowhere/ssh"], 1, "name one with --ssh"),
        (&["me@web-1", "-o", "csv", "--ssh", "sh -c 'echo no way. >&2; exit 255'"], 1, "no way\n"),
        (&["me@web-1", "-o", "csv", "--ssh", "sh -c 'exit 255'"], 1, "exited with code 255"),
        (&["me@web-1", "-o", "csv", "--ssh", "sh -c 'exit 127'"], 1, "--agent-command PATH"),
        (&["unix:/nowhere/socket", "-o", "csv"], 1, "no such socket"),
        (&["web-1:0", "-o", "csv"], 2, "invalid port in \"web-1:0\""),
        (&[&unused, "-o", "csv"], 1, "connection refused\nhint: start loadline-agent there"),
        (&[&unused, "--check"], 1, "connection refused\nhint: start loadline-agent there"),
        (&["web-1", "web-2", "web-1:1027", "-o", "csv"], 2, "web-1:1027 is given twice"),
        (&["web-1", "web-2", "-o", "raw"], 2, "-o raw takes one source"),
    ] {
        let output = output(args);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {errors}");
        assert!(is_error(&errors) && errors.contains(part), "{args:?}: {errors}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn input_without_an_effect_is_one_warning() {
    let agent = TestAgent::start(0, Duration::from_millis(250));
    let agent = agent.address.to_string();
    let plain = serve_bytes(b"1 2 3\n1 2 3\n1 2 3\n1 2 3\n").to_string();
    let grants = format!("warning: {agent} grants an interval of 250ms, not 10ms\n");
    for (args, expected) in [
        (&[&agent, "-o", "csv", "-n", "2", "-i", "10ms"][..], grants.clone()),
        (&[&agent, "-o", "raw", "-n", "2", "-i", "10ms"], grants.clone()),
        (
            &[&plain, "-o", "csv", "-n", "2", "--history", "1h"],
            format!("warning: {plain} answers no request: --history has no effect\n"),
        ),
        (
            &[&plain, "-o", "csv", "--to", "-1h"],
            format!("warning: {plain}: no row from --from to --to\nhint: choose another time\n"),
        ),
        (
            &[&agent, "-o", "json", "-n", "1", "--window", "5m"],
            "warning: --window has no effect without a screen\n".to_owned(),
        ),
    ] {
        let output = output(args);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{args:?}: {errors}");
        assert_eq!(errors, expected, "{args:?}");
    }
    let checked = output(&[&agent, "--check", "-i", "10ms"]);
    let report = String::from_utf8(checked.stdout).unwrap();
    assert!(report.contains(&grants.replace("warning: ", "warning  ")), "{report}");
    let refused = output(&[&plain, "-o", "csv", "-c", "cpu"]);
    assert_eq!(refused.status.code(), Some(1));
    let errors = String::from_utf8(refused.stderr).unwrap();
    assert!(
        errors.contains("rows have 3 values, and --columns names 1\nhint: name each"),
        "{errors}"
    );
    let mut command = loadline(&[&agent, "-o", "csv", "-n", "1"]);
    let unknown = command.env("LOADLINE_WINDW", "5m").output().unwrap();
    let expected = "warning: unknown variable LOADLINE_WINDW in the environment has no effect\n\
                    hint: did you mean LOADLINE_WINDOW?\n";
    assert_eq!(String::from_utf8(unknown.stderr).unwrap(), expected);
    let mut command = loadline(&[&agent, "-o", "csv", "-n", "1"]);
    let unknown = command.env("TZ", "Europe/Berln").output().unwrap();
    let expected = "warning: unknown time zone \"Europe/Berln\" in TZ, so times may be in UTC\n\
                    hint: write a zone such as Europe/Berlin\n";
    assert_eq!(String::from_utf8(unknown.stderr).unwrap(), expected);
    let mut command = loadline(&[&agent, "-o", "csv", "-n", "1"]);
    let wrong = command.env("LOADLINE_FILL", "maybe").output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    let errors = String::from_utf8(wrong.stderr).unwrap();
    assert!(errors.starts_with("error: LOADLINE_FILL in the environment: "), "{errors}");
}

#[test]
fn variables_apply_to_all_runs_and_a_wrong_one_is_named() {
    let plain = serve_bytes(b"1 2 3\n1 2 3\n1 2 3\n1 2 3\n").to_string();
    let server = TestAgent::start(0, Duration::from_millis(250));
    let agent = server.address.to_string();
    let run = |name: &str, value: &[u8], args: &[&str]| {
        let mut command = loadline(args);
        command.env(name, std::ffi::OsStr::from_bytes(value));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let calm = (Some(0), String::new());
    for (name, value) in [
        ("LOADLINE_FOLLOW", "1"),
        ("LOADLINE_TIME_COLUMN", "x"),
        ("LOADLINE_INTERVAL", "10ms"),
        ("LOADLINE_HISTORY", "1h"),
        ("LOADLINE_WINDOW", "5m"),
        ("LOADLINE_KEEP", "1s"),
        ("LOADLINE_THEME", "light"),
        ("LOADLINE_FILL", "1"),
        ("LOADLINE_SSH", "other"),
        ("LOADLINE_TLS_CA", "ca.pem"),
        ("LOADLINE_CHECK", ""),
    ] {
        let wall = [&*plain, &agent, "-o", "csv", "-n", "1"];
        assert_eq!(run(name, value.as_bytes(), &wall), calm, "{name}={value}");
    }
    let (code, errors) = run("LOADLINE_WINDOW", b"\xff", &[&plain, "-o", "csv"]);
    assert_eq!(code, Some(2));
    assert!(errors.starts_with("error: LOADLINE_WINDOW in the environment: "), "{errors}");
}

#[test]
fn a_path_that_is_no_readable_file_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let _listener = std::os::unix::net::UnixListener::bind(path("a.sock")).unwrap();
    std::os::unix::fs::symlink("nowhere", path("dangling.load")).unwrap();
    for (source, part) in [
        (path("a.sock"), format!("is a Unix socket\nhint: write unix:{}", path("a.sock"))),
        (path(""), "is a directory\nhint: give a file in it".to_owned()),
        (path("x/y"), "no such file\nhint: check the path".to_owned()),
        (path("dangling.load"), "no such file\nhint: ".to_owned()),
        ("~/x".to_owned(), "no such file\nhint: check the path".to_owned()),
        ("C:\\data\\x.csv".to_owned(), "no such file\nhint: check the path".to_owned()),
        ("nosuch.load".to_owned(), "no such file\nhint: for a host, write tcp://".to_owned()),
    ] {
        let output = output(&[&source, "-o", "csv"]);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{source}");
        let expected = format!("error: cannot open {source}: {part}");
        assert!(errors.starts_with(&expected), "{source}: {errors}");
    }
}

#[test]
fn a_program_behind_a_unix_socket_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.write_all(b"1 2 3 4 5 6\n").unwrap();
        let _ = std::io::copy(&mut client, &mut std::io::sink());
    });
    let source = format!("unix:{}", path.display());
    let output = output(&[&source, "-o", "csv", "-n", "1"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains(&source) && text.ends_with(",,1.0,2.0,3.0,4.00,5.00,6.00\n"), "{text}");
    server.join().unwrap();
}

#[test]
fn an_agent_behind_ssh_is_subscribed_and_read() {
    // In place of ssh: a shell script that checks its arguments and answers a request like an
    // agent.
    let script = r#"case "$*" in
        *-G*) exit;;
        *"-o BatchMode=yes"*) exit 1;;
        *" -p 2222 -- me@web-1 loadline-agent --stdio") ;;
        *) echo "$*" >&2; exit 1;;
        esac
        echo a banner >&2; echo 1 2 3 4 5 6; read -r request; test "${request%% *}" = loadline/1 || exit 1
        echo '# loadline/1 run=00000001 interval=1000ms'; echo '# columns time:s seq a'
        echo '# live'; echo 1.000 1 7; read -r more"#;
    let ssh = format!("sh -c '{}' ssh", script.replace('\'', r"'\''"));
    let output = output(&["ssh://me@web-1:2222", "-o", "raw", "-n", "1", "--ssh", &ssh]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.ends_with("1.000 1 7\n"), "{text}");
    assert!(output.stderr.is_empty());
}

#[test]
fn help_and_version_go_to_standard_output() {
    for arg in ["--help", "--version"] {
        let output = output(&[arg]);
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().contains("loadline"));
    }
}

#[test]
fn the_long_version_lists_the_features() {
    let version = |option| String::from_utf8(output(&[option]).stdout).unwrap();
    let short = format!("loadline {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(version("-V"), format!("{short}\n"));
    let long = version("--version");
    assert_eq!(long.lines().count(), 1, "{long}");
    assert!(long.starts_with(&short), "{long}");
    assert_eq!(long.contains("tls"), cfg!(feature = "tls"), "{long}");
}

#[test]
fn the_manual_page_has_each_option_and_each_key() {
    let text = |args: &[&str]| String::from_utf8(output(args).stdout).unwrap().replace('\\', "");
    let (help, page) = (text(&["--help"]), text(&["--generate", "man"]));
    let options = help.split_whitespace().filter(|word| word.starts_with("--"));
    for option in options.map(|word| word.trim_end_matches(|c: char| !c.is_ascii_lowercase())) {
        assert!(page.contains(option), "{option}");
    }
    for bound in loadline::keys::bindable_actions() {
        let has_keys = bound.keys().all(|key| page.contains(&key.label().replace('\\', "")));
        // A key in a description is in braces.
        let text = bound.description.split('{').next().unwrap_or_default();
        assert!(has_keys && page.contains(text), "{}", bound.name);
    }
}

#[test]
fn completions_of_each_shell_go_to_standard_output() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = output(&["--generate", shell]);
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("interval"), "{shell}");
    }
}

#[test]
fn this_machine_can_be_read_without_an_agent() {
    let output = output(&["-o", "json", "-n", "2"]);
    assert!(output.status.success(), "{output:?}");
    let rows: Vec<serde_json::Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let number = |name: &str| row[name].as_f64().unwrap();
        assert!((0.0..=100.0).contains(&number("cpu")) && number("mem") > 0.0, "{row}");
    }
}

#[test]
fn skipped_lines_are_counted_at_the_end() {
    let address = serve_bytes(b"1 2 3 4 5 6\nhello\n1 2 3\n\xff\n2 3 4 5 6 7\n").to_string();
    let output = output(&[&address, "-o", "csv", "-n", "2"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 3);
    let skipped = "3 faulty lines skipped\nhint: run loadline SOURCE --check\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), format!("warning: {address}: {skipped}"));
}

#[test]
fn escape_sequences_of_a_source_do_not_reach_raw_output() {
    let address = serve_bytes(
        b"# loadline/1 run=00000001 host=\x1b[31m\xe2\x80\xae interval=1000ms\n\
          # columns time:s seq \x1b]0;pwned\x07:%\n# \x1b[2J\n1.000 1 5\n",
    )
    .to_string();
    for format in ["raw", "csv", "json", "table"] {
        let output = output(&[&address, "-o", format, "-n", "1", "--history", "all"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains('5'), "{format}: {text}");
        let is_safe = |c: char| c == '\n' || (!c.is_control() && c != '\u{202e}');
        assert!(text.chars().all(is_safe), "{format}: {text:?}");
    }
}

#[test]
fn a_closed_pipe_is_a_normal_end() {
    let server = TestAgent::start(0, Duration::from_millis(20));
    let mut child = loadline(&[&server.address.to_string(), "-o", "csv"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("timestamp,received,source,seq,cpu"));
    drop(lines);
    assert_success(child);
}

#[test]
fn rows_are_flushed_at_once_and_a_signal_is_a_normal_end() {
    for signal in ["INT", "TERM"] {
        let server = TestAgent::start(0, Duration::from_millis(20));
        let mut child = loadline(&[&server.address.to_string()]).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // A table, because standard output is not a terminal.
        assert!(lines.next().unwrap().unwrap().starts_with("time "));
        assert!(lines.next().unwrap().unwrap().contains("2400.0"));
        let kill = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        assert_success(child);
    }
}

fn assert_success(mut child: Child) {
    let status = wait_until("the end", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

//! Sources over ssh, with a script in place of the ssh program.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::program::{loadline, output};
use crate::stage::{is_error, wait_until};

/// Shells of servers; those that are not installed are left out.
const SHELLS: [&str; 10] =
    ["sh", "bash", "dash", "zsh", "fish", "tcsh", "bsd-csh", "busybox ash", "mksh", "ksh93"];

/// Returns the value of `--ssh` for a shell script. The script gets the arguments of ssh.
fn ssh_script(script: &str) -> String {
    let script = format!(r#"case "$*" in *-G*) exit;; esac; {script}"#);
    format!("sh -c '{}' ssh", script.replace('\'', r"'\''"))
}

/// Returns the error of a program that has to exit with code 1 and without output.
fn error(args: &[&str]) -> String {
    let output = output(args);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {errors}");
    assert!(is_error(&errors) && output.stdout.is_empty(), "{args:?}: {errors}");
    errors
}

#[test]
fn each_output_ends_with_the_sentence_of_the_login() {
    let ubuntu = r#"echo "Please login as the user \"ubuntu\", not \"root\"."; echo; exit 142"#;
    let closed = r#"echo "Closed for maintenance." >&2; echo "Connection closed by 10.0.0.7 port 22" >&2; exit 255"#;
    for (script, expected) in [
        (ubuntu, "cannot connect to me@web-1: Please login as the user \"ubuntu\", not \"root\"\n"),
        (
            "echo This account is currently not available.; exit 1",
            ": This account is currently not available\n",
        ),
        (closed, ": Closed for maintenance (Connection closed by 10.0.0.7 port 22)\n"),
        (
            r#"echo "me@web-1: Permission denied (publickey)." >&2; exit 255"#,
            "cannot connect to me@web-1: Permission denied (publickey)\n",
        ),
        (r#"printf "\033[2J\033[1mNo\033[0m entry\n"; exit 0"#, ": No entry\n"),
        ("yes no entry", ": no entry no entry"),
    ] {
        let ssh = ssh_script(script);
        for args in
            [&["-o", "csv"][..], &["-o", "json"], &["-o", "table"], &["-o", "raw"], &["--check"]]
        {
            let error = error(&[&["me@web-1", "--ssh", &ssh], args].concat());
            assert!(error.contains(expected) && error.len() < 500, "{script}: {error}");
        }
    }
}

/// Copies a program with a change of its bytes.
fn copy_program(to: &Path, mode: u32, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = fs::read("/bin/true").unwrap();
    change(&mut bytes);
    fs::write(to, bytes).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn each_shell_says_why_the_agent_cannot_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    copy_program(path("wrong-machine").as_ref(), 0o755, |bytes| bytes[18..20].fill(0xfe));
    copy_program(path("not-executable").as_ref(), 0o644, |_| {});
    copy_program(path("no-loader").as_ref(), 0o755, |bytes| {
        let loader = bytes.windows(4).position(|it| it == b"/ld-").unwrap();
        bytes[loader + 1] = b'x';
    });
    let glibc = "#!/bin/sh\necho \"$0: libc.so.6: version \\`GLIBC_2.34' not found\" >&2; exit 1\n";
    fs::write(path("old-glibc"), glibc).unwrap();
    fs::set_permissions(path("old-glibc"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut count = 0;
    for shell in SHELLS {
        let program = shell.split(' ').next().unwrap();
        if Command::new(program).args(["-c", "true"]).output().is_err() {
            continue;
        }
        let ssh = ssh_script(&format!("for command; do :; done; exec {shell} -c \"$command\""));
        for (name, expected) in [
            ("missing", "not found on the server\nhint: install it or give --agent-command PATH"),
            ("wrong-machine", "it is not for Linux "),
            ("not-executable", "it is not executable\nhint: run chmod +x"),
            ("no-loader", "lacks the loader of its C library\nhint: copy the static program"),
            ("old-glibc", "glibc is older than 2.34\nhint: copy the static program"),
        ] {
            let error =
                error(&["me@web-1", "-o", "csv", "--ssh", &ssh, "--agent-command", &path(name)]);
            assert!(error.contains(expected), "{shell}, {name}: {error}");
            count += 1;
        }
    }
    assert!(count >= 5, "no shell was found");
}

#[test]
fn a_login_that_asks_is_not_repeated_without_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let logins = folder.path().join("logins");
    // The first login succeeds, and its connection ends after a row.
    let script = format!(
        r#"echo >>"{0}"; test $(wc -l <"{0}") = 1 && {{ echo 1 2 3 4 5 6; exec sleep 1.2; }}
        echo "me@web-1: Permission denied (publickey,password)." >&2; exit 255"#,
        logins.to_str().unwrap()
    );
    let output = output(&["me@web-1", "-o", "csv", "--ssh", &ssh_script(&script)]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(
        errors.ends_with("error: me@web-1: Permission denied (publickey,password)\n"),
        "{errors}"
    );
    assert_eq!(fs::read_to_string(&logins).unwrap().len(), 4, "one login, and three attempts");
}

#[test]
fn an_unknown_host_is_looked_for_in_the_configurations() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let path = config.to_str().unwrap();
    let known = "sh -c 'echo hostname 10.0.0.7'";
    for (ssh, host, expected) in [
        (known, "web-7.invalid", "hint: use ssh://web-7.invalid\n"),
        ("true", "wbe-1.invalid", "hint: did you mean web-1.invalid?\n"),
        ("true", "wall", "hint: did you mean @wall?\n"),
        ("true", "zzz.zzz.test:99", "hint: check the name\n"),
    ] {
        let text = format!(
            "[options]\nssh = \"{ssh}\"\n[sources]\n\"web-1.invalid\" = \"me@web-1\"\n[groups]\nwall = []\n"
        );
        fs::write(&config, text).unwrap();
        let error = error(&[host, "-o", "csv", "--config", path]);
        assert!(error.contains("failed to lookup address") && error.ends_with(expected), "{error}");
    }
}

#[test]
fn a_file_that_does_not_exist_is_not_looked_up() {
    for (file, hint) in [
        ("data.csv", "for a host, write tcp://data.csv"),
        ("./x.load", "check the path; for a server, write HOST or HOST:PORT"),
        ("logs/today.csv", "check the path; for a server, write HOST or HOST:PORT"),
    ] {
        for args in [&["-o", "csv"][..], &["--check"]] {
            let error = error(&[&[file], args].concat());
            assert_eq!(error, format!("error: cannot open {file}: no such file\nhint: {hint}\n"));
        }
    }
}

#[test]
fn no_program_gets_a_password_or_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let environments = folder.path().join("environments");
    // Both the query of the configuration and the login.
    let script = format!("cat /proc/$$/environ >>'{}'; exit 255", environments.display());
    let ssh = format!("sh -c '{}' ssh", script.replace('\'', r"'\''"));
    let mut command = loadline(&["me@web-1", "-o", "csv", "--ssh", &ssh]);
    command.env("LOADLINE_PROM_PASSWORD", "hunter2").env("LOADLINE_PROM_TOKEN", "hunter2");
    assert_eq!(command.env("CANARY", "sings").output().unwrap().status.code(), Some(1));
    let found = fs::read_to_string(&environments).unwrap();
    assert_eq!(found.matches("CANARY=sings").count(), 2, "{found}");
    assert!(!found.contains("hunter2"), "{found}");
}

#[test]
fn an_ssh_that_is_given_up_ends_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    // Never answers, has a child that reads nothing, and ignores a polite end.
    let script = format!(
        "trap '' HUP TERM; sleep 300 <&- >&- & echo $$ $! >'{0}.new'; mv '{0}.new' '{0}'; wait",
        pids.display()
    );
    let mut command = loadline(&["me@web-1", "-o", "csv", "--ssh", &ssh_script(&script)]);
    let mut client = command.spawn().unwrap();
    wait_until("the start of ssh", || pids.exists().then_some(()));
    let client_id = rustix::process::Pid::from_child(&client);
    rustix::process::kill_process(client_id, rustix::process::Signal::TERM).unwrap();
    assert!(client.wait().unwrap().success());
    for pid in fs::read_to_string(&pids).unwrap().split_whitespace() {
        let stat = format!("/proc/{pid}/stat");
        let is_gone = || fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        wait_until("the end of ssh and its child", || is_gone().then_some(()));
    }
}

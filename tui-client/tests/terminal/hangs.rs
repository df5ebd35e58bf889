//! Files, servers and streams that hang: a signal or a key ends the program, and messages that nobody reads hold
//! up no rows. Few file descriptors are an error in one line.

use std::fs;
use std::io::{BufRead as _, BufReader, PipeReader, Read, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use portable_pty::CommandBuilder;

use crate::life::signal;
use crate::program::loadline;
use crate::pty::assert_restored;
use crate::stage::{DEADLINE, PtyTerminal, is_error, wait_until};

/// Bound for the end of the program: 5 s on a machine that is busy with other work, 2 s otherwise.
const END_MAX: Duration = Duration::from_secs(5);

/// Capacity of a pipe.
const PIPE_BYTES: usize = 64 * 1024;

/// Number of SIGTERM.
const TERM: u64 = 15;

/// Returns a full pipe whose reader takes nothing, as standard output or error.
fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&vec![b'.'; PIPE_BYTES]).unwrap();
    (reader, writer.into())
}

/// Creates a named pipe and returns its path.
fn make_pipe(folder: &Path) -> String {
    make_named_pipe(folder, "pipe")
}

fn make_named_pipe(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path.to_str().unwrap().to_owned()
}

/// Waits until the program handles SIGTERM, and is in what hangs.
fn wait_for_hang(child: &Child) {
    wait_until("signal handlers", || {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t"))?;
        let caught = u64::from_str_radix(caught, 16).unwrap();
        (caught & (1 << (TERM - 1)) != 0).then_some(())
    });
    std::thread::sleep(Duration::from_millis(300));
}

/// Program that is killed on drop.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // An error means that the process has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn check_end(what: &str, child: &mut Running, name: &str) {
    let start = Instant::now();
    signal(name, child.0.id());
    let status = wait_until(what, || child.0.try_wait().unwrap());
    assert!(start.elapsed() < END_MAX, "{what}, SIG{name}: {:?}", start.elapsed());
    assert_eq!(status.code(), Some(0), "{what}, SIG{name}");
}

/// Returns a channel with the lines of a stream, or its parts that do not end with a line.
fn lines_of(stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_ends_the_program_whatever_hangs() {
    let folder = tempfile::tempdir().unwrap();
    // Each case that opens a pipe for writing has one of its own: a reader would end the wait.
    let pipe = &make_pipe(folder.path());
    let table = folder.path().join("a.csv");
    fs::write(&table, "volts;amps\n".to_owned() + &"3;4\n".repeat(PIPE_BYTES)).unwrap();
    let table = table.to_str().unwrap();
    let short = folder.path().join("short.csv");
    fs::write(&short, "volts;amps\n1;2\n").unwrap();
    let short = short.to_str().unwrap();
    // Servers that accept no connection; the system does, and nothing is ever answered.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let silent = &format!("127.0.0.1:{}", silent_port(silent));
    let socket = folder.path().join("agent.sock");
    let _socket = UnixListener::bind(&socket).unwrap();
    let (unix, prometheus) =
        (&format!("unix:{}", socket.display()), &format!("prom+http://{silent}/"));
    let ssh = "sh -c 'exec sleep 100' ssh";
    let cases: &[(&str, &[&str])] = &[
        ("standard input", &["-", "-o", "csv"]),
        ("standard input, checked", &["-", "--check"]),
        ("a pipe", &[pipe, "-o", "csv"]),
        ("a pipe, checked", &[pipe, "--check"]),
        ("a pipe and a range", &[pipe, "-o", "csv", "--from", "-1h"]),
        (
            "a recording to a pipe",
            &[short, "-o", "csv", "--record", &make_named_pipe(folder.path(), "record")],
        ),
        ("a server", &[silent, "-o", "csv"]),
        ("a server, checked", &[silent, "--check"]),
        ("a Unix socket", &[unix, "-o", "csv"]),
        ("a Prometheus", &[prometheus, "-o", "csv"]),
        ("ssh", &["me@web-1", "--ssh", ssh, "-o", "csv"]),
        ("standard output", &[table, "-o", "csv"]),
        ("both outputs", &[silent, "-o", "csv"]),
    ];
    std::thread::scope(|scope| {
        for (what, arguments) in cases {
            for name in ["TERM", "INT", "HUP"] {
                scope.spawn(move || {
                    let (_stdout, full_stdout) = full_pipe();
                    let (_stderr, full_stderr) = full_pipe();
                    let mut command = loadline(arguments);
                    command.stdin(Stdio::piped());
                    match *what {
                        "standard output" => command.stdout(full_stdout),
                        "both outputs" => command.stdout(full_stdout).stderr(full_stderr),
                        _ => &mut command,
                    };
                    let mut child = Running(command.spawn().unwrap());
                    wait_for_hang(&child.0);
                    // The program may have refused a file.
                    if child.0.try_wait().unwrap().is_none() {
                        check_end(what, &mut child, name);
                    }
                });
            }
        }
    });
}

/// Returns the port of a listener that stays open, and never accepts.
fn silent_port(listener: TcpListener) -> u16 {
    let port = listener.local_addr().unwrap().port();
    std::mem::forget(listener);
    port
}

#[test]
fn keys_and_signals_end_the_screen_while_its_source_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = make_pipe(folder.path());
    for end in ["q", "\x03", "TERM", "HUP"] {
        let mut terminal = PtyTerminal::run_loadline(&[&pipe]);
        terminal.wait_for_text("CONNECTING");
        let start = Instant::now();
        if end.len() == 1 {
            terminal.press(end);
        } else {
            signal(end, terminal.child.process_id().unwrap());
        }
        let (status, written) = terminal.wait_for_end();
        assert!(status.success() && start.elapsed() < END_MAX, "{end:?}: {status:?}");
        assert_restored(&written);
    }
}

#[test]
fn messages_that_nobody_reads_hold_up_no_rows() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    // Each connection ends after a row, which is a message.
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let _ = client.unwrap().write_all(b"1 2 3 4 5 6\n");
        }
    });
    let (errors, full_stderr) = full_pipe();
    let mut command = loadline(&[&address, "-o", "csv"]);
    let mut child = Running(command.stderr(full_stderr).spawn().unwrap());
    let rows = lines_of(child.0.stdout.take().unwrap());
    let rows: Vec<String> = (0..4).map(|_| rows.recv_timeout(DEADLINE).unwrap()).collect();
    assert!(rows[1..].iter().all(|row| row.ends_with("1.0,2.0,3.0,4.00,5.00,6.00")), "{rows:?}");
    // Once they are read, the messages are there.
    let errors = lines_of(errors);
    while !errors.recv_timeout(DEADLINE).unwrap().contains("closed by the server") {}
    check_end("messages", &mut child, "TERM");
}

#[test]
fn the_program_ends_with_its_input_although_nobody_reads_its_warnings() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("a.csv");
    fs::write(&table, "a;b\n1;2\nx\n").unwrap();
    let (_errors, full_stderr) = full_pipe();
    let start = Instant::now();
    let mut command = loadline(&[table.to_str().unwrap(), "-o", "csv"]);
    let mut child = Running(command.stderr(full_stderr).spawn().unwrap());
    let status = wait_until("the end", || child.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    assert_eq!(lines_of(child.0.stdout.take().unwrap()).iter().count(), 2);
    assert!(start.elapsed() < END_MAX, "{:?}", start.elapsed());
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = &*make_pipe(folder.path());
    let check = |mut command: Command, code: i32, expected: &str| {
        let start = Instant::now();
        let output = command.output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(is_error(&errors) && errors.contains(expected), "{errors}");
        assert!(start.elapsed() < END_MAX, "{:?}", start.elapsed());
    };
    for wrong in [pipe, "/dev/zero"] {
        let expected = &format!("{wrong}: not a regular file");
        let config = loadline(&["--config", wrong, "127.0.0.1:1", "-o", "csv"]);
        check(config, 2, &format!("cannot read configuration {expected}"));
        #[cfg(feature = "tls")]
        {
            let source = "tls://127.0.0.1:1";
            let expected = &format!("cannot read {expected}");
            check(loadline(&[source, "-o", "csv", "--tls-ca", wrong]), 1, expected);
            let arguments = [source, "-o", "csv", "--tls-cert", wrong, "--tls-key", wrong];
            check(loadline(&arguments), 1, expected);
            let mut command = loadline(&[source, "-o", "csv"]);
            command.env("SSL_CERT_FILE", wrong);
            check(command, 1, &format!("SSL_CERT_FILE is {wrong}: not a regular file"));
        }
    }
}

/// Returns a shell that runs `script`, in which `"$@"` is the program with these arguments.
fn in_shell(script: &str, arguments: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh", env!("CARGO_BIN_EXE_loadline")]).args(arguments);
    shell.env("LOADLINE_CONFIG", "").stdin(Stdio::null());
    shell
}

#[test]
fn with_few_file_descriptors_the_program_works_or_ends_with_one_error() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("a.csv");
    fs::write(&table, "volts;amps\n1;2\n3;4\n").unwrap();
    let table = table.to_str().unwrap();
    // With less than 4 the system cannot load the program.
    for limit in (4..=20).chain([30, 34, 35, 36, 37, 40, 64]) {
        let script = format!("ulimit -n {limit}; exec \"$@\"");
        for arguments in [&[table, "-o", "csv"][..], &[table, "--check"], &["-o", "csv", "-n", "1"]]
        {
            let output = in_shell(&script, arguments).output().unwrap();
            let errors = String::from_utf8(output.stderr).unwrap();
            let what = format!("{limit} {arguments:?}: {errors}");
            if output.status.code() == Some(0) {
                assert!(!output.stdout.is_empty(), "{what}");
            } else {
                assert_eq!(output.status.code(), Some(1), "{what}");
                assert!(is_error(&errors) && errors.starts_with("error: cannot start: "), "{what}");
                assert!(limit < 64, "{what}");
            }
        }
    }
    for limit in [5, 10, 20, 35, 36, 38, 40, 64] {
        let mut command = CommandBuilder::new("sh");
        command.args(["-c", &format!("ulimit -n {limit}; exec \"$@\""), "sh"]);
        command.args([env!("CARGO_BIN_EXE_loadline"), table]);
        let mut terminal = PtyTerminal::run(command);
        let screen = terminal.wait_for("an outcome", |screen| {
            screen.contains("REPLAY") || screen.contains("hint: raise the limit")
        });
        let is_shown = screen.contains("REPLAY");
        assert!(is_shown || limit < 64, "{limit}: {screen}");
        if is_shown {
            terminal.press("q");
        }
        let (status, _) = terminal.wait_for_end();
        assert_eq!(status.exit_code(), u32::from(!is_shown), "{limit}: {screen}");
    }
}

#[test]
fn with_closed_standard_streams_the_program_ends() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("a.csv");
    fs::write(&table, "volts;amps\n1;2\n3;4\n").unwrap();
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        for arguments in
            [&[table.to_str().unwrap(), "-o", "csv"][..], &["-", "-o", "csv"], &["--help"]]
        {
            let output = in_shell(&format!("exec \"$@\" {closed}"), arguments).output().unwrap();
            // Standard input has no rows.
            let code = i32::from(arguments[0] == "-");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{closed} {arguments:?}: {errors}");
        }
    }
}

//! The program: command line, output and signals.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::time::{Duration, Instant};

use loadline_protocol::Schema;

use crate::running_agent::{DEADLINE, RunningAgent, line, program};

#[test]
fn the_first_row_is_valid_and_the_next_comes_an_interval_later() {
    let mut agent = RunningAgent::start(program("--listen 127.0.0.1:0 --interval 300ms"));
    let (mut client, first) = agent.connect();
    let begin = Instant::now();
    let next = line(&mut client);
    assert!(begin.elapsed() < Duration::from_secs(5));
    for row in [first, next] {
        let row = Schema::plain(6).parse_row(row.trim_end()).unwrap();
        let [cpu, mhz, memory, loads @ ..] = &row.values[..] else { panic!("{row:?}") };
        assert!((0.0..=100.0).contains(cpu), "{row:?}");
        assert!(mhz.is_nan() || (1.0..100_000.0).contains(mhz), "{row:?}");
        assert!((0.1..=100.0).contains(memory), "{row:?}");
        assert!(loads.iter().all(|load| (0.0..100_000.0).contains(load)), "{row:?}");
    }
}

#[test]
fn a_signal_stops_the_agent_and_subscribers_get_a_bye() {
    use rustix::process::Signal;

    for signal in [Signal::TERM, Signal::INT] {
        let mut agent = RunningAgent::start(program("-l 127.0.0.1:0 --interval 1h"));
        let (mut client, _) = agent.connect();
        client.get_mut().write_all(b"loadline/1\n").unwrap();
        while line(&mut client) != "# live\n" {}
        agent.signal(signal);
        let mut rest = String::new();
        client.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("\n# bye\n"), "{rest}");
        let (code, took) = agent.wait_exit();
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}

#[test]
fn each_listening_address_is_printed_once() {
    let mut agent = RunningAgent::start(program("-l 127.0.0.1:0 -l localhost:0"));
    let addresses = [agent.address(), agent.address()];
    assert_ne!(addresses[0], addresses[1]);
    for address in addresses {
        assert!(!address.ends_with(":0"), "{address}");
        TcpStream::connect(address).unwrap();
    }
}

#[test]
fn the_agent_serves_with_a_closed_stdout() {
    // The system has just assigned this port, so it is probably free.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut agent = RunningAgent::start(program(&format!("-l {address}")));
    agent.stdout = None;
    let begin = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(begin.elapsed() < DEADLINE && agent.child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
}

#[test]
fn options_are_read_from_the_environment() {
    let mut command = program("");
    command.env("LOADLINE_AGENT_LISTEN", "127.0.0.1:0,127.0.0.1:0");
    command.env("LOADLINE_AGENT_INTERVAL", "7s");
    command.env("LOADLINE_AGENT_ALLOW_PLAINTEXT", "0");
    let mut agent = RunningAgent::start(command);
    agent.address();
    let (mut client, _) = agent.connect();
    client.get_mut().write_all(b"loadline/1\n").unwrap();
    assert!(line(&mut client).contains(" interval=7000ms "));
}

/// Checks the exit code and the error of a program that does not start: one line, and a hint if
/// there is one.
fn check(arguments: &str, code: i32, expected: &str) {
    let Output { status, stdout, stderr } = program(arguments).output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{arguments}: {stderr}");
    assert!(stdout.is_empty(), "{arguments}");
    let mut lines = stderr.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with("error: ")), "{stderr}");
    assert!(lines.all(|line| line.starts_with("hint: ")) && stderr.contains(expected), "{stderr}");
}

#[test]
fn a_usage_error_is_one_line_and_a_hint() {
    check("--listen localhost", 2, "missing port");
    check("--listen 1027", 2, "missing host");
    check("--listen 0.0.0.0:0", 2, "`loadline USER@HOST`");
    check("--listen 127.0.0.1:0 --listen [::]:0", 2, "--allow-plaintext");
    check("--interval fast", 2, "write it like 250ms");
    check("--interval 249ms", 2, "must be from 250ms to 1h");
    check("--interval 2h", 2, "must be from 250ms to 1h");
    check("--history 10ms", 2, "shorter than --interval");
    check("--history 10years", 2, "give at most --history 277h");
    check("--history 10000years", 2, "give at most 100 years");
    check("--history -1h", 2, "invalid duration \"-1h\"");
    check("--interval -5s", 2, "invalid duration \"-5s\"");
    check("--interval 1.5", 2, "invalid duration \"1.5\"");
    check("--interval=", 2, "invalid duration \"\"");
    check("--state-dir=", 2, "a value is required for '--state-dir <DIR>'");
    check("--collect cpu,cpu", 2, "group \"cpu\" is given twice");
    check("--collect all,cpu", 2, "give all alone");
    check("--collect=", 2, "no group given");
    check("-l 127.0.0.1:7 --listen 127.0.0.1:7", 2, "127.0.0.1:7 is given twice");
    check("-l unix:a --listen unix:a", 2, "unix:a is given twice");
    check("--generate man --interval 2s", 2, "--interval cannot be used with --generate");
    check("web-1", 2, "unexpected argument 'web-1'");
    check("--max-clients 0", 2, "must be a whole number from 1 to 1000000");
    check("--colour blue", 2, "--colour");
    check("--intervall 1s", 2, "did you mean '--interval'? see --help");
    check("--max-clients-per-address x", 2, "must be a whole number from 1 to 1000000");
    check("--stdio --listen 127.0.0.1:0", 2, "remove --listen");
    check("--stdio --state-dir here", 2, "remove --state-dir");
    check("--stdio --max-clients 2", 2, "remove --max-clients");
    check("--stdio --max-clients-per-address 2", 2, "remove --max-clients-per-address");
    check("--stdio --allow-plaintext", 2, "remove --allow-plaintext");
    check("--stdio --metrics-listen 127.0.0.1:0", 2, "remove --metrics-listen");
    check("--listen 0.0.0.0:0", 2, "give --tls-cert and --tls-key");
    check("--tls-cert a.pem", 2, "give --tls-key");
    check("--tls-key a.pem", 2, "give --tls-cert");
    check("--tls-client-ca a.pem", 2, "give --tls-cert and --tls-key");
    check("--stdio --tls-cert a.pem --tls-key a.pem", 2, "remove --tls-cert");
    #[cfg(feature = "tls")]
    check("--tls-cert nowhere.pem --tls-key nowhere.pem", 1, "cannot read nowhere.pem: ");
    #[cfg(not(feature = "tls"))]
    check("--tls-cert nowhere.pem --tls-key nowhere.pem", 1, "built without TLS");
    #[cfg(not(feature = "metrics"))]
    check("--metrics-listen 127.0.0.1:0", 2, "built without metrics");
    check("--listen unix:", 2, "missing or invalid path");
}

#[test]
fn a_wrong_value_in_the_environment_names_its_variable() {
    for (name, value, expected) in [
        (
            "LOADLINE_AGENT_INTERVAL",
            "fast",
            ": invalid duration \"fast\"\nhint: write it like 250ms",
        ),
        ("LOADLINE_AGENT_VERBOSE", "x", ": invalid value 'x' for '--verbose...'"),
        ("LOADLINE_AGENT_LISTEN", "", ": invalid value '' for '--listen <ADDR>': missing host"),
        ("LOADLINE_AGENT_COLLECT", "cpu,cpu", ": invalid value 'cpu,cpu' for '--collect"),
        ("LOADLINE_AGENT_STDIO", "maybe", ": invalid value 'maybe' for '--stdio': must be 1 or 0"),
        ("LOADLINE_AGENT_RESIDENT", "here", ": invalid address\nhint: write 127.0.0.1:1027"),
    ] {
        let mut command = program(if name.ends_with("RESIDENT") { "--stdio" } else { "" });
        let Output { status, stderr, .. } = command.env(name, value).output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(2), "{name}: {stderr}");
        let expected = format!("error: {name} in the environment{expected}");
        assert!(stderr.starts_with(&expected), "{stderr}");
    }
}

#[test]
fn what_has_no_effect_is_a_warning_and_the_agent_starts() {
    let first_line = |arguments: &str, variable: (&str, &str)| {
        let mut command = program(arguments);
        command.env(variable.0, variable.1);
        let mut agent = RunningAgent::start(command);
        let stderr = agent.child.stderr.take().unwrap();
        agent.address();
        let mut line = String::new();
        BufReader::new(stderr).read_line(&mut line).unwrap();
        line
    };
    for (arguments, variable, expected) in [
        (
            "-l 127.0.0.1:0",
            ("LOADLINE_AGENT_INTERVALL", "2s"),
            "warning: unknown variable LOADLINE_AGENT_INTERVALL in the environment has no effect\n",
        ),
        (
            "-l 127.0.0.1:0 --max-clients 10 --max-clients-per-address 20",
            ("LOADLINE_WINDW", "the client warns about this variable"),
            "warning: --max-clients-per-address 20 has no effect: --max-clients is 10\n",
        ),
        (
            "-l 127.0.0.1:0 --max-clients 10",
            ("LOADLINE_AGENT_MAX_CLIENTS_PER_ADDRESS", "20"),
            "warning: --max-clients-per-address 20 has no effect: --max-clients is 10\n",
        ),
        (
            "-l 127.0.0.1:0 --allow-plaintext",
            ("LOADLINE_AGENT_HISTORY", "2h"),
            "warning: --allow-plaintext has no effect: no address is open to the network\n",
        ),
        (
            "-l 127.0.0.1:0 -q -v",
            ("LOADLINE_AGENT_HISTORY", "2h"),
            "warning: --quiet and --verbose cancel each other\n",
        ),
        (
            "-l 127.0.0.1:0",
            ("LISTEN_FDS", "two"),
            "warning: LISTEN_FDS in the environment is no number: \"two\"\n",
        ),
    ] {
        assert_eq!(first_line(arguments, variable), expected, "{arguments}");
    }
    // The default of one limit does not contradict the other one.
    let mut command = program("--stdio");
    command.env("LOADLINE_AGENT_RESIDENT", "127.0.0.1:1").env("LOADLINE_AGENT_MAX_CLIENTS", "10");
    let output =
        command.env("LOADLINE_AGENT_COMMAND", "a variable of the client").output().unwrap();
    assert!(!String::from_utf8(output.stderr).unwrap().contains("warning: "));
}

#[test]
fn a_port_in_use_is_an_error_of_one_line() {
    let occupied = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = occupied.local_addr().unwrap();
    check(&format!("--listen {address}"), 1, &format!("cannot listen on {address}: "));
}

#[test]
fn a_public_address_is_served_when_allowed() {
    let mut agent = RunningAgent::start(program("--listen 0.0.0.0:0 --allow-plaintext"));
    let address = agent.address();
    let (_, port) = address.rsplit_once(':').unwrap();
    TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
}

#[test]
fn help_and_version_go_to_stdout() {
    let help = program("--help").output().unwrap();
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("--max-clients"));
    let version = |option| {
        let output = program(option).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    };
    let short = format!("loadline-agent {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(version("-V"), format!("{short}\n"));
    let long = version("--version");
    assert!(long.starts_with(&format!("{short} (")) && long.ends_with(")\n"), "{long}");
    assert_eq!(long.contains("tls"), cfg!(feature = "tls"), "{long}");
}

#[test]
fn generate_writes_the_manual_page_and_completions() {
    for (kind, part) in [
        ("man", ".TH LOADLINE-AGENT 1"),
        ("bash", "complete -F"),
        ("zsh", "#compdef loadline-agent"),
        ("fish", "complete -c loadline-agent"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion"),
    ] {
        let output = program(&format!("--generate {kind}")).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{kind}");
        assert!(text.contains(part) && text.ends_with('\n'), "{kind}: {text}");
    }
    check(
        "--generate bsah",
        2,
        "did you mean 'bash'? possible values: man, bash, zsh, fish, powershell, elvish",
    );
}

#[test]
fn a_unix_socket_exists_as_long_as_the_agent() {
    use std::os::unix::net::UnixStream;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");
    let arguments = format!("--listen unix:{}", path.display());
    let start = || {
        let mut agent = RunningAgent::start(program(&arguments));
        assert_eq!(agent.address(), format!("unix:{}", path.display()));
        let mut row = String::new();
        BufReader::new(UnixStream::connect(&path).unwrap()).read_line(&mut row).unwrap();
        assert_eq!(row.split_whitespace().count(), 6, "{row}");
        agent
    };
    // A killed agent leaves its socket behind; the next agent replaces it.
    drop(start());
    assert!(path.exists());
    let mut agent = start();
    check(&arguments, 1, "stop the program that uses it");
    agent.signal(rustix::process::Signal::TERM);
    assert_eq!(agent.wait_exit().0, Some(0));
    assert!(!path.exists());

    std::fs::write(&path, "mine").unwrap();
    check(&arguments, 1, "the file exists and is not a socket\nhint: choose another path");
    assert!(path.exists());
}

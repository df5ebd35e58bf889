//! TLS between the program and an agent: rows, and the errors if there are none.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::authority::{Authority, Identity, Validity};
use crate::stage::{TestAgent, is_error};
use loadline_agent::{PlaintextPolicy, ServerTls, ServerTlsFiles};
use loadline_common::{provider, read_identity};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ServerConfig, ServerConnection};

const INTERVAL: Duration = Duration::from_millis(50);

/// Starts an agent with this certificate, which requires client certificates of `client_ca`, if any.
fn start(identity: &Identity, client_ca: Option<&Authority>) -> TestAgent {
    let Identity { cert, key } = identity.clone();
    let client_ca = client_ca.map(|authority| authority.ca.clone());
    let tls = ServerTls::open(ServerTlsFiles { cert, key, client_ca }).unwrap();
    TestAgent::with_plaintext(0, INTERVAL, PlaintextPolicy::Never(tls))
}

/// Returns a command without the variables that replace the system's CAs.
fn loadline() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadline"));
    command.stdin(Stdio::null()).env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    command.env("LOADLINE_CONFIG", "");
    command
}

/// Runs a command. Returns its exit code, output and errors.
fn run(mut command: Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let [out, errors] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), out, errors)
}

/// Adds the options of a client that trusts `ca` and presents `identity`.
fn options(command: &mut Command, ca: &Authority, identity: Option<&Identity>) {
    command.arg("--tls-ca").arg(&ca.ca);
    if let Some(Identity { cert, key }) = identity {
        command.arg("--tls-cert").arg(cert).arg("--tls-key").arg(key);
    }
}

/// Checks that rows arrive, by host name and by address.
fn check_rows(server: &TestAgent, ca: &Authority, identity: Option<&Identity>) {
    for host in ["localhost", "127.0.0.1"] {
        let source = format!("tls://{host}:{}", server.address.port());
        let mut command = loadline();
        command.args([&source, "-o", "csv", "-n", "3"]);
        options(&mut command, ca, identity);
        let (code, out, errors) = run(command);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{out}");
        assert_eq!(out.lines().count(), 4, "{out}");
        assert!(out.lines().nth(1).unwrap().contains(&source), "{out}");
    }
}

/// Checks that no row arrives and that the error is `why`, with `-o csv` and with `--check`.
fn check_refused(server: &TestAgent, ca: &Authority, identity: Option<&Identity>, why: &str) {
    let source = format!("tls://localhost:{}", server.address.port());
    for mode in [&["-o", "csv"][..], &["--check"]] {
        let mut command = loadline();
        command.arg(&source).args(mode);
        options(&mut command, ca, identity);
        let (code, out, errors) = run(command);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{errors}");
        assert!(errors.contains(&format!(": {why}")) && errors.contains(&source), "{errors}");
        assert!(is_error(&errors), "{errors}");
    }
}

#[test]
fn rows_arrive_over_tls_from_a_trusted_server() {
    let ca = Authority::new("ours");
    let server = start(&ca.server(), None);
    check_rows(&server, &ca, None);
    // A certificate that the server does not request is not used.
    check_rows(&server, &ca, Some(&ca.client()));
    let server = start(&ca.server(), Some(&ca));
    check_rows(&server, &ca, Some(&ca.client()));
}

#[test]
fn without_tls_ca_the_cas_of_the_system_are_trusted() {
    let ca = Authority::new("ours");
    let server = start(&ca.server(), None);
    let source = format!("tls://localhost:{}", server.address.port());
    let with = |file: &std::path::Path| {
        let mut command = loadline();
        command.args([&source, "-o", "csv", "-n", "1"]).env("SSL_CERT_FILE", file);
        run(command)
    };
    assert_eq!(with(&ca.ca).0, Some(0));
    let (_, _, errors) = with(&Authority::new("theirs").ca);
    assert!(errors.contains("unknown issuer\nhint: give its CA with --tls-ca"), "{errors}");
    let (code, _, errors) = with(std::path::Path::new("/nowhere/ca.pem"));
    assert!(code == Some(1) && errors.contains("no trusted CAs found"), "{errors}");
    assert!(is_error(&errors), "{errors}");
}

#[test]
fn an_untrusted_server_is_reported_with_the_cause() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let names = &["localhost"];
    for (identity, why) in [
        (ours.sign("before", names, Validity::Expired), "the server's certificate has expired"),
        (
            ours.sign("later", names, Validity::NotYetValid),
            "the server's certificate is not valid yet",
        ),
        (
            ours.sign("other", &["web-1", "10.0.0.7"], Validity::Now),
            "the server's certificate is not valid for localhost, only for web-1, 10.0.0.7",
        ),
        (
            theirs.sign("theirs", names, Validity::Now),
            "the server's certificate has an unknown issuer\nhint: give its CA with --tls-ca",
        ),
    ] {
        check_refused(&start(&identity, None), &ours, None, why);
    }
}

#[test]
fn a_refused_client_gets_the_reason() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = start(&ours.server(), Some(&ours));
    let check = |identity: Option<&Identity>, why| check_refused(&server, &ours, identity, why);
    check(None, "a client certificate is required\nhint: give --tls-cert and --tls-key");
    check(Some(&theirs.client()), "the server does not know the CA of the client certificate");
    for validity in [Validity::Expired, Validity::NotYetValid] {
        let client = ours.sign("dated", &["client"], validity);
        check(Some(&client), "the client certificate has expired or is not valid yet");
    }
}

#[test]
fn tls_on_one_side_only_is_reported_on_both() {
    let ca = Authority::new("ours");
    let plain = TestAgent::start(0, INTERVAL);
    check_refused(&plain, &ca, None, "the server does not speak TLS\nhint: remove tls://");
    let server = start(&ca.server(), None);
    let mut command = loadline();
    command.args([&format!("localhost:{}", server.address.port()), "-o", "csv"]);
    let (code, _, errors) = run(command);
    assert_eq!(code, Some(1), "{errors}");
    assert!(
        errors.contains(": this port speaks TLS\nhint: connect to tls://HOST:PORT"),
        "{errors}"
    );
}

/// Such a server answers in TLS even to a client without TLS.
#[test]
fn a_tls_server_that_is_not_an_agent_is_recognized() {
    let ca = Authority::new("ours");
    let Identity { cert, key } = ca.server();
    let identity = SingleCertAndKey::from(read_identity(&cert, &key).unwrap());
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(identity));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut session = ServerConnection::new(Arc::new(config)).unwrap();
        let _ = session.complete_io(&mut client);
    });
    let mut command = loadline();
    command.args([&source, "-o", "csv"]);
    let (code, _, errors) = run(command);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains(": the server speaks TLS\nhint: use tls://HOST:PORT"), "{errors}");
    server.join().unwrap();
}

#[test]
fn an_unusable_file_is_reported_first() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (client, other) = (ours.client(), theirs.client());
    let check = |ca: &str, cert: &std::path::Path, key: &std::path::Path, parts: [&str; 2]| {
        let mut command = loadline();
        command.args(["tls://127.0.0.1:1", "-o", "csv", "--tls-ca", ca, "--tls-cert"]);
        command.arg(cert).arg("--tls-key").arg(key);
        let (code, _, errors) = run(command);
        assert!(code == Some(1) && is_error(&errors), "{errors}");
        assert!(parts.iter().all(|part| errors.contains(part)), "{errors}");
    };
    let ca = ours.ca.to_str().unwrap();
    check("/nowhere/ca.pem", &client.cert, &client.key, ["cannot read", "/nowhere/ca.pem"]);
    check(ca, &client.cert, &other.key, ["does not match", "client.key"]);
    check(client.key.to_str().unwrap(), &client.cert, &client.key, ["no PEM cert", "client.key"]);
}

#[test]
fn an_address_without_tls_does_not_hide_the_next_one() {
    let ca = Authority::new("ours");
    let server = start(&ca.server(), None);
    // The other address of localhost: closes, answers without TLS, or never answers.
    let Ok(listener) = TcpListener::bind(("::1", server.address.port())) else { return };
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for (number, client) in listener.incoming().enumerate() {
            let mut client = client.unwrap();
            match number % 3 {
                0 => {}
                1 => drop(client.write_all(b"1 2 3 4 5 6\n1 2 3 4 5 6\n")),
                _ => silent.push(client),
            }
        }
    });
    for _ in 0..3 {
        let mut command = loadline();
        command.args([
            &format!("tls://localhost:{}", server.address.port()),
            "-o",
            "csv",
            "-n",
            "1",
        ]);
        options(&mut command, &ca, None);
        let (code, out, errors) = run(command);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{out}");
    }
}

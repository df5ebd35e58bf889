//! The program and an agent with TLS between them: what arrives, and what is said if nothing does.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::authority::{Authority, Identity, Valid};
use crate::stage::is_error;
use loadline_agent::{
    Address, Agent, Facts, Listener, Plaintext, Scripted, Settings, Tls, TlsFiles, provider,
    read_identity,
};
use tokio::sync::oneshot;
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ServerConfig, ServerConnection};

/// An agent in a thread of its own.
struct Server {
    port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// One with this certificate, which asks clients for one of this CA.
    fn start(identity: &Identity, client_ca: Option<&Authority>) -> Server {
        let Identity { cert, key } = identity.clone();
        let client_ca = client_ca.map(|authority| authority.ca.clone());
        Server::speaking(Plaintext::Never(Tls::open(TlsFiles { cert, key, client_ca }).unwrap()))
    }

    fn speaking(plaintext: Plaintext) -> Server {
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let source = Scripted::plain(|_, values| values.extend([1.0; 6]));
                let interval = Duration::from_millis(50);
                let settings = Settings { interval, ..Settings::default() };
                let agent = Agent::start(source, Facts::default(), settings).await;
                let address = "127.0.0.1:0".parse().unwrap();
                let bound = Listener::bind(&address, plaintext).await.unwrap();
                let listener = bound.listen().unwrap();
                let Address::Tcp { port, .. } = listener.address() else { panic!("it is TCP") };
                tell.send(*port).unwrap();
                agent.run(vec![listener], async { drop(stopped.await) }).await;
            });
        });
        Server { port: told.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().unwrap().join();
        assert!(std::thread::panicking() || ended.is_ok());
    }
}

/// The program, with the CAs of the system being those in no file.
fn loadline() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadline"));
    command.stdin(Stdio::null()).env_remove("SSL_CERT_FILE").env_remove("SSL_CERT_DIR");
    command.env("LOADLINE_CONFIG", "");
    command
}

/// What it writes, and what it complains of.
fn run(mut command: Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let [out, told] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), out, told)
}

/// The options of a client that trusts `ca` and shows `identity`.
fn options(command: &mut Command, ca: &Authority, identity: Option<&Identity>) {
    command.arg("--tls-ca").arg(&ca.ca);
    if let Some(Identity { cert, key }) = identity {
        command.arg("--tls-cert").arg(cert).arg("--tls-key").arg(key);
    }
}

/// Rows arrive, in each of the ways to look at them.
fn check_rows(server: &Server, ca: &Authority, identity: Option<&Identity>) {
    for host in ["localhost", "127.0.0.1"] {
        let source = format!("tls://{host}:{}", server.port);
        let mut command = loadline();
        command.args([&source, "-o", "csv", "-n", "3"]);
        options(&mut command, ca, identity);
        let (code, out, told) = run(command);
        assert_eq!((code, told.as_str()), (Some(0), ""), "{out}");
        assert_eq!(out.lines().count(), 4, "{out}");
        assert!(out.lines().nth(1).unwrap().contains(&source), "{out}");
    }
}

/// No row arrives, and this is why: in one line, whether it is asked for rows or for a look.
fn check_refused(server: &Server, ca: &Authority, identity: Option<&Identity>, why: &str) {
    let source = format!("tls://localhost:{}", server.port);
    for look in [&["-o", "csv"][..], &["--check"]] {
        let mut command = loadline();
        command.arg(&source).args(look);
        options(&mut command, ca, identity);
        let (code, out, told) = run(command);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{told}");
        assert!(told.contains(&format!(": {why}")) && told.contains(&source), "{told}");
        assert!(is_error(&told), "{told}");
    }
}

#[test]
fn rows_arrive_over_tls_from_a_server_that_is_trusted() {
    let ca = Authority::new("ours");
    let server = Server::start(&ca.server(), None);
    check_rows(&server, &ca, None);
    // A certificate that nobody asks for does no harm.
    check_rows(&server, &ca, Some(&ca.client()));
    let server = Server::start(&ca.server(), Some(&ca));
    check_rows(&server, &ca, Some(&ca.client()));
}

#[test]
fn without_a_ca_that_is_given_those_of_the_system_are_trusted() {
    let ca = Authority::new("ours");
    let server = Server::start(&ca.server(), None);
    let source = format!("tls://localhost:{}", server.port);
    let with = |file: &std::path::Path| {
        let mut command = loadline();
        command.args([&source, "-o", "csv", "-n", "1"]).env("SSL_CERT_FILE", file);
        run(command)
    };
    assert_eq!(with(&ca.ca).0, Some(0));
    let (_, _, told) = with(&Authority::new("theirs").ca);
    assert!(told.contains("unknown issuer\nhint: give its CA by --tls-ca"), "{told}");
    let (code, _, told) = with(std::path::Path::new("/nowhere/ca.pem"));
    assert!(code == Some(1) && told.contains("no CAs that could be trusted"), "{told}");
    assert!(is_error(&told), "{told}");
}

#[test]
fn a_server_that_is_not_to_be_trusted_is_told_with_the_cause() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let names = &["localhost"];
    for (identity, why) in [
        (ours.sign("before", names, Valid::Before), "the server's certificate has expired"),
        (ours.sign("later", names, Valid::Later), "the server's certificate is not valid yet"),
        (
            ours.sign("other", &["web-1", "10.0.0.7"], Valid::Now),
            "the server's certificate is not for localhost, but for web-1, 10.0.0.7",
        ),
        (
            theirs.sign("theirs", names, Valid::Now),
            "the server's certificate is of an unknown issuer\nhint: give its CA by --tls-ca",
        ),
    ] {
        check_refused(&Server::start(&identity, None), &ours, None, why);
    }
}

#[test]
fn a_client_that_the_server_does_not_want_is_told_why() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = Server::start(&ours.server(), Some(&ours));
    let check = |identity: Option<&Identity>, why| check_refused(&server, &ours, identity, why);
    check(None, "a client certificate is wanted\nhint: give --tls-cert and --tls-key");
    check(Some(&theirs.client()), "our certificate is of a CA that the server does not know");
    for valid in [Valid::Before, Valid::Later] {
        let client = ours.sign("dated", &["client"], valid);
        check(Some(&client), "our certificate has expired, or is not valid yet");
    }
}

#[test]
fn tls_on_one_side_only_is_told_on_both() {
    let ca = Authority::new("ours");
    let plain = Server::speaking(Plaintext::LoopbackOnly);
    check_refused(&plain, &ca, None, "the server speaks no TLS\nhint: leave out tls://");
    let server = Server::start(&ca.server(), None);
    let mut command = loadline();
    command.args([&format!("localhost:{}", server.port), "-o", "csv"]);
    let (code, _, told) = run(command);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("refuses: this port speaks TLS\nhint: connect to tls://HOST:PORT"),
        "{told}"
    );
}

/// A server that others wrote with the library answers in TLS whatever it hears.
#[test]
fn a_server_that_speaks_tls_and_is_no_agent_is_known_by_its_answer() {
    let ca = Authority::new("ours");
    let Identity { cert, key } = ca.server();
    let identity = SingleCertAndKey::from(read_identity(&cert, &key).unwrap());
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(identity));
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let source = door.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (mut client, _) = door.accept().unwrap();
        let mut session = ServerConnection::new(Arc::new(config)).unwrap();
        let _ = session.complete_io(&mut client);
    });
    let mut command = loadline();
    command.args([&source, "-o", "csv"]);
    let (code, _, told) = run(command);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("refuses: the server speaks TLS\nhint: write tls://HOST:PORT"), "{told}");
    server.join().unwrap();
}

#[test]
fn a_file_that_cannot_be_used_is_told_before_anything_else() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (client, other) = (ours.client(), theirs.client());
    let check = |ca: &str, cert: &std::path::Path, key: &std::path::Path, parts: [&str; 2]| {
        let mut command = loadline();
        command.args(["tls://127.0.0.1:1", "-o", "csv", "--tls-ca", ca, "--tls-cert"]);
        command.arg(cert).arg("--tls-key").arg(key);
        let (code, _, told) = run(command);
        assert!(code == Some(1) && is_error(&told), "{told}");
        assert!(parts.iter().all(|part| told.contains(part)), "{told}");
    };
    let ca = ours.ca.to_str().unwrap();
    check("/nowhere/ca.pem", &client.cert, &client.key, ["cannot read", "/nowhere/ca.pem"]);
    check(ca, &client.cert, &other.key, ["does not match", "client.key"]);
    check(client.key.to_str().unwrap(), &client.cert, &client.key, ["no PEM cert", "client.key"]);
}

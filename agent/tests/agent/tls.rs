//! TLS: accepted and refused clients, the reasons, and renewed certificates.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::authority::{Authority, Identity, Validity};
use crate::running_agent::{DEADLINE, RunningAgent, allow_files, program};
use loadline_common::{provider, read_authorities, read_identity};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Client over TLS.
type TlsTestClient = BufReader<StreamOwned<ClientConnection, TcpStream>>;

/// Starts an agent with this certificate and further arguments.
fn start(server: &Identity, arguments: &str) -> RunningAgent {
    let (cert, key) = (server.cert.display(), server.key.display());
    let listen = "-l 127.0.0.1:0 -i 250ms";
    RunningAgent::start(program(&format!("{listen} --tls-cert {cert} --tls-key {key} {arguments}")))
}

fn tcp(address: &str) -> TcpStream {
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(DEADLINE)).unwrap();
    tcp
}

/// Connects a client that trusts `ca` and presents `identity`. The handshake begins with the first
/// write or read.
pub(crate) fn session(
    address: &str,
    ca: &Authority,
    identity: Option<&Identity>,
) -> StreamOwned<ClientConnection, TcpStream> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(read_authorities(&ca.ca).unwrap());
    let config = match identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let identity = read_identity(&identity.cert, &identity.key).unwrap();
            config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
    };
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(session, tcp(address))
}

/// Connects a client like [`session`] and reads a row. Returns the error if refused.
fn connect(
    address: &str,
    ca: &Authority,
    identity: Option<&Identity>,
) -> io::Result<TlsTestClient> {
    let mut client = BufReader::new(session(address, ca, identity));
    match row(&mut client)? {
        row if row.split(' ').count() == 6 => Ok(client),
        row => panic!("{row:?}"),
    }
}

fn row(client: &mut TlsTestClient) -> io::Result<String> {
    let mut line = String::new();
    client.read_line(&mut line)?;
    Ok(line)
}

/// Returns the certificate that the server presented, as DER.
fn server_certificate(client: &TlsTestClient) -> Vec<u8> {
    client.get_ref().conn.peer_certificates().unwrap()[0].to_vec()
}

/// Checks the alert that a refused client receives and the reason in the log.
#[track_caller]
fn check(refused: io::Result<TlsTestClient>, alert: &str, agent: &mut RunningAgent, logged: &str) {
    let error = refused.expect_err("the client is refused").to_string();
    assert!(error.contains(alert), "{error}");
    let log = agent.log_until(logged);
    assert!(log.contains("WARN"), "{log}");
}

#[test]
fn rows_arrive_over_tls_and_requests_are_answered() {
    let ca = Authority::new("ours");
    let mut agent = start(&ca.server(), "");
    let mut client = connect(&agent.address(), &ca, None).unwrap();
    client.get_mut().write_all(b"loadline/1 history=all\n").unwrap();
    let mut lines = String::new();
    while !lines.contains("# live\n") {
        lines += &row(&mut client).unwrap();
    }
    assert!(lines.contains("# loadline/1 run="), "{lines}");
}

#[test]
fn a_public_address_needs_no_permission_with_tls() {
    let ca = Authority::new("ours");
    let server = ca.server();
    let mut command = program("-l 0.0.0.0:0");
    command.env("LOADLINE_AGENT_TLS_CERT", &server.cert);
    command.env("LOADLINE_AGENT_TLS_KEY", &server.key);
    let mut agent = RunningAgent::start(command);
    let address = agent.address();
    let (_, port) = address.rsplit_once(':').unwrap();
    connect(&format!("127.0.0.1:{port}"), &ca, None).unwrap();
}

#[test]
fn unix_sockets_stay_plain_with_tls() {
    let (ca, folder) = (Authority::new("ours"), tempfile::tempdir().unwrap());
    let path = folder.path().join("agent.sock");
    let mut agent = start(&ca.server(), &format!("-l unix:{}", path.display()));
    agent.address();
    agent.address();
    let mut row = String::new();
    let stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    BufReader::new(stream).read_line(&mut row).unwrap();
    assert_eq!(row.split(' ').count(), 6, "{row}");
}

#[test]
fn with_a_client_ca_only_its_certificates_are_accepted() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let start_agent = || start(&ours.server(), &format!("--tls-client-ca {}", ours.ca.display()));
    let mut agent = start_agent();
    connect(&agent.address(), &ours, Some(&ours.client())).unwrap();

    let mut agent = start_agent();
    let refused = connect(&agent.address(), &ours, None);
    check(refused, "CertificateRequired", &mut agent, "no client certificate");

    let mut agent = start_agent();
    let refused = connect(&agent.address(), &ours, Some(&theirs.client()));
    check(refused, "UnknownCA", &mut agent, "was not issued by a CA in --tls-client-ca");

    for (validity, logged) in
        [(Validity::Expired, "has expired"), (Validity::NotYetValid, "not valid yet")]
    {
        let mut agent = start_agent();
        let client = ours.sign("dated", &["client"], validity);
        let refused = connect(&agent.address(), &ours, Some(&client));
        check(refused, "CertificateExpired", &mut agent, logged);
    }
}

#[test]
fn an_untrusting_client_is_logged_once_a_minute() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let mut agent = start(&ours.server(), "");
    let address = agent.address();
    for _ in 0..20 {
        let error = connect(&address, &theirs, None).err().unwrap().to_string();
        assert!(error.contains("UnknownIssuer"), "{error}");
    }
    // A port scan, which sends nothing, is not logged.
    drop(tcp(&address));
    connect(&address, &ours, None).unwrap();
    let log = agent.end();
    assert!(log.contains("does not trust the CA of our certificate"), "{log}");
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
}

#[test]
fn a_client_without_tls_gets_an_error() {
    let ca = Authority::new("ours");
    let mut agent = start(&ca.server(), "");
    let mut client = tcp(&agent.address());
    client.write_all(b"loadline/1\n").unwrap();
    let mut received = String::new();
    client.read_to_string(&mut received).unwrap();
    assert_eq!(received, "# error \"this port speaks TLS; connect to tls://HOST:PORT\"\n");
    let log = agent.end();
    assert!(log.contains("the client does not speak TLS"), "{log}");
}

#[test]
fn silent_clients_time_out_and_block_nobody() {
    let ca = Authority::new("ours");
    let mut agent = start(&ca.server(), "");
    let address = agent.address();
    let begin = Instant::now();
    // One client is silent, like a client of the plain stream; the others start a handshake.
    let mut silent = tcp(&address);
    let slow: Vec<_> = (0..50)
        .map(|_| {
            let mut slow = tcp(&address);
            slow.write_all(&[0x16, 3, 1, 2, 0]).unwrap();
            slow
        })
        .collect();
    connect(&address, &ca, None).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5), "other clients connect meanwhile");
    let mut received = String::new();
    silent.read_to_string(&mut received).unwrap();
    assert!(received.starts_with("# error \"this port speaks TLS"), "{received}");
    for mut slow in slow {
        let mut bytes = Vec::new();
        // The connection may end cleanly or with a reset.
        let end = slow.read_to_end(&mut bytes).map_err(|error| error.kind());
        assert!(matches!(end, Ok(0) | Err(io::ErrorKind::ConnectionReset)), "{end:?}");
    }
    let took = begin.elapsed();
    assert!((Duration::from_secs(9)..DEADLINE).contains(&took), "{took:?}");
}

#[test]
fn silent_strangers_take_no_place_and_keep_nobody_out() {
    let (ca, strangers) = (Authority::new("ours"), 1024);
    allow_files(strangers + 100);
    let arguments = format!("--max-clients 3 --tls-client-ca {}", ca.ca.display());
    let mut agent = start(&ca.server(), &arguments);
    let address = agent.address();
    let mut silent: Vec<_> = (0..strangers).map(|_| tcp(&address)).collect();
    let connect = || {
        let begin = Instant::now();
        (connect(&address, &ca, Some(&ca.client())).unwrap(), begin.elapsed())
    };
    // Three attempts: this machine may be busy with other work.
    let mut clients: Vec<_> = (0..3).map(|_| connect()).collect();
    let fastest = clients.iter().map(|(_, passed)| *passed).min().unwrap();
    assert!(fastest < Duration::from_secs(1), "{fastest:?}");
    // The oldest ones have given way.
    assert_eq!(silent[0].read(&mut [0]).unwrap(), 0);
    drop(silent);
    for (client, _) in &mut clients {
        assert_eq!(row(client).unwrap().split(' ').count(), 6);
    }
    let log = agent.kill();
    assert_eq!(log.matches("too many").count(), 1, "{log}");
}

/// Reconnects until the server presents another certificate than `before`.
fn wait_for_new_certificate(address: &str, ca: &Authority, before: &[u8]) -> TlsTestClient {
    let begin = Instant::now();
    loop {
        assert!(begin.elapsed() < DEADLINE, "the certificate does not change");
        if let Ok(client) = connect(address, ca, None)
            && server_certificate(&client) != before
        {
            return client;
        }
    }
}

#[test]
fn sighup_reloads_the_certificate_and_rejects_a_broken_one() {
    use rustix::process::Signal;

    let ca = Authority::new("ours");
    let server = ca.server();
    let mut agent = start(&server, "");
    let address = agent.address();
    let mut first = connect(&address, &ca, None).unwrap();
    let before = server_certificate(&first);

    ca.server();
    assert_eq!(
        server_certificate(&connect(&address, &ca, None).unwrap()),
        before,
        "no reload was requested"
    );
    agent.signal(Signal::HUP);
    let mut second = wait_for_new_certificate(&address, &ca, &before);
    let now = server_certificate(&second);

    let original = fs::read(&server.cert).unwrap();
    fs::write(&server.cert, "no certificate").unwrap();
    agent.signal(Signal::HUP);
    let log = agent.log_until("keeping the previous certificate");
    assert!(log.contains("no PEM certificate in"), "{log}");
    assert_eq!(server_certificate(&connect(&address, &ca, None).unwrap()), now);

    fs::write(&server.cert, original).unwrap();
    for client in [&mut first, &mut second] {
        assert_eq!(row(client).unwrap().split(' ').count(), 6, "existing connections stay");
    }
}

#[test]
fn sighup_reloads_the_client_ca_and_sessions_are_not_resumed() {
    use rustix::process::Signal;

    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let folder = tempfile::tempdir().unwrap();
    let clients = folder.path().join("clients.pem");
    fs::copy(&ours.ca, &clients).unwrap();
    let mut agent = start(&ours.server(), &format!("--tls-client-ca {}", clients.display()));
    let address = agent.address();
    let mut early = connect(&address, &ours, Some(&ours.client())).unwrap();
    fs::copy(&theirs.ca, &clients).unwrap();
    agent.signal(Signal::HUP);
    let begin = Instant::now();
    while connect(&address, &ours, Some(&theirs.client())).is_err() {
        assert!(begin.elapsed() < DEADLINE);
    }
    assert!(connect(&address, &ours, Some(&ours.client())).is_err());
    assert_eq!(row(&mut early).unwrap().split(' ').count(), 6);
}

#[test]
fn sighup_without_tls_ends_nothing() {
    let mut agent = RunningAgent::start(program("-l 127.0.0.1:0 -i 250ms"));
    let (mut client, _) = agent.connect();
    agent.signal(rustix::process::Signal::HUP);
    agent.log_until("SIGHUP");
    assert_eq!(crate::running_agent::line(&mut client).split(' ').count(), 6);
}

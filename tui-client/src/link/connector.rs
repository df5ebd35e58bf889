//! Connector: makes connections to a source over the source's transport.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use loadline_common::LocalAgent;
use loadline_protocol::sanitize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::embedded::EmbeddedAgent;
use super::local::LocalInput;
use super::lookup::LookupHints;
use super::running_agent::RunningAgent;
use super::ssh::{SshCommand, SshTransport};
use super::tcp::TcpTransport;
use super::terminal::TerminalAccess;
use super::tls::{self, TlsClient, TlsClientError};
use super::unix;
use crate::source::{Address, Source};

/// Connect timeout: 10 s. Longer than the loss of three packets.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connect timeout over ssh: 30 s. ssh makes several round trips, perhaps through jump hosts, and
/// then starts an agent.
const SSH_CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Bidirectional byte stream.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// Connector to one source; makes one connection after another.
pub struct Connector {
    transport: Transport,
    name: String,
    /// Hints for a host name that was typed without a transport.
    lookup_hints: Option<LookupHints>,
    /// Reason why the agent of this machine is not used although one seems to run.
    pub(crate) warning: Option<String>,
}

enum Transport {
    Tcp(TcpTransport),
    Tls(Box<tls::TlsTransport>),
    Unix(PathBuf),
    /// Standard input and output of an agent that ssh starts.
    Ssh(Box<SshTransport>),
    /// Agent that already runs on this machine.
    Running(RunningAgent),
    /// Agent in this process, over an in-memory pipe.
    Embedded(EmbeddedAgent),
    /// Local input, read without a connection.
    Local(LocalInput),
    /// Transport of the caller's own.
    Custom(ConnectFn),
}

type ConnectFn = Box<dyn FnMut() -> ConnectFuture + Send>;

type ConnectFuture = Pin<Box<dyn Future<Output = io::Result<Box<dyn ByteStream>>> + Send>>;

impl Connector {
    /// Creates the connector to a source, with `ssh` as the ssh command and `tls` for TLS. For
    /// [`Source::Localhost`], connects to the agent of this machine if a trusted one answers, else starts
    /// an agent in this process that samples at `interval`.
    ///
    /// The instances of a Prometheus server get theirs from [`Fleet`](crate::prometheus::Fleet).
    ///
    /// # Errors
    /// A file for TLS cannot be used.
    pub async fn open(
        source: &Source,
        interval: Option<Duration>,
        ssh: &SshCommand,
        tls: &TlsClient,
    ) -> Result<Connector, TlsClientError> {
        let is_tcp = matches!(source, Source::Tcp(_));
        let lookup_hints = is_tcp.then(|| LookupHints::new(ssh.clone()));
        let transport = match source {
            Source::Tcp(address) => Transport::Tcp(TcpTransport::new(address.clone())),
            Source::Tls(address) => return Connector::tls(address, tls),
            Source::Unix(path) => Transport::Unix(path.clone()),
            Source::Ssh(to) => Transport::Ssh(Box::new(SshTransport::new(ssh.clone(), to.clone()))),
            Source::Prometheus(_) => Transport::Custom(Box::new(|| {
                Box::pin(async { Err(io::Error::other("Prometheus instances need `Fleet`")) })
            })),
            Source::Stdin => Transport::Local(LocalInput::Stdin),
            Source::Path(path) => return Ok(Connector::path(path)),
            Source::Localhost => return Ok(Connector::localhost(interval).await),
        };
        Ok(Connector { lookup_hints, ..Connector::new(source.to_string(), transport) })
    }

    fn new(name: String, transport: Transport) -> Connector {
        Connector { transport, name, lookup_hints: None, warning: None }
    }

    async fn localhost(interval: Option<Duration>) -> Connector {
        let search = LocalAgent::search(&LocalAgent::default_places()).await;
        if let Some((place, stream)) = search.found {
            let name = place.to_string();
            let agent = RunningAgent { place, first_stream: Some(stream) };
            return Connector::new(name, Transport::Running(agent));
        }
        let embedded = Transport::Embedded(EmbeddedAgent::start(interval).await);
        let connector = Connector::new(Source::Localhost.to_string(), embedded);
        Connector { warning: search.warning, ..connector }
    }

    /// Creates a connector over TCP to a name or an address.
    pub fn tcp(host: &str, port: u16) -> Connector {
        let address = Address { host: host.to_owned(), port };
        Connector::new(address.to_string(), Transport::Tcp(TcpTransport::new(address)))
    }

    /// Creates a connector to a recording, a pipe or a device.
    pub(crate) fn path(path: &Path) -> Connector {
        let transport = Transport::Local(LocalInput::Path(path.to_owned()));
        Connector::new(Source::Path(path.to_owned()).to_string(), transport)
    }

    pub(crate) fn tls(address: &Address, tls: &TlsClient) -> Result<Connector, TlsClientError> {
        let transport = Transport::Tls(Box::new(tls.transport(address)?));
        Ok(Connector::new(Source::Tls(address.clone()).to_string(), transport))
    }

    /// Creates a connector over any byte stream that `connect` returns. `name` is displayed.
    pub fn custom<S, F>(name: &str, mut connect: impl FnMut() -> F + Send + 'static) -> Connector
    where
        S: ByteStream + 'static,
        F: Future<Output = io::Result<S>> + Send + 'static,
    {
        let transport = Transport::Custom(Box::new(move || {
            let stream = connect();
            Box::pin(async { Ok(Box::new(stream.await?) as Box<dyn ByteStream>) })
        }));
        Connector::new(sanitize(name).into_owned(), transport)
    }

    /// Adds a similar name in the configuration, to suggest if the host is unknown.
    pub(crate) fn with_suggestion(mut self, name: Option<String>) -> Connector {
        if let Some(hints) = &mut self.lookup_hints {
            hints.suggestion = name;
        }
        self
    }

    /// Returns whether the agent runs in this process.
    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self.transport, Transport::Embedded(_))
    }

    /// Returns whether the transport may prompt the user before it connects.
    pub(crate) fn may_prompt(&self) -> bool {
        matches!(self.transport, Transport::Ssh(_))
    }

    /// Checks that a local input can be read; does not check other sources.
    ///
    /// # Errors
    /// The path does not exist, is not readable, or is a directory.
    pub(crate) fn check_local_input(&self) -> io::Result<()> {
        self.local_input().map_or(Ok(()), LocalInput::check)
    }

    pub(super) fn local_input(&self) -> Option<&LocalInput> {
        let Transport::Local(input) = &self.transport else { return None };
        Some(input)
    }

    /// Returns the connect timeout; unlimited while ssh may prompt the user.
    fn connect_timeout(&self, terminal: TerminalAccess) -> Duration {
        match terminal {
            _ if !self.may_prompt() => CONNECT_TIMEOUT,
            TerminalAccess::Lent { .. } => Duration::MAX,
            TerminalAccess::Taken | TerminalAccess::Missing => SSH_CONNECT_TIMEOUT,
        }
    }

    /// Makes a connection within the connect timeout.
    pub(crate) async fn connect(
        &mut self,
        terminal: TerminalAccess,
    ) -> io::Result<Box<dyn ByteStream>> {
        let limit = self.connect_timeout(terminal);
        let made = timeout(limit, self.connect_transport(terminal)).await;
        made.unwrap_or_else(|_| Err(self.timeout_error(limit)))
    }

    fn timeout_error(&self, limit: Duration) -> io::Error {
        match &self.transport {
            Transport::Tcp(tcp) => tcp.timeout_error(limit),
            Transport::Tls(tls) => tls.tcp.timeout_error(limit),
            Transport::Ssh(_) => io::Error::other(format!(
                "ssh sent no row within {} s; run the same ssh by hand",
                limit.as_secs()
            )),
            _ => io::ErrorKind::TimedOut.into(),
        }
    }

    /// Remembers the address of the current connection: the next connection tries it first. Called
    /// if rows came from it.
    pub(crate) fn keep_address(&mut self) {
        match &mut self.transport {
            Transport::Tcp(tcp) => tcp.keep_address(),
            Transport::Tls(tls) => tls.tcp.keep_address(),
            _ => {}
        }
    }

    async fn connect_transport(
        &mut self,
        terminal: TerminalAccess,
    ) -> io::Result<Box<dyn ByteStream>> {
        Ok(match &mut self.transport {
            Transport::Tcp(tcp) => match (tcp.connect().await, &self.lookup_hints) {
                (Err(error), Some(hints)) => {
                    return Err(hints.explain(&tcp.address.host, error).await);
                }
                (made, _) => Box::new(made?),
            },
            Transport::Tls(tls) => Box::new(tls.connect().await?),
            Transport::Unix(path) => Box::new(unix::connect(path).await?),
            Transport::Ssh(ssh) => Box::new(ssh.connect(terminal).await?),
            Transport::Running(agent) => Box::new(agent.connect().await?),
            Transport::Embedded(agent) => Box::new(agent.connect()),
            Transport::Custom(connect) => connect().await?,
            Transport::Local(_) => return Err(io::ErrorKind::Unsupported.into()),
        })
    }
}

impl fmt::Display for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({self})")
    }
}

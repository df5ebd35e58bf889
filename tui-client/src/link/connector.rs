//! How a connection to a source is made: which of the ways leads there.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::embedded;
use super::local::LocalInput;
use super::prometheus;
use super::ssh::{SshCommand, SshTransport};
use super::tcp::TcpTransport;
use super::terminal::TerminalAccess;
use super::tls::{self, TlsClient, TlsClientError};
use super::unix;
use crate::source::Source;
use loadline_agent::Service;
use loadline_protocol::sanitize;

/// How long a connection may take to be made: longer than three lost packets.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The same by ssh, which has several round trips to make, through other hosts perhaps, and then
/// starts an agent.
const SSH_CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A stream of bytes both ways.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// Makes connections to one source.
pub struct Connector {
    transport: Transport,
    /// The name under which the source is shown.
    name: String,
}

enum Transport {
    /// Over TCP.
    Tcp(TcpTransport),
    /// The same, encrypted.
    Tls(Box<tls::TlsTransport>),
    /// Over a Unix socket.
    Unix(PathBuf),
    /// Over the standard input and output of an agent that ssh starts.
    Ssh(Box<SshTransport>),
    /// To an agent in this process, over a pipe in memory.
    Embedded(Service),
    /// Over what a server tells of a machine that it knows.
    Prometheus(prometheus::PrometheusTransport),
    /// To nobody: it is there, and read by itself.
    Local(LocalInput),
    /// In some way that is not ours.
    Custom(ConnectFn),
}

/// Makes a connection in some way.
type ConnectFn = Box<dyn FnMut() -> ConnectFuture + Send>;

/// A connection that is being made.
type ConnectFuture = Pin<Box<dyn Future<Output = io::Result<Box<dyn ByteStream>>> + Send>>;

impl Connector {
    /// The way to a source; if it is by ssh, with this command, if over TLS, with what `tls` trusts.
    /// For [`Source::Localhost`] it looks whether an agent answers; if none does, it runs one in this
    /// process, which samples at `interval`.
    ///
    /// The machines that a server of Prometheus' kind knows are found by [`Fleet`](super::Fleet).
    ///
    /// # Errors
    /// A file that TLS needs cannot be used.
    pub async fn open(
        source: &Source,
        interval: Option<Duration>,
        ssh: &SshCommand,
        tls: &TlsClient,
    ) -> Result<Connector, TlsClientError> {
        let name = source.to_string();
        let transport = match source {
            Source::Tcp { host, port } => return Ok(Connector::tcp(host, *port)),
            Source::Tls { host, port } => Transport::Tls(Box::new(tls.transport(host, *port)?)),
            Source::Unix(path) => Transport::Unix(path.clone()),
            Source::Ssh(to) => Transport::Ssh(Box::new(SshTransport::new(ssh.clone(), to.clone()))),
            Source::Prometheus(_) => Transport::Custom(Box::new(|| {
                Box::pin(async { Err(io::Error::other("it stands for several sources")) })
            })),
            Source::Stdin => return Ok(Connector::local(LocalInput::Stdin)),
            Source::Path(path) => return Ok(Connector::local(LocalInput::Path(path.clone()))),
            Source::Localhost => match TcpTransport::to_local_agent().await {
                Some(tcp) => return Ok(Connector::from_tcp(tcp)),
                None => Transport::Embedded(embedded::run_agent(interval).await),
            },
        };
        Ok(Connector { transport, name })
    }

    /// Over TCP, to a name or an address.
    #[must_use]
    pub fn tcp(host: &str, port: u16) -> Connector {
        Connector::from_tcp(TcpTransport::new(host, port))
    }

    fn from_tcp(tcp: TcpTransport) -> Connector {
        let name = tcp.to_string();
        Connector { transport: Transport::Tcp(tcp), name }
    }

    /// In a way of one's own, to what is shown under this name: any stream of bytes will do.
    #[must_use]
    pub fn custom<S, F>(name: &str, mut connect: impl FnMut() -> F + Send + 'static) -> Connector
    where
        S: ByteStream + 'static,
        F: Future<Output = io::Result<S>> + Send + 'static,
    {
        let transport = Transport::Custom(Box::new(move || {
            let stream = connect();
            Box::pin(async { Ok(Box::new(stream.await?) as Box<dyn ByteStream>) })
        }));
        Connector { transport, name: sanitize(name).into_owned() }
    }

    /// Whether the agent runs in this process.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        matches!(self.transport, Transport::Embedded(_))
    }

    /// Whether it may have to ask the user something before it connects.
    #[must_use]
    pub fn may_prompt(&self) -> bool {
        matches!(self.transport, Transport::Ssh(_))
    }

    /// To a machine that a server knows, under this name.
    pub(super) fn to_instance(transport: prometheus::PrometheusTransport, name: &str) -> Connector {
        Connector { transport: Transport::Prometheus(transport), name: sanitize(name).into_owned() }
    }

    /// To what is there already and only read.
    #[must_use]
    pub fn local(input: LocalInput) -> Connector {
        let source = match &input {
            LocalInput::Stdin => Source::Stdin,
            LocalInput::Path(path) => Source::Path(path.clone()),
        };
        Connector { transport: Transport::Local(input), name: source.to_string() }
    }

    /// What is only read, if it is that.
    #[must_use]
    pub fn local_input(&self) -> Option<&LocalInput> {
        match &self.transport {
            Transport::Local(input) => Some(input),
            Transport::Tcp(_)
            | Transport::Tls(_)
            | Transport::Unix(_)
            | Transport::Ssh(_)
            | Transport::Embedded(_)
            | Transport::Prometheus(_)
            | Transport::Custom(_) => None,
        }
    }

    /// How long it may take; as long as the user does, if it may ask.
    pub(super) fn connect_timeout(&self, terminal: TerminalAccess) -> Duration {
        match (&self.transport, terminal) {
            (Transport::Ssh(_), TerminalAccess::Lent { .. }) => Duration::MAX,
            (Transport::Ssh(_), TerminalAccess::Taken) => SSH_CONNECT_TIMEOUT,
            (
                Transport::Tcp(_)
                | Transport::Tls(_)
                | Transport::Unix(_)
                | Transport::Embedded(_)
                | Transport::Local(_)
                | Transport::Prometheus(_)
                | Transport::Custom(_),
                _,
            ) => CONNECT_TIMEOUT,
        }
    }

    pub(super) async fn connect(
        &mut self,
        terminal: TerminalAccess,
    ) -> io::Result<Box<dyn ByteStream>> {
        Ok(match &mut self.transport {
            Transport::Tcp(tcp) => Box::new(tcp.connect().await?),
            Transport::Tls(tls) => Box::new(tls.connect().await?),
            Transport::Unix(path) => Box::new(unix::connect(path).await?),
            Transport::Ssh(ssh) => Box::new(ssh.connect(terminal).await?),
            Transport::Embedded(service) => Box::new(embedded::connect(service)),
            Transport::Prometheus(instance) => Box::new(instance.connect().await?),
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

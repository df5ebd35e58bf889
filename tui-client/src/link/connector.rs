//! How a connection to a source is made: which of the ways leads there.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::embedded;
use super::given::Given;
use super::prometheus;
use super::ssh::{Ssh, SshCommand};
use super::tcp::Tcp;
use super::terminal::Terminal;
use super::tls::{self, Tls, TlsError};
use super::unix;
use crate::source::Source;
use loadline_agent::Service;
use loadline_protocol::sanitize;

/// How long a connection may take to be made: longer than three lost packets.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// The same by ssh, which has several round trips to make, through other hosts perhaps, and then
/// starts an agent.
const SSH_CONNECT_MAX: Duration = Duration::from_secs(30);

/// A stream of bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Makes connections to one source.
pub struct Connector {
    way: Way,
    /// The name under which the source is shown.
    name: String,
}

enum Way {
    /// Over TCP.
    Tcp(Tcp),
    /// The same, encrypted.
    Tls(Box<tls::Way>),
    /// Over a Unix socket.
    Unix(PathBuf),
    /// Over the standard input and output of an agent that ssh starts.
    Ssh(Box<Ssh>),
    /// To an agent in this process, over a pipe in memory.
    Embedded(Service),
    /// Over what a server tells of a machine that it knows.
    Prometheus(prometheus::Way),
    /// To nobody: it is there, and read by itself.
    Given(Given),
    /// In some way that is not ours.
    By(Connect),
}

/// Makes a connection in some way.
type Connect = Box<dyn FnMut() -> Connecting + Send>;

/// A connection that is being made.
type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

impl Connector {
    /// The way to a source; if it is by ssh, with this command, if over TLS, with what `tls` trusts.
    /// For [`Source::Here`] it looks whether an agent answers; if none does, it runs one in this
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
        tls: &Tls,
    ) -> Result<Connector, TlsError> {
        let name = source.to_string();
        let way = match source {
            Source::Tcp { host, port } => return Ok(Connector::tcp(host, *port)),
            Source::Tls { host, port } => Way::Tls(Box::new(tls.way(host, *port)?)),
            Source::Unix(path) => Way::Unix(path.clone()),
            Source::Ssh(to) => Way::Ssh(Box::new(Ssh::new(ssh.clone(), to.clone()))),
            Source::Prometheus(_) => Way::By(Box::new(|| {
                Box::pin(async { Err(io::Error::other("it stands for several sources")) })
            })),
            Source::Stdin => return Ok(Connector::to_given(Given::Stdin)),
            Source::Path(path) => return Ok(Connector::to_given(Given::Path(path.clone()))),
            Source::Here => match Tcp::to_agent_here().await {
                Some(tcp) => return Ok(Connector::over(tcp)),
                None => Way::Embedded(embedded::run_agent(interval).await),
            },
        };
        Ok(Connector { way, name })
    }

    /// Over TCP, to a name or an address.
    #[must_use]
    pub fn tcp(host: &str, port: u16) -> Connector {
        Connector::over(Tcp::new(host, port))
    }

    fn over(tcp: Tcp) -> Connector {
        let name = tcp.to_string();
        Connector { way: Way::Tcp(tcp), name }
    }

    /// In a way of one's own, to what is shown under this name: any stream of bytes will do.
    #[must_use]
    pub fn by<S, F>(name: &str, mut connect: impl FnMut() -> F + Send + 'static) -> Connector
    where
        S: Stream + 'static,
        F: Future<Output = io::Result<S>> + Send + 'static,
    {
        let way = Way::By(Box::new(move || {
            let stream = connect();
            Box::pin(async { Ok(Box::new(stream.await?) as Box<dyn Stream>) })
        }));
        Connector { way, name: sanitize(name).into_owned() }
    }

    /// Whether the agent runs in this process.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        matches!(self.way, Way::Embedded(_))
    }

    /// Whether it may have to ask the user something before it connects.
    #[must_use]
    pub fn asks(&self) -> bool {
        matches!(self.way, Way::Ssh(_))
    }

    /// To a machine that a server knows, under this name.
    pub(super) fn to_instance(way: prometheus::Way, name: &str) -> Connector {
        Connector { way: Way::Prometheus(way), name: sanitize(name).into_owned() }
    }

    /// To what is there already and only read.
    #[must_use]
    pub fn to_given(given: Given) -> Connector {
        let source = match &given {
            Given::Stdin => Source::Stdin,
            Given::Path(path) => Source::Path(path.clone()),
        };
        Connector { way: Way::Given(given), name: source.to_string() }
    }

    /// What is only read, if it is that.
    #[must_use]
    pub fn given(&self) -> Option<&Given> {
        match &self.way {
            Way::Given(given) => Some(given),
            Way::Tcp(_)
            | Way::Tls(_)
            | Way::Unix(_)
            | Way::Ssh(_)
            | Way::Embedded(_)
            | Way::Prometheus(_)
            | Way::By(_) => None,
        }
    }

    /// How long it may take; as long as the user does, if it may ask.
    pub(super) fn time_max(&self, terminal: Terminal) -> Duration {
        match (&self.way, terminal) {
            (Way::Ssh(_), Terminal::Lent { .. }) => Duration::MAX,
            (Way::Ssh(_), Terminal::Taken) => SSH_CONNECT_MAX,
            (
                Way::Tcp(_)
                | Way::Tls(_)
                | Way::Unix(_)
                | Way::Embedded(_)
                | Way::Given(_)
                | Way::Prometheus(_)
                | Way::By(_),
                _,
            ) => CONNECT_MAX,
        }
    }

    pub(super) async fn connect(&mut self, terminal: Terminal) -> io::Result<Box<dyn Stream>> {
        Ok(match &mut self.way {
            Way::Tcp(tcp) => Box::new(tcp.connect().await?),
            Way::Tls(tls) => Box::new(tls.connect().await?),
            Way::Unix(path) => Box::new(unix::connect(path).await?),
            Way::Ssh(ssh) => Box::new(ssh.connect(terminal).await?),
            Way::Embedded(service) => Box::new(embedded::connect(service)),
            Way::Prometheus(instance) => Box::new(instance.connect().await?),
            Way::By(connect) => connect().await?,
            Way::Given(_) => return Err(io::ErrorKind::Unsupported.into()),
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

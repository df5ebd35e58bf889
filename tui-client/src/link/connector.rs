//! How a connection to a source is made.

use std::fmt;
use std::future;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use loadline_agent::{Agent, Facts, Machine, Service};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::given::Given;
use crate::source::{PORT, Source};

/// How long the agent on this machine has to answer before one is run in this process.
const ANSWER_MAX: Duration = Duration::from_millis(200);

/// The intervals at which an agent in this process samples: as `loadline-agent` allows.
const INTERVALS: (Duration, Duration) = (Duration::from_millis(200), Duration::from_hours(1));

/// Bytes that the pipe to an agent in this process holds.
const PIPE_BYTES: usize = 16 * 1024;

/// A dead peer is noticed after this much silence and three probes, well within a minute.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// A stream of bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Makes connections to one source.
pub enum Connector {
    /// Over TCP.
    Tcp {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
        /// A connection that stands already, for the first time.
        first: Option<TcpStream>,
    },
    /// To an agent in this process, over a pipe in memory.
    Embedded(Service),
    /// To nobody: it is there, and read by itself.
    Given(Given),
}

impl Connector {
    /// The way to a source. For [`Source::Here`] it looks whether an agent answers; if none does, it
    /// runs one in this process, which samples at `interval`.
    pub async fn open(source: &Source, interval: Option<Duration>) -> Connector {
        match source {
            Source::Tcp { host, port } => Connector::tcp(host, *port),
            Source::Stdin => Connector::Given(Given::Stdin),
            Source::Path(path) => Connector::Given(Given::Path(path.clone())),
            Source::Here => match timeout(ANSWER_MAX, answering_agent()).await {
                Ok(Ok(stream)) => {
                    let host = Ipv4Addr::LOCALHOST.to_string();
                    Connector::Tcp { host, port: PORT, first: Some(stream) }
                }
                Ok(Err(_)) | Err(_) => Connector::Embedded(run_agent(interval).await),
            },
        }
    }

    /// Over TCP, to a name or an address.
    #[must_use]
    pub fn tcp(host: &str, port: u16) -> Connector {
        Connector::Tcp { host: host.to_owned(), port, first: None }
    }

    /// Whether the agent runs in this process.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        matches!(self, Connector::Embedded(_))
    }

    pub(super) async fn connect(&mut self) -> io::Result<Box<dyn Stream>> {
        match self {
            Connector::Tcp { host, port, first } => {
                let stream = match first.take() {
                    Some(stream) => stream,
                    None => TcpStream::connect((host.as_str(), *port)).await?,
                };
                prepare(&stream)?;
                Ok(Box::new(stream))
            }
            Connector::Embedded(service) => {
                let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
                let service = service.clone();
                // It ends when our end of the pipe is dropped.
                tokio::spawn(async move { service.serve(theirs).await });
                Ok(Box::new(ours))
            }
            Connector::Given(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// A connection to the agent on this machine, if something there sends what a row begins with.
async fn answering_agent() -> io::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)).await?;
    let mut first = [0];
    let count = stream.peek(&mut first).await?;
    let is_row = count == 1 && matches!(first[0], b'0'..=b'9' | b'n' | b'-' | b'#');
    if is_row { Ok(stream) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Samples this machine for as long as this process lives.
async fn run_agent(interval: Option<Duration>) -> Service {
    let mut settings = loadline_agent::Settings::default();
    if let Some(interval) = interval {
        settings.interval = interval.clamp(INTERVALS.0, INTERVALS.1);
    }
    let agent = Agent::start(Machine::new(), Facts::of_this_machine(), settings).await;
    let service = agent.service();
    tokio::spawn(agent.run(Vec::new(), future::pending()));
    service
}

/// A request goes out at once, and a peer that is gone is noticed.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

impl fmt::Display for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Connector::Tcp { host, port, .. } => {
                Source::Tcp { host: host.clone(), port: *port }.fmt(f)
            }
            Connector::Embedded(_) => Source::Here.fmt(f),
            Connector::Given(Given::Stdin) => Source::Stdin.fmt(f),
            Connector::Given(Given::Path(path)) => Source::Path(path.clone()).fmt(f),
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({self})")
    }
}

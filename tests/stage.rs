//! Parts of scenarios: an agent with scripted samples on a free port, a TCP proxy whose connections
//! can be cut, and a client whose output is text.

#![expect(clippy::missing_panics_doc, reason = "scenarios fail by panicking")]
#![expect(clippy::unwrap_used, reason = "scenarios fail by panicking")]

pub mod fuzzed;
#[path = "../agent/tests/agent/loopback.rs"]
mod loopback;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use loadline::link::{Connector, Events, Link, LinkOptions, events_max};
use loadline::output::{self, Job, OutputFormat, ProgressLine, Summary};
use loadline::time_spec::TimeBounds;
use loadline::zone::Zone;
use loadline_agent::{
    Agent, AgentSettings, Archive, Clock, MachineFacts, MetricSource, PlaintextPolicy,
    ScriptedSource,
};
use loadline_protocol::SafeText;
pub use loopback::LoopbackAgent;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

/// Time limit for anything, on a machine that is busy with other work.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Time limit for a client's output. The longest scenario takes a minute.
const WRITE_TIMEOUT: Duration = Duration::from_secs(100);

/// Agents whose CPU utilization counts the samples by default: 0.1 % for each.
impl LoopbackAgent {
    /// Starts an agent on a free port.
    pub async fn start(interval: Duration) -> LoopbackAgent {
        LoopbackAgent::start_on(0, interval).await
    }

    /// Starts an agent on this port.
    pub async fn start_on(port: u16, interval: Duration) -> LoopbackAgent {
        LoopbackAgent::start_with(port, PlaintextPolicy::LoopbackOnly, interval).await
    }

    /// Starts an agent on this port, 0 for a free one, with this policy for connections without
    /// TLS.
    pub async fn start_with(
        port: u16,
        plaintext: PlaintextPolicy,
        interval: Duration,
    ) -> LoopbackAgent {
        let (source, clock) = (counting_source(), Clock::system());
        let agent = Agent::start_with_clock(source, web_1(), settings(interval), clock).await;
        LoopbackAgent::run(agent, port, plaintext).await
    }

    /// Starts an agent on a free port that archives its samples in a folder.
    pub async fn start_with_archive(folder: &Path, interval: Duration) -> LoopbackAgent {
        let archive = Some(Archive::open(folder).await.unwrap());
        let agent =
            Agent::start_with_archive(counting_source(), web_1(), settings(interval), archive);
        LoopbackAgent::run(agent.await, 0, PlaintextPolicy::LoopbackOnly).await
    }

    /// Starts an agent on a free port with this source and clock.
    pub async fn start_with_source(
        source: impl MetricSource + 'static,
        facts: MachineFacts,
        clock: Clock,
        interval: Duration,
    ) -> LoopbackAgent {
        let agent = Agent::start_with_clock(source, facts, settings(interval), clock);
        LoopbackAgent::run(agent.await, 0, PlaintextPolicy::LoopbackOnly).await
    }
}

fn web_1() -> MachineFacts {
    MachineFacts { host: SafeText::new("web-1"), ..MachineFacts::default() }
}

fn settings(interval: Duration) -> AgentSettings {
    AgentSettings { interval, ..AgentSettings::default() }
}

fn counting_source() -> impl MetricSource + 'static {
    ScriptedSource::plain(|number, values| {
        values.extend([number as f64 / 10.0, 2400.0, 43.1, 0.52, 0.44, f64::NAN]);
    })
}

/// TCP proxy in front of a server. All its connections can be cut at once.
#[derive(Debug)]
pub struct TcpProxy {
    /// Address to connect to instead of the server's.
    pub address: SocketAddr,
    cuts: watch::Sender<u64>,
}

impl TcpProxy {
    /// Starts a proxy of the server at `to`.
    pub async fn start(to: SocketAddr) -> TcpProxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (cuts, cut) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cut = cut.clone();
                cut.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(to).await else { return };
                    // A cut loses the data in transit.
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        TcpProxy { address, cuts }
    }

    /// Cuts all connections. Waits for a connection if there is none.
    pub async fn cut(&self) {
        // The listener holds one receiver, each connection another.
        while self.cuts.receiver_count() < 2 {
            sleep(Duration::from_millis(10)).await;
        }
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

/// Output of the client.
#[derive(Debug)]
pub struct ClientOutput {
    /// Standard output.
    pub text: String,
    /// Messages to the user.
    pub messages: Vec<String>,
    /// Summary, or the error that ended the client.
    pub end: Result<Summary, String>,
}

/// Runs the client on a source until it has written `count` rows or `stop` resolves.
pub async fn collect_output(
    address: SocketAddr,
    format: OutputFormat,
    options: LinkOptions,
    count: Option<u64>,
    stop: impl Future<Output = ()>,
) -> ClientOutput {
    let names = vec!["web-1".to_owned()];
    collect_output_as(names, &[address], format, options, count, stop).await
}

/// Runs the client on several sources like [`collect_output`]. Each source is named by its address.
pub async fn collect_output_of_all(
    addresses: &[SocketAddr],
    format: OutputFormat,
    options: LinkOptions,
    count: Option<u64>,
    stop: impl Future<Output = ()>,
) -> ClientOutput {
    let names = addresses.iter().map(ToString::to_string).collect();
    collect_output_as(names, addresses, format, options, count, stop).await
}

async fn collect_output_as(
    sources: Vec<String>,
    addresses: &[SocketAddr],
    format: OutputFormat,
    options: LinkOptions,
    count: Option<u64>,
    stop: impl Future<Output = ()>,
) -> ClientOutput {
    let mut links = Vec::new();
    for address in addresses {
        let connector = Connector::tcp(&address.ip().to_string(), address.port());
        let (sender, events) = mpsc::channel(events_max(addresses.len()));
        tokio::spawn(Link::new(connector, options.clone(), Clock::system()).run(sender));
        links.push(events);
    }
    let events = Events::new(links);
    let (bounds, zone) = (TimeBounds::default(), Zone::Fixed(0));
    let job =
        Job { format, count, bounds, sources, zone, interval: None, recorded_columns: Vec::new() };
    let mut messages = Vec::new();
    let mut text = Vec::new();
    let report = |line: &str| messages.push(line.to_owned());
    let progress = ProgressLine::new(None::<Vec<u8>>, report);
    let end = timeout(WRITE_TIMEOUT, output::run(&job, events, &mut text, progress, stop)).await;
    let end = end.expect("an end in time");
    let text = String::from_utf8(text).unwrap();
    ClientOutput { text, messages, end: end.map_err(|error| format!("{error:#}")) }
}

/// Connection that a test reads and writes line by line.
#[derive(Debug)]
pub struct RawConnection {
    stream: TcpStream,
    unread: String,
}

impl RawConnection {
    /// Connects to a server.
    pub async fn connect(address: SocketAddr) -> RawConnection {
        RawConnection { stream: TcpStream::connect(address).await.unwrap(), unread: String::new() }
    }

    /// Sends text.
    pub async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Returns the next line without its line end. `None` at the end of the stream.
    pub async fn next_line(&mut self) -> Option<String> {
        let mut bytes = [0; 1024];
        loop {
            if let Some((line, rest)) = self.unread.split_once('\n') {
                let (line, rest) = (line.to_owned(), rest.to_owned());
                self.unread = rest;
                return Some(line);
            }
            let read = timeout(DEADLINE, self.stream.read(&mut bytes)).await;
            let count = read.expect("a line in time").unwrap_or(0);
            if count == 0 {
                return None;
            }
            self.unread += std::str::from_utf8(&bytes[..count]).unwrap();
        }
    }
}

//! Several clients at a time, over real sockets and over in-memory listeners.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use loadline_agent::{
    Accept, Agent, AgentSettings, Handshake, Listener, MachineFacts, Origin, Peer, PlaintextPolicy,
    ScriptedSource, without_handshake,
};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, DuplexStream,
};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::stage::{FnStream, never};

const DEADLINE: Duration = Duration::from_secs(20);

async fn agent(clients_max: usize) -> Agent {
    agent_for(clients_max, clients_max).await
}

/// Starts an agent with limits on its clients, in total and per address.
async fn agent_for(clients_max: usize, clients_per_address_max: usize) -> Agent {
    let source = ScriptedSource::plain(|_, values| values.extend([1.0; 6]));
    let interval = Duration::from_millis(250);
    let settings = AgentSettings {
        interval,
        clients_max,
        clients_per_address_max,
        ..AgentSettings::default()
    };
    Agent::start(source, MachineFacts::default(), settings).await
}

async fn listener() -> Listener {
    let any_port = "127.0.0.1:0".parse().unwrap();
    Listener::bind(&any_port, PlaintextPolicy::LoopbackOnly).await.unwrap().listen().unwrap()
}

/// Runs an agent. Dropping the sender stops it.
fn run<L: Accept>(agent: Agent, listeners: Vec<L>) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let agent = tokio::spawn(agent.run(listeners, async {
        let _ = stopped.await;
    }));
    (stop, agent)
}

/// Reads a line. Empty at the end of the stream.
async fn line(stream: &mut BufReader<impl AsyncRead + Unpin>) -> String {
    let mut line = String::new();
    let _ = timeout(DEADLINE, stream.read_line(&mut line)).await.expect("a line in time");
    line
}

const ROW: &str = "1.0 1.0 1.0 1.00 1.00 1.00\n";

/// Subscribes and reads up to the end of the history. Plain rows may come first.
async fn subscribe(client: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>) {
    client.get_mut().write_all(b"loadline/1\n").await.unwrap();
    while line(client).await != "# live\n" {}
}

/// Reads subscribed rows up to the end. Returns the last line that is no row.
async fn last_note(client: &mut BufReader<impl AsyncRead + Unpin>) -> String {
    let mut last = String::new();
    loop {
        match line(client).await {
            end if end.is_empty() => return last,
            note if note.starts_with('#') => last = note,
            _ => {}
        }
    }
}

#[tokio::test]
async fn every_address_sends_a_row_at_once() {
    let (one, other) = (listener().await, listener().await);
    let addresses = [one.address().to_string(), other.address().to_string()];
    let _running = run(agent(10).await, vec![one, other]);
    for address in addresses {
        let mut client = BufReader::new(TcpStream::connect(address).await.unwrap());
        assert_eq!(line(&mut client).await, ROW);
    }
}

#[tokio::test]
async fn an_excess_client_is_refused_until_another_leaves() {
    let listener = listener().await;
    let address = listener.address().to_string();
    let _running = run(agent(2).await, vec![listener]);
    let connect = async || BufReader::new(TcpStream::connect(&address).await.unwrap());
    let (mut first, mut second) = (connect().await, connect().await);
    subscribe(&mut first).await;
    subscribe(&mut second).await;
    let mut third = connect().await;
    assert_eq!(line(&mut third).await, "# error \"too many clients\"\n");
    assert_eq!(line(&mut third).await, "");

    // The agent notices within two rows that the client is gone.
    drop(first);
    let begin = Instant::now();
    while line(&mut connect().await).await != ROW {
        assert!(begin.elapsed() < DEADLINE);
    }
    assert!(!line(&mut second).await.is_empty());
}

#[tokio::test]
async fn the_newest_reader_of_plain_rows_gives_way_and_the_older_ones_stay() {
    let listener = listener().await;
    let address = listener.address().to_string();
    let _running = run(agent(3).await, vec![listener]);
    let connect = async || BufReader::new(TcpStream::connect(&address).await.unwrap());
    let (mut first, mut subscribed, mut newest) =
        (connect().await, connect().await, connect().await);
    assert_eq!(line(&mut first).await, ROW);
    subscribe(&mut subscribed).await;
    assert_eq!(line(&mut newest).await, ROW);
    for _ in 0..20 {
        let mut next = connect().await;
        assert_eq!(line(&mut next).await, ROW, "a new one is served at once");
        while line(&mut newest).await == ROW {}
        newest = next;
    }
    assert_eq!(line(&mut first).await, ROW);
    assert!(!line(&mut subscribed).await.is_empty());
}

/// Listener whose connections come from a channel, and the address of its clients.
struct ChannelListener<S>(Mutex<mpsc::Receiver<io::Result<S>>>, Option<IpAddr>);

impl<S> ChannelListener<S> {
    fn new() -> (mpsc::Sender<io::Result<S>>, ChannelListener<S>) {
        let (sender, receiver) = mpsc::channel(100);
        (sender, ChannelListener(Mutex::new(receiver), None))
    }

    /// Returns a listener whose clients have this address.
    fn with_address(address: &str) -> (mpsc::Sender<io::Result<S>>, ChannelListener<S>) {
        let (sender, ChannelListener(receiver, _)) = ChannelListener::new();
        (sender, ChannelListener(receiver, Some(address.parse().unwrap())))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Accept for ChannelListener<S> {
    async fn accept(&self) -> io::Result<(Handshake, Peer)> {
        let origin = self.1.map_or(Origin::Unknown, Origin::from);
        let peer = Peer { name: "somebody".into(), origin, is_authenticated: false };
        match self.0.lock().await.recv().await {
            Some(client) => Ok((without_handshake(client?), peer)),
            None => std::future::pending().await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn accepting_resumes_after_errors() {
    let (sender, listener) = ChannelListener::<DuplexStream>::new();
    let _running = run(agent(10).await, vec![listener]);
    let begin = Instant::now();
    for _ in 0..20 {
        sender.send(Err(io::Error::other("too many open files"))).await.unwrap();
    }
    sender.send(Err(io::ErrorKind::ConnectionAborted.into())).await.unwrap();
    let (near, far) = tokio::io::duplex(1000);
    sender.send(Ok(far)).await.unwrap();
    assert_eq!(line(&mut BufReader::new(near)).await, ROW);
    assert_eq!(begin.elapsed(), 20 * Duration::from_millis(250), "a pause after each error");
}

#[tokio::test(start_paused = true)]
async fn at_most_sixteen_refused_clients_get_a_reason_at_a_time() {
    let (sender, listener) = ChannelListener::<DuplexStream>::new();
    let _running = run(agent(1).await, vec![listener]);
    let connect = async || {
        let (near, far) = tokio::io::duplex(1000);
        sender.send(Ok(far)).await.unwrap();
        BufReader::new(near)
    };
    let mut first = connect().await;
    assert_eq!(line(&mut first).await, ROW);
    let mut crowd = Vec::new();
    for _ in 0..17 {
        crowd.push(connect().await);
    }
    let mut replies = Vec::new();
    for client in &mut crowd {
        replies.push(line(client).await);
    }
    assert_eq!(replies[..16], vec!["# error \"too many clients\"\n"; 16]);
    assert_eq!(replies[16], "", "the next client is closed without a reason");
    drop(crowd);
    let begin = Instant::now();
    while line(&mut connect().await).await.is_empty() {
        assert!(begin.elapsed() < DEADLINE);
    }
}

/// Connects over a pipe, and returns the client with its first line.
async fn connect(
    sender: &mpsc::Sender<io::Result<DuplexStream>>,
) -> (BufReader<DuplexStream>, String) {
    let (near, far) = tokio::io::duplex(1000);
    sender.send(Ok(far)).await.unwrap();
    let mut client = BufReader::new(near);
    let first = line(&mut client).await;
    (client, first)
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_of_the_largest_share_gives_way_and_reads_why() {
    let (theirs, their_listener) = ChannelListener::<DuplexStream>::with_address("192.0.2.1");
    let (ours, our_listener) = ChannelListener::<DuplexStream>::with_address("192.0.2.2");
    let _running = run(agent(3).await, vec![their_listener, our_listener]);
    let mut crowd = Vec::new();
    for _ in 0..3 {
        let mut client = connect(&theirs).await.0;
        subscribe(&mut client).await;
        crowd.push(client);
    }
    let (mut newcomer, row) = connect(&ours).await;
    assert_eq!(row, ROW);
    let mut newest = crowd.pop().unwrap();
    let reason = "# bye reason=\"too many clients: another client has its place\"\n";
    assert_eq!(last_note(&mut newest).await, reason);
    for client in &mut crowd {
        assert!(!line(client).await.is_empty(), "the others stay");
    }
    let (_, refused) = connect(&theirs).await;
    assert_eq!(refused, "# error \"too many clients\"\n");
    subscribe(&mut newcomer).await;
}

#[tokio::test(start_paused = true)]
async fn clients_per_address_are_limited_and_others_still_fit() {
    let (ours, our_listener) = ChannelListener::<DuplexStream>::with_address("2001:db8:0:1::1");
    let (neighbours, neighbour_listener) =
        ChannelListener::<DuplexStream>::with_address("2001:db8:0:1:ffff::2");
    let (theirs, their_listener) = ChannelListener::<DuplexStream>::with_address("192.0.2.1");
    let per_address_max = 2;
    let _running = run(
        agent_for(10, per_address_max).await,
        vec![our_listener, neighbour_listener, their_listener],
    );
    let (mut first, row) = connect(&ours).await;
    let (mut second, other_row) = connect(&neighbours).await;
    assert_eq!([row.as_str(), other_row.as_str()], [ROW, ROW]);
    subscribe(&mut first).await;
    subscribe(&mut second).await;
    let (_, refused) = connect(&ours).await;
    assert_eq!(refused, "# error \"too many clients from 2001:db8:0:1::/64\"\n");
    assert_eq!(connect(&theirs).await.1, ROW);
    drop(first);
    let begin = Instant::now();
    while connect(&ours).await.1 != ROW {
        assert!(begin.elapsed() < DEADLINE);
    }
}

#[tokio::test(start_paused = true)]
async fn the_agent_stops_within_a_second_even_with_a_stuck_client() {
    let (sender, listener) = ChannelListener::new();
    let (stop, agent) = run(agent(10).await, vec![listener]);
    let (mut healthy, far) = tokio::io::duplex(1000);
    sender.send(Ok(far)).await.unwrap();
    let (stuck, far) = tokio::io::duplex(1);
    sender.send(Ok(far)).await.unwrap();
    assert_eq!(line(&mut BufReader::new(&mut healthy)).await, ROW);
    let begin = Instant::now();
    drop(stop);
    agent.await.unwrap();
    assert!(begin.elapsed() <= Duration::from_secs(1));
    drop(stuck);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_session_ends_the_agent() {
    let (sender, listener) = ChannelListener::new();
    let (_stop, agent) = run(agent(10).await, vec![listener]);
    let write = |_: &[u8]| panic!("a fault in a session");
    sender.send(Ok(FnStream { read: never, write })).await.unwrap();
    let ended = timeout(DEADLINE, agent).await.expect("an end in time");
    assert!(ended.unwrap_err().is_panic());
}

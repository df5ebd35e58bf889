//! An agent with a scripted source and a clock that a test can set, and clients that read its
//! streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use loadline_agent::{
    Agent, AgentSettings, Clock, Ending, Listener, MachineFacts, ScriptedSource, Service,
};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// When the agent's clock was started.
const START_MS: i64 = 1_763_836_800_000;

/// Longer than anything here takes, the farewell to a stuck client included.
const DEADLINE: Duration = Duration::from_secs(100);

/// A running agent. Its sample `n` is `n.0 2400.0 43.1 0.52 0.44 0.40`.
pub(crate) struct AgentStage {
    service: Service,
    wall_offset_ms: Arc<AtomicI64>,
    stop: oneshot::Sender<()>,
    agent: JoinHandle<()>,
}

impl AgentStage {
    /// An agent that keeps samples for so long.
    pub(crate) async fn with_history(history: Duration) -> AgentStage {
        AgentStage::start(AgentSettings { history, ..AgentSettings::default() }).await
    }

    pub(crate) async fn start(settings: AgentSettings) -> AgentStage {
        let wall_offset_ms = Arc::new(AtomicI64::new(START_MS));
        let clock = {
            let (offset, start) = (wall_offset_ms.clone(), Instant::now());
            Clock::new(move || offset.load(Ordering::Relaxed) + start.elapsed().as_millis() as i64)
        };
        let source = ScriptedSource::plain(|number, values| {
            values.extend([number as f64, 2400.0, 43.1, 0.52, 0.44, 0.4]);
        });
        let facts =
            MachineFacts { host: "web-1".into(), cores: Some(4), ..MachineFacts::default() };
        let agent = Agent::start_with_clock(source, facts, settings, clock).await;
        let service = agent.service();
        let (stop, stopped) = oneshot::channel::<()>();
        let agent = tokio::spawn(agent.run(Vec::<Listener>::new(), async {
            let _ = stopped.await;
        }));
        AgentStage { service, wall_offset_ms, stop, agent }
    }

    pub(crate) fn service(&self) -> Service {
        self.service.clone()
    }

    /// A client that has said nothing yet, on a pipe that holds so many bytes.
    pub(crate) fn connect(&self, pipe_bytes: usize) -> StreamClient {
        let (near, far) = tokio::io::duplex(pipe_bytes);
        let service = self.service.clone();
        let session = tokio::spawn(async move { service.serve(far).await });
        let (reader, writer) = tokio::io::split(near);
        StreamClient { reader: BufReader::with_capacity(1, reader), writer, session }
    }

    /// A client that has sent a request and got a plain row.
    pub(crate) async fn request(&self, request: &str) -> StreamClient {
        let mut client = self.connect(64 * 1024);
        client.row().await;
        client.send(&format!("{request}\n")).await;
        client
    }

    /// Sets the wall clock ahead, or back.
    pub(crate) fn shift_clock(&self, by_ms: i64) {
        self.wall_offset_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.agent.await.unwrap();
    }
}

/// One end of a pipe whose other end the agent serves.
pub(crate) struct StreamClient {
    /// It buffers a byte, so that what the client does not read stays in the pipe.
    reader: BufReader<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
    session: JoinHandle<Ending>,
}

impl StreamClient {
    pub(crate) async fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).await.unwrap();
    }

    /// Says that nothing more will be sent.
    pub(crate) async fn hang_up(&mut self) {
        self.writer.shutdown().await.unwrap();
    }

    /// The next line that is no word of the agent about itself; empty at the end of the stream.
    pub(crate) async fn line(&mut self) -> String {
        loop {
            let line = self.any_line().await;
            if !line.starts_with("# agent ") {
                return line;
            }
        }
    }

    /// The next line; empty at the end of the stream.
    pub(crate) async fn any_line(&mut self) -> String {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line);
        timeout(DEADLINE, read).await.expect("a line in time").unwrap();
        line.trim_end_matches('\n').to_owned()
    }

    /// The next line, shortened: `7` for the plain row of sample 7, `#7` for its subscribed row,
    /// the word of a header, a whole event.
    pub(crate) async fn row(&mut self) -> String {
        let line = self.line().await;
        if line.starts_with("# loadline/") || line.starts_with("# columns") {
            return line.split([' ', '/']).take(2).collect::<Vec<_>>().join(" ");
        }
        if line.starts_with('#') || line.is_empty() {
            return line;
        }
        match line.split(' ').collect::<Vec<_>>()[..] {
            [number, _, _, _, _, _] => number.trim_end_matches(".0").to_owned(),
            [_, seq, ..] => format!("#{seq}"),
            _ => panic!("{line:?}"),
        }
    }

    /// So many lines, shortened, with commas between them.
    pub(crate) async fn rows(&mut self, count: usize) -> String {
        let mut rows = Vec::new();
        for _ in 0..count {
            rows.push(self.row().await);
        }
        rows.join(", ")
    }

    /// Why the session ended.
    pub(crate) async fn ending(self) -> Ending {
        timeout(DEADLINE, self.session).await.expect("an end in time").unwrap()
    }
}

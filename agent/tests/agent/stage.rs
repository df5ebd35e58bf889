//! Agent with a scripted source and an adjustable clock, and clients that read its streams.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use loadline_agent::{
    Agent, AgentSettings, Clock, Ending, Listener, MachineFacts, MetricSource, ScriptedSource,
    Service,
};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, DuplexStream,
    ReadBuf, ReadHalf, WriteHalf,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// Time of the agent's clock at its start.
const START_MS: i64 = 1_763_836_800_000;

/// Longer than any step of a test, including the close of a stuck client.
const DEADLINE: Duration = Duration::from_secs(100);

/// Running agent. Its sample `n` is `n.0 2400.0 43.1 0.52 0.44 0.40`.
pub(crate) struct AgentStage {
    service: Service,
    wall_offset_ms: Arc<AtomicI64>,
    stop: oneshot::Sender<()>,
    agent: JoinHandle<()>,
}

impl AgentStage {
    /// Starts an agent with a history of this length.
    pub(crate) async fn with_history(history: Duration) -> AgentStage {
        AgentStage::start(AgentSettings { history, ..AgentSettings::default() }).await
    }

    pub(crate) async fn start(settings: AgentSettings) -> AgentStage {
        AgentStage::start_with(settings, counting_source()).await
    }

    /// Starts an agent with this source.
    pub(crate) async fn start_with(
        settings: AgentSettings,
        source: impl MetricSource + 'static,
    ) -> AgentStage {
        let wall_offset_ms = Arc::new(AtomicI64::new(START_MS));
        let clock = {
            let (offset, start) = (wall_offset_ms.clone(), Instant::now());
            Clock::new(move || offset.load(Ordering::Relaxed) + start.elapsed().as_millis() as i64)
        };
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

    /// Connects a client that has not sent anything, over a pipe with a capacity of `pipe_bytes`.
    pub(crate) fn connect(&self, pipe_bytes: usize) -> StreamClient {
        let (near, far) = tokio::io::duplex(pipe_bytes);
        let service = self.service.clone();
        let session = tokio::spawn(async move { service.serve(far).await });
        let (reader, writer) = tokio::io::split(near);
        StreamClient { reader: BufReader::with_capacity(1, reader), writer, session }
    }

    /// Connects a client that has read a plain row and sent `request`.
    pub(crate) async fn request(&self, request: &str) -> StreamClient {
        let mut client = self.connect(64 * 1024);
        client.row().await;
        client.send(&format!("{request}\n")).await;
        client
    }

    /// Moves the wall clock ahead, or back if `by_ms` is negative.
    pub(crate) fn shift_clock(&self, by_ms: i64) {
        self.wall_offset_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        self.agent.await.unwrap();
    }
}

/// Returns a source whose sample `n` is `n.0 2400.0 43.1 0.52 0.44 0.40`.
pub(crate) fn counting_source() -> ScriptedSource<impl FnMut(u64, &mut Vec<f64>) + Send> {
    ScriptedSource::plain(|number, values| {
        values.extend([number as f64, 2400.0, 43.1, 0.52, 0.44, 0.4]);
    })
}

/// Client end of a pipe whose other end the agent serves.
pub(crate) struct StreamClient {
    /// Buffers one byte, so that unread bytes stay in the pipe.
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

    /// Closes the sending side.
    pub(crate) async fn hang_up(&mut self) {
        self.writer.shutdown().await.unwrap();
    }

    /// Reads the next line that is not an agent note. Empty at the end of the stream.
    pub(crate) async fn line(&mut self) -> String {
        loop {
            let line = self.any_line().await;
            if !line.starts_with("# agent ") {
                return line;
            }
        }
    }

    /// Reads the next line. Empty at the end of the stream.
    pub(crate) async fn any_line(&mut self) -> String {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line);
        timeout(DEADLINE, read).await.expect("a line in time").unwrap();
        line.trim_end_matches('\n').to_owned()
    }

    /// Reads the next line and abbreviates it: `7` for the plain row of sample 7, `#7` for its
    /// subscribed row, the first word of a header. Other notes stay whole.
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

    /// Reads `count` lines, abbreviated and separated by commas.
    pub(crate) async fn rows(&mut self, count: usize) -> String {
        let mut rows = Vec::new();
        for _ in 0..count {
            rows.push(self.row().await);
        }
        rows.join(", ")
    }

    /// Waits for the end of the session and returns its cause.
    pub(crate) async fn ending(self) -> Ending {
        timeout(DEADLINE, self.session).await.expect("an end in time").unwrap()
    }
}

/// Read of a client that never sends.
pub(crate) fn never(_: &mut ReadBuf<'_>) -> Poll<()> {
    Poll::Pending
}

/// Stream whose reads and writes are functions. A write accepts all bytes.
pub(crate) struct FnStream<R, W> {
    pub(crate) read: R,
    pub(crate) write: W,
}

impl<R: FnMut(&mut ReadBuf<'_>) -> Poll<()> + Unpin, W: Unpin> AsyncRead for FnStream<R, W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        (self.read)(read).map(Ok)
    }
}

impl<R: Unpin, W: FnMut(&[u8]) + Unpin> AsyncWrite for FnStream<R, W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        (self.write)(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

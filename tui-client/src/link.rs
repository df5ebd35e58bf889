//! Link to one source: connect, request, read, reconnect, resume. Only this module reads a source.

mod connector;
mod embedded;
mod events;
mod greeting;
mod local;
mod plain;
mod prometheus;
mod reader;
mod record_columns;
mod recorder;
mod ssh;
mod tcp;
mod terminal;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "link/tls/none.rs"]
mod tls;
mod unix;

use std::io;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use loadline_agent::{Clock, without_error_number};
use loadline_protocol::{History, Request, SafeText, Time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::event::Event;
pub use connector::{ByteStream, Connector};
pub use events::{Events, events_max};
pub use local::LocalInput;
pub use prometheus::{Fleet, FleetError, Secrets};
pub use reader::{Disconnect, ReadOptions, ResumeState, StreamReader};
pub use recorder::{Recorder, open as open_recording, spawn_recorder};
pub use ssh::SshCommand;
use terminal::TerminalLoan;
pub use terminal::{TerminalAccess, TerminalLender};
pub use tls::{TlsClient, TlsClientError, TlsClientFiles};

/// Answer timeout: 1 s, or four times the connect time if that is longer. A server that sends no
/// header in time is read as a plain stream.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Answer timeout of a server that has answered before: 10 s. The server knows requests.
const ANSWER_TIMEOUT_LONG: Duration = Duration::from_secs(10);

/// Upper bound of the connect time, which includes the name lookup, in the answer timeout: 1 s.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(1);

/// Timeout for writing a request: 10 s. A source that accepts no bytes for longer is gone.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// History to request beyond the outage: 1 s, for a row in flight when the connection ended.
const OUTAGE_MARGIN: Duration = Duration::from_secs(1);

/// Timeout for reading the reason of a source that accepts no request: 1 s.
const REASON_TIMEOUT: Duration = Duration::from_secs(1);

/// First backoff delay: 250 ms. Each further failure doubles the delay.
const BACKOFF_MIN: Duration = Duration::from_millis(250);

/// Longest backoff delay: 10 s.
const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// Size of the read buffer: 16 KiB. All events of one read are sent before the next read.
const READ_BYTES: usize = 16 * 1024;

/// Capacity of the event channel of a link. While the channel is full, the source is not read.
/// A full channel takes about 12 MiB, because an event holds the rows of one read, at most
/// [`Rows::NUMBERS_MAX`](crate::event::Rows::NUMBERS_MAX) numbers.
pub const EVENTS_MAX: usize = 64;

/// Options of a link, applied to every connection.
#[derive(Debug, Clone, Default)]
pub struct LinkOptions {
    /// Interval to request; the agent's own if `None`.
    pub interval: Option<Duration>,
    /// History to request.
    pub history: History,
    /// Columns to read, and whether to keep the lines.
    pub read_options: ReadOptions,
    /// Continue when a recording grows.
    pub follow: bool,
}

impl LinkOptions {
    /// Returns the request that resumes after `state`.
    fn request(&self, state: &ResumeState, now: Time) -> Request {
        Request {
            interval: self.interval,
            history: Some(self.history_since(state, now)),
            columns: self.read_options.columns.as_ref().map(|columns| {
                // Requests name columns without units: `cpu` for `cpu:%`.
                let name = |column: &String| column.split(':').next().unwrap_or("").to_owned();
                columns.iter().map(name).collect()
            }),
            resume: state.last,
            ..Request::default()
        }
    }

    /// Returns the history to request in case the run has changed: at least the time since the last
    /// row arrived.
    fn history_since(&self, state: &ResumeState, now: Time) -> History {
        let Some(last_received) = state.last_received else { return self.history };
        let silent_ms = (now.as_millis() - last_received.as_millis()).max(0) as u64;
        let silent = Duration::from_millis(silent_ms) + OUTAGE_MARGIN;
        match self.history {
            History::All => History::All,
            History::Last(span) => History::Last(span.max(silent)),
            History::None => History::Last(silent),
        }
    }
}

/// Link to one source.
#[derive(Debug)]
pub struct Link {
    connector: Connector,
    options: LinkOptions,
    clock: Clock,
    resume_state: ResumeState,
    /// Interval to request, as set last.
    interval_receiver: watch::Receiver<Option<Duration>>,
    interval_sender: watch::Sender<Option<Duration>>,
    loans: mpsc::Receiver<TerminalLoan>,
    lender: TerminalLender,
}

/// The receiver of the events was dropped.
struct ReceiverDropped;

impl Link {
    /// Creates a link that is not connected yet.
    #[must_use]
    pub fn new(connector: Connector, options: LinkOptions, clock: Clock) -> Link {
        let (interval_sender, interval_receiver) = watch::channel(options.interval);
        let (lender, loans) = TerminalLender::new();
        Link {
            connector,
            options,
            clock,
            resume_state: ResumeState::default(),
            interval_receiver,
            interval_sender,
            loans,
            lender,
        }
    }

    /// Returns the sender of the interval to request, on this connection and on later ones.
    #[must_use]
    pub fn interval_sender(&self) -> watch::Sender<Option<Duration>> {
        self.interval_sender.clone()
    }

    /// Returns the lender of the terminal. A loan retries at once and lets the transport prompt.
    #[must_use]
    pub fn lender(&self) -> TerminalLender {
        self.lender.clone()
    }

    /// Connects, reads and reconnects until the receiver of `events` is dropped.
    pub async fn run(mut self, events: mpsc::Sender<Event>) {
        // An error only means that the receiver was dropped.
        let _ = match self.connector.local_input() {
            Some(input) => input.run(&self.options, &mut self.clock, &events).await,
            None => self.keep_connected(&events).await,
        };
    }

    async fn keep_connected(
        &mut self,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), ReceiverDropped> {
        let mut backoff = None;
        let mut loan = None;
        loop {
            send(events, Event::Connecting).await?;
            let started = Instant::now();
            let end = match self.connect(loan.take(), events).await? {
                Ok(stream) => {
                    send(events, Event::Connected).await?;
                    let before = self.resume_state.clone();
                    let end = self.read_connection(stream, started.elapsed(), events).await?;
                    if self.resume_state != before {
                        backoff = None;
                    }
                    end
                }
                Err(error) => classify_error(&error),
            };
            let delay =
                backoff.get_or_insert_with(backoff_delays).next().map_or(BACKOFF_MAX, cap_delay);
            let retry = self.now().as_millis() + delay.as_millis() as i64;
            let Disconnect { reason, refused } = end;
            let retry = Time::from_millis(retry);
            send(events, Event::Disconnected { reason, refused, retry_at: retry }).await?;
            tokio::select! {
                () = sleep(delay) => {}
                Some(lent) = self.loans.recv() => loan = Some(lent),
                () = events.closed() => return Err(ReceiverDropped),
            }
        }
    }

    /// Makes one attempt to connect. Restarts the attempt if the terminal is lent meanwhile.
    async fn connect(
        &mut self,
        mut loan: Option<TerminalLoan>,
        events: &mpsc::Sender<Event>,
    ) -> Result<io::Result<Box<dyn ByteStream>>, ReceiverDropped> {
        loop {
            let terminal = TerminalLoan::access(loan.as_ref());
            let made = tokio::select! {
                // Handle a pending loan first, so that no attempt is started and then restarted.
                biased;
                Some(lent) = self.loans.recv() => {
                    loan = Some(lent);
                    continue;
                }
                () = events.closed() => return Err(ReceiverDropped),
                made = timeout(
                    self.connector.connect_timeout(terminal),
                    self.connector.connect(terminal),
                ) => made,
            };
            if let Some(loan) = loan {
                loan.give_back();
            }
            return Ok(made.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())));
        }
    }

    /// Sends the request and reads until the connection ends.
    async fn read_connection(
        &mut self,
        mut stream: Box<dyn ByteStream>,
        connect_time: Duration,
        events: &mpsc::Sender<Event>,
    ) -> Result<Disconnect, ReceiverDropped> {
        if let Err(error) = self.send_request(&mut stream).await {
            return Ok(classify_error(&read_reason(&mut stream, error).await));
        }
        let answer_timeout = if self.resume_state.answered {
            ANSWER_TIMEOUT_LONG
        } else {
            ANSWER_TIMEOUT.max(4 * connect_time.min(CONNECT_TIME_MAX))
        };
        let decide_at = Instant::now() + answer_timeout;
        let mut reader = StreamReader::new(self.options.read_options.clone());
        let mut bytes = vec![0; READ_BYTES];
        let mut batch = Vec::new();
        loop {
            let count = tokio::select! {
                () = events.closed() => return Err(ReceiverDropped),
                Ok(()) = self.interval_receiver.changed() => {
                    if self.resume_state.answered
                        && let Err(error) = self.send_request(&mut stream).await
                    {
                        return Ok(classify_error(&error));
                    }
                    continue;
                }
                // Already connected: there is nothing to prompt for.
                Some(loan) = self.loans.recv() => {
                    loan.give_back();
                    continue;
                }
                count = read(&mut stream, &mut bytes, reader.is_undecided(), decide_at) => count,
            };
            let now = self.now();
            let end = match count {
                Ok(Some(count @ 1..)) => {
                    batch.push(Event::Received { bytes: count as u64 });
                    reader.feed(&bytes[..count], now, &mut self.resume_state, &mut batch)
                }
                Ok(Some(0)) => Some(classify_error(&io::ErrorKind::BrokenPipe.into())),
                Err(error) => Some(classify_error(&error)),
                Ok(None) => {
                    reader.decide_plain(&mut self.resume_state, &mut batch);
                    None
                }
            };
            if end.is_some() {
                // No header can follow that would explain the pending rows.
                reader.close(&mut self.resume_state, &mut batch);
            }
            for event in batch.drain(..) {
                send(events, event).await?;
            }
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// Sends a request with the current interval and resume state.
    async fn send_request(&mut self, stream: &mut (impl AsyncWriteExt + Unpin)) -> io::Result<()> {
        self.options.interval = *self.interval_receiver.borrow_and_update();
        let now = self.now();
        let request = format!("{}\n", self.options.request(&self.resume_state, now));
        let written = timeout(REQUEST_TIMEOUT, async {
            stream.write_all(request.as_bytes()).await?;
            // TLS may buffer written bytes.
            stream.flush().await
        });
        match written.await {
            Ok(written) => written,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    fn now(&mut self) -> Time {
        self.clock.now()
    }
}

/// Returns the reason of a source that accepts no request; `error` if the source gives none. A TLS
/// server rejects a client only after the connection is made, and then closes.
async fn read_reason(stream: &mut (impl AsyncReadExt + Unpin), error: io::Error) -> io::Error {
    match timeout(REASON_TIMEOUT, stream.read(&mut [0; 1024])).await {
        Ok(Err(reason)) => reason,
        Ok(Ok(_)) | Err(_) => error,
    }
}

/// Reads once. Returns `None` at `decide_at` if the kind of stream is still undecided.
async fn read(
    stream: &mut (impl AsyncReadExt + Unpin),
    bytes: &mut [u8],
    undecided: bool,
    decide_at: Instant,
) -> io::Result<Option<usize>> {
    if undecided {
        match timeout_at(decide_at, stream.read(bytes)).await {
            Ok(count) => count.map(Some),
            Err(_) => Ok(None),
        }
    } else {
        stream.read(bytes).await.map(Some)
    }
}

async fn send(events: &mpsc::Sender<Event>, event: Event) -> Result<(), ReceiverDropped> {
    // A schema may have thousands of columns: wait for an empty queue, so only one is in flight.
    if matches!(event, Event::Stream(_)) {
        drop(events.reserve_many(events.max_capacity()).await.map_err(|_| ReceiverDropped)?);
    }
    events.send(event).await.map_err(|_| ReceiverDropped)
}

fn backoff_delays() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(BACKOFF_MIN)
        .with_max_delay(BACKOFF_MAX)
        .without_max_times()
        .with_jitter()
        .build()
}

/// Caps a delay, jitter included, at [`BACKOFF_MAX`].
fn cap_delay(delay: Duration) -> Duration {
    delay.min(BACKOFF_MAX)
}

/// Returns why an attempt or a connection failed, in words that fit a header line.
fn classify_error(error: &io::Error) -> Disconnect {
    if let Some(farewell) = tls::classify_error(error) {
        return farewell;
    }
    let reason = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset",
        io::ErrorKind::TimedOut => "timed out",
        io::ErrorKind::HostUnreachable => "host unreachable",
        io::ErrorKind::NetworkUnreachable => "network unreachable",
        io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => "closed by the server",
        _ => &without_error_number(&error.to_string()),
    };
    Disconnect { reason: SafeText::new(reason), refused: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays() -> Vec<Duration> {
        backoff_delays().take(12).map(cap_delay).collect()
    }

    #[test]
    fn backoff_doubles_up_to_ten_seconds_with_jitter() {
        let (ours, theirs) = (delays(), delays());
        assert_ne!(ours, theirs, "clients that lost the same agent reconnect at different times");
        let mut least = BACKOFF_MIN;
        for wait in &ours {
            assert!(
                *wait >= least.min(BACKOFF_MAX) && *wait <= (2 * least).min(BACKOFF_MAX),
                "{ours:?}"
            );
            least *= 2;
        }
        assert_eq!(ours.last(), Some(&BACKOFF_MAX));
    }

    #[tokio::test]
    async fn a_lent_terminal_is_returned_after_each_attempt() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let connector = Connector::tcp("127.0.0.1", port);
        let link = Link::new(connector, LinkOptions::default(), Clock::system());
        let lender = link.lender();
        let (sender, mut events) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(link.run(sender));
        lender.lend(false).await;
        assert_eq!(events.recv().await, Some(Event::Connecting));
        assert!(matches!(events.recv().await, Some(Event::Disconnected { .. })));
        // The listener is up now: a loan does not wait for the backoff.
        let _listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        lender.lend(false).await;
        assert_eq!(events.recv().await, Some(Event::Connecting));
        assert_eq!(events.recv().await, Some(Event::Connected));
        // A connected link returns a loan at once.
        lender.lend(false).await;
    }

    #[test]
    fn after_an_outage_the_request_covers_the_missed_samples() {
        let second = |seconds: i64| Time::from_millis(seconds * 1000);
        let check = |history, last_received: Option<i64>, expected: &str| {
            let options = LinkOptions { history, ..LinkOptions::default() };
            let mut state = ResumeState::default();
            state.last_received = last_received.map(second);
            assert_eq!(options.request(&state, second(100)).to_string(), expected);
        };
        let last = |seconds| History::Last(Duration::from_secs(seconds));
        check(History::None, None, "loadline/1 history=none");
        check(History::None, Some(70), "loadline/1 history=31s");
        check(last(600), Some(70), "loadline/1 history=10m");
        check(last(10), Some(70), "loadline/1 history=31s");
        check(History::All, Some(70), "loadline/1 history=all");
    }
}

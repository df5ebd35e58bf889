//! The way to one source: connect, ask, read, reconnect, resume. The only code that touches it.

mod connector;
mod embedded;
mod events;
mod given;
mod greeting;
mod plain;
mod prometheus;
mod reader;
mod record;
mod ssh;
mod table;
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
use loadline_agent::Clock;
use loadline_protocol::{History, Request, SafeText, Time};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::event::Event;
pub use connector::{Connector, Stream};
pub use events::{Events, events_max};
pub use given::Given;
pub use prometheus::{Fleet, FleetError, Secrets};
pub use reader::{Farewell, Progress, Reader, Reading};
pub use record::{Recorder, open as open_recording, recorded};
pub use ssh::SshCommand;
use terminal::Loan;
pub use terminal::{Lender, Terminal};
pub use tls::{Tls, TlsError, TlsFiles};

/// How long a server has to answer a request before its rows are taken as plain ones, unless making
/// the connection showed that the way is longer.
const ANSWER_MAX: Duration = Duration::from_secs(1);

/// The same for a server that has answered before: it knows requests, and is only slow.
const ANSWER_AGAIN_MAX: Duration = Duration::from_secs(10);

/// The longest that making a connection counts for: the look-up of a name counts in it.
const WAY_MAX: Duration = Duration::from_secs(1);

/// How long a source may take to take a request.
const ASK_MAX: Duration = Duration::from_secs(10);

/// What is asked for beyond the silence: a row was on its way.
const SILENCE_MARGIN: Duration = Duration::from_secs(1);

/// How long a source that takes no request may take to say why.
const LAST_WORD_MAX: Duration = Duration::from_secs(1);

/// The wait after the first failure; it doubles with each further one.
const RETRY_MIN: Duration = Duration::from_millis(250);

/// The longest wait between two tries.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// Bytes taken at once; what they say is passed on before more are read.
const READ_BYTES: usize = 16 * 1024;

/// Events between a link and who follows it. When they are full, the source is not read. An event
/// holds the rows of one read, [`Rows::NUMBERS_MAX`](crate::event::Rows::NUMBERS_MAX) numbers at
/// most, so that all of them together take no more than some 12 MiB.
pub const EVENTS_MAX: usize = 64;

/// What to ask of the source, each time anew.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The time between rows; the agent's if `None`.
    pub interval: Option<Duration>,
    /// How far back to begin.
    pub history: History,
    /// What to make of the rows.
    pub reading: Reading,
    /// Go on when a recording grows.
    pub follow: bool,
}

impl Wish {
    /// The request of a connection that goes on after `progress`.
    fn request(&self, progress: &Progress, now: Time) -> Request {
        Request {
            interval: self.interval,
            history: Some(self.history_since(progress, now)),
            columns: self.reading.columns.as_ref().map(|columns| {
                // A unit is ours to know: `cpu:%` names the column `cpu`.
                let name = |column: &String| column.split(':').next().unwrap_or("").to_owned();
                columns.iter().map(name).collect()
            }),
            resume: progress.last,
            ..Request::default()
        }
    }

    /// How far back to begin if the run is another than before: what was sampled since the last row
    /// came is asked for in any case.
    fn history_since(&self, progress: &Progress, now: Time) -> History {
        let Some(heard) = progress.heard else { return self.history };
        let silent_ms = (now.as_millis() - heard.as_millis()).max(0) as u64;
        let silent = Duration::from_millis(silent_ms) + SILENCE_MARGIN;
        match self.history {
            History::All => History::All,
            History::Last(span) => History::Last(span.max(silent)),
            History::None => History::Last(silent),
        }
    }
}

/// The link to one source.
#[derive(Debug)]
pub struct Link {
    connector: Connector,
    wish: Wish,
    clock: Clock,
    progress: Progress,
    /// The interval that was asked for last; nobody asks any more once the other end is dropped.
    asked: watch::Receiver<Option<Duration>>,
    ask: watch::Sender<Option<Duration>>,
    loans: mpsc::Receiver<Loan>,
    lender: Lender,
}

/// Nobody follows this link any more.
struct Unfollowed;

impl Link {
    /// A link that is not connected yet.
    #[must_use]
    pub fn new(connector: Connector, wish: Wish, clock: Clock) -> Link {
        let (ask, asked) = watch::channel(wish.interval);
        let (lender, loans) = Lender::new();
        Link { connector, wish, clock, progress: Progress::default(), asked, ask, loans, lender }
    }

    /// Asks the source for another interval, on this connection and on those that follow.
    #[must_use]
    pub fn asker(&self) -> watch::Sender<Option<Duration>> {
        self.ask.clone()
    }

    /// Lends it the terminal, to try anew at once and to ask what it has to.
    #[must_use]
    pub fn lender(&self) -> Lender {
        self.lender.clone()
    }

    /// Connects and reads, again and again, until nobody receives the events any more.
    pub async fn run(mut self, events: mpsc::Sender<Event>) {
        // An error only says that the receiver is gone.
        let _ = match self.connector.given() {
            Some(given) => given.follow(&self.wish, &mut self.clock, &events).await,
            None => self.follow(&events).await,
        };
    }

    async fn follow(&mut self, events: &mpsc::Sender<Event>) -> Result<(), Unfollowed> {
        let mut backoff = None;
        let mut loan = None;
        loop {
            send(events, Event::Connecting).await?;
            let asked = Instant::now();
            let end = match self.connect(loan.take(), events).await? {
                Ok(stream) => {
                    send(events, Event::Connected).await?;
                    let before = self.progress.clone();
                    let end = self.converse(stream, asked.elapsed(), events).await?;
                    if self.progress != before {
                        backoff = None;
                    }
                    end
                }
                Err(error) => broken(&error),
            };
            let delay = backoff.get_or_insert_with(retries).next().map_or(RETRY_MAX, capped);
            let retry = self.now().as_millis() + delay.as_millis() as i64;
            let Farewell { reason, refused } = end;
            let retry = Time::from_millis(retry);
            send(events, Event::Down { reason, refused, retry }).await?;
            tokio::select! {
                () = sleep(delay) => {}
                Some(lent) = self.loans.recv() => loan = Some(lent),
                () = events.closed() => return Err(Unfollowed),
            }
        }
    }

    /// Tries once to make a connection; anew if the terminal is lent meanwhile.
    async fn connect(
        &mut self,
        mut loan: Option<Loan>,
        events: &mpsc::Sender<Event>,
    ) -> Result<io::Result<Box<dyn Stream>>, Unfollowed> {
        loop {
            let terminal = Loan::terminal(loan.as_ref());
            let made = tokio::select! {
                // A try that has not begun yet need not be ended.
                biased;
                Some(lent) = self.loans.recv() => {
                    loan = Some(lent);
                    continue;
                }
                () = events.closed() => return Err(Unfollowed),
                made = timeout(
                    self.connector.time_max(terminal),
                    self.connector.connect(terminal),
                ) => made,
            };
            if let Some(loan) = loan {
                loan.give_back();
            }
            return Ok(made.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())));
        }
    }

    /// Asks and reads until the connection ends.
    async fn converse(
        &mut self,
        mut stream: Box<dyn Stream>,
        way: Duration,
        events: &mpsc::Sender<Event>,
    ) -> Result<Farewell, Unfollowed> {
        if let Err(error) = self.ask(&mut stream).await {
            return Ok(broken(&last_word(&mut stream, error).await));
        }
        let patience = if self.progress.answered {
            ANSWER_AGAIN_MAX
        } else {
            ANSWER_MAX.max(4 * way.min(WAY_MAX))
        };
        let decide_at = Instant::now() + patience;
        let mut reader = Reader::new(self.wish.reading.clone());
        let mut bytes = vec![0; READ_BYTES];
        let mut batch = Vec::new();
        loop {
            let count = tokio::select! {
                () = events.closed() => return Err(Unfollowed),
                Ok(()) = self.asked.changed() => {
                    if self.progress.answered
                        && let Err(error) = self.ask(&mut stream).await
                    {
                        return Ok(broken(&error));
                    }
                    continue;
                }
                // It is connected, and there is nothing to ask.
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
                    reader.take(&bytes[..count], now, &mut self.progress, &mut batch)
                }
                // Nothing can follow any more that would explain the rows that were held back.
                Ok(Some(0)) => Some(broken(&io::ErrorKind::BrokenPipe.into())),
                Err(error) => Some(broken(&error)),
                Ok(None) => {
                    reader.decide_plain(&mut self.progress, &mut batch);
                    None
                }
            };
            if end.is_some() {
                reader.close(&mut self.progress, &mut batch);
            }
            for event in batch.drain(..) {
                send(events, event).await?;
            }
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// Sends the request for what is wished now.
    async fn ask(&mut self, stream: &mut (impl AsyncWriteExt + Unpin)) -> io::Result<()> {
        self.wish.interval = *self.asked.borrow_and_update();
        let now = self.now();
        let request = format!("{}\n", self.wish.request(&self.progress, now));
        let written = timeout(ASK_MAX, async {
            stream.write_all(request.as_bytes()).await?;
            // What is encrypted is not always on its way.
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

/// What the source says that takes no request; `error` if that is nothing. Over TLS it says only
/// after the connection is made that it does not want us, and then closes.
async fn last_word(stream: &mut (impl AsyncReadExt + Unpin), error: io::Error) -> io::Error {
    match timeout(LAST_WORD_MAX, stream.read(&mut [0; 1024])).await {
        Ok(Err(said)) => said,
        Ok(Ok(_)) | Err(_) => error,
    }
}

/// Reads once; `None` when it is time to decide what kind of stream this is.
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

async fn send(events: &mpsc::Sender<Event>, event: Event) -> Result<(), Unfollowed> {
    // A schema may have thousands of columns: there is one on its way at a time, not a queue full.
    if matches!(event, Event::Stream(_)) {
        drop(events.reserve_many(events.max_capacity()).await.map_err(|_| Unfollowed)?);
    }
    events.send(event).await.map_err(|_| Unfollowed)
}

fn retries() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(RETRY_MIN)
        .with_max_delay(RETRY_MAX)
        .without_max_times()
        .with_jitter()
        .build()
}

/// Jitter may not make the longest wait longer.
fn capped(delay: Duration) -> Duration {
    delay.min(RETRY_MAX)
}

/// Why a connection cannot be made or has ended, in words that fit a header line.
fn broken(error: &io::Error) -> Farewell {
    if let Some(farewell) = tls::farewell(error) {
        return farewell;
    }
    let reason = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset",
        io::ErrorKind::TimedOut => "timed out",
        io::ErrorKind::HostUnreachable => "host unreachable",
        io::ErrorKind::NetworkUnreachable => "network unreachable",
        io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => "closed by the server",
        _ => &error.to_string(),
    };
    Farewell { reason: SafeText::new(reason), refused: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits() -> Vec<Duration> {
        retries().take(12).map(capped).collect()
    }

    #[test]
    fn the_wait_doubles_up_to_ten_seconds_and_no_two_clients_wait_alike() {
        let (ours, theirs) = (waits(), waits());
        assert_ne!(ours, theirs, "clients that lost the same agent do not come back at once");
        let mut least = RETRY_MIN;
        for wait in &ours {
            assert!(
                *wait >= least.min(RETRY_MAX) && *wait <= (2 * least).min(RETRY_MAX),
                "{ours:?}"
            );
            least *= 2;
        }
        assert_eq!(ours.last(), Some(&RETRY_MAX));
    }

    #[tokio::test]
    async fn a_terminal_that_is_lent_comes_back_whether_the_try_succeeds_or_not() {
        let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = door.local_addr().unwrap().port();
        drop(door);
        let connector = Connector::tcp("127.0.0.1", port);
        let link = Link::new(connector, Wish::default(), Clock::system());
        let lender = link.lender();
        let (sender, mut events) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(link.run(sender));
        lender.lend(false).await;
        assert_eq!(events.recv().await, Some(Event::Connecting));
        assert!(matches!(events.recv().await, Some(Event::Down { .. })));
        // Now somebody is there; it need not wait for the next try.
        let _door = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        lender.lend(false).await;
        assert_eq!(events.recv().await, Some(Event::Connecting));
        assert_eq!(events.recv().await, Some(Event::Connected));
        // It needs none any more.
        lender.lend(false).await;
    }

    #[test]
    fn after_an_outage_what_was_sampled_since_is_asked_for() {
        let second = |seconds: i64| Time::from_millis(seconds * 1000);
        let check = |history, heard: Option<i64>, expected: &str| {
            let wish = Wish { history, ..Wish::default() };
            let mut progress = Progress::default();
            progress.heard = heard.map(second);
            assert_eq!(wish.request(&progress, second(100)).to_string(), expected);
        };
        let last = |seconds| History::Last(Duration::from_secs(seconds));
        check(History::None, None, "loadline/1 history=none");
        check(History::None, Some(70), "loadline/1 history=31s");
        check(last(600), Some(70), "loadline/1 history=10m");
        check(last(10), Some(70), "loadline/1 history=31s");
        check(History::All, Some(70), "loadline/1 history=all");
    }
}

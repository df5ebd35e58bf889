//! Link to one source: connect, request, read, reconnect, resume. Only this module reads a source.

mod backoff;
mod columns;
mod connector;
mod disconnect;
mod embedded;
mod events;
mod greeting;
mod local;
mod logins;
mod lookup;
mod options;
mod overdue;
mod past;
mod plain_columns;
mod read_options;
mod reader;
mod reasoned;
mod recorder;
mod requests;
mod running_agent;
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
use std::ops::Range;
use std::time::Duration;

use loadline_agent::Clock;
use loadline_common::without_error_number;
use loadline_protocol::Time;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::event::{Event, Overdue};
use backoff::Backoff;
pub use connector::{ByteStream, Connector};
pub(crate) use disconnect::Disconnect;
pub use events::{EVENTS_MAX, Events, events_max};
use events::{send, send_all};
use logins::{Logins, Retry};
pub use options::{LinkOptions, TlsClientFiles};
use overdue::RowWatch;
use past::PastLoader;
pub(crate) use read_options::TIME_OPTIONS;
pub use read_options::{ReadOptions, TypedRequest};
use reader::READ_BYTES;
pub use reader::StreamReader;
pub(crate) use reasoned::ReasonedReader;
pub(crate) use recorder::FileRecorder;
pub use recorder::Recorder;
use requests::take_step;
pub use ssh::SshCommand;
use terminal::TerminalLoan;
pub use terminal::{TerminalAccess, TerminalLender};
pub use tls::{TlsClient, TlsClientError};

/// Answer timeout: 1 s, or four times the connect time if that is longer. A server that sends no
/// header in time is read as a plain stream.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Answer timeout of a server that has answered before: 10 s. The server knows requests, so without an
/// answer the connection leads nowhere.
const ANSWER_TIMEOUT_LONG: Duration = Duration::from_secs(10);

/// Upper bound of the connect time, which includes the name lookup, in the answer timeout: 1 s.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(1);

/// Timeout for writing a request or a ping: 10 s. A source that accepts no bytes for longer is gone.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout for reading the reason of a source that accepts no request: 1 s.
const REASON_TIMEOUT: Duration = Duration::from_secs(1);

/// Interval between requests that measure the clock offset: 10 min. Clocks that nothing synchronizes
/// drift by milliseconds in that time.
const CLOCK_INTERVAL: Duration = Duration::from_mins(10);

/// Link to one source.
#[derive(Debug)]
pub struct Link {
    connector: Connector,
    options: LinkOptions,
    clock: Clock,
    reader: StreamReader,
    /// Arrival of the last rows.
    rows_at: Option<Instant>,
    /// True if a server that has answered before has sent only rows on the last connection.
    has_missed_answer: bool,
    interval_receiver: watch::Receiver<Option<Duration>>,
    /// Interval to request, on this connection and on later ones.
    pub interval_sender: watch::Sender<Option<Duration>>,
    past: PastLoader,
    /// Times of which the user wants to see earlier samples, by the agent's clock. They are loaded from
    /// an agent whose header names its oldest sample.
    pub past_sender: watch::Sender<Option<Range<Time>>>,
    loans: mpsc::Receiver<TerminalLoan>,
    /// Lender of the terminal. A loan retries at once and lets the transport prompt.
    pub(crate) lender: TerminalLender,
}

impl Link {
    /// Creates a link that is not connected yet.
    pub fn new(connector: Connector, options: LinkOptions, clock: Clock) -> Link {
        let (interval_sender, interval_receiver) = watch::channel(options.interval);
        let (past_sender, wishes) = watch::channel(None);
        let (lender, loans) = TerminalLender::new();
        let reader = StreamReader::new(options.read_options.clone());
        Link {
            connector,
            options,
            clock,
            reader,
            rows_at: None,
            has_missed_answer: false,
            interval_receiver,
            interval_sender,
            past: PastLoader::new(wishes),
            past_sender,
            loans,
            lender,
        }
    }

    /// Connects, reads and reconnects until the receiver of `events` is dropped.
    pub async fn run(mut self, events: mpsc::Sender<Event>) {
        let receiver_dropped = events.closed();
        let reading = async {
            match self.connector.local_input() {
                Some(input) => input.run(&self.options, &mut self.clock, &events).await,
                None => self.keep_connected(&events).await,
            }
        };
        tokio::select! {
            biased;
            () = receiver_dropped => {}
            () = reading => {}
        }
    }

    async fn keep_connected(&mut self, events: &mpsc::Sender<Event>) {
        let mut backoff: Option<Backoff> = None;
        let mut logins = Logins::default();
        let mut loan = None;
        loop {
            send(events, Event::Connecting).await;
            let started = Instant::now();
            let (terminal, made) = self.connect(loan.take()).await;
            let (end, retry) = match made {
                Ok(stream) => {
                    logins.succeed(terminal);
                    let before = self.reader.resume_state().clone();
                    let end = self.read_connection(stream, started.elapsed(), events).await;
                    if *self.reader.resume_state() != before {
                        backoff = None;
                        self.connector.keep_address();
                    }
                    (end, Retry::Backoff)
                }
                Err(error) => logins.fail(terminal, &error, classify_error(&error)),
            };
            let backoff = backoff.get_or_insert_default();
            let delay = backoff.delay(retry, end.refused, started.elapsed());
            let retry_at = delay.map(|delay| self.clock.now() + delay);
            let Disconnect { reason, refused } = end;
            send(events, Event::Disconnected { reason, refused, retry_at }).await;
            tokio::select! {
                () = async { sleep(delay.unwrap_or_default()).await }, if delay.is_some() => {}
                Some(lent) = self.loans.recv() => loan = Some(lent),
            }
        }
    }

    /// Makes one attempt to connect. Restarts the attempt if the terminal is lent meanwhile. Returns also
    /// the use of the terminal.
    async fn connect(
        &mut self,
        mut loan: Option<TerminalLoan>,
    ) -> (TerminalAccess, io::Result<Box<dyn ByteStream>>) {
        loop {
            let terminal = TerminalLoan::access(loan.as_ref());
            tokio::select! {
                // Handle a pending loan first, so that no attempt is started and then restarted.
                biased;
                Some(lent) = self.loans.recv() => loan = Some(lent),
                made = self.connector.connect(terminal) => return (terminal, made),
            }
        }
    }

    /// Sends the request and reads until the connection ends.
    async fn read_connection(
        &mut self,
        mut stream: Box<dyn ByteStream>,
        connect_time: Duration,
        events: &mpsc::Sender<Event>,
    ) -> Disconnect {
        let lost = self.past.interrupt(&mut self.reader);
        send_all(events, lost.map(Event::Past)).await;
        self.reader.reconnect();
        // A server that has answered before is back once it answers again.
        let mut is_back = !self.reader.resume_state().answered;
        if is_back {
            send(events, Event::Connected).await;
        }
        if let Err(error) = self.send_request(&mut stream, events, None).await {
            return classify_error(&read_reason(&mut stream, error).await);
        }
        let answer_timeout = self.answer_timeout(connect_time);
        let decide_at = Instant::now() + answer_timeout;
        let mut watch = RowWatch::new(Instant::now(), self.clock.now());
        let mut bytes = vec![0; READ_BYTES];
        let mut clock_at = Instant::now() + CLOCK_INTERVAL;
        loop {
            let (check_at, lost_at) = (watch.check_at(), self.past.lost_at());
            let (end, remark) = tokio::select! {
                // Bytes before timers: after a pause of this process, they have waited for it.
                biased;
                Ok(()) = self.interval_receiver.changed() => {
                    (self.repeat_request(&mut stream, events).await, None)
                }
                Ok(()) = self.past.changed() => (None, None),
                // Already connected: there is nothing to prompt for.
                Some(_) = self.loans.recv() => continue,
                count = stream.read(&mut bytes) => match count {
                    Ok(0) => (Some(classify_error(&io::ErrorKind::BrokenPipe.into())), None),
                    Ok(count) => {
                        let now = self.look_at_clock(&mut clock_at, events).await;
                        send(events, Event::Received { bytes: count as u64 }).await;
                        self.receive(&bytes[..count], now, &mut watch)
                    }
                    Err(error) => (Some(classify_error(&error)), None),
                },
                // `async` creates a timer only if the branch is enabled.
                () = async { sleep_until(decide_at).await }, if self.reader.is_undecided() => {
                    (self.decide(answer_timeout), None)
                }
                () = async { sleep_until(lost_at.unwrap_or(decide_at)).await }, if lost_at.is_some() => {
                    (None, None)
                }
                () = async { sleep_until(check_at.unwrap_or(decide_at)).await }, if check_at.is_some() => {
                    let now = self.look_at_clock(&mut clock_at, events).await;
                    let (step, remark) = watch.check(Instant::now(), now);
                    (take_step(step, &mut stream).await, remark)
                }
            };
            if !is_back && !self.reader.is_undecided() {
                is_back = true;
                send(events, Event::Connected).await;
            }
            self.send_events(end.is_some(), remark, events).await;
            if let Some(end) = end {
                return end;
            }
            if let Some(end) = self.send_further(&mut stream, &mut clock_at, events).await {
                return end;
            }
        }
    }

    /// Sends the events of the bytes so far, the last ones of the connection if it has ended.
    async fn send_events(
        &mut self,
        has_ended: bool,
        remark: Option<Overdue>,
        events: &mpsc::Sender<Event>,
    ) {
        if has_ended {
            // No header can follow that would explain the pending rows.
            self.reader.close();
        }
        send_all(events, self.reader.drain_events()).await;
        send_all(events, remark.map(Event::Overdue)).await;
    }

    fn answer_timeout(&self, connect_time: Duration) -> Duration {
        if self.reader.resume_state().answered {
            ANSWER_TIMEOUT_LONG
        } else {
            ANSWER_TIMEOUT.max(4 * connect_time.min(CONNECT_TIME_MAX))
        }
    }

    /// Returns the current time. After a jump of the clock, its offset is measured at once.
    async fn look_at_clock(
        &mut self,
        clock_at: &mut Instant,
        events: &mpsc::Sender<Event>,
    ) -> Time {
        let (now, has_jumped) = self.clock.now_with_jump();
        if has_jumped {
            send(events, Event::TimeJumped).await;
            *clock_at = Instant::now();
        }
        now
    }

    /// Passes received bytes to the reader. Returns the reason to disconnect, and the remark on rows
    /// that are still overdue.
    fn receive(
        &mut self,
        bytes: &[u8],
        wall: Time,
        watch: &mut RowWatch,
    ) -> (Option<Disconnect>, Option<Overdue>) {
        let now = Instant::now();
        let end = self.reader.feed(bytes, wall);
        let header = self.reader.header();
        let is_agent = header.is_some_and(|header| header.agent.is_some());
        self.has_missed_answer &= header.is_none();
        watch.receive(now, wall, header.and_then(|header| header.interval));
        if self.reader.has_delivered(wall) {
            self.rows_at = Some(now);
            watch.receive_rows(now);
        }
        let is_answer = self.reader.take_pong();
        (end, is_answer.then(|| watch.receive_pong(is_agent)).flatten())
    }

    /// Decides about a stream without a header, after the answer timeout.
    fn decide(&mut self, answer_timeout: Duration) -> Option<Disconnect> {
        let half_time = self.clock.now() - answer_timeout / 2;
        // The request or its answer may be lost in a proxy. A plain server that has taken the place of the agent still
        // sends rows on the next connection.
        if self.reader.resume_state().answered
            && (self.reader.is_silent_since(half_time)
                || !std::mem::replace(&mut self.has_missed_answer, true))
        {
            return Some(no_answer(answer_timeout));
        }
        self.reader.decide_plain();
        self.reader.take_disconnect()
    }
}

fn no_answer(after: Duration) -> Disconnect {
    Disconnect::lost(&format!("no answer for {} s", after.as_secs()))
}

/// Writes a text and flushes it: TLS and files may buffer written bytes.
pub(crate) async fn write(out: &mut (impl AsyncWrite + Unpin), text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes()).await?;
    out.flush().await
}

/// Returns the reason of a source that accepts no request; `error` if the source gives none. A TLS
/// server rejects a client only after the connection is made, and then closes.
async fn read_reason(stream: &mut (impl AsyncRead + Unpin), error: io::Error) -> io::Error {
    match timeout(REASON_TIMEOUT, stream.read(&mut [0; 1024])).await {
        Ok(Err(reason)) => reason,
        Ok(Ok(_)) | Err(_) => error,
    }
}

/// Returns why an attempt or a connection failed, in words that fit a header line.
pub(crate) fn classify_error(error: &io::Error) -> Disconnect {
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
    Disconnect::lost(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lent_terminal_is_returned_after_each_attempt() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let connector = Connector::tcp("127.0.0.1", port);
        let link = Link::new(connector, LinkOptions::default(), Clock::system());
        let lender = link.lender.clone();
        let (sender, mut events) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(link.run(sender));
        lender.lend(TerminalAccess::Lent { echo: false }).await;
        assert_eq!(events.recv().await, Some(Event::Connecting));
        assert!(matches!(events.recv().await, Some(Event::Disconnected { .. })));
        // The listener is up now: a loan does not wait for the backoff.
        let _listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        lender.lend(TerminalAccess::Lent { echo: false }).await;
        assert_eq!(events.recv().await, Some(Event::Connecting));
        assert_eq!(events.recv().await, Some(Event::Connected));
        // A connected link returns a loan at once.
        lender.lend(TerminalAccess::Lent { echo: false }).await;
    }

    /// Serves a connection for each answer: sends the answer and ends, or, if it is empty, sends a plain row a second.
    fn answering(answers: Vec<&'static str>) -> Connector {
        let mut answers = answers.into_iter();
        Connector::custom("web-1", move || {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            let answer = answers.next().unwrap();
            tokio::spawn(async move {
                theirs.write_all(answer.as_bytes()).await.unwrap();
                // An error means that the client has left.
                while answer.is_empty() && theirs.write_all(b"1 2 3 4 5 6\n").await.is_ok() {
                    sleep(Duration::from_secs(1)).await;
                }
            });
            async { Ok(ours) }
        })
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_whose_answer_is_lost_is_asked_again_before_it_counts_as_plain() {
        const ANSWER: &str =
            "# loadline/1 run=9f3a17c2 interval=1000ms\n# columns time:s seq a\n# live\n1 1 1\n";
        for (last, is_plain) in [("", true), (ANSWER, false)] {
            let connector = answering(vec![ANSWER, "", last]);
            let link = Link::new(connector, LinkOptions::default(), Clock::system());
            let (sender, mut events) = mpsc::channel(EVENTS_MAX);
            tokio::spawn(link.run(sender));
            let (mut reasons, mut headers) = (Vec::new(), Vec::new());
            while headers.len() < 2 {
                match events.recv().await.unwrap() {
                    Event::Disconnected { reason, .. } => reasons.push(reason.to_string()),
                    Event::Stream(stream) => headers.push(stream.header.is_some()),
                    _ => {}
                }
            }
            assert_eq!(headers, [true, !is_plain]);
            assert_eq!(reasons.len(), 2, "{reasons:?}");
            assert!(reasons[1].starts_with("no answer"), "{reasons:?}");
        }
    }
}

//! Session with one client: requests in, rows out, over any byte stream.
//!
//! ```text
//!   cursor ──▶ Outbox ──▶ write ─┐
//!     ▲                          ├─ stream
//!   seek ◀──── Inbox ◀─── read ──┘
//! ```
//!
//! Half-sent rows are in the outbox, half-read requests in the inbox, and the cursor marks the next
//! sample: cancelling any wait loses nothing.
//!
//! Thousands of sessions are woken for each sample. A step is therefore a hand-written poll instead
//! of nested futures: read the ring, write to the stream, read from the stream.

mod earlier;
mod inbox;
mod outbox;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use loadline_protocol::{History, Note, Request, SafeText, Time};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

use crate::agent_info::AgentInfo;
use crate::ring::{Columns, Cursor, ReadOutcome, RingHandle, Selection};
use crate::serve::connection::Connection;
use crate::serve::places::ClientPlace;
use earlier::EarlierSamples;
use inbox::{Inbox, Input};
use outbox::Outbox;

/// Time for a refused client to read the reason: 1 s.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Bytes that a refused client may still send in that time.
const DISCARDED_BYTES_MAX: usize = 64 * 1024;

/// Reason for a client whose place another client has taken.
const LOST_PLACE: &str = "too many clients: another client has its place";

/// Shortest time between two answers to pings: 1 s. A client asks once in 10 s; more pings are noise.
const PONG_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Steps of a session before it yields: a client whose connection accepts everything must not
/// starve the others.
const STEPS_PER_POLL_MAX: usize = 32;

/// Service that runs a session for each client stream. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    pub(crate) ring: RingHandle,
    pub(crate) info: Arc<AgentInfo>,
}

/// Reason for the end of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The client disconnected.
    Left,
    /// The client accepted no byte within the write timeout.
    Stuck,
    /// The client sent too many bytes that are no request.
    Noisy,
    /// The request was refused, for this reason, which was also sent to the client.
    Refused(SafeText),
    /// The agent stopped.
    Stopped,
}

impl Service {
    /// Position of the newest sample, which changes with each sample.
    pub fn progress(&self) -> impl PartialEq + use<> {
        self.ring.newest_position()
    }

    /// Serves one client until it leaves, accepts nothing for `WRITE_TIMEOUT`, sends an invalid
    /// request, or the agent stops. Each write to `stream` should reach the client at once: on a
    /// socket, disable Nagle's algorithm.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Ending {
        self.session(stream, None).run().await
    }

    /// Returns the session of a client, and its place if there may be others. A client that
    /// subscribes is active. A subscribed client that loses its place reads why.
    pub(crate) fn session<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        place: Option<ClientPlace>,
    ) -> Session<S> {
        Session {
            info: self.info.clone(),
            cursor: self.ring.cursor(),
            selection: Selection::PLAIN,
            inbox: Inbox::default(),
            ponged_at: None,
            outbox: Outbox::default(),
            earlier: None,
            place,
            stream,
        }
    }
}

/// Session with one client.
pub(crate) struct Session<S: AsyncWrite + Unpin> {
    info: Arc<AgentInfo>,
    cursor: Cursor,
    selection: Selection,
    inbox: Inbox,
    /// Time of the last answer to a ping.
    ponged_at: Option<Instant>,
    outbox: Outbox,
    /// Boxed, since few clients need this memory.
    earlier: Option<Box<EarlierSamples>>,
    place: Option<ClientPlace>,
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Serves the client to its end, as [`Service::serve`] does.
    pub(crate) async fn run(&mut self) -> Ending {
        let ending = poll_fn(|cx| self.poll_run(cx)).await;
        // Boxed, since only the end needs this memory.
        Box::pin(self.close(&ending)).await;
        ending
    }

    fn poll_run(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        for _ in 0..STEPS_PER_POLL_MAX {
            match self.poll_step(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(ending)) => return Poll::Ready(ending),
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads and writes once. Pending, with the waker registered, if neither is possible now.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ending>> {
        let waits = self.outbox.is_empty() && self.fill_outbox(cx.waker())?;
        let mut done = false;
        if !self.outbox.is_empty() && self.outbox.poll_send(&mut self.stream, cx)?.is_ready() {
            // Up to date: the registered waker starts the next step, so this one ends here.
            done = !(waits && self.outbox.is_empty());
        }
        if !self.inbox.has_ended
            && self.outbox.has_room()
            && self.inbox.poll_read(&mut self.stream, cx)?.is_ready()
        {
            while let Some(input) = self.inbox.next()? {
                match input {
                    Input::Request(request) => self.subscribe(&request)?,
                    Input::Ping => self.answer_ping(),
                }
            }
            done = true;
        }
        if done { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Fills an empty outbox with the next lines. Returns true if all samples were read, earlier ones
    /// included, with the waker registered for the next one.
    fn fill_outbox(&mut self, waker: &Waker) -> Result<bool, Ending> {
        loop {
            match self.outbox.write_with(|bytes| self.cursor.read(&self.selection, bytes, waker)) {
                ReadOutcome::Rows if self.is_subscribed() && self.outbox.has_room() => {}
                ReadOutcome::Closed if self.outbox.is_empty() => return Err(Ending::Stopped),
                ReadOutcome::Wait | ReadOutcome::LastRows => return Ok(!self.write_earlier()),
                // Each row of the plain stream is a separate write.
                ReadOutcome::Rows | ReadOutcome::Closed => return Ok(false),
                // The plain stream has rows only.
                ReadOutcome::Live | ReadOutcome::Skipped { .. } | ReadOutcome::NewRun
                    if !self.is_subscribed() => {}
                ReadOutcome::Live => self.outbox.push_line(&Note::Live),
                ReadOutcome::Skipped { from, to } => {
                    self.outbox.push_line(&Note::Skipped { from, to });
                }
                ReadOutcome::NewRun => self.write_headers(None)?,
            }
        }
    }

    fn subscribe(&mut self, request: &Request) -> Result<(), Ending> {
        let every = request.interval.map_or(1, |interval| {
            interval.as_millis().div_ceil(self.info.interval.as_millis()).max(1) as u64
        });
        let columns = match &request.columns {
            Some(names) => Columns::Chosen(self.info.positions(names).map_err(Ending::Refused)?),
            None => Columns::All,
        };
        let top = match request.top.unwrap_or(0) {
            0 => 0,
            top if top >= self.info.top => Selection::ALL_PROCESSES,
            top => top,
        };
        self.selection = Selection { columns, every, top };
        if let Some(place) = &self.place {
            place.set_active(true);
        }
        let history = request.history.unwrap_or_default();
        // With `before`, the history is that of the earlier samples.
        let stream_history = if request.before.is_some() { History::None } else { history };
        self.cursor.seek(stream_history, request.resume, every);
        self.write_headers(Some(self.cursor.now()))?;
        if let Some(before) = request.before {
            let cursor = self.cursor.earlier(history, before);
            let earlier = EarlierSamples::new(cursor, self.selection.clone(), &self.info);
            self.earlier = Some(Box::new(earlier.map_err(Ending::Refused)?));
        }
        Ok(())
    }

    /// Appends earlier samples, if the client asked for them. Returns whether more follow.
    fn write_earlier(&mut self) -> bool {
        while self.outbox.has_room()
            && let Some(earlier) = &mut self.earlier
        {
            if !self.outbox.write_with(|bytes| earlier.write_lines(&self.info, bytes)) {
                self.earlier = None;
            }
        }
        self.earlier.is_some()
    }

    /// Answers a ping. On a plain stream, which has rows only, and soon after an answer, it is noise.
    fn answer_ping(&mut self) {
        let now = Instant::now();
        let is_soon = self.ponged_at.is_some_and(|at| now < at + PONG_INTERVAL_MIN);
        if !self.is_subscribed() || is_soon {
            return self.inbox.ignore_ping();
        }
        self.ponged_at = Some(now);
        self.outbox.push_line(&Note::Pong);
    }

    /// Appends the header and the columns of the stream. `now` is the time of the answer to a request.
    fn write_headers(&mut self, now: Option<Time>) -> Result<(), Ending> {
        let headers = self.info.headers(&self.cursor, &self.selection, now);
        headers.map_err(Ending::Refused)?.iter().for_each(|note| self.outbox.push_line(note));
        Ok(())
    }

    /// Sends the closing note, if there is one, and ends the stream.
    async fn close(&mut self, ending: &Ending) {
        match ending {
            Ending::Left | Ending::Stuck => return,
            Ending::Refused(why) => self.outbox.push_line(&Note::Error(why.clone())),
            Ending::Stopped if self.is_subscribed() => self.outbox.push_line(&Note::Bye(None)),
            Ending::Stopped | Ending::Noisy => {}
        }
        // Ignore errors: a client that does not read misses the closing note.
        if *ending == Ending::Stopped {
            let _ = self.finish().await;
            return;
        }
        let _ = timeout(CLOSE_TIMEOUT, async {
            self.finish().await?;
            discard(&mut self.stream).await
        })
        .await;
    }

    /// Sends the rest of the outbox, and ends the stream.
    async fn finish(&mut self) -> io::Result<()> {
        while !self.outbox.is_empty() {
            let sent = poll_fn(|cx| self.outbox.poll_send(&mut self.stream, cx)).await;
            sent.map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
        // Flush first: shutdown of standard output does not wait for pending writes.
        self.stream.flush().await?;
        self.stream.shutdown().await
    }
}

impl<S: AsyncWrite + Unpin> Session<S> {
    fn is_subscribed(&self) -> bool {
        self.selection.columns != Columns::Plain
    }
}

impl<S: AsyncWrite + Unpin> Drop for Session<S> {
    /// Writes the reason to a subscribed client that has lost its place. The server aborts the task of
    /// the session: unlike a flag or a channel, that costs nothing while rows are sent. After a
    /// half-sent line there is no reason.
    fn drop(&mut self) {
        if self.is_subscribed()
            && self.outbox.is_empty()
            && self.place.as_ref().is_some_and(ClientPlace::is_lost)
        {
            let note = format!("{}\n", Note::Bye(Some(LOST_PLACE.into())));
            let cx = &mut Context::from_waker(Waker::noop());
            // A client that does not read misses the note.
            let _ = Pin::new(&mut self.stream).poll_write(cx, note.as_bytes());
        }
    }
}

/// Sends `text`, and ends a stream whose client may be sending.
pub(crate) async fn close(mut stream: impl Connection, text: String) {
    // Ignore errors: a client that does not read misses the text.
    let _ = timeout(CLOSE_TIMEOUT, async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await?;
        discard(&mut stream).await
    })
    .await;
}

/// Reads and drops bytes until the end of the stream, at most [`DISCARDED_BYTES_MAX`]. Closing it
/// with unread bytes would reset the connection, and the last text would be lost.
async fn discard(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut bytes = [0; 256];
    let mut left = DISCARDED_BYTES_MAX;
    while left > 0 {
        match reader.read(&mut bytes).await? {
            0 => return Ok(()),
            read => left = left.saturating_sub(read),
        }
    }
    Ok(())
}

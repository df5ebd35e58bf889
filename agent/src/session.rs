//! One client: its requests in, its rows out, over any stream.
//!
//! ```text
//!   cursor ──▶ Outbox ──▶ write ─┐
//!     ▲                          ├─ stream
//!   seek ◀──── Inbox ◀─── read ──┘
//! ```
//!
//! What is half sent is in the outbox, what is half read in the inbox, and the cursor says what
//! comes next: each wait can be given up for another one without losing anything.
//!
//! There are thousands of sessions and each is woken for each row. So what a session does all day is
//! one poll without futures inside: a look into the ring, a write, a glance at what the client says.

mod inbox;
mod outbox;

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use loadline_protocol::{Note, Request, SafeText};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::agent_info::AgentInfo;
use crate::ring::{Columns, Cursor, ReadOutcome, RingHandle, Selection};
use inbox::{ClientInput, Inbox};
use outbox::Outbox;

/// How long a client whose request was refused has to read why.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What a client whose request was refused may still send meanwhile.
const DISCARDED_BYTES_MAX: usize = 64 * 1024;

/// How often a session reads and writes before the others are served: a client whose connection
/// takes everything at once is not to keep them waiting.
const STEPS_PER_POLL_MAX: usize = 32;

/// Serves clients, each over a stream of its own. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    /// Where the rows are.
    ring: RingHandle,
    info: Arc<AgentInfo>,
}

/// Why the session with a client ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The client went away.
    Left,
    /// The client took no byte for too long.
    Stuck,
    /// The client sent too much that is no request.
    Noisy,
    /// The client asked for something that it cannot have; this is what it was told.
    Refused(SafeText),
    /// The agent stopped.
    Stopped,
}

impl Service {
    pub(crate) fn new(ring: RingHandle, info: Arc<AgentInfo>) -> Service {
        Service { ring, info }
    }

    /// A number that is another one with each sample.
    #[must_use]
    pub fn progress(&self) -> u64 {
        self.ring.newest_position()
    }

    /// Serves one client until it leaves, is too slow or asks for what there is not, or until the
    /// agent stops. Bytes that are written by one call to the stream are what the client should
    /// get at once: on a socket, switch off Nagle's algorithm.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Ending {
        let mut session = Session {
            info: &self.info,
            cursor: self.ring.cursor(),
            selection: Selection::PLAIN,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            stream,
        };
        let ending = poll_fn(|cx| session.poll_run(cx)).await;
        // What is needed once at the end does not take part of each session all the time.
        Box::pin(session.close(&ending)).await;
        ending
    }
}

struct Session<'a, S> {
    info: &'a AgentInfo,
    cursor: Cursor,
    selection: Selection,
    inbox: Inbox,
    outbox: Outbox,
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<'_, S> {
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

    /// Does what can be done now. Pending if that is nothing any more: then the waker is called when
    /// it is something.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ending>> {
        let waits = self.outbox.is_empty() && self.fill_outbox(cx.waker())?;
        let mut done = false;
        if !self.outbox.is_empty() && self.outbox.poll_send(&mut self.stream, cx)?.is_ready() {
            done = !(waits && self.outbox.is_empty());
        }
        if self.inbox.is_open()
            && self.outbox.has_room()
            && self.inbox.poll_read(&mut self.stream, cx)?.is_ready()
        {
            while let Some(input) = self.inbox.next() {
                self.handle_input(input)?;
            }
            done = true;
        }
        if done { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Puts what comes next into an empty outbox. True if nothing comes behind it: then the waker
    /// is called when something does.
    fn fill_outbox(&mut self, waker: &Waker) -> Result<bool, Ending> {
        loop {
            match self.outbox.write_with(|bytes| self.cursor.read(&self.selection, bytes, waker)) {
                ReadOutcome::Rows if self.is_subscribed() && self.outbox.has_room() => {}
                ReadOutcome::Closed if self.outbox.is_empty() => return Err(Ending::Stopped),
                ReadOutcome::Wait | ReadOutcome::LastRows => return Ok(true),
                // Each row of the plain stream is a write of its own.
                ReadOutcome::Rows | ReadOutcome::Closed => return Ok(false),
                // The plain stream is numbers and nothing else.
                ReadOutcome::Live | ReadOutcome::Skipped { .. } | ReadOutcome::NewRun
                    if !self.is_subscribed() => {}
                ReadOutcome::Live => self.outbox.push_line(&Note::Live),
                ReadOutcome::Skipped { from, to } => {
                    self.outbox.push_line(&Note::Skipped { from, to })
                }
                ReadOutcome::NewRun => self.write_headers()?,
            }
        }
    }

    fn handle_input(&mut self, input: ClientInput) -> Result<(), Ending> {
        match input {
            ClientInput::Request(request) => self.subscribe(&request),
            ClientInput::InvalidRequest(why) => Err(Ending::Refused(SafeText::new(&why))),
            ClientInput::Noise => Err(Ending::Noisy),
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
        self.selection = Selection { columns, every };
        self.cursor.seek(request.history.unwrap_or_default(), request.resume, every);
        self.write_headers()
    }

    /// Puts the headers of the stream into the outbox.
    fn write_headers(&mut self) -> Result<(), Ending> {
        let schema = self.info.schema_of(&self.selection).map_err(Ending::Refused)?;
        let interval = self.cursor.interval();
        self.outbox.push_line(&self.info.header(self.cursor.run(), interval, self.selection.every));
        self.outbox.push_line(&Note::Columns(schema));
        Ok(())
    }

    fn is_subscribed(&self) -> bool {
        self.selection.columns != Columns::Plain
    }

    /// Sends the last word, if there is one.
    async fn close(&mut self, ending: &Ending) {
        match ending {
            Ending::Left | Ending::Stuck => {}
            Ending::Noisy => self.drain_and_close().await,
            Ending::Refused(why) => {
                self.outbox.push_line(&Note::Error(why.clone()));
                self.drain_and_close().await;
            }
            Ending::Stopped => {
                if self.is_subscribed() {
                    self.outbox.push_line(&Note::Bye);
                }
                let _ = self.finish().await;
            }
        }
    }

    /// Sends what is in the outbox, and that nothing follows.
    async fn finish(&mut self) -> Result<(), Ending> {
        while !self.outbox.is_empty() {
            poll_fn(|cx| self.outbox.poll_send(&mut self.stream, cx)).await?;
        }
        // Standard output is written in the background, and its end would not wait for that.
        self.stream.flush().await.map_err(|_| Ending::Left)?;
        self.stream.shutdown().await.map_err(|_| Ending::Left)
    }

    /// Ends a stream whose client may be sending: closing it with bytes unread would reset the
    /// connection, and the last word would be lost.
    async fn drain_and_close(&mut self) {
        // A client that does not listen misses its farewell.
        let _ = timeout(CLOSE_TIMEOUT, async {
            self.finish().await?;
            discard(&mut self.stream).await.map_err(|_| Ending::Left)
        })
        .await;
    }
}

/// Tells a client that it cannot be served, and why.
pub(crate) async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, why: Note) {
    // A client that does not listen misses the reason.
    let _ = timeout(CLOSE_TIMEOUT, async {
        stream.write_all(format!("{why}\n").as_bytes()).await?;
        stream.shutdown().await?;
        discard(&mut stream).await
    })
    .await;
}

/// Parts from a client that was told why: closing with bytes unread would take that back.
#[cfg(any(feature = "tls", feature = "metrics"))]
pub(crate) async fn drain_and_close<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    // A client that does not listen misses the reason.
    let _ = timeout(CLOSE_TIMEOUT, async {
        stream.shutdown().await?;
        discard(&mut stream).await
    })
    .await;
}

/// Reads what a client still sends and forgets it, up to a bound.
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

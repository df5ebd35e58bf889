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

use crate::about::About;
use crate::ring::{Columns, Cursor, Form, Read, Readers};
use inbox::{Heard, Inbox};
use outbox::Outbox;

/// How long a client whose request was refused has to read why.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a client whose request was refused may still send meanwhile.
const FAREWELL_BYTES_MAX: usize = 64 * 1024;

/// How often a session reads and writes before the others are served: a client whose connection
/// takes everything at once is not to keep them waiting.
const TURNS_MAX: usize = 32;

/// Serves clients, each over a stream of its own. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    /// Where the rows are.
    readers: Readers,
    about: Arc<About>,
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
    pub(crate) fn new(readers: Readers, about: Arc<About>) -> Service {
        Service { readers, about }
    }

    /// A number that is another one with each sample.
    #[must_use]
    pub fn progress(&self) -> u64 {
        self.readers.count()
    }

    /// Serves one client until it leaves, is too slow or asks for what there is not, or until the
    /// agent stops. Bytes that are written by one call to the stream are what the client should
    /// get at once: on a socket, switch off Nagle's algorithm.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Ending {
        let mut session = Session {
            about: &self.about,
            cursor: self.readers.cursor(),
            form: Form::PLAIN,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            stream,
        };
        let ending = poll_fn(|cx| session.poll_talk(cx)).await;
        // What is needed once at the end does not take part of each session all the time.
        Box::pin(session.close(&ending)).await;
        ending
    }
}

struct Session<'a, S> {
    about: &'a About,
    cursor: Cursor,
    form: Form,
    inbox: Inbox,
    outbox: Outbox,
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<'_, S> {
    fn poll_talk(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        for _ in 0..TURNS_MAX {
            match self.poll_turn(cx) {
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
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ending>> {
        let waits = self.outbox.is_empty() && self.fill(cx.waker())?;
        let mut done = false;
        if !self.outbox.is_empty() && self.outbox.poll_send(&mut self.stream, cx)?.is_ready() {
            done = !(waits && self.outbox.is_empty());
        }
        if self.inbox.is_open()
            && self.outbox.has_room()
            && self.inbox.poll_read(&mut self.stream, cx)?.is_ready()
        {
            while let Some(heard) = self.inbox.next() {
                self.answer(heard)?;
            }
            done = true;
        }
        if done { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Puts what comes next into an empty outbox. True if nothing comes behind it: then the waker
    /// is called when something does.
    fn fill(&mut self, waker: &Waker) -> Result<bool, Ending> {
        loop {
            match self.outbox.fill(|bytes| self.cursor.read(&self.form, bytes, waker)) {
                Read::Rows if self.is_subscribed() && self.outbox.has_room() => {}
                Read::Closed if self.outbox.is_empty() => return Err(Ending::Stopped),
                Read::Wait | Read::LastRows => return Ok(true),
                // Each row of the plain stream is a write of its own.
                Read::Rows | Read::Closed => return Ok(false),
                // The plain stream is numbers and nothing else.
                Read::Live | Read::Overtaken { .. } | Read::NewRun if !self.is_subscribed() => {}
                Read::Live => self.outbox.line(&Note::Live),
                Read::Overtaken { from, to } => self.outbox.line(&Note::Skipped { from, to }),
                Read::NewRun => self.head()?,
            }
        }
    }

    fn answer(&mut self, heard: Heard) -> Result<(), Ending> {
        match heard {
            Heard::Request(request) => self.subscribe(&request),
            Heard::Fault(why) => Err(Ending::Refused(SafeText::new(&why))),
            Heard::Noise => Err(Ending::Noisy),
        }
    }

    fn subscribe(&mut self, request: &Request) -> Result<(), Ending> {
        let every = request.interval.map_or(1, |interval| {
            interval.as_millis().div_ceil(self.about.interval.as_millis()).max(1) as u64
        });
        let columns = match &request.columns {
            Some(names) => Columns::Chosen(self.about.positions(names).map_err(Ending::Refused)?),
            None => Columns::All,
        };
        self.form = Form { columns, every };
        self.cursor.seek(request.history.unwrap_or_default(), request.resume, every);
        self.head()
    }

    /// Puts the headers of the stream into the outbox.
    fn head(&mut self) -> Result<(), Ending> {
        let schema = self.about.schema_of(&self.form).map_err(Ending::Refused)?;
        let interval = self.cursor.interval();
        self.outbox.line(&self.about.header(self.cursor.run(), interval, self.form.every));
        self.outbox.line(&Note::Columns(schema));
        Ok(())
    }

    fn is_subscribed(&self) -> bool {
        self.form.columns != Columns::Plain
    }

    /// Sends the last word, if there is one.
    async fn close(&mut self, ending: &Ending) {
        match ending {
            Ending::Left | Ending::Stuck => {}
            Ending::Noisy => self.take_leave().await,
            Ending::Refused(why) => {
                self.outbox.line(&Note::Error(why.clone()));
                self.take_leave().await;
            }
            Ending::Stopped => {
                if self.is_subscribed() {
                    self.outbox.line(&Note::Bye);
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
    async fn take_leave(&mut self) {
        // A client that does not listen misses its farewell.
        let _ = timeout(FAREWELL, async {
            self.finish().await?;
            discard(&mut self.stream).await.map_err(|_| Ending::Left)
        })
        .await;
    }
}

/// Tells a client that it cannot be served, and why.
pub(crate) async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, why: Note) {
    // A client that does not listen misses the reason.
    let _ = timeout(FAREWELL, async {
        stream.write_all(format!("{why}\n").as_bytes()).await?;
        stream.shutdown().await?;
        discard(&mut stream).await
    })
    .await;
}

/// Parts from a client that was told why: closing with bytes unread would take that back.
#[cfg(any(feature = "tls", feature = "metrics"))]
pub(crate) async fn part<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    // A client that does not listen misses the reason.
    let _ = timeout(FAREWELL, async {
        stream.shutdown().await?;
        discard(&mut stream).await
    })
    .await;
}

/// Reads what a client still sends and forgets it, up to a bound.
async fn discard(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut bytes = [0; 256];
    let mut left = FAREWELL_BYTES_MAX;
    while left > 0 {
        match reader.read(&mut bytes).await? {
            0 => return Ok(()),
            read => left = left.saturating_sub(read),
        }
    }
    Ok(())
}

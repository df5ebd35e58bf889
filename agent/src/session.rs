//! One client: its requests in, its rows out, over any stream.
//!
//! ```text
//!   cursor ──▶ Outbox ──▶ writer ─┐
//!     ▲                           ├─ stream
//!   seek ◀──── Inbox ◀─── reader ─┘
//! ```
//!
//! What is half sent is in the outbox, what is half read in the inbox, and the cursor says what
//! comes next: each wait can be given up for another one without losing anything.

mod inbox;
mod outbox;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use loadline_protocol::{
    Column, Header, History, LineError, Note, Request, Schema, Stamp, Text, VERSION,
};
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf,
};
use tokio::time::timeout;

use crate::ring::{Columns, Cursor, Form, Read};
use crate::source::Facts;
use inbox::{Heard, Inbox};
use outbox::Outbox;

/// How long a client whose request was refused has to read why.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a client whose request was refused may still send meanwhile.
const FAREWELL_BYTES_MAX: usize = 64 * 1024;

/// Serves clients, each over a stream of its own. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    /// Where a new client begins.
    cursor: Cursor,
    about: Arc<About>,
}

/// What all streams of an agent have in common.
struct About {
    facts: Facts,
    schema: Schema,
    interval: Duration,
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
    Refused(Text),
    /// The agent stopped.
    Stopped,
}

impl Service {
    pub(crate) fn new(cursor: Cursor, facts: Facts, schema: Schema, interval: Duration) -> Service {
        let schema = schema.with_stamp(Stamp::TimeSeq);
        Service { cursor, about: Arc::new(About { facts, schema, interval }) }
    }

    /// Serves one client until it leaves, is too slow or asks for what there is not, or until the
    /// agent stops. Bytes that are written by one call to the stream are what the client should
    /// get at once: on a socket, switch off Nagle's algorithm.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Ending {
        let (reader, writer) = tokio::io::split(stream);
        let mut cursor = self.cursor.clone();
        cursor.seek(History::None, None, 1);
        let mut session = Session {
            about: &self.about,
            cursor,
            form: Form::PLAIN,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            reader,
            writer,
        };
        session.run().await
    }
}

struct Session<'a, S> {
    about: &'a About,
    cursor: Cursor,
    form: Form,
    inbox: Inbox,
    outbox: Outbox,
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<'_, S> {
    async fn run(&mut self) -> Ending {
        let Err(ending) = self.talk().await;
        match &ending {
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
        ending
    }

    async fn talk(&mut self) -> Result<Infallible, Ending> {
        loop {
            self.fill()?;
            tokio::select! {
                sent = self.outbox.send(&mut self.writer), if !self.outbox.is_empty() => sent?,
                () = self.cursor.changed(), if self.outbox.is_empty() => {}
                heard = self.inbox.read(&mut self.reader),
                    if self.inbox.is_open() && self.outbox.has_room() => heard?,
            }
            while let Some(heard) = self.inbox.next() {
                self.answer(heard)?;
            }
        }
    }

    /// Puts what comes next into an empty outbox.
    fn fill(&mut self) -> Result<(), Ending> {
        if !self.outbox.is_empty() {
            return Ok(());
        }
        loop {
            match self.cursor.read(&self.form, self.outbox.bytes()) {
                Read::Rows if self.is_subscribed() && self.outbox.has_room() => {}
                Read::Closed if self.outbox.is_empty() => return Err(Ending::Stopped),
                // Each row of the plain stream is a write of its own.
                Read::Wait | Read::Rows | Read::Closed => return Ok(()),
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
            Heard::Fault(why) => Err(Ending::Refused(Text::new(&why))),
            Heard::Noise => Err(Ending::Noisy),
        }
    }

    fn subscribe(&mut self, request: &Request) -> Result<(), Ending> {
        let every = request.interval.map_or(1, |interval| {
            interval.as_millis().div_ceil(self.about.interval.as_millis()).max(1) as u64
        });
        let columns = match &request.columns {
            Some(names) => Columns::Chosen(self.about.positions(names)?),
            None => Columns::All,
        };
        self.form = Form { columns, every };
        self.cursor.seek(request.history.unwrap_or_default(), request.resume, every);
        self.head()
    }

    /// Puts the headers of the stream into the outbox.
    fn head(&mut self) -> Result<(), Ending> {
        let facts = &self.about.facts;
        let schema = self.about.schema_of(&self.form)?;
        let interval_ms = self.about.interval.as_millis() as u64;
        self.outbox.line(&Note::Header(Header {
            version: VERSION,
            run: Some(self.cursor.run()),
            host: Some(facts.host.clone()),
            interval: Some(Duration::from_millis(interval_ms.saturating_mul(self.form.every))),
            os: facts.os.clone(),
            cores: facts.cores,
            memory: facts.memory,
            agent: Some(Text::new(env!("CARGO_PKG_VERSION"))),
        }));
        self.outbox.line(&Note::Columns(schema));
        Ok(())
    }

    fn is_subscribed(&self) -> bool {
        self.form.columns != Columns::Plain
    }

    /// Sends what is in the outbox, and that nothing follows.
    async fn finish(&mut self) -> Result<(), Ending> {
        while !self.outbox.is_empty() {
            self.outbox.send(&mut self.writer).await?;
        }
        self.writer.shutdown().await.map_err(|_| Ending::Left)
    }

    /// Ends a stream whose client may be sending: closing it with bytes unread would reset the
    /// connection, and the last word would be lost.
    async fn take_leave(&mut self) {
        // A client that does not listen misses its farewell.
        let _ = timeout(FAREWELL, async {
            self.finish().await?;
            discard(&mut self.reader).await.map_err(|_| Ending::Left)
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

impl About {
    /// Where the columns of these names are.
    fn positions(&self, names: &[String]) -> Result<Box<[u16]>, Ending> {
        let position = |name: &String| match self.schema.position(name) {
            Some(at) => Ok(at as u16),
            None => Err(self.unknown(name)),
        };
        names.iter().map(position).collect()
    }

    fn unknown(&self, name: &str) -> Ending {
        let names: Vec<&str> = self.schema.columns().iter().map(Column::name).collect();
        let why = format!("unknown column {name}; there are {}", names.join(", "));
        Ending::Refused(Text::new(&why))
    }

    /// The schema of a subscribed stream; a column that was chosen twice makes none.
    fn schema_of(&self, form: &Form) -> Result<Schema, Ending> {
        let Columns::Chosen(chosen) = &form.columns else { return Ok(self.schema.clone()) };
        let all = self.schema.columns();
        let columns = chosen.iter().map(|at| all[usize::from(*at)].clone()).collect();
        let refused = |error: LineError| Ending::Refused(Text::new(&error.to_string()));
        Schema::new(Stamp::TimeSeq, columns).map_err(refused)
    }
}

//! The samples of the last while. The only queue of the agent.
//!
//! ```text
//!           tail                                newest
//!   gone  │  17  │  18  │  19  │  20  │  21  │  22  │   one writer: Ring
//!      ▲            ▲                            ▲
//!      │            └── history                  └── live
//!      └── overtaken: jumps to the tail                 many readers: Cursor
//! ```
//!
//! A sample is encoded once, when it is pushed; the memory of the oldest one is taken for the
//! newest, so that a full ring allocates nothing any more.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::ops::Range;
use std::time::Duration;

use loadline_protocol::{Column, History, PLAIN_COLUMNS, Resume, RunId, Time, write_number};
use tokio::sync::watch;

/// The most samples that a ring keeps, however long its history: more than 11 days of seconds.
pub const SAMPLES_MAX: usize = 1_000_000;

/// The bytes of rows that [`Cursor::read`] copies at once; the row that reaches them is the last.
pub(crate) const BATCH: usize = 4 * 1024;

/// The writer. Dropping it closes the ring: readers get what is in it, and then
/// [`Read::Closed`].
pub(crate) struct Ring {
    /// A watch channel wakes all readers and closes when this end goes. Its lock is held while a
    /// sample is encoded or rows are copied, never across an await.
    samples: watch::Sender<Samples>,
    columns: Vec<Column>,
    history: Duration,
}

/// **Invariant:** never empty; times strictly increase.
struct Samples {
    run: RunId,
    /// The number of the oldest sample; the others follow without a gap.
    tail: u64,
    slots: VecDeque<Slot>,
}

/// A sample, encoded.
#[derive(Default)]
struct Slot {
    time: Time,
    /// The row of the subscribed stream with all columns, without its line end.
    line: String,
    /// Where in it the row of the plain stream is.
    plain: Range<u32>,
}

impl Ring {
    /// A ring that keeps samples for `history`, with its first sample.
    pub(crate) fn new(columns: Vec<Column>, history: Duration, time: Time, values: &[f64]) -> Ring {
        let mut slot = Slot::default();
        slot.encode(&columns, time, 1, values);
        let samples = Samples { run: draw_run(), tail: 1, slots: VecDeque::from([slot]) };
        Ring { samples: watch::Sender::new(samples), columns, history }
    }

    /// Adds a sample to the run. A time that does not follow the newest sample's is made to.
    pub(crate) fn push(&mut self, time: Time, values: &[f64]) {
        self.samples.send_modify(|samples| {
            let newest = samples.slots.back().map_or(0, |slot| slot.time.as_millis());
            let time = time.max(Time::from_millis(newest + 1));
            let mut slot = samples.evict(time, self.history).unwrap_or_default();
            slot.encode(&self.columns, time, samples.next_seq(), values);
            samples.slots.push_back(slot);
        });
    }

    /// Begins a new run with this sample, and forgets the others.
    pub(crate) fn restart(&mut self, time: Time, values: &[f64]) {
        self.samples.send_modify(|samples| {
            let mut slot = samples.slots.pop_front().unwrap_or_default();
            slot.encode(&self.columns, time, 1, values);
            samples.slots.clear();
            samples.slots.push_back(slot);
            (samples.run, samples.tail) = (draw_run(), 1);
        });
    }

    /// A reader that stands before the newest sample.
    pub(crate) fn cursor(&self) -> Cursor {
        let samples = self.samples.subscribe();
        let mut cursor = Cursor { samples, run: RunId::default(), next: 0, history_last: None };
        cursor.seek(History::None, None, 1);
        cursor
    }
}

/// Random, so that no two starts of an agent have the same one.
fn draw_run() -> RunId {
    RunId(RandomState::new().build_hasher().finish() as u32)
}

impl Samples {
    fn next_seq(&self) -> u64 {
        self.tail + self.slots.len() as u64
    }

    fn newest(&self) -> u64 {
        self.next_seq() - 1
    }

    fn slot(&self, seq: u64) -> Option<&Slot> {
        self.slots.get(usize::try_from(seq.checked_sub(self.tail)?).ok()?)
    }

    /// Lets go of what is too old beside a newest sample of `now`, and gives one slot for reuse.
    fn evict(&mut self, now: Time, history: Duration) -> Option<Slot> {
        let history_ms = i64::try_from(history.as_millis()).unwrap_or(i64::MAX);
        let oldest_ms = now.as_millis().saturating_sub(history_ms);
        let mut free = None;
        while let Some(slot) = self.slots.front()
            && (slot.time.as_millis() < oldest_ms || self.slots.len() >= SAMPLES_MAX)
        {
            free = self.slots.pop_front();
            self.tail += 1;
        }
        free
    }

    /// The first sample of the last `span`.
    fn first_of_last(&self, span: Duration) -> u64 {
        let newest_ms = self.slots.back().map_or(0, |slot| slot.time.as_millis());
        let since_ms = newest_ms.saturating_sub(span.as_millis() as i64);
        self.tail + self.slots.partition_point(|slot| slot.time.as_millis() < since_ms) as u64
    }
}

impl Slot {
    fn encode(&mut self, columns: &[Column], time: Time, seq: u64, values: &[f64]) {
        let line = &mut self.line;
        line.clear();
        // Writing to a String cannot fail.
        let _ = write!(line, "{time} {seq}");
        let plain_start = line.len() + 1;
        let mut plain_end = plain_start;
        for (at, (column, value)) in columns.iter().zip(values).enumerate() {
            line.push(' ');
            write_number(line, *value, column.decimals());
            if at < PLAIN_COLUMNS.len() {
                plain_end = line.len();
            }
        }
        (self.time, self.plain) = (time, plain_start as u32..plain_end as u32);
    }

    /// Appends the row in this form, with its line end.
    fn write(&self, columns: &Columns, out: &mut Vec<u8>) {
        match columns {
            Columns::Plain => {
                let plain = self.plain.start as usize..self.plain.end as usize;
                out.extend_from_slice(&self.line.as_bytes()[plain]);
            }
            Columns::All => out.extend_from_slice(self.line.as_bytes()),
            Columns::Chosen(chosen) => {
                let fields: Vec<&str> = self.line.split(' ').collect();
                let stamp = [0, 1].into_iter();
                for at in stamp.chain(chosen.iter().map(|column| 2 + usize::from(*column))) {
                    out.extend_from_slice(fields[at].as_bytes());
                    out.push(b' ');
                }
                // The line end takes the place of the last blank.
                out.pop();
            }
        }
        out.push(b'\n');
    }
}

/// Which samples a stream has, and what of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) columns: Columns,
    /// The stream has the samples whose number is a multiple of this. Not 0.
    pub(crate) every: u64,
}

/// Which columns the rows of a stream have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Columns {
    /// Those of the plain stream, without a stamp.
    Plain,
    /// The stamp, and all.
    All,
    /// The stamp, and these, counted from 0; each is one that the ring has.
    Chosen(Box<[u16]>),
}

impl Form {
    /// What a client gets that says nothing.
    pub(crate) const PLAIN: Form = Form { columns: Columns::Plain, every: 1 };

    /// Whether the stream has any of the samples `from` to `to`.
    fn has_any(&self, from: u64, to: u64) -> bool {
        from.div_ceil(self.every) <= to / self.every
    }
}

/// A reader: a place in the ring, and nothing that could fill up.
#[derive(Clone)]
pub(crate) struct Cursor {
    samples: watch::Receiver<Samples>,
    run: RunId,
    /// The next sample to look at.
    next: u64,
    /// The last sample of the history, until it is through.
    history_last: Option<u64>,
}

/// What a cursor met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// Rows were appended.
    Rows,
    /// The history that there was at the [`Cursor::seek`] is through; told once.
    Live,
    /// The tail passed the cursor. The rows of these samples are lost to it.
    Overtaken {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The samples that follow belong to another run.
    NewRun,
    /// There is no sample yet that was not read.
    Wait,
    /// There will be none any more.
    Closed,
}

impl Cursor {
    /// The run that the cursor is in.
    pub(crate) fn run(&self) -> RunId {
        self.run
    }

    /// Goes where a stream of every `every`th sample begins that was asked for in this way.
    pub(crate) fn seek(&mut self, history: History, resume: Option<Resume>, every: u64) {
        let samples = self.samples.borrow_and_update();
        let newest = samples.newest();
        self.run = samples.run;
        let known = resume.filter(|resume| resume.run == samples.run);
        (self.next, self.history_last) = match (known, history) {
            (Some(resume), _) => (resume.seq.saturating_add(1).min(newest + 1), Some(newest)),
            (None, History::All) => (samples.tail, Some(newest)),
            (None, History::Last(span)) => (samples.first_of_last(span), Some(newest)),
            (None, History::None) => {
                // The newest sample that the stream has, if it is still there.
                let newest_of_it = newest - newest % every;
                let next = if newest_of_it < samples.tail { newest + 1 } else { newest_of_it };
                (next, Some(next - 1))
            }
        };
    }

    /// Appends the rows that come next, up to [`BATCH`] bytes in `out`; of the plain stream, one.
    pub(crate) fn read(&mut self, form: &Form, out: &mut Vec<u8>) -> Read {
        let samples = self.samples.borrow_and_update();
        if samples.run != self.run {
            (self.run, self.next) = (samples.run, samples.tail);
            // The history went with its run.
            self.history_last = self.history_last.and(Some(0));
            return Read::NewRun;
        }
        if self.next < samples.tail {
            let (from, to) = (std::mem::replace(&mut self.next, samples.tail), samples.tail - 1);
            if form.has_any(from, to) {
                return Read::Overtaken { from, to };
            }
        }
        let rows_max = if form.columns == Columns::Plain { 1 } else { usize::MAX };
        let last = self.history_last.unwrap_or(u64::MAX);
        let mut rows = 0;
        while self.next <= last && rows < rows_max && (rows == 0 || out.len() < BATCH) {
            let Some(slot) = samples.slot(self.next) else { break };
            if self.next.is_multiple_of(form.every) {
                slot.write(&form.columns, out);
                rows += 1;
            }
            self.next += 1;
        }
        drop(samples);
        match rows {
            1.. => Read::Rows,
            0 if self.history_last.take_if(|last| self.next > *last).is_some() => Read::Live,
            0 if self.samples.has_changed().is_err() => Read::Closed,
            0 => Read::Wait,
        }
    }

    /// Waits until there is a new sample, or the ring is closed.
    pub(crate) async fn changed(&mut self) {
        // An error means that the ring is closed, which the next read tells.
        let _ = self.samples.changed().await;
    }
}

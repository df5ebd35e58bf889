//! A reader of the ring.

use std::task::Waker;
use std::time::Duration;

use loadline_protocol::{History, Resume, RunId};

use super::samples::{Samples, Stretch};
use super::{BATCH, Readers, State};

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

    /// Every sample, with all that is known of it.
    pub(crate) const WHOLE: Form = Form { columns: Columns::All, every: 1 };

    /// Whether the stream has any of the samples `from` to `to`.
    fn has_any(&self, from: u64, to: u64) -> bool {
        from.div_ceil(self.every) <= to / self.every
    }
}

/// A reader: a place in the ring, and nothing that could fill up.
pub(crate) struct Cursor {
    readers: Readers,
    /// Where it waits.
    waits_at: u32,
    /// 1 if it is a client, else 0.
    clients: u8,
    /// The number of the news that were read last.
    news: u32,
    place: Place,
    /// Where the last sample of the history is, until it is through.
    history_last: Option<u64>,
}

/// A place before a sample.
#[derive(Debug, Default)]
struct Place {
    /// Where the sample is.
    next: u64,
    /// What it belongs to.
    stretch: Stretch,
}

/// What a cursor met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    /// Lines were appended. There may be more.
    Rows,
    /// Rows were appended, and the waker will be called as for [`Read::Wait`].
    LastRows,
    /// The history that there was at the [`Cursor::seek`] is through; told once.
    Live,
    /// The tail passed the cursor, or they were never there. The rows of these samples are lost to it.
    Overtaken {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The samples that follow belong to another run.
    NewRun,
    /// There is no sample yet that was not read. The waker will be called when there is one, and
    /// when the ring is closed.
    Wait,
    /// There will be none any more.
    Closed,
}

impl Cursor {
    /// A reader that stands before the newest sample.
    pub(super) fn new(readers: &Readers, clients: u8) -> Cursor {
        let waits_at = {
            let mut state = readers.lock();
            state.clients += u64::from(clients);
            state.waiting.enter()
        };
        let (readers, place) = (readers.clone(), Place::default());
        let mut cursor = Cursor { readers, waits_at, clients, news: 0, place, history_last: None };
        cursor.seek(History::None, None, 1);
        cursor
    }

    /// The run that the cursor is in.
    pub(crate) fn run(&self) -> RunId {
        self.place.stretch.run
    }

    /// The time between two samples of that run.
    pub(crate) fn interval(&self) -> Duration {
        self.place.stretch.interval
    }

    /// Goes where a stream of every `every`th sample begins that was asked for in this way.
    pub(crate) fn seek(&mut self, history: History, resume: Option<Resume>, every: u64) {
        let State { samples, .. } = &*self.readers.lock();
        let newest = samples.newest();
        let resumed = resume.and_then(|resume| samples.behind(resume));
        let at = |next| Place { next, stretch: samples.stretch_at(next) };
        let (place, history_last) = match (resumed, history) {
            (Some((next, stretch)), _) => (Place { next, stretch }, newest),
            (None, History::All) => (at(samples.tail), newest),
            (None, History::Last(span)) => (at(samples.first_of_last(span)), newest),
            (None, History::None) => {
                let next = samples.newest_of(every).unwrap_or(newest + 1);
                (at(next), next - 1)
            }
        };
        self.place = place;
        self.history_last = Some(history_last);
    }

    /// Appends the lines that come next, up to [`BATCH`] bytes in `out`; of the plain stream, one.
    pub(crate) fn read(&mut self, form: &Form, out: &mut Vec<u8>, waker: &Waker) -> Read {
        let mut guard = self.readers.lock();
        let state = &mut *guard;
        let samples = &mut state.samples;
        let last = samples.newest().min(self.history_last.unwrap_or(u64::MAX));
        let mut rows = 0;
        while rows == 0 {
            if let Some(met) = self.place.cross(samples, form) {
                return met;
            }
            rows = self.place.copy(samples, form, last, out);
            if self.place.next > last {
                break;
            }
        }
        let news = state.news.number != self.news && form.columns != Columns::Plain;
        let met = match rows {
            0 if self.history_last.take_if(|last| self.place.next > *last).is_some() => Read::Live,
            0 if news => {
                out.extend_from_slice(state.news.line.as_bytes());
                self.news = state.news.number;
                Read::Rows
            }
            0 if state.closed => Read::Closed,
            0 => Read::Wait,
            _ if self.history_last.is_some() || self.place.next <= last => Read::Rows,
            _ if news || state.closed => Read::Rows,
            _ => Read::LastRows,
        };
        if !matches!(met, Read::Wait | Read::LastRows) {
            return met;
        }
        let outdated = state.waiting.wait(self.waits_at, waker);
        drop(guard);
        drop(outdated);
        met
    }
}

impl Place {
    /// The number of the sample.
    fn seq(&self) -> u64 {
        self.stretch.seq_of(self.next)
    }

    /// Goes to where the sample is that comes next in truth: it may be gone, or one of another
    /// stretch. Tells what the reader has to know of that.
    fn cross(&mut self, samples: &Samples, form: &Form) -> Option<Read> {
        let next = self.next.max(samples.tail);
        let stretch = samples.stretch_at(next);
        if next == self.next && stretch == self.stretch {
            return None;
        }
        let (run, from) = (self.stretch.run, self.seq());
        *self = Place { next, stretch };
        if stretch.run != run {
            return Some(Read::NewRun);
        }
        let to = self.seq().saturating_sub(1);
        (from <= to && form.has_any(from, to)).then_some(Read::Overtaken { from, to })
    }

    /// Appends the rows of the stretch, up to that of the sample at `last`; how many they are.
    fn copy(&mut self, samples: &mut Samples, form: &Form, last: u64, out: &mut Vec<u8>) -> usize {
        let last = last.min(samples.last_of(&self.stretch));
        let rows_max = if form.columns == Columns::Plain { 1 } else { usize::MAX };
        let mut rows = 0;
        while self.next <= last && rows < rows_max && (rows == 0 || out.len() < BATCH) {
            let is_one = self.seq().is_multiple_of(form.every);
            if is_one && samples.write(self.next, &form.columns, out) {
                rows += 1;
            }
            self.next += 1;
        }
        rows
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        let outdated = {
            let mut state = self.readers.lock();
            state.clients -= u64::from(self.clients);
            state.waiting.leave(self.waits_at)
        };
        drop(outdated);
    }
}

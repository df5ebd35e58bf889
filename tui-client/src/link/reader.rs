//! From the bytes of one connection to events. Pure: the time comes with the bytes.

mod headless;
mod held;

use std::sync::Arc;
use std::time::Duration;

use loadline_protocol::{
    Decoder, Header, Line, LineError, Note, Resume, Row, SafeText, Schema, Stamp, Time, sanitize,
};

use super::greeting::Greeting;
use super::plain::{Pick, Plain};
use super::table::Table;
use crate::event::{Event, Rows, Sample, Stream};
use headless::{Beat, Heading};
use held::Held;

/// What a link remembers from one connection to the next, so that no sample is taken twice.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Progress {
    /// The last row that was taken.
    pub last: Option<Resume>,
    /// The time of that row, by the agent's clock.
    last_time: Option<Time>,
    /// The time of the last plain row.
    last_plain: Option<Time>,
    /// How many numbers a plain row had.
    plain_count: Option<usize>,
    /// When the last row came, by our clock.
    pub heard: Option<Time>,
    /// The server has answered a request: it knows them.
    pub answered: bool,
}

/// What the user wants to read.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Names for the columns of a stream that names none, or which of its known ones to take.
    pub columns: Option<Vec<String>>,
    /// Keep each row's own line.
    pub keep_lines: bool,
}

/// Reads one connection.
#[derive(Debug)]
pub struct Reader {
    decoder: Decoder,
    /// What a server said first that was asked.
    greeting: Option<Greeting>,
    reading: Reading,
    phase: Phase,
    /// The row at hand, kept for the next one so that none allocates.
    row: Row,
    faults: Faults,
    /// Plain rows that came too fast, not told yet.
    skipped: u64,
    /// The line before the first row of a stream without a header.
    heading: Option<Heading>,
    /// How many numbers the first row of a plain stream is to have.
    due: Option<usize>,
    /// Which times rows get that have none.
    beat: Beat,
    /// A recording, whose rows were received when they were sampled.
    recorded: bool,
    /// Nobody was asked for columns: they are picked here.
    picks: bool,
    pick: Pick,
    farewell: Option<Farewell>,
}

#[derive(Debug)]
enum Phase {
    /// A request is under way: a header may follow, or the server may know no requests.
    Undecided { held: Held },
    /// Rows of numbers, for ever.
    Plain(Option<Plain>),
    /// Rows below a line that names their columns.
    Table(Table),
    /// A header came, or names of columns at least; these may still be to come.
    Subscribed { header: Option<Header>, schema: Option<Schema> },
}

#[derive(Debug, Default)]
struct Faults {
    count: u64,
    first: Option<SafeText>,
    last: Option<LineError>,
}

/// How the other side announces that it closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// Why, in its own words.
    pub reason: SafeText,
    /// Whether it refuses what was asked.
    pub refused: bool,
}

impl Reader {
    /// A reader at the start of a connection on which a request is under way.
    #[must_use]
    pub fn new(reading: Reading) -> Reader {
        Reader {
            decoder: Decoder::new(),
            greeting: Some(Greeting::default()),
            reading,
            phase: Phase::Undecided { held: Held::default() },
            row: Row::default(),
            faults: Faults::default(),
            skipped: 0,
            heading: None,
            due: None,
            beat: Beat::Receipt,
            recorded: false,
            picks: false,
            pick: Pick::default(),
            farewell: None,
        }
    }

    /// A reader of what comes without a request.
    #[must_use]
    pub fn unasked(reading: Reading) -> Reader {
        Reader { greeting: None, phase: Phase::Plain(None), picks: true, ..Reader::new(reading) }
    }

    /// A reader of a recording. Rows that have no time stand `step` apart, the first at `first`.
    #[must_use]
    pub fn recorded(reading: Reading, first: Time, step: Duration) -> Reader {
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        let beat = Beat::Even { next_ms: first.as_millis(), step_ms };
        Reader { greeting: None, recorded: true, picks: true, beat, ..Reader::new(reading) }
    }

    /// From now on, rows that have no time have come when they are read.
    pub fn go_live(&mut self) {
        self.beat = Beat::Receipt;
    }

    /// Whether it is still open if the server knows requests.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        matches!(self.phase, Phase::Undecided { .. })
    }

    /// Takes bytes that were received at `now`, and appends to `events` what they say. Gives what
    /// the server says if it is about to close.
    pub fn take(
        &mut self,
        mut bytes: &[u8],
        now: Time,
        progress: &mut Progress,
        events: &mut Vec<Event>,
    ) -> Option<Farewell> {
        if let Some(other) = self.greeting.as_mut().and_then(|greeting| greeting.take(bytes)) {
            return Some(Farewell { reason: SafeText::new(&other), refused: true });
        }
        // The decoder lends its lines; it is put back at the end.
        let mut decoder = std::mem::take(&mut self.decoder);
        while let Some(line) = decoder.decode(&mut bytes) {
            match line.and_then(|line| self.line(line, now, progress, events)) {
                Ok(()) => {}
                Err(fault) => self.faults.add(fault),
            }
            if self.farewell.as_ref().is_some_and(|farewell| farewell.refused) {
                break;
            }
        }
        self.decoder = decoder;
        self.report(events);
        self.farewell.take()
    }

    fn line(
        &mut self,
        line: &str,
        now: Time,
        progress: &mut Progress,
        events: &mut Vec<Event>,
    ) -> Result<(), LineError> {
        match Line::parse(line)? {
            Line::Blank => Ok(()),
            Line::Note(note) => {
                self.note(note, progress, events);
                Ok(())
            }
            Line::Row(row) => self.row(row, now, progress, events),
        }
    }

    fn note(&mut self, note: Note, progress: &mut Progress, events: &mut Vec<Event>) {
        match &note {
            Note::Header(header) => {
                let same_run = progress.last.is_some_and(|last| Some(last.run) == header.run);
                if !same_run {
                    progress.last = None;
                    progress.last_time = None;
                }
                progress.answered = true;
                // Rows that were held came before the answer to our request, which has them too.
                // One that tells nothing stands above a plain source that was recorded.
                let nothing = Header { version: header.version, ..Header::default() };
                let header = Some(header.clone()).filter(|header| *header != nothing);
                self.phase = Phase::Subscribed { header, schema: None };
            }
            Note::Columns(columns) => self.columns(columns, progress, events),
            Note::Live => events.push(Event::Live),
            Note::Skipped { from, to } => {
                events.push(Event::Skipped { count: (to - from).saturating_add(1) });
            }
            Note::Error(text) => {
                self.farewell = Some(Farewell { reason: text.clone(), refused: true });
            }
            Note::Bye => {
                let reason = SafeText::new("the agent stopped");
                self.farewell = Some(Farewell { reason, refused: false });
            }
            Note::Health(health) => events.push(Event::Health(health.clone())),
            Note::Other(_) => {}
        }
        match &mut self.phase {
            _ if !self.reading.keep_lines => {}
            Phase::Undecided { held } => {
                if !held.note(note) {
                    self.decide_plain(progress, events);
                }
            }
            Phase::Plain(_) | Phase::Table(_) | Phase::Subscribed { .. } => {
                events.push(Event::Note(note));
            }
        }
    }

    fn columns(&mut self, columns: &Schema, progress: &mut Progress, events: &mut Vec<Event>) {
        let header = match &self.phase {
            Phase::Subscribed { header, .. } => header.clone(),
            // A header of its own in front of rows that nobody asked for.
            Phase::Undecided { .. } | Phase::Plain(_) | Phase::Table(_) => None,
        };
        if header.as_ref().is_none_or(|header| header.run.is_none()) {
            // Without a run, only this line says which times belong together.
            progress.last_time = None;
        }
        let mut taken = columns.clone();
        if let Some(names) = self.reading.columns.as_deref().filter(|_| self.picks) {
            match Pick::named(columns, names) {
                Ok((pick, schema)) => (self.pick, taken) = (pick, schema),
                Err(unknown) => {
                    self.farewell = Some(headless::no_column(unknown, columns));
                    return;
                }
            }
        }
        self.phase = Phase::Subscribed { header: header.clone(), schema: Some(columns.clone()) };
        events.push(Event::Stream(Arc::new(Stream { header, schema: taken })));
    }

    fn row(
        &mut self,
        line: &str,
        now: Time,
        progress: &mut Progress,
        events: &mut Vec<Event>,
    ) -> Result<(), LineError> {
        match &mut self.phase {
            Phase::Undecided { held } => {
                if !held.row(line, now) {
                    self.decide_plain(progress, events);
                }
                Ok(())
            }
            Phase::Plain(_) | Phase::Table(_) => self.plain_row(line, now, progress, events),
            Phase::Subscribed { header, schema: Some(schema) } => {
                schema.parse_row_into(line, &mut self.row)?;
                self.pick.apply(&mut self.row.values);
                if schema.stamp() == Stamp::None {
                    self.stamped_here(line, now, progress, events);
                    return Ok(());
                }
                let run = header.as_ref().and_then(|header| header.run);
                let resume = run.zip(self.row.seq).map(|(run, seq)| Resume { run, seq });
                if let (Some(last), Some(resume)) = (progress.last, resume)
                    && resume.seq <= last.seq
                {
                    return Ok(());
                }
                let time = self.row.time.unwrap_or(now);
                if progress.last_time.is_some_and(|last| time <= last) {
                    return Err(LineError::Number { column: 1, text: time.to_string() });
                }
                progress.last = resume;
                progress.last_time = Some(time);
                self.deliver(time, line, now, progress, events);
                Ok(())
            }
            Phase::Subscribed { schema: None, .. } => {
                Err(LineError::Count { expected: 0, found: line.split_whitespace().count() })
            }
        }
    }

    /// Passes the row at hand on. What was wrong before a row is told before it.
    fn deliver(
        &mut self,
        time: Time,
        line: &str,
        received: Time,
        progress: &mut Progress,
        events: &mut Vec<Event>,
    ) {
        self.report(events);
        let received = if self.recorded { time } else { received };
        progress.heard = Some(received);
        let line = self.reading.keep_lines.then(|| sanitize(line));
        let Row { seq, values, .. } = &self.row;
        let sample = Sample { time, seq: *seq, received, values, line: line.as_deref() };
        if let Some(Event::Rows(rows)) = events.last_mut()
            && rows.append(sample)
        {
            return;
        }
        events.push(Event::Rows(Rows::one(sample)));
    }

    fn report(&mut self, events: &mut Vec<Event>) {
        if self.skipped > 0 {
            events.push(Event::Skipped { count: std::mem::take(&mut self.skipped) });
        }
        let Faults { count, first, last } = std::mem::take(&mut self.faults);
        if let Some((first, last)) = first.zip(last) {
            events.push(Event::Faults { count, first, last: SafeText::new(&last.to_string()) });
        }
    }
}

impl Faults {
    fn add(&mut self, fault: LineError) {
        self.count += 1;
        self.first.get_or_insert_with(|| SafeText::new(&fault.to_string()));
        self.last = Some(fault);
    }
}

#[cfg(test)]
mod tests;

//! From the bytes of one connection to events. Pure: the time comes with the bytes.

use std::ops::Range;
use std::sync::Arc;

use loadline_protocol::{
    Decoder, Header, Line, LineError, Note, Resume, Row, Schema, Stamp, Text, Time,
    parse_plain_row, parse_plain_row_into, sanitize,
};

use super::plain::Plain;
use crate::event::{Event, Rows, Sample, Stream};

/// Plain rows that are held while it is open whether a header will follow. A source that sends more
/// meanwhile does not wait for a request.
const HELD_MAX: usize = 1024;

/// How far plain rows that come in one burst may run ahead of the clock, each one millisecond after
/// the one before. What comes faster is skipped, and said so.
const BURST_MS: i64 = 1000;

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
    /// Names for the columns of a plain stream, or which of its known ones to take.
    pub columns: Option<Vec<String>>,
    /// Keep each row's own line.
    pub keep_lines: bool,
}

/// Reads one connection.
#[derive(Debug)]
pub struct Reader {
    decoder: Decoder,
    reading: Reading,
    phase: Phase,
    /// The row at hand, kept for the next one so that none allocates.
    row: Row,
    faults: Faults,
    /// Plain rows that came too fast, not told yet.
    skipped: u64,
}

#[derive(Debug)]
enum Phase {
    /// A request is under way: a header may follow, or the server may know no requests.
    Undecided { held: Held },
    /// Rows of numbers, for ever.
    Plain(Option<Plain>),
    /// A header came; the columns may still be to come.
    Subscribed { header: Header, schema: Option<Schema> },
}

/// What is held while it is open what it means.
#[derive(Debug, Default)]
struct Held {
    /// The rows, one after the other.
    text: String,
    lines: Vec<HeldLine>,
}

#[derive(Debug)]
enum HeldLine {
    /// Where in the text it stands.
    Row {
        place: Range<usize>,
        received: Time,
    },
    Note(Note),
}

#[derive(Debug, Default)]
struct Faults {
    count: u64,
    last: Option<LineError>,
}

/// How the other side announces that it closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// Why, in its own words.
    pub reason: Text,
    /// Whether it refuses what was asked.
    pub refused: bool,
}

impl Reader {
    /// A reader at the start of a connection.
    #[must_use]
    pub fn new(reading: Reading) -> Reader {
        Reader {
            decoder: Decoder::new(),
            reading,
            phase: Phase::Undecided { held: Held::default() },
            row: Row::default(),
            faults: Faults::default(),
            skipped: 0,
        }
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
        let mut farewell = None;
        // The decoder lends its lines; it is put back at the end.
        let mut decoder = std::mem::take(&mut self.decoder);
        while let Some(line) = decoder.decode(&mut bytes) {
            match line.and_then(|line| self.line(line, now, progress, events)) {
                Ok(None) => {}
                Ok(reason) => farewell = reason,
                Err(fault) => self.faults.add(fault),
            }
        }
        self.decoder = decoder;
        self.report(events);
        farewell
    }

    /// No header came in time: the server knows no requests, and its rows are plain.
    pub fn decide_plain(&mut self, progress: &mut Progress, events: &mut Vec<Event>) {
        let Phase::Undecided { held } = &mut self.phase else { return };
        let held = std::mem::take(held);
        self.phase = Phase::Plain(None);
        let last_count = held.lines.iter().rev().find_map(|line| match line {
            HeldLine::Row { place, .. } => {
                parse_plain_row(&held.text[place.clone()]).ok().map(|values| values.len())
            }
            HeldLine::Note(_) => None,
        });
        // The first line may be something else, or half a row; the last one is as good as any.
        if let Some(count) = progress.plain_count.or(last_count) {
            // If the names do not fit, each row says so.
            let _ = self.open_plain(count, progress, events);
        }
        for line in held.lines {
            match line {
                HeldLine::Note(note) => events.push(Event::Note(note)),
                HeldLine::Row { place, received } => {
                    let row = &held.text[place];
                    if let Err(fault) = self.plain_row(row, received, progress, events) {
                        self.faults.add(fault);
                    }
                }
            }
        }
        self.report(events);
    }

    /// From now on, rows have so many numbers.
    fn open_plain(
        &mut self,
        count: usize,
        progress: &mut Progress,
        events: &mut Vec<Event>,
    ) -> Result<(), LineError> {
        let plain = Plain::new(count, self.reading.columns.as_deref())?;
        let schema = plain.taken_schema()?;
        progress.plain_count = Some(count);
        self.phase = Phase::Plain(Some(plain));
        events.push(Event::Stream(Arc::new(Stream { header: None, schema })));
        Ok(())
    }

    fn line(
        &mut self,
        line: &str,
        now: Time,
        progress: &mut Progress,
        events: &mut Vec<Event>,
    ) -> Result<Option<Farewell>, LineError> {
        match Line::parse(line)? {
            Line::Blank => Ok(None),
            Line::Note(note) => Ok(self.note(note, progress, events)),
            Line::Row(row) => self.row(row, now, progress, events).map(|()| None),
        }
    }

    fn note(
        &mut self,
        note: Note,
        progress: &mut Progress,
        events: &mut Vec<Event>,
    ) -> Option<Farewell> {
        let mut farewell = None;
        match &note {
            Note::Header(header) => {
                let same_run = progress.last.is_some_and(|last| Some(last.run) == header.run);
                if !same_run {
                    progress.last = None;
                    progress.last_time = None;
                }
                progress.answered = true;
                // Rows that were held came before the answer to our request, which has them too.
                self.phase = Phase::Subscribed { header: header.clone(), schema: None };
            }
            Note::Columns(columns) => self.columns(columns, progress, events),
            Note::Live => events.push(Event::Live),
            Note::Skipped { from, to } => {
                events.push(Event::Skipped { count: (to - from).saturating_add(1) });
            }
            Note::Error(text) => {
                farewell = Some(Farewell { reason: text.clone(), refused: true });
            }
            Note::Bye => {
                farewell =
                    Some(Farewell { reason: Text::new("the agent stopped"), refused: false });
            }
            Note::Other(_) => {}
        }
        match &mut self.phase {
            _ if !self.reading.keep_lines => {}
            Phase::Undecided { held } => held.lines.push(HeldLine::Note(note)),
            Phase::Plain(_) | Phase::Subscribed { .. } => events.push(Event::Note(note)),
        }
        farewell
    }

    fn columns(&mut self, columns: &Schema, progress: &mut Progress, events: &mut Vec<Event>) {
        match &mut self.phase {
            Phase::Subscribed { header, schema } => {
                *schema = Some(columns.clone());
                let header = Some(header.clone());
                events.push(Event::Stream(Arc::new(Stream { header, schema: columns.clone() })));
            }
            // A header of its own in front of rows that nobody asked for.
            Phase::Undecided { .. } | Phase::Plain(_) => {
                // Without a run, only the connection says which times belong together.
                progress.last_time = None;
                let header = Header::default();
                self.phase = Phase::Subscribed { header, schema: Some(columns.clone()) };
                let stream = Stream { header: None, schema: columns.clone() };
                events.push(Event::Stream(Arc::new(stream)));
            }
        }
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
                let begin = held.text.len();
                held.text.push_str(line);
                held.lines.push(HeldLine::Row { place: begin..held.text.len(), received: now });
                if held.lines.len() >= HELD_MAX {
                    self.decide_plain(progress, events);
                }
                Ok(())
            }
            Phase::Plain(_) => self.plain_row(line, now, progress, events),
            Phase::Subscribed { header, schema: Some(schema) } => {
                schema.parse_row_into(line, &mut self.row)?;
                if schema.stamp() == Stamp::None {
                    self.stamped_here(line, now, progress, events);
                    return Ok(());
                }
                let resume = header.run.zip(self.row.seq).map(|(run, seq)| Resume { run, seq });
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

    fn plain_row(
        &mut self,
        line: &str,
        now: Time,
        progress: &mut Progress,
        events: &mut Vec<Event>,
    ) -> Result<(), LineError> {
        parse_plain_row_into(line, &mut self.row.values)?;
        let count = self.row.values.len();
        let fits = match &mut self.phase {
            Phase::Plain(Some(plain)) => plain.expects(count)?,
            _ => false,
        };
        if !fits {
            self.open_plain(count, progress, events)?;
        }
        let Phase::Plain(Some(plain)) = &self.phase else { return Ok(()) };
        plain.pick(&mut self.row.values);
        self.stamped_here(line, now, progress, events);
        Ok(())
    }

    /// Gives the row at hand, which has no time, that of receipt, or the millisecond after the row before.
    fn stamped_here(
        &mut self,
        line: &str,
        now: Time,
        progress: &mut Progress,
        events: &mut Vec<Event>,
    ) {
        let now_ms = now.as_millis();
        let time_ms = match progress.last_plain.map_or(0, |last| last.as_millis() + 1) {
            after if after <= now_ms => now_ms,
            after if after < now_ms + BURST_MS => after,
            after if after == now_ms + BURST_MS => {
                self.skipped += 1;
                return;
            }
            // No burst runs ahead so far: our clock was set back.
            _ => now_ms,
        };
        let time = Time::from_millis(time_ms);
        progress.last_plain = Some(time);
        self.deliver(time, line, now, progress, events);
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
        let Faults { count, last } = std::mem::take(&mut self.faults);
        if let Some(last) = last {
            events.push(Event::Faults { count, last: Text::new(&last.to_string()) });
        }
    }
}

impl Faults {
    fn add(&mut self, fault: LineError) {
        self.count += 1;
        self.last = Some(fault);
    }
}

#[cfg(test)]
mod tests;

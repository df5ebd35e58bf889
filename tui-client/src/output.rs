//! Text outputs without a screen, for scripts, files and pipes.

mod columns;
mod connect_error;
mod connections;
mod csv;
mod json;
mod output_queue;
mod progress;
mod raw;
mod silence;
mod source_status;
mod table;
mod top;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use loadline_protocol::{Column, Look, Note};
use tokio::io::AsyncWrite;
use tokio::time::{Instant, sleep_until};

use crate::column_union::ColumnUnion;
use crate::event::{Event, Rows, StreamInfo};
use crate::link::Events;
use crate::time_spec::TimeBounds;
use crate::zone::Zone;

use columns::{OutputRow, OutputStream};
pub(crate) use connect_error::connect_error;
use output_queue::OutputQueue;
pub use progress::ProgressLine;
use source_status::{ConnectionStatus, SourceStatus};

/// Output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    /// Screen with live charts and a table
    Tui,
    /// Aligned columns, for people
    Table,
    /// Header line, then one line per row
    Csv,
    /// One object per line
    Json,
    /// Unchanged lines of the stream
    Raw,
    /// Processes that use most: one line per process and look, as CSV
    Top,
}

/// Formatter of events as text. Each call appends whole lines to `out`.
trait OutputFormatter {
    /// Starts the output with the known columns of all sources. Called once, before the first row.
    fn begin(&mut self, _columns: &[Column], _out: &mut String) {}

    /// Sets the description of the following rows of a source. `columns` are all columns of the
    /// output. Returns a message about columns that are left out.
    fn set_stream(
        &mut self,
        _stream: &OutputStream,
        _columns: &[Column],
        _out: &mut String,
    ) -> Option<String> {
        None
    }

    /// Appends a row.
    fn write_row(&mut self, row: &OutputRow<'_>, out: &mut String);

    /// Appends a look at the processes of a source.
    fn write_look(&mut self, _source: &str, _look: &Look, _out: &mut String) {}

    /// Appends a note of the stream.
    fn write_note(&mut self, _note: &Note, _out: &mut String) {}
}

/// Settings of an output.
#[derive(Debug, Clone)]
pub struct Job {
    /// Output format.
    pub format: OutputFormat,
    /// Number of rows to write, or of looks for [`OutputFormat::Top`]; `None` is no limit.
    pub count: Option<u64>,
    /// Time range; other rows are left out.
    pub bounds: TimeBounds,
    /// Names of the sources, at least one.
    pub sources: Vec<String>,
    /// Time zone of the table.
    pub zone: Zone,
    /// Requested interval; the rows of a server may be that far apart.
    pub interval: Option<Duration>,
    /// Columns of all runs of the recordings among the sources, for the CSV header.
    pub recorded_columns: Vec<Column>,
}

/// Counters at the end of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Faulty lines.
    pub faults: u64,
    /// Rows that were lost.
    pub(crate) skipped: u64,
    /// True if rows arrived, but none in the time range.
    pub(crate) is_range_empty: bool,
}

/// Maximum wait for the columns of all sources: 1 s. The CSV header is written once, so it lacks
/// columns that arrive later.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum number of events received at once.
const BATCH_MAX: usize = 64;

/// Writes rows to `out` until the requested count is reached, the sources end, the reader closes
/// `out`, or `stop` resolves. Messages and progress for people go to `progress`. `events` refers to
/// sources by their index in the job.
///
/// # Errors
/// The first connection to every source failed, the last source ended with an error, or `out`
/// cannot be written.
pub async fn run(
    job: &Job,
    mut events: Events,
    out: impl AsyncWrite + Unpin,
    mut progress: ProgressLine<impl Write, impl FnMut(&str)>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<Summary> {
    let mut writer = OutputWriter::new(job);
    let mut queue = OutputQueue::new(out);
    let begin_at = Instant::now() + BEGIN_TIMEOUT;
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let (mut is_complete, mut result) = (false, Ok(()));
    tokio::pin!(stop);
    while !(is_complete && queue.is_empty()) {
        // Until the output begins, rows of sources whose columns are known stay in their channels.
        let is_wanted = |source: usize| writer.has_begun || writer.sources[source].stream.is_none();
        let batch_max = if writer.has_begun { BATCH_MAX } else { 1 };
        let receives = !is_complete && !queue.is_full();
        let silent_until = writer.next_silent().map(|(at, _)| at);
        tokio::select! {
            biased;
            () = &mut stop => break,
            written = queue.write(), if !queue.is_empty() => match written {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                written => written.context("cannot write to standard output")?,
            },
            // `async` creates a timer only if the branch is enabled.
            () = async { sleep_until(begin_at).await }, if writer.can_begin() => writer.begin(),
            count = events.receive(&mut batch, batch_max, is_wanted), if receives => match count {
                0 if writer.can_begin() => writer.begin(),
                0 => is_complete = true,
                _ => result = writer.write_events(&mut batch, &mut progress),
            },
            () = async { sleep_until(silent_until.unwrap_or(begin_at)).await }, if silent_until.is_some() && !is_complete => {}
        }
        if let Some((at, source)) = writer.next_silent().filter(|_| result.is_ok() && !is_complete)
            && at <= Instant::now()
        {
            result = writer.observe_silence(source).map(|text| progress.message(&text));
        }
        queue.push(&mut writer.text);
        is_complete |= result.is_err() || writer.is_complete();
    }
    result.map(|()| writer.summary)
}

struct OutputWriter<'a> {
    job: &'a Job,
    formatter: Box<dyn OutputFormatter + Send + Sync>,
    sources: Vec<SourceStatus>,
    has_begun: bool,
    /// Columns of all streams so far.
    columns: ColumnUnion,
    /// Rows so far, or looks.
    rows: u64,
    text: String,
    summary: Summary,
}

impl OutputWriter<'_> {
    fn new(job: &Job) -> OutputWriter<'_> {
        let formatter: Box<dyn OutputFormatter + Send + Sync> = match job.format {
            OutputFormat::Csv => Box::new(csv::CsvFormatter::default()),
            OutputFormat::Json => Box::new(json::JsonFormatter),
            OutputFormat::Raw => Box::new(raw::RawFormatter),
            OutputFormat::Top => Box::new(top::TopFormatter),
            OutputFormat::Table | OutputFormat::Tui => {
                Box::new(table::TableFormatter::new(&job.sources, job.zone))
            }
        };
        OutputWriter {
            job,
            formatter,
            sources: job.sources.iter().map(|_| SourceStatus::default()).collect(),
            has_begun: false,
            columns: ColumnUnion::default(),
            rows: 0,
            text: String::new(),
            summary: Summary::default(),
        }
    }

    /// Passes events to the output, and their messages to people. Fails as [`observe`](Self::observe) does.
    fn write_events(
        &mut self,
        events: &mut Vec<(usize, Event)>,
        progress: &mut ProgressLine<impl Write, impl FnMut(&str)>,
    ) -> anyhow::Result<()> {
        for (source, event) in events.drain(..) {
            let name = &self.job.sources[source];
            if let Event::ReadProgress(percent) = event {
                progress.show("reading", name, percent);
            } else if let Some(percent) = self.sources[source].history_percent(&event) {
                progress.show("loading", name, percent);
            }
            if let Some(message) = self.observe(source, &event)? {
                progress.message(&message);
            }
            if let Some(message) = self.write_event(source, &event) {
                progress.message(&message);
            }
        }
        Ok(())
    }

    /// Returns whether all requested rows are formatted, or all sources have ended.
    fn is_complete(&self) -> bool {
        self.has_ended() || self.job.count.is_some_and(|count| self.rows >= count)
    }

    /// Returns whether all sources have ended.
    fn has_ended(&self) -> bool {
        self.sources.iter().all(|status| status.connection == ConnectionStatus::Ended)
    }

    /// Returns whether the output has not begun although some columns are known.
    fn can_begin(&self) -> bool {
        !self.has_begun && self.sources.iter().any(|status| status.stream.is_some())
    }

    /// Begins the output with all known columns.
    fn begin(&mut self) {
        self.has_begun = true;
        // In the order of the sources, not in the order in which they answered.
        self.columns = ColumnUnion::default();
        for status in &self.sources {
            if let Some(stream) = &status.stream {
                self.columns.add(stream.info.schema.columns());
            }
        }
        self.columns.add(&self.job.recorded_columns);
        self.formatter.begin(self.columns.columns(), &mut self.text);
        for stream in self.sources.iter_mut().filter_map(|status| status.stream.as_mut()) {
            *stream = OutputStream::new(stream.info.clone(), &mut self.columns);
            self.formatter.set_stream(stream, self.columns.columns(), &mut self.text);
        }
    }

    /// Sets the stream of a source. Returns a message about columns that are left out, once.
    fn set_stream(&mut self, source: usize, stream: &Arc<StreamInfo>) -> Option<String> {
        let stream = OutputStream::new(stream.clone(), &mut self.columns);
        let status = &mut self.sources[source];
        let mut message = None;
        // A further answer for the same rows needs no further heading.
        let is_same = |old: &OutputStream| old.info.is_same_stream(&stream.info);
        if self.has_begun && !status.stream.as_ref().is_some_and(is_same) {
            let columns = self.columns.columns();
            message = self.formatter.set_stream(&stream, columns, &mut self.text);
        }
        status.stream = Some(stream);
        let text = message.filter(|_| !status.is_column_change_reported)?;
        status.is_column_change_reported = true;
        Some(format!("{}: {text}", self.job.sources[source]))
    }

    /// Appends the lines of an event, up to the requested number of rows in total. Returns a message
    /// about the event, if there is one.
    fn write_event(&mut self, source: usize, event: &Event) -> Option<String> {
        let mut message = None;
        match event {
            Event::Stream(stream) => message = self.set_stream(source, stream),
            Event::Rows(rows) => self.write_rows(source, rows),
            Event::Look(look) => self.write_look(source, look),
            Event::Note(note) => self.formatter.write_note(note, &mut self.text),
            _ => {}
        }
        if self.can_begin() && self.sources.iter().all(SourceStatus::is_settled) {
            self.begin();
        }
        message
    }

    fn write_rows(&mut self, source: usize, rows: &Rows) {
        let (name, status) = (&self.job.sources[source], &mut self.sources[source]);
        let Some(stream) = &status.stream else { return };
        let Job { format, count, bounds, .. } = self.job;
        let is_top = *format == OutputFormat::Top;
        let wanted = count.unwrap_or(u64::MAX).saturating_sub(self.rows) as usize;
        let wanted = if is_top { 0 } else { wanted };
        let is_past = rows.iter().any(|sample| bounds.is_past(sample.time));
        // Times in a recording may go back, so a recording is read to its end.
        if is_past && status.connection == ConnectionStatus::Up {
            status.connection = ConnectionStatus::Ended;
        }
        let columns = self.columns.columns();
        for sample in rows.iter().filter(|sample| bounds.contains(sample.time)).take(wanted) {
            let row = OutputRow { name, stream, columns, sample };
            self.formatter.write_row(&row, &mut self.text);
            self.rows += 1;
            status.rows += 1;
        }
        let has_range = !is_top || *bounds != TimeBounds::default();
        self.summary.is_range_empty = self.rows == 0 && has_range;
    }

    /// Appends a look, which counts as a row if the output has no others.
    fn write_look(&mut self, source: usize, look: &Look) {
        let Job { format, count, bounds, .. } = self.job;
        let is_wanted = count.is_none_or(|count| self.rows < count);
        if !is_wanted || !bounds.contains(look.top.time) {
            return;
        }
        self.formatter.write_look(&self.job.sources[source], look, &mut self.text);
        if *format == OutputFormat::Top {
            self.rows += 1;
            self.sources[source].rows += 1;
            self.summary.is_range_empty = false;
        }
    }
}

#[cfg(test)]
mod tests;

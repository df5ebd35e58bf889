//! The events as lines, without a screen: for scripts, files and pipes.

mod csv;
mod json;
mod progress;
mod raw;
mod table;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use loadline_protocol::{Column, Note};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, sleep_until};

use crate::event::{Event, Sample, StreamInfo};
use crate::link::Events;
use crate::time_spec::TimeBounds;
use crate::zone::Zone;

pub use progress::{ProgressLine, Reporter};

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    /// The screen: charts and a table, live.
    Tui,
    /// Aligned columns, for people.
    Table,
    /// A header line, then a line a row.
    Csv,
    /// One object a line.
    Json,
    /// The stream's own lines.
    Raw,
}

/// Turns events into lines. Each call appends whole lines to `out`. A source is called by its number.
trait OutputFormatter {
    /// All that is known at the start of what the rows mean, the columns of one source after the
    /// other: called once, before the first row.
    fn begin(&mut self, columns: &[Column], out: &mut String);

    /// What the rows of a source that follow mean.
    fn set_stream(&mut self, _source: usize, _stream: &StreamInfo, _out: &mut String) {}

    /// A row.
    fn write_row(
        &mut self,
        source: usize,
        stream: &StreamInfo,
        sample: Sample<'_>,
        out: &mut String,
    );

    /// A note of the stream.
    fn write_note(&mut self, _note: &Note, _out: &mut String) {}
}

/// What to write, and when to stop.
#[derive(Debug, Clone)]
pub struct Job {
    /// In which form.
    pub format: OutputFormat,
    /// How many rows; all of them if `None`.
    pub count: Option<u64>,
    /// Rows of other times are left out.
    pub bounds: TimeBounds,
    /// The names of the sources: of one at least.
    pub sources: Vec<String>,
    /// The time zone of what people read.
    pub zone: Zone,
}

/// How the writing ended, if nothing failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Lines that were no row.
    pub faults: u64,
    /// Rows that were lost.
    pub skipped: u64,
}

/// Lines of several sources begin when each has said what its columns are, or after so long: a header
/// line is written once.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Events taken at once.
const BATCH_MAX: usize = 64;

/// Writes what comes until there are enough rows, nobody reads any more, or `stop` resolves. What
/// people should know besides the rows goes to `tell`, a line at a time. The events of each source
/// come by the place of its name in the job.
///
/// # Errors
/// The very first connection to each source failed, or the reading of the last file, or the output
/// does not take what is written.
pub async fn run(
    job: &Job,
    mut events: Events,
    mut out: impl AsyncWrite + Unpin,
    mut reporter: impl Reporter,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<Summary> {
    let mut writer = OutputWriter::new(job);
    let begin_at = Instant::now() + BEGIN_TIMEOUT;
    let mut batch = Vec::with_capacity(BATCH_MAX);
    tokio::pin!(stop);
    loop {
        // Until the lines begin, a source that has told its columns keeps its rows for itself.
        let is_wanted = |source: usize| writer.has_begun || writer.sources[source].stream.is_none();
        let batch_max = if writer.has_begun { BATCH_MAX } else { 1 };
        tokio::select! {
            count = events.receive_from(&mut batch, batch_max, is_wanted) => {
                if count == 0 && !writer.can_begin() {
                    return Ok(writer.summary);
                }
                if count == 0 {
                    writer.begin();
                }
            }
            // A timer is made only where there is something to wait for.
            () = async { sleep_until(begin_at).await }, if writer.can_begin() => writer.begin(),
            () = &mut stop => return Ok(writer.summary),
        };
        for (source, event) in batch.drain(..) {
            writer.report(source, &event, &mut reporter)?;
            writer.write_event(source, &event);
        }
        if !writer.text.is_empty() {
            let written = tokio::select! {
                written = write(&mut out, &writer.text) => written,
                () = &mut stop => return Ok(writer.summary),
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Ok(writer.summary);
                }
                written => written.context("cannot write to standard output")?,
            }
            writer.text.clear();
        }
        if writer.has_ended() || job.count.is_some_and(|count| writer.rows >= count) {
            return Ok(writer.summary);
        }
    }
}

async fn write(out: &mut (impl AsyncWrite + Unpin), text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes()).await?;
    out.flush().await
}

struct OutputWriter<'a> {
    job: &'a Job,
    formatter: Box<dyn OutputFormatter + Send>,
    sources: Vec<SourceStatus>,
    has_begun: bool,
    /// The columns of which the lines were told when they began.
    columns: Vec<Column>,
    rows: u64,
    text: String,
    summary: Summary,
}

/// What is known of a source, and what people have been told of it.
#[derive(Default)]
struct SourceStatus {
    stream: Option<Arc<StreamInfo>>,
    connection: ConnectionStatus,
    rows: u64,
    is_skip_reported: bool,
    is_column_change_reported: bool,
    is_refusal_reported: bool,
}

impl SourceStatus {
    /// Whether it is known what its rows mean, or that there are none for now.
    fn is_settled(&self) -> bool {
        let is_away = matches!(
            self.connection,
            ConnectionStatus::Failed | ConnectionStatus::Lost | ConnectionStatus::Ended
        );
        self.stream.is_some() || is_away
    }
}

/// What has been told of a connection: an outage is told once, not at each try.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum ConnectionStatus {
    /// There was none yet.
    #[default]
    None,
    /// There was none yet, and that has been told.
    Failed,
    /// There is one.
    Up,
    /// It is lost, and that has been told.
    Lost,
    /// Nothing follows any more.
    Ended,
}

impl OutputWriter<'_> {
    fn new(job: &Job) -> OutputWriter<'_> {
        let names = job.sources.clone();
        let lines: Box<dyn OutputFormatter + Send> = match job.format {
            OutputFormat::Csv => Box::new(csv::CsvFormatter::new(names)),
            OutputFormat::Json => Box::new(json::JsonFormatter::new(names)),
            OutputFormat::Raw => Box::new(raw::RawFormatter),
            OutputFormat::Table | OutputFormat::Tui => {
                Box::new(table::TableFormatter::new(names, job.zone))
            }
        };
        OutputWriter {
            job,
            formatter: lines,
            sources: job.sources.iter().map(|_| SourceStatus::default()).collect(),
            has_begun: false,
            columns: Vec::new(),
            rows: 0,
            text: String::new(),
            summary: Summary::default(),
        }
    }

    /// What people should know of an event, besides a row.
    fn report(
        &mut self,
        source: usize,
        event: &Event,
        reporter: &mut impl Reporter,
    ) -> anyhow::Result<()> {
        let name = &self.job.sources[source];
        let status = &mut self.sources[source];
        match event {
            Event::Connected => status.connection = ConnectionStatus::Up,
            Event::Disconnected { reason, refused, .. } => {
                let (reason, refused) = (reason.to_string(), *refused);
                return self.report_outage(source, &reason, refused, reporter);
            }
            Event::Ended { reason, failed } => {
                status.connection = ConnectionStatus::Ended;
                let what = format!("{name}: {reason}");
                if *failed && self.has_ended() {
                    bail!(what);
                } else if *failed {
                    reporter.message(&what);
                }
            }
            Event::ReadProgress(percent) => reporter.read_progress(name, *percent),
            Event::Warning(text) => reporter.message(text.as_str()),
            Event::Faults { count, .. } => {
                self.summary.faults = self.summary.faults.saturating_add(*count);
            }
            Event::Skipped { count } => {
                if !std::mem::replace(&mut status.is_skip_reported, true) {
                    reporter.message(&format!(
                        "{name}: rows are skipped, as they are too late or too many"
                    ));
                }
                self.summary.skipped = self.summary.skipped.saturating_add(*count);
            }
            Event::Stream(stream) if self.job.format == OutputFormat::Csv && self.has_begun => {
                let others = stream.schema.columns().iter();
                let has_others = others
                    .clone()
                    .any(|column| !self.columns.iter().any(|known| known.name() == column.name()));
                let is_changed = status
                    .stream
                    .as_ref()
                    .is_some_and(|before| before.schema.columns() != stream.schema.columns());
                if (has_others || is_changed)
                    && !std::mem::replace(&mut status.is_column_change_reported, true)
                {
                    reporter.message(&format!(
                        "{name}: other columns now; csv keeps those of its header"
                    ));
                }
            }
            Event::Connecting
            | Event::Replaying
            | Event::HeadingLine
            | Event::Received { .. }
            | Event::Health(_)
            | Event::Stream(_)
            | Event::Rows(_)
            | Event::Live
            | Event::Note(_) => {}
        }
        Ok(())
    }

    /// Tells that a source cannot be reached. If none can, there is nothing to wait for.
    fn report_outage(
        &mut self,
        source: usize,
        reason: &str,
        refused: bool,
        reporter: &mut impl Reporter,
    ) -> anyhow::Result<()> {
        let name = &self.job.sources[source];
        let status = &mut self.sources[source];
        let is_refusal = refused && status.rows == 0;
        let what = match status.connection {
            _ if is_refusal => format!("{name} refuses: {reason}"),
            ConnectionStatus::None => {
                format!("cannot connect to {name}: {reason}{}", hint(reason))
            }
            ConnectionStatus::Up => format!("{name}: connection lost: {reason}; reconnecting"),
            ConnectionStatus::Failed | ConnectionStatus::Lost | ConnectionStatus::Ended => {
                return Ok(());
            }
        };
        let is_first = status.connection == ConnectionStatus::None || is_refusal;
        let is_reported = is_refusal && std::mem::replace(&mut status.is_refusal_reported, true);
        status.connection =
            if is_first { ConnectionStatus::Failed } else { ConnectionStatus::Lost };
        if is_first
            && self.sources.iter().all(|status| status.connection == ConnectionStatus::Failed)
        {
            bail!(what);
        }
        if !is_reported {
            reporter.message(&what);
        }
        Ok(())
    }

    /// Whether nothing follows any more of any source.
    fn has_ended(&self) -> bool {
        self.sources.iter().all(|status| status.connection == ConnectionStatus::Ended)
    }

    /// Whether there are columns to begin with.
    fn can_begin(&self) -> bool {
        !self.has_begun && self.sources.iter().any(|status| status.stream.is_some())
    }

    /// Begins the lines with all columns that are known.
    fn begin(&mut self) {
        self.has_begun = true;
        for stream in self.sources.iter().filter_map(|status| status.stream.as_ref()) {
            for column in stream.schema.columns() {
                if !self.columns.iter().any(|known| known.name() == column.name()) {
                    self.columns.push(column.clone());
                }
            }
        }
        self.formatter.begin(&self.columns, &mut self.text);
        for (source, status) in self.sources.iter().enumerate() {
            if let Some(stream) = &status.stream {
                self.formatter.set_stream(source, stream, &mut self.text);
            }
        }
    }

    /// Appends the lines of an event, until there are as many rows in all as asked for.
    fn write_event(&mut self, source: usize, event: &Event) {
        let status = &mut self.sources[source];
        match event {
            Event::Stream(stream) => {
                status.stream = Some(stream.clone());
                if self.has_begun {
                    self.formatter.set_stream(source, stream, &mut self.text);
                }
            }
            Event::Rows(rows) => {
                let Some(stream) = &status.stream else { return };
                let count = self.job.count;
                let wanted =
                    count.map_or(usize::MAX, |count| count.saturating_sub(self.rows) as usize);
                let bounds = self.job.bounds;
                let is_past = rows.iter().any(|sample| bounds.is_past(sample.time));
                // A recording may go back in time, and has an end of its own.
                if is_past && status.connection == ConnectionStatus::Up {
                    status.connection = ConnectionStatus::Ended;
                }
                let rows = rows.iter().filter(|sample| bounds.contains(sample.time));
                for sample in rows.take(wanted) {
                    self.formatter.write_row(source, stream, sample, &mut self.text);
                    self.rows += 1;
                    status.rows += 1;
                }
            }
            Event::Note(note) => self.formatter.write_note(note, &mut self.text),
            Event::Connecting
            | Event::Connected
            | Event::Replaying
            | Event::ReadProgress(_)
            | Event::HeadingLine
            | Event::Ended { .. }
            | Event::Warning(_)
            | Event::Received { .. }
            | Event::Health(_)
            | Event::Disconnected { .. }
            | Event::Live
            | Event::Skipped { .. }
            | Event::Faults { .. } => {}
        }
        if self.can_begin() && self.sources.iter().all(SourceStatus::is_settled) {
            self.begin();
        }
    }
}

/// What to do about a first connection that failed. What ssh says speaks for itself.
fn hint(reason: &str) -> &'static str {
    match reason {
        "connection refused" | "timed out" => "; is an agent running there?",
        _ => "",
    }
}

#[cfg(test)]
mod tests;

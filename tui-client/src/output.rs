//! The events as lines, without a screen: for scripts, files and pipes.

mod csv;
mod json;
mod raw;
mod table;

use std::future::Future;
use std::io;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use loadline_protocol::{Note, Text};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use crate::event::{Event, Sample, Stream};
use crate::zone::Zone;

/// A form of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
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

/// Turns events into lines. Each call appends whole lines to `out`.
trait Lines {
    /// What the rows that follow mean.
    fn stream(&mut self, stream: &Stream, out: &mut String);

    /// A row.
    fn row(&mut self, stream: &Stream, sample: Sample<'_>, out: &mut String);

    /// A note of the stream.
    fn note(&mut self, _note: &Note, _out: &mut String) {}
}

/// What to write, and when to stop.
#[derive(Debug, Clone)]
pub struct Job {
    /// In which form.
    pub form: Form,
    /// How many rows; all of them if `None`.
    pub count: Option<u64>,
    /// The name of the source.
    pub source: String,
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

/// Writes what comes until there are enough rows, nobody reads any more, or `stop` resolves. What
/// people should know besides the rows goes to `tell`, a line at a time.
///
/// # Errors
/// The very first connection or the reading of a file failed, or the output does not take what is written.
pub async fn run(
    job: &Job,
    mut events: mpsc::Receiver<Event>,
    mut out: impl AsyncWrite + Unpin,
    mut tell: impl FnMut(&str),
    stop: impl Future<Output = ()>,
) -> anyhow::Result<Summary> {
    let mut writer = Writer::new(job);
    tokio::pin!(stop);
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = &mut stop => return Ok(writer.summary),
        };
        let Some(event) = event else { return Ok(writer.summary) };
        writer.tell(job, &event, &mut tell)?;
        writer.take(&event, job.count);
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
        let is_over = matches!(event, Event::Ended { .. });
        if is_over || job.count.is_some_and(|count| writer.rows >= count) {
            return Ok(writer.summary);
        }
    }
}

async fn write(out: &mut (impl AsyncWrite + Unpin), text: &str) -> io::Result<()> {
    out.write_all(text.as_bytes()).await?;
    out.flush().await
}

struct Writer {
    lines: Box<dyn Lines + Send>,
    stream: Option<Arc<Stream>>,
    rows: u64,
    text: String,
    summary: Summary,
    connection: Connection,
}

/// What has been told of the connection: an outage is told once, not at each try.
#[derive(PartialEq)]
enum Connection {
    /// There was none yet.
    None,
    /// There is one.
    Up,
    /// It is lost, and that has been told.
    Lost,
}

impl Writer {
    fn new(job: &Job) -> Writer {
        let lines: Box<dyn Lines + Send> = match job.form {
            Form::Csv => Box::new(csv::Csv::new(&job.source)),
            Form::Json => Box::new(json::Json::new(&job.source)),
            Form::Raw => Box::new(raw::Raw),
            Form::Table | Form::Tui => Box::new(table::Table::new(job.zone)),
        };
        Writer {
            lines,
            stream: None,
            rows: 0,
            text: String::new(),
            summary: Summary::default(),
            connection: Connection::None,
        }
    }

    /// What people should know of an event, besides a row.
    fn tell(
        &mut self,
        job: &Job,
        event: &Event,
        tell: &mut impl FnMut(&str),
    ) -> anyhow::Result<()> {
        match event {
            Event::Connected => self.connection = Connection::Up,
            Event::Down { reason, .. } if self.connection == Connection::None => {
                bail!("cannot connect to {}: {reason}{}", job.source, advice(reason));
            }
            Event::Down { reason, refused: true, .. } if self.rows == 0 => {
                bail!("{} refuses: {reason}", job.source);
            }
            Event::Down { reason, .. } if self.connection == Connection::Up => {
                self.connection = Connection::Lost;
                tell(&format!("{}: connection lost: {reason}; reconnecting", job.source));
            }
            Event::Ended { reason, failed: true } => bail!("{}: {reason}", job.source),
            Event::Notice(text) => tell(text.as_str()),
            Event::Faults { count, .. } => {
                self.summary.faults = self.summary.faults.saturating_add(*count);
            }
            Event::Skipped { count } => {
                if self.summary.skipped == 0 {
                    tell(&format!(
                        "{}: rows are skipped, as they are too late or too many",
                        job.source
                    ));
                }
                self.summary.skipped = self.summary.skipped.saturating_add(*count);
            }
            Event::Stream(stream) if job.form == Form::Csv && self.has_other_columns(stream) => {
                tell(&format!("{}: other columns now; csv keeps those of its header", job.source));
            }
            Event::Connecting
            | Event::Replaying
            | Event::Heading
            | Event::Ended { .. }
            | Event::Received { .. }
            | Event::Down { .. }
            | Event::Stream(_)
            | Event::Rows(_)
            | Event::Live
            | Event::Note(_) => {}
        }
        Ok(())
    }

    fn has_other_columns(&self, stream: &Stream) -> bool {
        let before = self.stream.as_ref().map(|stream| stream.schema.columns());
        before.is_some_and(|columns| columns != stream.schema.columns())
    }

    /// Appends the lines of an event, until there are `count` rows in all.
    fn take(&mut self, event: &Event, count: Option<u64>) {
        match event {
            Event::Stream(stream) => {
                self.lines.stream(stream, &mut self.text);
                self.stream = Some(stream.clone());
            }
            Event::Rows(rows) => {
                let Some(stream) = &self.stream else { return };
                let wanted = count.map_or(usize::MAX, |count| (count - self.rows) as usize);
                for sample in rows.iter().take(wanted) {
                    self.lines.row(stream, sample, &mut self.text);
                    self.rows += 1;
                }
            }
            Event::Note(note) => self.lines.note(note, &mut self.text),
            Event::Connecting
            | Event::Connected
            | Event::Replaying
            | Event::Heading
            | Event::Ended { .. }
            | Event::Notice(_)
            | Event::Received { .. }
            | Event::Down { .. }
            | Event::Live
            | Event::Skipped { .. }
            | Event::Faults { .. } => {}
        }
    }
}

/// What to do about a first connection that failed. What ssh says speaks for itself.
fn advice(reason: &Text) -> &'static str {
    match reason.as_str() {
        "connection refused" | "timed out" => "; is an agent running there?",
        _ => "",
    }
}

#[cfg(test)]
mod tests;

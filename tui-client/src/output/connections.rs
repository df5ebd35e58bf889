//! Connections of the sources: their state, and the messages about them.

use anyhow::bail;
use tokio::time::Instant;

use super::connect_error::connect_error;
use super::source_status::{Answer, ConnectionStatus, LookStatus, Silence};
use super::{OutputFormat, OutputWriter};
use crate::event::{Event, Overdue, StreamInfo};

impl OutputWriter<'_> {
    /// Updates the state of a source. Returns the message about the event, if there is one. Fails if
    /// the last source ended with an error.
    pub(super) fn observe(
        &mut self,
        source: usize,
        event: &Event,
    ) -> anyhow::Result<Option<String>> {
        let name = &self.job.sources[source];
        let is_top = self.job.format == OutputFormat::Top;
        let status = &mut self.sources[source];
        match event {
            Event::Connected => {
                status.connection = ConnectionStatus::Up;
                if status.answer == Answer::NotAwaited {
                    status.answer = Answer::AwaitedSince(Instant::now());
                }
            }
            Event::Replaying => status.looks = LookStatus::NoneYet,
            Event::Look(_) => status.looks = LookStatus::Some,
            Event::Stream(stream) => return self.observe_stream(source, stream),
            Event::Disconnected { reason, retry_at: None, .. } => {
                // Only the screen can let a person log in again.
                return self.observe_end(source, reason.as_str(), true);
            }
            Event::Disconnected { reason, refused, .. } => {
                return self.observe_outage(source, reason.as_str(), *refused);
            }
            Event::Ended { failed: false, .. } if is_top && status.looks != LookStatus::Some => {
                let missing = status.missing_looks().unwrap_or("none are recorded");
                return self.observe_end(source, &format!("no processes: {missing}"), true);
            }
            Event::Ended { reason, failed } => {
                return self.observe_end(source, reason.as_str(), *failed);
            }
            Event::Warning(text) => return Ok(Some(text.to_string())),
            // The answer follows, or the end of the connection.
            Event::Overdue(Overdue::Asked) => {}
            Event::Overdue(overdue) if status.silence == Silence::None => {
                status.silence = Silence::Reported;
                return Ok(Some(format!("{name}: {}", overdue.text())));
            }
            Event::Rows(_) if std::mem::take(&mut status.silence) == Silence::Reported => {
                return Ok(Some(format!("{name}: rows arrive again")));
            }
            Event::Faults { count, .. } => {
                self.summary.faults = self.summary.faults.saturating_add(*count);
            }
            Event::Skipped { count } => {
                self.summary.skipped = self.summary.skipped.saturating_add(*count);
                if !std::mem::replace(&mut status.is_skip_reported, true) {
                    let what = "rows are skipped because they arrive too fast or too late";
                    return Ok(Some(format!("{name}: {what}")));
                }
            }
            _ => {}
        }
        Ok(None)
    }

    /// Begins a stream. Returns the message about missing looks if the output needs them. Ends a source
    /// that has none.
    fn observe_stream(
        &mut self,
        source: usize,
        stream: &StreamInfo,
    ) -> anyhow::Result<Option<String>> {
        let status = &mut self.sources[source];
        let is_top = self.job.format == OutputFormat::Top;
        let missing = stream.missing_looks();
        let Some(missing) = missing.filter(|_| is_top && status.looks != LookStatus::NoneYet)
        else {
            status.answer = Answer::Settled;
            return Ok(None);
        };
        let what = format!("no processes: {missing}");
        if stream.header.is_some() {
            status.answer = Answer::Settled;
            if status.looks == LookStatus::None {
                return self.observe_end(source, &what, true);
            }
        }
        // Another header may follow: a late one, or that of a restarted agent.
        Ok(Some(format!("{}: {what}", self.job.sources[source])))
    }

    /// Ends a source. Returns the message about a failure. Fails if no other source is left.
    fn observe_end(
        &mut self,
        source: usize,
        reason: &str,
        failed: bool,
    ) -> anyhow::Result<Option<String>> {
        self.sources[source].connection = ConnectionStatus::Ended;
        let what = format!("{}: {reason}", self.job.sources[source]);
        if failed && self.has_ended() {
            bail!(what);
        }
        Ok(failed.then_some(what))
    }

    /// Updates the state of a source without a connection. Returns the message about the outage,
    /// once. Fails if the first connection to every source failed.
    fn observe_outage(
        &mut self,
        source: usize,
        reason: &str,
        refused: bool,
    ) -> anyhow::Result<Option<String>> {
        let name = &self.job.sources[source];
        let status = &mut self.sources[source];
        let is_refusal = refused && status.rows == 0;
        let what = match status.connection {
            _ if is_refusal => format!("{name}: {reason}"),
            ConnectionStatus::None => connect_error(name, reason),
            ConnectionStatus::Up => format!("{name}: connection lost, reconnecting: {reason}"),
            ConnectionStatus::Failed | ConnectionStatus::Lost | ConnectionStatus::Ended => {
                return Ok(None);
            }
        };
        let is_first = status.connection == ConnectionStatus::None || is_refusal;
        let is_reported = is_refusal && std::mem::replace(&mut status.is_refusal_reported, true);
        if !is_first {
            status.silence = Silence::Reported;
        }
        status.connection =
            if is_first { ConnectionStatus::Failed } else { ConnectionStatus::Lost };
        if is_first
            && self.sources.iter().all(|status| status.connection == ConnectionStatus::Failed)
        {
            bail!(what);
        }
        Ok((!is_reported).then_some(what))
    }
}

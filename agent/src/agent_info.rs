//! Properties shared by all streams of an agent.

use std::time::Duration;

use loadline_protocol::{Column, Header, LineError, Note, SafeText, Schema, Stamp, Time, VERSION};

use crate::ring::{Columns, Cursor, Selection};
use crate::source::MachineFacts;
use loadline_common::with_suggestion;

/// Properties of the agent and its columns.
pub(crate) struct AgentInfo {
    pub(crate) facts: MachineFacts,
    /// All columns, after timestamp and sequence number.
    pub(crate) schema: Schema,
    pub(crate) interval: Duration,
    /// Highest number of processes by CPU, and by memory, in a look; 0 without looks.
    pub(crate) top: u16,
}

impl AgentInfo {
    /// Returns the header and the columns note of a stream from a cursor, or the error message for the
    /// client if a column was chosen twice. The answer to a request has the time `now`, and that of
    /// the oldest sample.
    pub(crate) fn headers(
        &self,
        cursor: &Cursor,
        selection: &Selection,
        now: Option<Time>,
    ) -> Result<[Note; 2], SafeText> {
        let interval_ms = cursor.interval().as_millis() as u64;
        let header = Header {
            version: VERSION,
            run: Some(cursor.run()),
            host: Some(self.facts.host.clone()),
            interval: Some(Duration::from_millis(interval_ms.saturating_mul(selection.every))),
            os: self.facts.os.clone(),
            cores: self.facts.cores,
            memory: self.facts.memory,
            cpu_limit: self.facts.cpu_limit,
            memory_limit: self.facts.memory_limit,
            agent: Some(SafeText::new(env!("CARGO_PKG_VERSION"))),
            now,
            top: Some(self.top).filter(|top| *top > 0),
            oldest: now.and(cursor.oldest_time()),
        };
        Ok([Note::Header(header), Note::Columns(self.schema_of(selection)?)])
    }

    /// Returns the positions of the named columns, or the error message for the client.
    pub(crate) fn positions(&self, names: &[String]) -> Result<Box<[u16]>, SafeText> {
        let unknown = |name: &str| {
            let names: Vec<&str> = self.schema.columns().iter().map(Column::name).collect();
            SafeText::new(&with_suggestion(&format!("unknown column {name}"), name, &names))
        };
        let position = |name: &String| {
            let position = self.schema.position(name).map(|at| at as u16);
            position.ok_or_else(|| unknown(name))
        };
        names.iter().map(position).collect()
    }

    /// Returns the schema of a subscribed stream, or the error message for the client if a column
    /// was chosen twice.
    fn schema_of(&self, selection: &Selection) -> Result<Schema, SafeText> {
        let Columns::Chosen(chosen) = &selection.columns else { return Ok(self.schema.clone()) };
        let all = self.schema.columns();
        let columns = chosen.iter().map(|at| all[usize::from(*at)].clone()).collect();
        let refused = |error: LineError| SafeText::new(&error.to_string());
        Schema::new(Stamp::TimeSeq, columns).map_err(refused)
    }
}

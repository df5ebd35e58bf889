//! What all streams of an agent have in common.

use std::time::Duration;

use loadline_protocol::{Column, Header, LineError, Note, RunId, SafeText, Schema, Stamp, VERSION};

use crate::ring::{Columns, Selection};
use crate::source::MachineFacts;
use crate::usage::with_suggestion;

/// What an agent says of itself, and of its columns.
pub(crate) struct AgentInfo {
    facts: MachineFacts,
    /// All columns, behind the time and the number.
    pub(crate) schema: Schema,
    /// The time between two samples of this agent.
    pub(crate) interval: Duration,
}

impl AgentInfo {
    pub(crate) fn new(facts: MachineFacts, schema: Schema, interval: Duration) -> AgentInfo {
        AgentInfo { facts, schema: schema.with_stamp(Stamp::TimeSeq), interval }
    }

    /// The header of a stream of every `every`th sample of this run.
    pub(crate) fn header(&self, run: RunId, interval: Duration, every: u64) -> Note {
        let interval_ms = interval.as_millis() as u64;
        Note::Header(Header {
            version: VERSION,
            run: Some(run),
            host: Some(self.facts.host.clone()),
            interval: Some(Duration::from_millis(interval_ms.saturating_mul(every))),
            os: self.facts.os.clone(),
            cores: self.facts.cores,
            memory: self.facts.memory,
            cpu_limit: self.facts.cpu_limit,
            memory_limit: self.facts.memory_limit,
            agent: Some(SafeText::new(env!("CARGO_PKG_VERSION"))),
        })
    }

    /// Where the columns of these names are; else what to tell the client.
    pub(crate) fn positions(&self, names: &[String]) -> Result<Box<[u16]>, SafeText> {
        let position = |name: &String| match self.schema.position(name) {
            Some(at) => Ok(at as u16),
            None => Err(self.unknown_column(name)),
        };
        names.iter().map(position).collect()
    }

    fn unknown_column(&self, name: &str) -> SafeText {
        let names: Vec<&str> = self.schema.columns().iter().map(Column::name).collect();
        SafeText::new(&with_suggestion(&format!("unknown column {name}"), name, &names))
    }

    /// The schema of a subscribed stream; a column that was chosen twice makes none, and what to
    /// tell the client.
    pub(crate) fn schema_of(&self, selection: &Selection) -> Result<Schema, SafeText> {
        let Columns::Chosen(chosen) = &selection.columns else { return Ok(self.schema.clone()) };
        let all = self.schema.columns();
        let columns = chosen.iter().map(|at| all[usize::from(*at)].clone()).collect();
        let refused = |error: LineError| SafeText::new(&error.to_string());
        Schema::new(Stamp::TimeSeq, columns).map_err(refused)
    }
}

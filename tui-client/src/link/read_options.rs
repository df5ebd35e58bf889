//! Options of reading, and typed options that a source does not follow.

use std::collections::HashSet;
use std::time::Duration;

use loadline_protocol::{Column, DurationText, SafeText, Schema, Stamp};

use super::columns::{ColumnSelection, bare_name};
use super::disconnect::Disconnect;
use crate::event::{Event, StreamInfo};
use crate::import::ImportOptions;

/// Columns to read, and whether to keep the lines.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Names for the columns of a plain stream, or a selection of named columns.
    pub columns: Option<Vec<String>>,
    /// Names among `columns` that a run may lack, because another run of the recording has them.
    pub optional_columns: HashSet<String>,
    /// Keep the text of each row.
    pub keep_lines: bool,
    /// Options for tables of other programs.
    pub import: ImportOptions,
    /// Typed options to compare with the stream.
    pub typed_request: Option<TypedRequest>,
}

impl ReadOptions {
    /// Returns the names that belong to columns of a recording.
    pub(crate) fn recorded_names(names: Option<&[String]>, recorded: &[Column]) -> HashSet<String> {
        let is_recorded = |name: &&String| {
            let bare = bare_name(name);
            recorded.iter().any(|column| column.name() == bare)
        };
        names.unwrap_or_default().iter().filter(is_recorded).cloned().collect()
    }

    /// Selects columns of a subscribed stream. Later runs may lack them: another run has them.
    /// Returns no schema if the run has none of the columns.
    pub(super) fn select(
        &mut self,
        columns: &Schema,
    ) -> Result<(ColumnSelection, Option<Schema>), Disconnect> {
        let all = || (ColumnSelection::default(), Some(columns.clone()));
        let Some(names) = &self.columns else { return Ok(all()) };
        let has = |name: &str| columns.position(bare_name(name)).is_some();
        let is_wanted = |name: &&String| has(name) || !self.optional_columns.contains(*name);
        let wanted: Vec<String> = names.iter().filter(is_wanted).cloned().collect();
        if wanted.is_empty() {
            return Ok((ColumnSelection::nothing(), None));
        }
        let (selection, schema) = ColumnSelection::named(columns, &wanted)?;
        self.optional_columns.extend(wanted);
        Ok((selection, Some(schema)))
    }

    /// Returns the warning about typed options that the first stream does not follow. `takes_requests` is
    /// false for files and pipes.
    pub(super) fn take_warning(
        &mut self,
        stream: &StreamInfo,
        takes_requests: bool,
    ) -> Option<Event> {
        let text = self.typed_request.take()?.ignored(stream, takes_requests)?;
        Some(Event::Warning(SafeText::new(&text)))
    }
}

/// Options that the user typed for the request to a source. Options from the environment and the
/// configuration are left out: they apply to all sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypedRequest {
    /// Name of the source, for warnings.
    pub source: String,
    /// Interval.
    pub interval: Option<Duration>,
    /// Ids of the options.
    pub options: Vec<&'static str>,
}

impl TypedRequest {
    /// Returns the warning about options that a stream does not follow.
    fn ignored(&self, stream: &StreamInfo, takes_requests: bool) -> Option<String> {
        let TypedRequest { source, interval, options } = self;
        if !takes_requests {
            let has_times = stream.schema.stamp() != Stamp::None;
            let ignored = interval.is_some() && has_times;
            return ignored.then(|| format!("{source} has timestamps: --interval has no effect"));
        }
        let Some(header) = &stream.header else {
            let names: Vec<String> = options.iter().map(|id| format!("--{id}")).collect();
            let verb = if names.len() == 1 { "has" } else { "have" };
            let names = names.join(" and ");
            let why = "answers no request";
            return (!names.is_empty())
                .then(|| format!("{source} {why}: {names} {verb} no effect"));
        };
        let (asked, granted) = interval.zip(header.interval).filter(|(a, b)| a != b)?;
        let (asked, granted) = (DurationText(asked), DurationText(granted));
        Some(format!("{source} grants an interval of {granted}, not {asked}"))
    }
}

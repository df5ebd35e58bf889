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

/// Properties of a source that decide which options it follows.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamTraits {
    /// False for files and pipes.
    pub(super) takes_requests: bool,
    /// True if the output repeats lines that have more than the chosen columns.
    pub(super) repeats_all_columns: bool,
}

impl ReadOptions {
    /// Returns the names that belong to columns of a recording.
    pub(crate) fn recorded_names(names: Option<&[String]>, recorded: &[Column]) -> HashSet<String> {
        let recorded: HashSet<&str> = recorded.iter().map(Column::name).collect();
        let is_recorded = |name: &&String| recorded.contains(bare_name(name));
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
        let known: HashSet<&str> = columns.columns().iter().map(Column::name).collect();
        let has = |name: &str| known.contains(bare_name(name));
        let is_wanted = |name: &&String| has(name) || !self.optional_columns.contains(*name);
        let wanted: Vec<String> = names.iter().filter(is_wanted).cloned().collect();
        if wanted.is_empty() {
            return Ok((ColumnSelection::nothing(), None));
        }
        let (selection, schema) = ColumnSelection::named(columns, &wanted)?;
        self.optional_columns.extend(wanted);
        Ok((selection, Some(schema)))
    }

    /// Returns the warnings about typed options that the first stream does not follow.
    pub(super) fn take_warnings(
        &mut self,
        stream: &StreamInfo,
        traits: StreamTraits,
    ) -> impl Iterator<Item = Event> + use<> {
        let request = self.typed_request.take();
        let texts = request.map(|request| request.ignored(stream, traits)).unwrap_or_default();
        texts.into_iter().map(|text| Event::Warning(SafeText::new(&text)))
    }

    /// Returns the warning about typed options for times, once, for rows that are no table.
    pub(super) fn take_time_warning(&mut self) -> Option<Event> {
        let TypedRequest { source, options, .. } = self.typed_request.as_mut()?;
        let typed: Vec<_> = options.extract_if(.., |id| TIME_OPTIONS.contains(id)).collect();
        let text = format!("{source} sends no table: {}", no_effect(&typed)?);
        Some(Event::Warning(SafeText::new(&text)))
    }
}

/// Options for the times in tables of other programs.
pub(crate) const TIME_OPTIONS: [&str; 2] = ["time_column", "time_format"];

/// Options that the user typed for a source. Options from the environment and the configuration are left
/// out: they apply to all sources.
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
    /// Returns warnings about options that a stream does not follow.
    fn ignored(&self, stream: &StreamInfo, traits: StreamTraits) -> Vec<String> {
        let TypedRequest { source, interval, options } = self;
        let answer = match &stream.header {
            _ if !traits.takes_requests => {
                let ignored = interval.is_some() && stream.schema.stamp() != Stamp::None;
                ignored.then(|| format!("{source} has timestamps: --interval has no effect"))
            }
            None => self.unanswered(),
            Some(header) => {
                interval.and_then(|asked| refused_interval(source, asked, header.interval))
            }
        };
        let is_answered = !traits.takes_requests || stream.header.is_some();
        let repeats = options.contains(&"columns") && traits.repeats_all_columns && is_answered;
        let repeated = repeats.then(|| {
            format!("{source}: -o raw repeats lines, so --columns has no effect; choose -o csv")
        });
        answer.into_iter().chain(repeated).collect()
    }

    /// Returns the warning for a source that answers no request.
    fn unanswered(&self) -> Option<String> {
        let is_requested = |id: &&'static str| !TIME_OPTIONS.contains(id) && *id != "from";
        let options: Vec<_> = self.options.iter().copied().filter(is_requested).collect();
        let earlier = "--from finds no row from before the connection";
        let earlier = self.options.contains(&"from").then_some(earlier);
        let effects = no_effect(&options);
        let all: Vec<&str> = effects.as_deref().into_iter().chain(earlier).collect();
        let what = all.join(", and ");
        (!all.is_empty()).then(|| format!("{} answers no request: {what}", self.source))
    }

    /// Returns the warning for an agent that starts with the program and has no earlier samples.
    pub(crate) fn without_history(&self) -> Option<String> {
        let is_earlier = |id: &&'static str| ["history", "from"].contains(id);
        let options: Vec<_> = self.options.iter().copied().filter(is_earlier).collect();
        let what = no_effect(&options)?;
        Some(format!("no agent answers on this machine: {what}; start loadline-agent"))
    }
}

/// Returns that `options` have no effect, if there are any.
fn no_effect(options: &[&str]) -> Option<String> {
    let names: Vec<String> =
        options.iter().map(|id| format!("--{}", id.replace('_', "-"))).collect();
    let (last, others) = names.split_last()?;
    Some(match others {
        [] => format!("{last} has no effect"),
        _ => format!("{} and {last} have no effect", others.join(", ")),
    })
}

fn refused_interval(source: &str, asked: Duration, granted: Option<Duration>) -> Option<String> {
    let Some(granted) = granted else {
        return Some(format!("{source} announces no interval: --interval may have no effect"));
    };
    let (wanted, granted_text) = (DurationText(asked), DurationText(granted));
    (asked != granted)
        .then(|| format!("{source} grants an interval of {granted_text}, not {wanted}"))
}

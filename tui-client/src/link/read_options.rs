//! Options of reading, and typed options that a source does not follow.

use std::time::Duration;

use loadline_protocol::{DurationText, SafeText, Stamp};

use crate::event::{Event, StreamInfo};
use crate::import::ImportOptions;

/// Columns to read, and whether to keep the lines.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Names for the columns of a plain stream, or a selection of named columns.
    pub columns: Option<Vec<String>>,
    /// Keep the text of each row.
    pub keep_lines: bool,
    /// Options for tables of other programs.
    pub import: ImportOptions,
    /// Typed options to compare with the stream.
    pub typed_request: Option<TypedRequest>,
}

impl ReadOptions {
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

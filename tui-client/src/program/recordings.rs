//! Contents of the recordings among the sources, read ahead.

use std::collections::HashSet;

use loadline_agent::Clock;
use loadline_protocol::{COLUMNS_MAX, Column, Time};
use tokio::sync::mpsc;

use super::link_options;
use crate::cli::CliSettings;
use crate::event::{Event, Sample};
use crate::link::{Connector, Link, LinkOptions, events_max};
use crate::output::OutputFormat;
use crate::source::Source;
use crate::time_spec::{TimeBounds, TimeRange};
use crate::zone::Zone;

/// Resolves `--from` and `--to`, and finds the columns of recordings. Relative times count back from
/// now; if all sources are recordings, from their newest sample. CSV begins with all columns, and
/// `--columns` may name columns of any run. All of them read recordings twice.
pub(super) async fn resolve_recorded(
    settings: &mut CliSettings,
) -> anyhow::Result<(TimeBounds, Vec<Column>)> {
    let range = TimeRange { from: settings.args.from, to: settings.args.to };
    let has_range = range != TimeRange::default();
    let has_columns = settings.sources.iter().any(|chosen| chosen.columns.is_some());
    if !has_range && !has_columns && settings.format != OutputFormat::Csv {
        return Ok((TimeBounds::default(), Vec::new()));
    }
    let survey = survey_recordings(settings).await;
    if !has_range {
        return Ok((TimeBounds::default(), survey.columns));
    }
    let now = Clock::system().now();
    let recorded = survey.range.filter(|_| survey.is_complete);
    let newest = recorded.map_or(now, |(_, newest)| newest);
    let bounds = range.resolve(newest, Zone::Local).map_err(anyhow::Error::msg)?;
    settings.apply_bounds(bounds, recorded, now);
    Ok((bounds, survey.columns))
}

/// Contents of the recordings among the sources.
#[derive(Default)]
struct RecordingSurvey {
    /// True if all sources are recordings.
    is_complete: bool,
    /// Oldest and newest time; `None` without samples.
    range: Option<(Time, Time)>,
    /// Columns of all runs, in order, and as a set.
    columns: Vec<Column>,
    known: HashSet<Column>,
}

impl RecordingSurvey {
    fn add(&mut self, event: &Event) {
        match event {
            Event::Stream(stream) => {
                for column in stream.schema.columns() {
                    if self.columns.len() < COLUMNS_MAX && self.known.insert(column.clone()) {
                        self.columns.push(column.clone());
                    }
                }
            }
            Event::Rows(rows) => {
                for Sample { time, .. } in rows.iter() {
                    let (oldest, newest) = self.range.unwrap_or((time, time));
                    self.range = Some((oldest.min(time), newest.max(time)));
                }
            }
            _ => {}
        }
    }
}

async fn survey_recordings(settings: &CliSettings) -> RecordingSurvey {
    let mut survey = RecordingSurvey { is_complete: true, ..RecordingSurvey::default() };
    for chosen in &settings.sources {
        let path = match &chosen.source {
            Source::Path(path) if path.is_file() => path,
            _ => {
                survey.is_complete = false;
                continue;
            }
        };
        let connector = Connector::path(path);
        let mut options = LinkOptions { follow: false, ..link_options(settings, chosen, &[]) };
        let names = options.read_options.columns.iter().flatten();
        options.read_options.optional_columns = names.cloned().collect();
        let (sender, mut events) = mpsc::channel(events_max(1));
        tokio::spawn(Link::new(connector, options, Clock::system()).run(sender));
        while let Some(event) = events.recv().await {
            survey.add(&event);
            if matches!(event, Event::Ended { .. }) {
                break;
            }
        }
    }
    survey
}

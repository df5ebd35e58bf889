//! Report of `--check`: identity, columns, rate, first rows, faults and clock offset of a source.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use loadline_protocol::{Column, DurationText, Header, SafeText, Stamp, Time};
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::diagnosis::Diagnosis;
use crate::event::{Event, Rows, Sample, StreamInfo};
use crate::import::Recognized;
use crate::link::write;
use crate::output::connect_error;
use crate::units::container_limits_text;
use crate::watched::Watched;
use crate::zone::utc_text;

/// Minimum duration of a check: 3 s. A server without requests is recognized after a second.
const CHECK_MIN: Duration = Duration::from_secs(3);

/// Maximum duration of a check, however slow the source is.
const CHECK_MAX: Duration = Duration::from_mins(1);

/// Duration of a check in intervals of the source. At least two rows arrive in 2.5 intervals.
const CHECK_INTERVALS: f64 = 2.5;

/// Number of rows in the report.
const ROWS_SHOWN: usize = 3;

/// Time after which each clear problem is found: 12 s. Samples that are further apart count by themselves.
const SPAN_TO_FIND: Duration = Duration::from_secs(12);

/// Maximum number of column names and values in a line of the report.
const COLUMNS_SHOWN: usize = 24;

/// Clock offsets below 1 s count as in sync: transit alone may take as long.
const CLOCK_TOLERANCE_MS: i64 = 1000;

/// Findings of a check.
#[derive(Debug)]
struct CheckReport {
    watched: Watched,
    /// Findings of the import, for a table of another program.
    recognized: Option<Arc<Recognized>>,
    has_connected: bool,
    /// Number of live rows, and the newest one of the history.
    rows: u64,
    /// The first [`ROWS_SHOWN`] of these rows as text.
    first_rows: Vec<String>,
    first_fault: Option<SafeText>,
    warnings: Vec<SafeText>,
    /// Shortest transit of a row in milliseconds, the clock offset included.
    transit_ms: Option<i64>,
}

/// Checks a source without samples by its `events` and writes a report to `out`. `thresholds` has the names of
/// columns with thresholds.
///
/// # Errors
/// The connection fails, no rows arrive, or `out` cannot be written.
pub(crate) async fn run(
    watched: Watched,
    thresholds: &[&str],
    mut events: mpsc::Receiver<Event>,
    mut out: impl AsyncWrite + Unpin,
) -> anyhow::Result<()> {
    let mut clock = loadline_agent::Clock::system();
    let start = Instant::now();
    let name = &watched.name.clone();
    let mut found = CheckReport {
        watched,
        recognized: None,
        has_connected: false,
        rows: 0,
        first_rows: Vec::new(),
        first_fault: None,
        warnings: Vec::new(),
        transit_ms: None,
    };
    let mut end = None;
    while end.is_none()
        && let Ok(Some(event)) = timeout_at(start + found.timeout(), events.recv()).await
    {
        end = found.handle_event(clock.now(), event);
    }
    let looked = start.elapsed();
    if found.watched.ingest.stream.is_some() || found.watched.ingest.faults > 0 {
        let mut report = found.to_text(looked);
        if let Some(unused) = found.unused_thresholds(thresholds) {
            push_line(&mut report, "note", &unused);
        }
        if let Some(Ok(reason)) = &end {
            push_line(&mut report, "end", reason.as_str());
        }
        write(&mut out, &report).await?;
    }
    match end {
        Some(Err(error)) => bail!(error),
        Some(Ok(_)) if found.rows == 0 => bail!("{name}: no rows"),
        None if found.rows == 0 => bail!("{name}: no rows within {:.1} s", looked.as_secs_f64()),
        Some(Ok(_)) | None => Ok(()),
    }
}

/// Appends a line of the report, without trailing spaces.
fn push_line(report: &mut String, label: &str, what: &str) {
    // Writing to a String does not fail.
    let _ = write!(report, "{label:9}{what}");
    report.truncate(report.trim_end().len());
    report.push('\n');
}

impl CheckReport {
    /// Returns the duration of the check, from the interval as far as it is known.
    fn timeout(&self) -> Duration {
        let interval = self.watched.interval().unwrap_or_default().min(CHECK_MAX);
        interval.mul_f64(CHECK_INTERVALS).clamp(CHECK_MIN, CHECK_MAX)
    }

    /// Records an event. Returns the reason if the event ends the check: an error if the source
    /// failed.
    fn handle_event(&mut self, now: Time, event: Event) -> Option<Result<SafeText, String>> {
        let failed = |reason: &SafeText| format!("{}: {reason}", self.watched.name);
        let mut end = None;
        match &event {
            Event::Imported(recognized) => self.recognized = Some(recognized.clone()),
            Event::Rows(rows) => self.add_rows(rows),
            Event::Faults { first, .. } if self.first_fault.is_none() => {
                self.first_fault = Some(first.clone());
            }
            Event::Warning(text) => self.warnings.push(text.clone()),
            Event::Connected => self.has_connected = true,
            Event::Live if self.is_in_history() => self.drop_history(),
            Event::Disconnected { reason, refused: false, .. } if !self.has_connected => {
                end = Some(Err(connect_error(&self.watched.name, reason.as_str())));
            }
            Event::Disconnected { reason, refused, .. } if *refused || self.rows == 0 => {
                end = Some(Err(failed(reason)));
            }
            Event::Ended { reason, failed: true } => end = Some(Err(failed(reason))),
            Event::Disconnected { reason, .. } | Event::Ended { reason, .. } => {
                end = Some(Ok(reason.clone()));
            }
            _ => {}
        }
        self.watched.apply(now, event);
        end
    }

    /// Returns whether rows come from before the connection.
    fn is_in_history(&self) -> bool {
        let connection = &self.watched.connection;
        self.watched.header().is_some() && !connection.is_recording() && !connection.caught_up
    }

    /// Leaves the newest row of the history in the report.
    fn drop_history(&mut self) {
        self.rows = self.rows.min(1);
        self.first_rows.drain(..self.first_rows.len().saturating_sub(1));
    }

    fn add_rows(&mut self, rows: &Rows) {
        let Some(stream) = self.watched.ingest.stream.clone() else { return };
        for sample in rows.iter() {
            self.rows += 1;
            if self.is_in_history() && self.first_rows.len() == ROWS_SHOWN {
                self.first_rows.remove(0);
            }
            if self.first_rows.len() < ROWS_SHOWN {
                self.first_rows.push(row_text(&stream, sample));
            }
            let transit = sample.received.ms_since(sample.time);
            self.transit_ms = self.transit_ms.into_iter().chain([transit]).min();
        }
    }

    /// Formats the report, one finding per line.
    fn to_text(&self, looked: Duration) -> String {
        let mut text = String::new();
        let mut line = |label: &str, what: &str| push_line(&mut text, label, what);
        line("source", &self.watched.name);
        if let Some(stream) = &self.watched.ingest.stream {
            line("kind", &self.kind_text(stream));
            let host = stream.header.as_ref().map(host_text).unwrap_or_default();
            if !host.is_empty() {
                line("host", &host);
            }
            line("columns", &columns_text(self.watched.columns().unwrap_or_default()));
            if let Some(cores) = cores_text(stream) {
                line("cores", &cores);
            }
        }
        if let Some(recognized) = &self.recognized {
            for (label, text) in [("time", &recognized.time), ("left out", &recognized.left_out)] {
                if !text.is_empty() {
                    line(label, text);
                }
            }
        }
        if let Some(interval) = self.watched.interval() {
            line("interval", &DurationText(interval).to_string());
        }
        let first = if self.first_rows.is_empty() { "" } else { ", first rows:" };
        let time = format!(" in {:.1} s", looked.as_secs_f64());
        let time = if self.watched.connection.is_recording() { "" } else { &time };
        line("rows", &format!("{}{time}{first}", self.rows));
        self.first_rows.iter().for_each(|row| line("", row));
        let faults = match &self.first_fault {
            Some(first) => format!("{}, first: {first}", self.watched.ingest.faults),
            None => "none".to_owned(),
        };
        line("faults", &faults);
        if let Some(clock) = self.clock_text() {
            line("clock", &clock);
        }
        if let Some(finding) = self.finding_text() {
            line("finding", &finding);
        }
        self.warnings.iter().for_each(|warning| line("warning", warning.as_str()));
        text
    }

    /// Describes what is wrong with the machine. `None` if its columns do not say so.
    fn finding_text(&self) -> Option<String> {
        let diagnosis = Diagnosis::at(&self.watched, self.watched.store().newest()?);
        let finding = diagnosis.finding(&self.watched).map(|finding| finding.text(usize::MAX));
        let is_possible = diagnosis.is_possible();
        is_possible.then(|| finding.unwrap_or_else(|| self.no_problem_text()))
    }

    /// Says that no problem was found, and in how short a time if that may be too short to find one.
    fn no_problem_text(&self) -> String {
        let store = self.watched.store();
        let span =
            store.newest().zip(store.oldest()).map_or(Duration::ZERO, |(to, from)| to - from);
        let interval = self.watched.interval().unwrap_or_default();
        if span.max(interval) >= SPAN_TO_FIND {
            return "no problem found".to_owned();
        }
        let seconds = span.as_secs_f64();
        format!(
            "no problem found, in only {seconds:.1} s of samples; a problem may need {} s",
            SPAN_TO_FIND.as_secs()
        )
    }

    /// Describes thresholds of columns that the source does not have. Another source may have them.
    fn unused_thresholds(&self, thresholds: &[&str]) -> Option<String> {
        let schema = &self.watched.ingest.stream.as_ref()?.schema;
        let is_unused =
            |name: &&&str| schema.position(name.strip_suffix("/core").unwrap_or(name)).is_none();
        let unused: Vec<&str> = thresholds.iter().filter(is_unused).copied().collect();
        let names = unused.iter().take(COLUMNS_SHOWN).copied().collect::<Vec<_>>().join(", ");
        (!unused.is_empty()).then(|| format!("no column here has the thresholds {names}"))
    }

    fn kind_text(&self, stream: &StreamInfo) -> String {
        let version = stream.header.as_ref().map(|header| header.version);
        let kind = match (version, &self.recognized) {
            (Some(version), _) => format!("subscribed stream, loadline/{version}"),
            (None, Some(recognized)) => recognized.format.clone(),
            (None, None) => "plain rows".to_owned(),
        };
        let times = if stream.schema.stamp() == Stamp::None { ", no timestamps" } else { "" };
        let place = if self.watched.connection.is_recording() { "recording: " } else { "" };
        format!("{place}{kind}{times}")
    }

    /// Describes the clock offset. `None` for recordings, for rows without timestamps, and for
    /// samples of a scrape, which arrive late.
    fn clock_text(&self) -> Option<String> {
        let stamp = self.watched.ingest.stream.as_ref()?.schema.stamp();
        let is_late = self.watched.connection.is_recording() || self.watched.is_scraped();
        let transit_ms = self.transit_ms.filter(|_| !is_late && stamp != Stamp::None)?;
        if let Some(late) = self.watched.lateness() {
            return Some(format!("rows arrive {:.1} s late", late.as_secs_f64()));
        }
        let ahead_ms = -transit_ms;
        let seconds = ahead_ms.unsigned_abs() as f64 / 1000.0;
        Some(match ahead_ms {
            _ if ahead_ms.abs() < CLOCK_TOLERANCE_MS => format!("in sync within {seconds:.3} s"),
            1.. => format!("{seconds:.1} s ahead of this machine"),
            _ if self.watched.is_clock_measured() => {
                format!("{seconds:.1} s behind this machine")
            }
            _ => format!("{seconds:.1} s behind this machine, or rows arrive that late"),
        })
    }
}

/// Formats a row: `2026-11-22T23:33:43.602Z #128  26.6 2300.0 1.7`.
fn row_text(stream: &StreamInfo, sample: Sample<'_>) -> String {
    let time = utc_text(sample.time);
    let seq = sample.seq.map_or(String::new(), |seq| format!(" #{seq}"));
    let mut values = String::new();
    let schema = stream.schema.clone().with_stamp(Stamp::None);
    let shown = sample.values.iter().copied().take(COLUMNS_SHOWN);
    schema.write_row(&mut values, None, None, shown);
    format!("{time}{seq}  {values}")
}

/// Describes the machine of a header: `web-1, Debian 12, 1 core, 64.0 GiB, agent 0.1.0`.
fn host_text(header: &Header) -> String {
    let text = |text: &Option<SafeText>| text.as_ref().map(ToString::to_string);
    let parts = [
        text(&header.host),
        text(&header.os),
        header.cores.map(|cores| format!("{cores} {}", if cores == 1 { "core" } else { "cores" })),
        header.memory.map(|bytes| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))),
        container_limits_text(header),
        header.agent.as_ref().map(|version| format!("agent {version}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Says how many cores have a column. `None` if there are no such columns, or one for each core.
fn cores_text(stream: &StreamInfo) -> Option<String> {
    let number = |name: &str| name.strip_prefix("core")?.parse::<u32>().ok();
    let columns = stream.schema.columns().iter().filter_map(|column| number(column.name()));
    let (with_column, cores) = (columns.count(), stream.header.as_ref()?.cores?);
    let is_cut = (1..cores as usize).contains(&with_column);
    is_cut.then(|| format!("{with_column} of {cores} have a column"))
}

fn columns_text(columns: &[Column]) -> String {
    let names = columns.iter().take(COLUMNS_SHOWN).map(Column::heading);
    let names = names.collect::<Vec<_>>().join(", ");
    let more = if columns.len() > COLUMNS_SHOWN { ", ..." } else { "" };
    format!("{}: {names}{more}", columns.len())
}

#[cfg(test)]
mod tests {
    use loadline_protocol::Note;

    use super::*;
    use crate::link::{ReadOptions, StreamReader, TypedRequest};

    #[test]
    fn container_limits_are_shown() {
        let header = |fields: &str| match Note::parse(&format!("loadline/1 host=web {fields}")) {
            Ok(Note::Header(header)) => host_text(&header),
            other => panic!("{other:?}"),
        };
        assert_eq!(header("cores=8 cpu_limit=1"), "web, 8 cores, limit 1 core");
        assert_eq!(
            header("memory=536870912 memory_limit=536870912 cpu_limit=1.5"),
            "web, 0.5 GiB, limit 1.5 cores, 512.0 MiB"
        );
    }

    const HEADER: &str = "# loadline/1 run=00000007 host=web-1 interval=1000ms os=\"Debian 12\" \
                          cores=1 memory=68719476736 agent=0.1.0\n\
                          # columns time:s seq cpu:% load1\n";

    /// Returns the report and the result for `text`, received at 10 s over an open connection.
    async fn check(text: &str) -> (String, String) {
        let mut events = vec![Event::Connecting, Event::Connected];
        let mut reader = StreamReader::without_request(ReadOptions::default());
        let now = Time::from_millis(10_000);
        reader.feed(text.as_bytes(), now);
        events.extend(reader.drain_events());
        check_events(events).await
    }

    async fn check_events(events: Vec<Event>) -> (String, String) {
        check_thresholds(events, &[]).await
    }

    async fn check_thresholds(events: Vec<Event>, thresholds: &[&str]) -> (String, String) {
        let (sender, receiver) = mpsc::channel(64);
        for event in events {
            sender.send(event).await.unwrap();
        }
        let mut out = Vec::new();
        let watched = Watched::new("web-1:1027", false, Duration::from_hours(1));
        let end = run(watched, thresholds, receiver, &mut out).await;
        let end = end.map_or_else(|error| format!("{error:#}"), |()| "found".to_owned());
        drop(sender);
        (String::from_utf8(out).unwrap(), end)
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_is_reported() {
        let (text, end) =
            check(&format!("{HEADER}9.990 7 12.5 0.40\nhello\n9.995 8 nan 0.41\n")).await;
        assert_eq!(end, "found");
        assert_eq!(
            text,
            "source   web-1:1027\n\
             kind     subscribed stream, loadline/1\n\
             host     web-1, Debian 12, 1 core, 64.0 GiB, agent 0.1.0\n\
             columns  2: cpu %, load1\n\
             interval 1s\n\
             rows     2 in 3.0 s, first rows:\n         \
             1970-01-01T00:00:09.990Z #7  12.5 0.40\n         \
             1970-01-01T00:00:09.995Z #8  nan 0.41\n\
             faults   1, first: field 1: invalid number \"hello\"\n\
             clock    in sync within 0.005 s\n\
             finding  no problem found, in only 0.0 s of samples; a problem may need 12 s\n"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_no_effect_is_reported() {
        let mut reader = StreamReader::new(ReadOptions {
            typed_request: Some(TypedRequest {
                source: "web-1:1027".to_owned(),
                interval: Some(Duration::from_millis(10)),
                options: vec!["interval"],
            }),
            ..ReadOptions::default()
        });
        reader.feed(format!("{HEADER}9.990 7 12.5 0.40\n").as_bytes(), Time::from_millis(10_000));
        let events = reader.drain_events().collect();
        let (text, _) =
            check_thresholds(events, &["cpu", "load1/core", "laod1", "temp/core"]).await;
        let warning = "\nwarning  web-1:1027 grants an interval of 1s, not 10ms\n";
        assert!(text.contains(warning), "{text}");
        let note = "\nnote     no column here has the thresholds laod1, temp/core\n";
        assert!(text.ends_with(note), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_problem_in_the_history_is_found_and_only_live_rows_are_counted() {
        let header = HEADER.replace("load1", "load1 psi_cpu:%").replace("now=", "");
        let mut text = header;
        for second in 0..130 {
            let _ = writeln!(text, "{second}.990 {} 99.0 2.50 14.0", second + 1);
        }
        text.push_str("# live\n130.990 131 99.0 2.50 14.0\n131.990 132 99.0 2.50 14.0\n");
        let (text, _) = check(&text).await;
        let rows = "rows     3 in 3.0 s, first rows:\n         1970-01-01T00:02:09.990Z #130 ";
        assert!(text.contains(rows), "{text}");
        let finding =
            "finding  CPU saturated for over 2m 11s: 99 % busy, tasks wait 14 % of the time\n";
        assert!(text.ends_with(finding), "{text}");
        let (text, _) = check("# columns time:s volts:V\n9 1\n").await;
        assert!(!text.contains("finding"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_offset_is_reported() {
        let clock = |row: &'static str| async move {
            let (text, _) = check(&format!("{HEADER}{row} 7 1 1\n")).await;
            text.lines().find(|line| line.starts_with("clock")).unwrap().to_owned()
        };
        assert_eq!(clock("100.000").await, "clock    90.0 s ahead of this machine");
        let late = "clock    8.0 s behind this machine, or rows arrive that late";
        assert_eq!(clock("2.000").await, late);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_tells_late_rows_from_a_clock_that_is_behind() {
        let clock = |agent_now: &'static str, row: &'static str| async move {
            let text = HEADER.replace("agent=0.1.0", &format!("now={agent_now}"));
            let mut reader = StreamReader::without_request(ReadOptions::default());
            reader.feed(format!("{text}{row} 7 1 1\n").as_bytes(), Time::from_millis(10_000));
            let sent = Event::RequestSent { at: Time::from_millis(9990) };
            let mut events = vec![Event::Connecting, Event::Connected, sent];
            events.extend(reader.drain_events());
            let (text, _) = check_events(events).await;
            text.lines().find(|line| line.starts_with("clock")).unwrap().to_owned()
        };
        assert_eq!(clock("2.000", "2.000").await, "clock    8.0 s behind this machine");
        assert_eq!(clock("10.000", "2.000").await, "clock    rows arrive 8.0 s late");
        assert_eq!(clock("10.000", "9.990").await, "clock    in sync within 0.010 s");
    }

    #[tokio::test(start_paused = true)]
    async fn kinds_of_streams_are_distinguished() {
        let kind = |text: &'static str| async move {
            let (text, end) = check(text).await;
            assert_eq!(end, "found");
            text.lines().nth(1).unwrap().to_owned()
        };
        assert_eq!(kind("1 2\n").await, "kind     plain rows, no timestamps");
        assert_eq!(kind("# columns time:s a\n9 1\n").await, "kind     plain rows");
        let csv = "kind     table, separated by commas, decimal point";
        assert_eq!(kind("time,a\n9,1\n").await, csv);
    }

    #[tokio::test(start_paused = true)]
    async fn cores_without_a_column_are_reported() {
        let cores = |header: &'static str| async move {
            let columns = "# columns time:s core0:% core1:%\n9 1 1\n";
            let (text, _) = check(&format!("# loadline/1 {header}\n{columns}")).await;
            text.lines().find_map(|line| line.strip_prefix("cores    ").map(str::to_owned))
        };
        assert_eq!(cores("cores=1024").await.as_deref(), Some("2 of 1024 have a column"));
        assert_eq!(cores("cores=2").await, None);
        assert_eq!(cores("host=web-1").await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_columns_of_all_runs_are_listed() {
        let runs = "# columns time:s a\n9 1\n# columns time:s b:V\n10 2\n";
        let (text, _) = check(runs).await;
        assert!(text.contains("columns  2: a, b V\n") && text.contains("rows     2 "), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_without_rows_is_reported() {
        let (text, end) = check("# columns time:s a\nHTTP/1.1 400 Bad Request\n\n<html>\n").await;
        assert_eq!(end, "web-1:1027: no rows within 3.0 s");
        assert!(text.contains("rows     0 in 3.0 s\nfaults   2, first: field 1: "), "{text}");
        let retry_at = Some(Time::default());
        let down = Event::Disconnected {
            reason: SafeText::new("connection refused"),
            refused: false,
            retry_at,
        };
        let (text, end) = check_events(vec![Event::Connecting, down]).await;
        let expected = connect_error("web-1:1027", "connection refused");
        assert_eq!((text.as_str(), end), ("", expected));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_source_is_checked_for_longer() {
        let slow = HEADER.replace("1000ms", "8000ms");
        let (text, _) = check(&format!("{slow}9.990 7 1 1\n")).await;
        assert!(text.contains("rows     1 in 20.0 s"), "{text}");
    }
}

//! The one line that a client sends.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::logfmt::{fields, write_field};
use crate::note::NAME;
use crate::text::sanitize;
use crate::{DurationText, RunId, VERSION, parse_duration};

/// What a client asks for. What it leaves out is `None`, and decided by the agent.
///
/// ```
/// use loadline_protocol::{History, Request};
/// let line = "loadline/1 interval=2s history=10m columns=cpu,mem resume=9f3a17c2:4711";
/// let request = Request::parse(line).unwrap().unwrap();
/// assert_eq!(request.columns.as_deref(), Some(&["cpu".to_owned(), "mem".to_owned()][..]));
/// assert_eq!(request.to_string(), line);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The highest version of the line format that the client understands.
    pub version: u32,
    /// The time between rows.
    pub interval: Option<Duration>,
    /// How far back to begin.
    pub history: Option<History>,
    /// The names of the columns, in the order of the answer.
    pub columns: Option<Vec<String>>,
    /// Begin after this row.
    pub resume: Option<Resume>,
}

/// How far back a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum History {
    /// With the newest sample.
    #[default]
    None,
    /// With the first sample of the last so much time.
    Last(Duration),
    /// With the oldest sample that there is.
    All,
}

impl History {
    /// Reads `none`, `all` or a duration.
    ///
    /// # Errors
    /// As [`parse_duration`].
    pub fn parse(text: &str) -> Result<History, String> {
        match text {
            "none" => Ok(History::None),
            "all" => Ok(History::All),
            _ => parse_duration(text).map(History::Last).map_err(|why| why + ", all or none"),
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            History::None => f.write_str("none"),
            History::All => f.write_str("all"),
            History::Last(duration) => DurationText(*duration).fmt(f),
        }
    }
}

/// The last row that a client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// Its run.
    pub run: RunId,
    /// Its number within the run.
    pub seq: u64,
}

impl fmt::Display for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.run, self.seq)
    }
}

/// What is wrong with a request; the text is what the agent answers.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{key}={value}: {why}")]
pub struct RequestError {
    key: &'static str,
    value: String,
    why: String,
}

impl RequestError {
    fn new(key: &'static str, value: &str, why: impl Into<String>) -> RequestError {
        let value = sanitize(value).chars().take(40).collect();
        RequestError { key, value, why: why.into() }
    }
}

impl Default for Request {
    fn default() -> Request {
        let version = VERSION;
        Request { version, interval: None, history: None, columns: None, resume: None }
    }
}

impl Request {
    /// Reads a line; `None` if it is no request at all.
    #[must_use]
    pub fn parse(line: &str) -> Option<Result<Request, RequestError>> {
        let (version, rest) = split_version(line)?;
        Some(Request::parse_fields(version, rest))
    }

    /// Whether a line that begins so is a request, as far as can be told.
    #[must_use]
    pub fn is_request_start(line: &[u8]) -> bool {
        line.starts_with(NAME.as_bytes())
    }

    fn parse_fields(version: &str, text: &str) -> Result<Request, RequestError> {
        let version = version.parse().ok().filter(|version| *version > 0).ok_or_else(|| {
            RequestError::new("loadline", version, "the version is a number from 1 on")
        })?;
        let mut request = Request { version, ..Request::default() };
        for (key, value) in fields(text) {
            let value = value.unwrap_or_default();
            match key {
                "interval" => request.interval = Some(read_interval(&value)?),
                "history" => {
                    let wrong = |why| RequestError::new("history", &value, why);
                    request.history = Some(History::parse(&value).map_err(wrong)?);
                }
                "columns" => request.columns = Some(read_columns(&value)?),
                "resume" => request.resume = Some(read_resume(&value)?),
                _ => {}
            }
        }
        Ok(request)
    }
}

/// `loadline/VERSION REST`
fn split_version(line: &str) -> Option<(&str, &str)> {
    let line = line.trim().strip_prefix(NAME)?;
    Some(line.split_once(char::is_whitespace).unwrap_or((line, "")))
}

fn read_interval(value: &str) -> Result<Duration, RequestError> {
    let wrong = |why: String| RequestError::new("interval", value, why);
    match parse_duration(value).map_err(wrong)? {
        Duration::ZERO => Err(wrong("must be longer than nothing".into())),
        interval => Ok(interval),
    }
}

fn read_columns(value: &str) -> Result<Vec<String>, RequestError> {
    let names: Vec<String> = value.split(',').map(|name| sanitize(name).into_owned()).collect();
    if names.iter().any(String::is_empty) {
        return Err(RequestError::new("columns", value, "write names with commas between them"));
    }
    Ok(names)
}

fn read_resume(value: &str) -> Result<Resume, RequestError> {
    let resume = value
        .split_once(':')
        .and_then(|(run, seq)| Some(Resume { run: run.parse().ok()?, seq: seq.parse().ok()? }));
    resume.ok_or_else(|| RequestError::new("resume", value, "write RUN:SEQ"))
}

impl fmt::Display for Request {
    /// The request as a line, without its line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME}{}", self.version)?;
        if let Some(interval) = self.interval {
            write_field(f, "interval", &DurationText(interval))?;
        }
        if let Some(history) = self.history {
            write_field(f, "history", &history)?;
        }
        if let Some(columns) = &self.columns {
            write_field(f, "columns", &columns.join(","))?;
        }
        if let Some(resume) = self.resume {
            write_field(f, "resume", &resume)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn other_lines_are_not_requests() {
        for line in ["", "GET / HTTP/1.1", "loadline", "12.5 2400.0", "# loadline/1"] {
            assert_eq!(Request::parse(line), None, "{line}");
        }
    }

    #[test]
    fn unknown_fields_are_ignored_and_higher_versions_read() {
        let request = Request::parse("loadline/7 history=all colour=blue").unwrap().unwrap();
        let expected = Request { version: 7, history: Some(History::All), ..Request::default() };
        assert_eq!(request, expected);
    }

    #[test]
    fn a_wrong_value_is_named() {
        for (line, expected) in [
            ("loadline/0", "loadline=0: the version is a number from 1 on"),
            (
                "loadline/1 interval=fast",
                "interval=fast: \"fast\" is no duration; write it like 250ms, 1s, 10m or 1h30m",
            ),
            ("loadline/1 interval=0s", "interval=0s: must be longer than nothing"),
            ("loadline/1 columns=", "columns=: write names with commas between them"),
            ("loadline/1 resume=9f3a17c2", "resume=9f3a17c2: write RUN:SEQ"),
            ("loadline/1 resume=\x1b[2J:1", "resume=\u{fffd}[2J:1: write RUN:SEQ"),
        ] {
            let error = Request::parse(line).unwrap().unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }

    fn any_request() -> impl Strategy<Value = Request> {
        use prop::option::of;
        let duration = || (1..1_000_000_000_u64).prop_map(Duration::from_millis);
        let history = prop_oneof![
            Just(History::None),
            Just(History::All),
            duration().prop_map(History::Last)
        ];
        let name = any::<String>().prop_map(|name| sanitize(&name).replace(',', ""));
        let name = name.prop_filter("a name", |name| !name.is_empty());
        let columns = prop::collection::vec(name, 1..5);
        let resume =
            (any::<u32>(), any::<u64>()).prop_map(|(run, seq)| Resume { run: RunId(run), seq });
        (1..u32::MAX, of(duration()), of(history), of(columns), of(resume)).prop_map(
            |(version, interval, history, columns, resume)| Request {
                version,
                interval,
                history,
                columns,
                resume,
            },
        )
    }

    proptest! {
        #[test]
        fn a_printed_request_reads_back(request in any_request()) {
            prop_assert_eq!(Request::parse(&request.to_string()), Some(Ok(request)));
        }

        #[test]
        fn any_line_is_a_request_or_not(line: String) {
            let _ = Request::parse(&line);
            let _ = Request::parse(&format!("loadline/1 {line}"));
        }
    }
}

//! Request: the line by which a client subscribes.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

use crate::logfmt::{fields, write_field};
use crate::note::NAME;
use crate::text::sanitize;
use crate::{DurationText, RunId, Seq, Time, VERSION, parse_duration};

/// Request of a client. Fields that are left out are `None`; the agent then uses its defaults.
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
    /// Highest version of the line format that the client understands.
    pub version: u32,
    /// Time between rows.
    pub interval: Option<Duration>,
    /// Start of the stream, or with `before` of the earlier samples.
    pub history: Option<History>,
    /// Names of the columns, in the order of the answer.
    pub columns: Option<Vec<String>>,
    /// Last row that the client has; the stream continues after it.
    pub resume: Option<Resume>,
    /// Highest number of processes by CPU, and by memory, in each look. Without it, no looks are sent.
    pub top: Option<u16>,
    /// End of the earlier samples that the client asks for: `history` begins them, this time is after
    /// the last of them. They are sent as [`Line::Past`](crate::Line::Past), and the rows of the stream
    /// go on meanwhile.
    pub before: Option<Time>,
}

/// Start of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum History {
    /// At the newest sample.
    #[default]
    None,
    /// At the first sample within this time before now.
    Last(Duration),
    /// At the oldest available sample.
    All,
}

impl History {
    /// Parses `none`, `all` or a duration.
    ///
    /// # Errors
    /// Same as [`parse_duration`].
    pub fn parse(text: &str) -> Result<History, String> {
        match text {
            "none" => Ok(History::None),
            "all" => Ok(History::All),
            _ => {
                parse_duration(text).map(History::Last).map_err(|why| why + ", or use all or none")
            }
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

/// Last row that a client has received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// Run of the row.
    pub run: RunId,
    /// Sequence number of the row within the run.
    pub seq: Seq,
}

impl fmt::Display for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.run, self.seq)
    }
}

/// Invalid request. The agent sends the message to the client.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{key}={value}: {why}")]
pub struct RequestError {
    key: String,
    value: String,
    why: String,
}

impl RequestError {
    fn new(key: &str, value: &str, why: String) -> RequestError {
        let value = sanitize(value).chars().take(40).collect();
        RequestError { key: key.into(), value, why }
    }
}

impl Default for Request {
    fn default() -> Request {
        Request {
            version: VERSION,
            interval: None,
            history: None,
            columns: None,
            resume: None,
            top: None,
            before: None,
        }
    }
}

impl Request {
    /// Parses a line. Returns `None` if the line is not a request at all.
    #[must_use]
    pub fn parse(line: &str) -> Option<Result<Request, RequestError>> {
        let line = line.trim().strip_prefix(NAME)?;
        let (version, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        Some(Request::parse_fields(version, rest))
    }

    /// Returns whether `line` starts like a request. The line may be incomplete.
    #[must_use]
    pub fn is_request_start(line: &[u8]) -> bool {
        line.starts_with(NAME.as_bytes())
    }

    fn parse_fields(version: &str, text: &str) -> Result<Request, RequestError> {
        let wrong = || "must be a whole number from 1".into();
        let parsed = version.parse().ok().filter(|version| *version > 0);
        let version = parsed.ok_or_else(|| RequestError::new("version", version, wrong()))?;
        let mut request = Request { version, ..Request::default() };
        for (key, value) in fields(text) {
            let value = value.unwrap_or_default();
            let wrong = |why| RequestError::new(key, &value, why);
            match key {
                "interval" => request.interval = Some(parse_interval(&value).map_err(wrong)?),
                "history" => request.history = Some(History::parse(&value).map_err(wrong)?),
                "columns" => request.columns = Some(parse_columns(&value).map_err(wrong)?),
                "resume" => request.resume = Some(parse_resume(&value).map_err(wrong)?),
                "top" => request.top = Some(parse_top(&value).map_err(wrong)?),
                "before" => request.before = Some(parse_before(&value).map_err(wrong)?),
                _ => {}
            }
        }
        Ok(request)
    }
}

fn parse_interval(value: &str) -> Result<Duration, String> {
    match parse_duration(value)? {
        Duration::ZERO => Err("must be greater than 0".into()),
        interval => Ok(interval),
    }
}

fn parse_columns(value: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = value.split(',').map(|name| sanitize(name).into_owned()).collect();
    if names.iter().any(String::is_empty) {
        return Err("empty name; separate names by commas".into());
    }
    Ok(names)
}

fn parse_top(value: &str) -> Result<u16, String> {
    value.parse().map_err(|_| format!("must be a whole number from 0 to {}", u16::MAX))
}

fn parse_before(value: &str) -> Result<Time, String> {
    value.parse().map_err(|_| "invalid time; write seconds since 1970".into())
}

fn parse_resume(value: &str) -> Result<Resume, String> {
    let resume = value
        .split_once(':')
        .and_then(|(run, seq)| Some(Resume { run: run.parse().ok()?, seq: seq.parse().ok()? }));
    resume.ok_or_else(|| "invalid position; write RUN:SEQ".into())
}

impl fmt::Display for Request {
    /// Writes the request as a line, without the line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME}{}", self.version)?;
        write_field(f, "interval", self.interval.map(DurationText))?;
        write_field(f, "history", self.history)?;
        write_field(f, "columns", self.columns.as_ref().map(|names| names.join(",")))?;
        write_field(f, "resume", self.resume)?;
        write_field(f, "top", self.top)?;
        write_field(f, "before", self.before)
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
    fn unknown_fields_and_higher_versions_are_accepted() {
        let request = Request::parse("loadline/7 history=all colour=blue").unwrap().unwrap();
        let expected = Request { version: 7, history: Some(History::All), ..Request::default() };
        assert_eq!(request, expected);
    }

    #[test]
    fn an_error_names_the_invalid_field() {
        for (line, expected) in [
            ("loadline/0", "version=0: must be a whole number from 1"),
            (
                "loadline/1 interval=fast",
                "interval=fast: invalid duration \"fast\"; write it like 250ms, 1s, 10m or 1h30m",
            ),
            ("loadline/1 interval=0s", "interval=0s: must be greater than 0"),
            ("loadline/1 columns=", "columns=: empty name; separate names by commas"),
            ("loadline/1 top=-1", "top=-1: must be a whole number from 0 to 65535"),
            ("loadline/1 before=now", "before=now: invalid time; write seconds since 1970"),
            ("loadline/1 resume=9f3a17c2", "resume=9f3a17c2: invalid position; write RUN:SEQ"),
            (
                "loadline/1 resume=\x1b[2J:1",
                "resume=\u{fffd}[2J:1: invalid position; write RUN:SEQ",
            ),
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
        let resume = (any::<u32>(), any::<u64>())
            .prop_map(|(run, seq)| Resume { run: RunId(run), seq: Seq(seq) });
        let before = any::<i64>().prop_map(Time::from_millis);
        let earlier = (of(any::<u16>()), of(before));
        (1..u32::MAX, of(duration()), of(history), of(columns), of(resume), earlier).prop_map(
            |(version, interval, history, columns, resume, (top, before))| Request {
                version,
                interval,
                history,
                columns,
                resume,
                top,
                before,
            },
        )
    }

    proptest! {
        #[test]
        fn a_printed_request_parses_back(request in any_request()) {
            prop_assert_eq!(Request::parse(&request.to_string()), Some(Ok(request)));
        }
    }
}

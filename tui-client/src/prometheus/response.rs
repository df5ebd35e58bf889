//! Parser for the responses of a Prometheus server. Pure.

use std::collections::BTreeMap;

use loadline_protocol::{Time, sanitize};
use serde::Deserialize;
use thiserror::Error;

use crate::redact::redact;
use crate::source::Secret;

/// Maximum length of a reason: a server's message can have any length.
const REASON_CHARS_MAX: usize = 200;

/// Reason for a failed query, short enough for a header line.
///
/// **Invariant:** sanitized, so safe to show.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub(super) struct Failure(String);

impl Failure {
    /// Returns the failure without words that a server may repeat.
    pub(super) fn without(self, secrets: &[Secret]) -> Failure {
        let hide = |reason: String, secret: &Secret| reason.replace(secret.reveal(), "***");
        Failure(secrets.iter().fold(self.0, hide))
    }

    pub(super) fn new(reason: &str) -> Failure {
        Failure(redact(&sanitize(reason)).chars().take(REASON_CHARS_MAX).collect())
    }
}

/// Body of a response. The values borrow from its text.
#[derive(Debug, Deserialize)]
struct QueryResponse<'a> {
    status: String,
    #[serde(default)]
    error: String,
    #[serde(borrow)]
    data: Option<ResponseData<'a>>,
}

#[derive(Debug, Deserialize)]
struct ResponseData<'a> {
    #[serde(borrow)]
    result: Vec<Series<'a>>,
}

/// Values of one set of labels: a single one, or several with their times.
#[derive(Debug, Deserialize)]
pub(super) struct Series<'a> {
    pub(super) metric: Labels,
    #[serde(borrow)]
    value: Option<RawPoint<'a>>,
    #[serde(borrow, default)]
    values: Vec<RawPoint<'a>>,
}

/// Time in seconds and value. Values are strings, because JSON has neither NaN nor infinity.
#[derive(Debug, Clone, Copy, Deserialize)]
struct RawPoint<'a>(f64, &'a str);

/// Labels of a series.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Labels(BTreeMap<String, String>);

impl Labels {
    /// Returns a label's value. A missing label is empty, as in Prometheus.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Returns the name of the query's part, a label that our queries add.
    pub(super) fn column(&self) -> &str {
        self.get("column")
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
impl<'a> FromIterator<(&'a str, &'a str)> for Labels {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(labels: I) -> Labels {
        let owned = labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Labels(owned.collect())
    }
}

impl Series<'_> {
    /// Returns times and values, in order. A value that is not finite is NaN.
    pub(super) fn points(&self) -> impl Iterator<Item = (Time, f64)> {
        self.value.iter().chain(&self.values).map(|RawPoint(seconds, text)| {
            let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
            let time = Time::from_millis((seconds * 1000.0).round() as i64);
            (time, value.unwrap_or(f64::NAN))
        })
    }

    /// Returns the last value if it is finite.
    pub(super) fn last(&self) -> Option<f64> {
        self.points().last().map(|(_, value)| value).filter(|value| value.is_finite())
    }
}

/// Parses a response. Fails with the server's error message, if it has one.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Series<'_>>, Failure> {
    let answer: QueryResponse<'_> = serde_json::from_slice(bytes)
        .map_err(|_| Failure::new("not a Prometheus server; check the address"))?;
    match answer.data {
        Some(data) if answer.status == "success" => Ok(data.result),
        _ if answer.error.is_empty() => Err(Failure::new("the response has no data")),
        _ => Err(Failure::new(&answer.error)),
    }
}

/// Returns the server's error message, if the response has one.
pub(super) fn error_message(bytes: &[u8]) -> Option<String> {
    let answer: QueryResponse<'_> = serde_json::from_slice(bytes).ok()?;
    Some(answer.error).filter(|error| !error.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&[(i64, f64)], &str>) {
        let found = parse(text.as_bytes()).map(|series| {
            let points = series.iter().flat_map(Series::points);
            points.map(|(time, value)| (time.as_millis(), value)).collect::<Vec<_>>()
        });
        let found = found.map_err(|failure| failure.to_string());
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{text}");
    }

    #[test]
    fn instant_and_range_results_are_parsed() {
        let vector = r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"instance":"a","x":"y"},"value":[1.5,"0.25"]}]}}"#;
        check(vector, Ok(&[(1500, 0.25)]));
        let matrix = r#"{"status":"success","data":{"resultType":"matrix","result":[
            {"metric":{},"values":[[1,"1"],[2,"NaN"],[3,"+Inf"],[4.001,"-2e3"],[5,"high"]]}]}}"#;
        let nan = f64::NAN;
        check(matrix, Ok(&[(1000, 1.0), (2000, nan), (3000, nan), (4001, -2000.0), (5000, nan)]));
        check(r#"{"status":"success","data":{"result":[]},"warnings":["x"]}"#, Ok(&[]));
    }

    #[test]
    fn errors_of_the_server_are_sanitized_and_bounded() {
        check(
            r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#,
            Err("parse error"),
        );
        check(
            "{\"status\":\"error\",\"error\":\"a\\u001b[2J\\u202eb\"}",
            Err("a\u{fffd}[2J\u{fffd}b"),
        );
        let long = format!(r#"{{"status":"error","error":"{}"}}"#, "x".repeat(9999));
        let long = parse(long.as_bytes());
        assert_eq!(long.unwrap_err().to_string().len(), 200);
    }

    #[test]
    fn malformed_responses_are_rejected() {
        let none = "not a Prometheus server; check the address";
        for text in [
            "",
            "{",
            "[]",
            "null",
            "<!doctype html>",
            r#"{"status":1}"#,
            r#"{"status":"success","data":{"result":{}}}"#,
            r#"{"status":"success","data":{"result":[{"metric":7,"value":[1,"2"]}]}}"#,
            r#"{"status":"success","data":{"result":[{"metric":{},"value":[1,2]}]}}"#,
            r#"{"status":"success","data":{"result":[{"metric":{},"value":["1","2"]}]}}"#,
            r#"{"status":"success","data":{"result":[{"metric":{},"value":[1e999,"2"]}]}}"#,
            &"[".repeat(100_000),
        ] {
            check(text, Err(none));
        }
        check(r#"{"status":"success"}"#, Err("the response has no data"));
        let far = r#"{"status":"success","data":{"result":[{"metric":{},"value":[1e300,"1"]}]}}"#;
        check(far, Ok(&[(Time::MAX.as_millis(), 1.0)]));
    }
}

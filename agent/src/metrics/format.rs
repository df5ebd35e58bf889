//! Exposition formats, and their negotiation by the `Accept` header.

use hyper::body::Bytes;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;

/// Exposition format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ExpositionFormat {
    /// The classic text format, which all Prometheus software can read.
    PlainText,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
}

const OPEN_METRICS_TYPE: &str = "application/openmetrics-text";

impl ExpositionFormat {
    /// Returns the format that a client prefers; the classic one if `Accept` is missing or invalid.
    pub(super) fn negotiate(accept: &str) -> ExpositionFormat {
        let quality = |is_match: fn(&MediaRange) -> bool| {
            let ranges = accept.split(',').filter_map(MediaRange::parse);
            ranges.filter(is_match).map(|range| range.quality).fold(0.0, f64::max)
        };
        let open = quality(is_open_metrics);
        let classic = quality(|range| range.kind.eq_ignore_ascii_case("text/plain"));
        if open > 0.0 && open >= classic {
            ExpositionFormat::OpenMetrics
        } else {
            ExpositionFormat::PlainText
        }
    }

    /// Returns the value of the `Content-Type` header.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            ExpositionFormat::PlainText => prometheus_text::CONTENT_TYPE,
            ExpositionFormat::OpenMetrics => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }

    /// Returns the text of all metrics.
    pub(super) fn encode(self, registry: &Registry) -> Bytes {
        let mut page = String::new();
        // Writing to memory cannot fail.
        let _ = match self {
            ExpositionFormat::PlainText => prometheus_text::encode(&mut page, registry),
            ExpositionFormat::OpenMetrics => text::encode(&mut page, registry),
        };
        page.into()
    }
}

/// Media range of an `Accept` header.
struct MediaRange<'a> {
    kind: &'a str,
    version: Option<&'a str>,
    /// Preference from 0 to 1.
    quality: f64,
}

impl<'a> MediaRange<'a> {
    fn parse(text: &'a str) -> Option<MediaRange<'a>> {
        let mut parts = text.split(';').map(str::trim);
        let mut range = MediaRange { kind: parts.next()?, version: None, quality: 1.0 };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim() {
                "q" => range.quality = value.parse().ok().filter(|q| (0.0..=1.0).contains(q))?,
                "version" => range.version = Some(value),
                _ => {}
            }
        }
        Some(range)
    }
}

fn is_open_metrics(range: &MediaRange) -> bool {
    // Other versions have another syntax.
    let is_ours = range.version.is_none_or(|version| matches!(version, "1.0.0" | "0.0.1"));
    range.kind.eq_ignore_ascii_case(OPEN_METRICS_TYPE) && is_ours
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_client_gets_the_format_that_it_prefers() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,\
            application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for (accept, expected) in [
            (prometheus_2, ExpositionFormat::OpenMetrics),
            (prometheus_3, ExpositionFormat::OpenMetrics),
            ("application/openmetrics-text", ExpositionFormat::OpenMetrics),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"", ExpositionFormat::OpenMetrics),
            ("text/plain;q=0.9, application/openmetrics-text;q=0.9", ExpositionFormat::OpenMetrics),
            ("text/plain, application/openmetrics-text;q=0.9", ExpositionFormat::PlainText),
            ("application/openmetrics-text;q=0", ExpositionFormat::PlainText),
            ("application/openmetrics-text;version=2.0.0", ExpositionFormat::PlainText),
            ("application/openmetrics-text;q=2", ExpositionFormat::PlainText),
            ("application/openmetrics-text;q=nan", ExpositionFormat::PlainText),
            ("text/html,application/xhtml+xml,*/*;q=0.8", ExpositionFormat::PlainText),
            ("", ExpositionFormat::PlainText),
            (",;=,q=,;;", ExpositionFormat::PlainText),
        ] {
            assert_eq!(ExpositionFormat::negotiate(accept), expected, "{accept}");
        }
    }

    proptest! {
        #[test]
        fn a_single_accepted_format_is_used_and_any_header_is_valid(
            text: String,
            quality in 0.001..=1.0,
            spaces in " {0,3}",
        ) {
            let _ = ExpositionFormat::negotiate(&text);
            let open = format!("{OPEN_METRICS_TYPE}{spaces};{spaces}q={quality}");
            prop_assert_eq!(ExpositionFormat::negotiate(&open), ExpositionFormat::OpenMetrics);
            prop_assert_eq!(ExpositionFormat::negotiate(&format!("text/plain;q={quality}")), ExpositionFormat::PlainText);
        }
    }
}

//! The two forms of text in which metrics are told, and which one a client asks for.

use prometheus_client::encoding::prometheus_text;

/// A form of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// What each Prometheus and all that it came with can read.
    Classic,
    /// `OpenMetrics` 1.0.
    Open,
}

const OPEN: &str = "application/openmetrics-text";

impl Form {
    /// The form that a client likes best by its `Accept`; by none or an odd one, the classic form.
    pub(super) fn asked(accept: &str) -> Form {
        let ranges = || accept.split(',').filter_map(Range::parse);
        let open = ranges().filter(Range::is_open).map(|range| range.quality);
        let classic = ranges().filter(|range| range.kind.eq_ignore_ascii_case("text/plain"));
        let open = open.fold(0.0, f64::max);
        let classic = classic.map(|range| range.quality).fold(0.0, f64::max);
        if open > 0.0 && open >= classic { Form::Open } else { Form::Classic }
    }

    /// Its name in a header.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Form::Classic => prometheus_text::CONTENT_TYPE,
            Form::Open => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// One of the kinds of content that a client names.
struct Range<'a> {
    kind: &'a str,
    version: Option<&'a str>,
    /// How much it likes that, from 0 to 1.
    quality: f64,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Range<'a>> {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Range { kind: parts.next()?, version: None, quality: 1.0 };
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

    fn is_open(&self) -> bool {
        // Another version has another syntax.
        let is_ours = self.version.is_none_or(|version| matches!(version, "1.0.0" | "0.0.1"));
        self.kind.eq_ignore_ascii_case(OPEN) && is_ours
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_client_gets_the_form_that_it_likes_best() {
        let prometheus_2 = "application/openmetrics-text;version=1.0.0,\
            application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for (accept, expected) in [
            (prometheus_2, Form::Open),
            (prometheus_3, Form::Open),
            ("application/openmetrics-text", Form::Open),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"", Form::Open),
            ("text/plain;q=0.9, application/openmetrics-text;q=0.9", Form::Open),
            ("text/plain, application/openmetrics-text;q=0.9", Form::Classic),
            ("application/openmetrics-text;q=0", Form::Classic),
            ("application/openmetrics-text;version=2.0.0", Form::Classic),
            ("application/openmetrics-text;q=2", Form::Classic),
            ("application/openmetrics-text;q=nan", Form::Classic),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Form::Classic),
            ("", Form::Classic),
            (",;=,q=,;;", Form::Classic),
        ] {
            assert_eq!(Form::asked(accept), expected, "{accept}");
        }
    }

    proptest! {
        #[test]
        fn who_asks_for_one_form_alone_gets_it_and_any_text_asks_for_some(
            text: String,
            quality in 0.001..=1.0,
            spaces in " {0,3}",
        ) {
            let _ = Form::asked(&text);
            let open = format!("{OPEN}{spaces};{spaces}q={quality}");
            prop_assert_eq!(Form::asked(&open), Form::Open);
            prop_assert_eq!(Form::asked(&format!("text/plain;q={quality}")), Form::Classic);
        }
    }
}

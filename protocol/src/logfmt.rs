//! Logfmt fields of notes and requests: `key=value` and `key="quoted value"`.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};

/// Returns the fields of a text, left to right: key and unquoted value. A word without `=` has the
/// value `None`.
pub(crate) fn fields(text: &str) -> impl Iterator<Item = (&str, Option<Cow<'_, str>>)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let text = rest.trim_start();
        if text.is_empty() {
            return None;
        }
        let end = text.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(text.len());
        let (key, after) = text.split_at(end);
        let Some(value) = after.strip_prefix('=') else {
            rest = after;
            return Some((key, None));
        };
        let (value, after) = take_value(value);
        rest = after;
        Some((key, Some(value)))
    })
}

/// Splits a value off the front of `text`, up to its closing quote or, unquoted, to the next blank.
pub(crate) fn take_value(text: &str) -> (Cow<'_, str>, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return (Cow::Borrowed(&text[..end]), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (Cow::Owned(value), &quoted[at + 1..]),
            '\\' => value.push(chars.next().map_or('\\', |(_, escaped)| escaped)),
            _ => value.push(c),
        }
    }
    // Without a closing quote, the value extends to the end of the line.
    (Cow::Owned(value), "")
}

/// Writes ` key=value`, with quotes if the value needs them. Writes nothing without a value.
pub(crate) fn write_field(
    f: &mut fmt::Formatter<'_>,
    key: &str,
    value: Option<impl Display>,
) -> fmt::Result {
    let Some(value) = value.map(|value| value.to_string()) else { return Ok(()) };
    let bare = !value.is_empty() && !value.contains(|c: char| c.is_whitespace() || c == '"');
    write!(f, " {key}=")?;
    if bare { f.write_str(&value) } else { write_quoted(f, &value) }
}

/// Writes `"text"`, with `"` and `\` escaped.
pub(crate) fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            f.write_char('\\')?;
        }
        f.write_char(c)?;
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &[(&str, Option<&str>)]) {
        let found: Vec<_> = fields(text).collect();
        let found: Vec<_> = found.iter().map(|(k, v)| (*k, v.as_deref())).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn fields_are_bare_or_quoted() {
        check("", &[]);
        check("run=9f3a  cores=16 ", &[("run", Some("9f3a")), ("cores", Some("16"))]);
        check(r#"os="Debian 12" x"#, &[("os", Some("Debian 12")), ("x", None)]);
        check(r#"a="say \"hi\" \\" b="#, &[("a", Some(r#"say "hi" \"#)), ("b", Some(""))]);
        check("a=b=c", &[("a", Some("b=c"))]);
        check(r#"a="open"#, &[("a", Some("open"))]);
        check(r#"a="x"y=1"#, &[("a", Some("x")), ("y", Some("1"))]);
    }

    struct WrittenField<'a>(&'a str);

    impl Display for WrittenField<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_field(f, "key", Some(self.0))
        }
    }

    proptest! {
        #[test]
        fn a_written_value_parses_back(value in "\\PC*") {
            let line = WrittenField(&value).to_string();
            let read: Vec<_> = fields(&line).collect();
            prop_assert_eq!(read, vec![("key", Some(Cow::from(value)))]);
        }
    }
}

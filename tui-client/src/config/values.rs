//! Values of a table, with their positions in the file.
//!
//! Values are read one by one, not with serde: serde keeps no position for a value that may be a
//! string or a table, and its messages do not name the permitted values.

use std::fmt::Write as _;
use std::ops::Range;

use loadline_agent::nearest;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::text::{ConfigError, ConfigText};

/// Names listed in an error about an unknown name.
const LISTED_MAX: usize = 24;

/// Characters shown of an unknown name. A longer name gets no suggestion.
const NAME_MAX: usize = 64;

/// Key and value of a table.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConfigEntry<'a> {
    key: &'a Spanned<DeString<'a>>,
    value: &'a Spanned<DeValue<'a>>,
}

/// Returns the entries of a table in the order of the file.
pub(super) fn entries<'a>(table: &'a DeTable<'a>) -> Vec<ConfigEntry<'a>> {
    let mut entries: Vec<ConfigEntry> =
        table.iter().map(|(key, value)| ConfigEntry { key, value }).collect();
    entries.sort_by_key(|entry| entry.key.span().start);
    entries
}

impl<'a> ConfigEntry<'a> {
    pub(super) fn name(&self) -> &'a str {
        self.key.get_ref()
    }

    pub(super) fn key_span(&self) -> Range<usize> {
        self.key.span()
    }

    pub(super) fn value_span(&self) -> Range<usize> {
        self.value.span()
    }

    pub(super) fn value(&self) -> &'a DeValue<'a> {
        self.value.get_ref()
    }

    pub(super) fn error(&self, text: &ConfigText, message: impl AsRef<str>) -> ConfigError {
        text.error_at(self.value_span(), message)
    }

    pub(super) fn key_error(&self, text: &ConfigText, message: impl AsRef<str>) -> ConfigError {
        text.error_at(self.key_span(), message)
    }

    /// Returns the error for a value of another type than `allowed` describes.
    pub(super) fn type_error(&self, text: &ConfigText, allowed: &str) -> ConfigError {
        type_error(text, self.name(), self.value, allowed)
    }

    pub(super) fn table(
        &self,
        text: &ConfigText,
        allowed: &str,
    ) -> Result<&'a DeTable<'a>, ConfigError> {
        self.value().as_table().ok_or_else(|| self.type_error(text, allowed))
    }

    pub(super) fn string(&self, text: &ConfigText, allowed: &str) -> Result<&'a str, ConfigError> {
        self.value().as_str().ok_or_else(|| self.type_error(text, allowed))
    }

    /// Returns a string, or the strings of an array, each with its byte range.
    pub(super) fn strings(
        &self,
        text: &ConfigText,
        allowed: &str,
    ) -> Result<Vec<(&'a str, Range<usize>)>, ConfigError> {
        if let Some(one) = self.value().as_str() {
            return Ok(vec![(one, self.value_span())]);
        }
        let all = self.value().as_array().ok_or_else(|| self.type_error(text, allowed))?;
        let string = |value: &'a Spanned<DeValue<'a>>| match value.get_ref().as_str() {
            Some(it) => Ok((it, value.span())),
            None => Err(type_error(text, self.name(), value, allowed)),
        };
        all.iter().map(string).collect()
    }
}

fn type_error(
    text: &ConfigText,
    name: &str,
    value: &Spanned<DeValue>,
    allowed: &str,
) -> ConfigError {
    let found = match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    text.error_at(value.span(), format!("{name} cannot be {found}; write {allowed}"))
}

/// Returns the message for an unknown name: the nearest name, and all available names.
pub(super) fn unknown_name<'a>(
    kind: &str,
    name: &str,
    all: impl IntoIterator<Item = &'a str>,
) -> String {
    let all: Vec<&str> = all.into_iter().collect();
    let (shown, is_whole) = match name.char_indices().nth(NAME_MAX) {
        Some((end, _)) => (&name[..end], false),
        None => (name, true),
    };
    let dots = if is_whole { "" } else { "..." };
    let mut text = format!("unknown {kind} {shown:?}{dots}; ");
    if all.is_empty() {
        let _ = write!(text, "the configuration has no {kind}s, see loadline --print-config");
        return text;
    }
    let short = all.iter().copied().filter(|other| is_whole && other.len() <= 4 * NAME_MAX);
    if let Some(nearest) = nearest(name, short) {
        let _ = write!(text, "did you mean {nearest}? ");
    }
    let listed = all.iter().take(LISTED_MAX).copied().collect::<Vec<_>>().join(", ");
    let _ = write!(text, "available: {listed}");
    if all.len() > LISTED_MAX {
        let more = all.len() - LISTED_MAX;
        let _ = write!(text, " and {more} more, see loadline --print-config");
    }
    text
}

//! The values of a table, with their places in the file.
//!
//! They are read one by one, not into types with serde: a value that may be a text or a table has no
//! place there, and what is allowed is said in our words.

use std::fmt::Write as _;
use std::ops::Range;

use loadline_agent::nearest;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::text::{ConfigError, ConfigText};

/// So many names are listed where one is unknown.
const LISTED_MAX: usize = 24;

/// More of an unknown name is not shown, and it is compared with nothing.
const NAME_MAX: usize = 64;

/// A name and what it stands for.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConfigEntry<'a> {
    key: &'a Spanned<DeString<'a>>,
    value: &'a Spanned<DeValue<'a>>,
}

/// The entries of a table in the order in which they are written.
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

    pub(super) fn error(&self, text: &ConfigText, what: impl AsRef<str>) -> ConfigError {
        text.error_at(self.value_span(), what)
    }

    pub(super) fn key_error(&self, text: &ConfigText, what: impl AsRef<str>) -> ConfigError {
        text.error_at(self.key_span(), what)
    }

    /// That it is something else than what is allowed.
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

    /// A text, or several in brackets; each with its place.
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
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    text.error_at(value.span(), format!("{name} is not to be {found}; write {allowed}"))
}

/// What is said of a name that nothing has: the one that may be meant, and all that there are.
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
    let mut text = format!("there is no {kind} {shown:?}{dots}");
    if all.is_empty() {
        return text + "; the configuration names none, see loadline --print-config";
    }
    let short = all.iter().copied().filter(|other| is_whole && other.len() <= 4 * NAME_MAX);
    if let Some(nearest) = nearest(name, short) {
        let _ = write!(text, "; did you mean {nearest}?");
    }
    let listed = all.iter().take(LISTED_MAX).copied().collect::<Vec<_>>().join(", ");
    let join = if text.ends_with('?') { " There are" } else { "; there are" };
    let _ = write!(text, "{join} {listed}");
    if all.len() > LISTED_MAX {
        let more = all.len() - LISTED_MAX;
        let _ = write!(text, " and {more} more; see loadline --print-config");
    }
    text
}

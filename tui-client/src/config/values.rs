//! Values of a table, with their positions in the file.
//!
//! Values are read one by one, not with serde: a type that may be a string or a table loses the
//! positions of its parts there (`untagged`), and messages do not name the permitted values.

use std::fmt::Write as _;
use std::ops::Range;

use loadline_common::nearest;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// Names listed in an error about an unknown name.
const LISTED_MAX: usize = 24;

/// Characters shown of an unknown name. A longer name gets no suggestion.
const NAME_MAX: usize = 64;

/// Error at a byte range of the file. The message is `error; hint`.
pub(super) type ValueError = Spanned<String>;

pub(super) fn error_at(span: Range<usize>, message: impl Into<String>) -> ValueError {
    Spanned::new(span, message.into())
}

#[derive(Debug, Clone, Copy)]
pub(super) struct ConfigEntry<'a> {
    pub(super) key: &'a Spanned<DeString<'a>>,
    pub(super) value: &'a Spanned<DeValue<'a>>,
}

/// Returns the entries of a table in the order of the file.
pub(super) fn entries<'a>(table: &'a DeTable<'a>) -> Vec<ConfigEntry<'a>> {
    let mut entries: Vec<_> = table.iter().map(|(key, value)| ConfigEntry { key, value }).collect();
    entries.sort_by_key(|entry| entry.key.span().start);
    entries
}

impl<'a> ConfigEntry<'a> {
    pub(super) fn name(&self) -> &'a str {
        self.key.get_ref()
    }

    pub(super) fn unknown<'b>(
        &self,
        kind: &str,
        all: impl IntoIterator<Item = &'b str>,
    ) -> ValueError {
        error_at(self.key.span(), unknown_name(kind, self.name(), all))
    }

    /// Returns the error for a value of another type than `allowed` describes.
    pub(super) fn type_error(&self, allowed: &str) -> ValueError {
        self.type_error_of(self.value, allowed)
    }

    fn type_error_of(&self, value: &Spanned<DeValue>, allowed: &str) -> ValueError {
        let found = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        let name = self.name();
        error_at(value.span(), format!("{name} cannot be {found}; write {allowed}"))
    }

    pub(super) fn table(&self, allowed: &str) -> Result<&'a DeTable<'a>, ValueError> {
        self.value.get_ref().as_table().ok_or_else(|| self.type_error(allowed))
    }

    pub(super) fn string(&self, allowed: &str) -> Result<&'a str, ValueError> {
        self.value.get_ref().as_str().ok_or_else(|| self.type_error(allowed))
    }

    /// Returns a string, or the strings of an array.
    pub(super) fn strings(&self, allowed: &str) -> Result<Vec<Spanned<&'a str>>, ValueError> {
        let values = self.value.get_ref().as_array().map(|array| array.iter().collect());
        let string = |value: &'a Spanned<DeValue<'a>>| {
            let text = value.get_ref().as_str();
            let text = text.ok_or_else(|| self.type_error_of(value, allowed))?;
            Ok(Spanned::new(value.span(), text))
        };
        values.unwrap_or_else(|| vec![self.value]).into_iter().map(string).collect()
    }
}

/// Returns the message for an unknown name: the nearest name, and all available names.
pub(super) fn unknown_name<'a>(
    kind: &str,
    name: &str,
    all: impl IntoIterator<Item = &'a str>,
) -> String {
    let all: Vec<&str> = all.into_iter().collect();
    let shown: String = name.chars().take(NAME_MAX).collect();
    let is_whole = shown == name;
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

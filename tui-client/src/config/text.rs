//! The text of a configuration, and how a fault in it is shown.

use std::fmt;
use std::ops::Range;

use loadline_protocol::sanitize;
use unicode_width::UnicodeWidthStr as _;

/// Characters of a line that are shown around a fault.
const SHOWN_MAX: usize = 100;

/// Of them, those in front of it.
const BEFORE_MAX: usize = 40;

/// What is wrong with a configuration: why in one line, and below it the line of the file with a caret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    /// One of the file as a whole.
    #[must_use]
    pub fn for_file(what: &str) -> ConfigError {
        ConfigError(what.to_owned())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigText {
    /// The file, as it is shown.
    name: String,
    text: String,
}

impl ConfigText {
    pub(super) fn new(name: String, text: String) -> ConfigText {
        ConfigText { name, text }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// What is wrong at a place, counted in bytes, and what is allowed there.
    #[must_use]
    pub fn error_at(&self, span: Range<usize>, what: impl AsRef<str>) -> ConfigError {
        let start = floor(&self.text, span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = self.text[line_start..].split(['\n', '\r']).next().unwrap_or_default();
        let number = self.text[..start].matches('\n').count() + 1;
        let before: Vec<char> = self.text[line_start..start].chars().collect();
        let column = before.len() + 1;
        let end = floor(&self.text, span.end).clamp(start, (line_start + line.len()).max(start));
        let marked = self.text[start..end].chars().take(SHOWN_MAX - BEFORE_MAX);
        // Of a long line, what stands around the fault.
        let cut = before.len().saturating_sub(BEFORE_MAX);
        let dots = if cut > 0 { "..." } else { "" };
        let shown: String = line.chars().skip(cut).take(SHOWN_MAX).collect();
        let before = shown_width(before[cut..].iter().copied()) + dots.len();
        let carets = "^".repeat(shown_width(marked).max(1));
        let (name, what) = (&self.name, sanitize(what.as_ref()));
        let (shown, blanks) = (shown_text(&shown), " ".repeat(before));
        let margin = format!("{number:>4}");
        let empty = " ".repeat(margin.len());
        ConfigError(format!(
            "{name}:{number}:{column}: {what}\n{margin} | {dots}{shown}\n{empty} | {blanks}{carets}"
        ))
    }

    /// What the reader of the format has to say.
    pub(super) fn syntax_error(&self, error: &toml::de::Error) -> ConfigError {
        let what: Vec<&str> = error.message().lines().map(str::trim).collect();
        let span = error.span().unwrap_or(0..0);
        self.error_at(
            span,
            format!("{}; what is allowed here is said at https://toml.io", what.join(", ")),
        )
    }
}

/// Columns that characters take when they are shown.
fn shown_width(chars: impl Iterator<Item = char>) -> usize {
    shown_text(&chars.collect::<String>()).width()
}

/// Text of the file as it may reach the terminal; a tab is a blank.
fn shown_text(text: &str) -> String {
    sanitize(&text.replace('\t', " ")).into_owned()
}

/// The nearest place before that is no middle of a character.
fn floor(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}

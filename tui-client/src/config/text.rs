//! Text of the configuration file, and errors with the line at fault.

use std::ops::Range;

use loadline_protocol::sanitize;
use unicode_width::UnicodeWidthStr as _;

/// Characters of the line that an error shows.
const SHOWN_MAX: usize = 100;

/// Characters in front of the position of the error, out of [`SHOWN_MAX`].
const BEFORE_MAX: usize = 40;

#[derive(Debug, Clone, Default)]
pub(crate) struct ConfigText {
    /// Name of the file.
    pub(super) name: String,
    pub(super) text: String,
}

impl ConfigText {
    /// Returns the message in one line, then the line of the file with carets below `span`, which is
    /// in bytes. `message` is `error; hint`.
    pub(crate) fn error_at(&self, span: Range<usize>, message: &str) -> String {
        let start = self.text.floor_char_boundary(span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = self.text[line_start..].split(['\n', '\r']).next().unwrap_or_default();
        let number = self.text[..start].matches('\n').count() + 1;
        let before: Vec<char> = self.text[line_start..start].chars().collect();
        let column = before.len() + 1;
        let end = self
            .text
            .floor_char_boundary(span.end)
            .clamp(start, (line_start + line.len()).max(start));
        let marked = self.text[start..end].chars().take(SHOWN_MAX - BEFORE_MAX);
        // A long line is cut to the part around the error.
        let cut = before.len().saturating_sub(BEFORE_MAX);
        let dots = if cut > 0 { "..." } else { "" };
        let shown: String = line.chars().skip(cut).take(SHOWN_MAX).collect();
        let before = shown_width(before[cut..].iter().copied()) + dots.len();
        let carets = "^".repeat(shown_width(marked).max(1));
        let (name, message) = (&self.name, sanitize(message));
        let (shown, blanks) = (shown_text(&shown), " ".repeat(before));
        let margin = format!("{number:>4}");
        let empty = " ".repeat(margin.len());
        format!(
            "{name}:{number}:{column}: {message}\n{margin} | {dots}{shown}\n{empty} | {blanks}{carets}"
        )
    }

    /// Returns the error of the TOML parser with its position.
    pub(super) fn syntax_error(&self, error: &toml::de::Error) -> String {
        let lines: Vec<&str> = error.message().lines().map(str::trim).collect();
        let message = format!("{}; see https://toml.io for the syntax", lines.join(", "));
        self.error_at(error.span().unwrap_or(0..0), &message)
    }
}

fn shown_width(chars: impl Iterator<Item = char>) -> usize {
    shown_text(&chars.collect::<String>()).width()
}

fn shown_text(text: &str) -> String {
    sanitize(&text.replace('\t', " ")).into_owned()
}

//! Text of the configuration file, and errors with the line at fault.

use std::fmt;
use std::ops::Range;

use loadline_protocol::sanitize;
use unicode_width::UnicodeWidthStr as _;

use super::options::is_option;
use crate::redact::{mask_from, mask_line, names_secret, redact};

/// Characters of the line that an error shows.
const SHOWN_MAX: usize = 100;

/// Characters in front of the position of the error, out of [`SHOWN_MAX`].
const BEFORE_MAX: usize = 40;

#[derive(Clone, Default)]
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
        let marked = self
            .text
            .floor_char_boundary(span.end)
            .clamp(start, line_start + line.len().max(start - line_start));
        let marked = self.text[start..marked].chars().count().min(SHOWN_MAX - BEFORE_MAX);
        let column = self.text[line_start..start].chars().count() + 1;
        // A long line is cut to the part around the error.
        let cut = (column - 1).saturating_sub(BEFORE_MAX);
        let dots = if cut > 0 { "..." } else { "" };
        let line: Vec<char> = self.without_secrets(line_start, line).chars().skip(cut).collect();
        let width = |chars: &[char]| shown_text(&chars.iter().collect::<String>()).width();
        let at = (column - 1 - cut).min(line.len());
        let before = width(&line[..at]) + dots.len();
        let marked = width(&line[at..(at + marked).min(line.len())]);
        let shown: String = line.into_iter().take(SHOWN_MAX).collect();
        let carets = "^".repeat(marked.max(1));
        let (name, message) = (&self.name, redact(&sanitize(message)));
        let (shown, blanks) = (shown_text(&shown), " ".repeat(before));
        let margin = format!("{number:>4}");
        let empty = " ".repeat(margin.len());
        format!(
            "{name}:{number}:{column}: {message}\n{margin} | {dots}{shown}\n{empty} | {blanks}{carets}"
        )
    }

    /// Returns a line, which begins at `start`, with its secrets hidden. The file may be another one by mistake, so
    /// only settings, sections and comments are shown.
    fn without_secrets(&self, start: usize, line: &str) -> String {
        let above = &self.text[..start];
        let quotes = above.matches("\"\"\"").count() + above.matches("'''").count();
        if quotes % 2 == 1 {
            return mask_from(line, 0);
        }
        let is_opened = |line: &&str| line.contains('=') || line.starts_with('[');
        let text = line.trim_start();
        if line.contains('=') || text.starts_with(['[', '#']) {
            return mask_line(line);
        }
        // An element of an array in several lines, whose name stands above.
        let is_secret = above.lines().rev().find(is_opened).is_some_and(names_secret);
        if !is_secret && (text.is_empty() || text.starts_with(['"', '\'', ']', '{', '}', ','])) {
            return mask_line(line);
        }
        let name = text.split_whitespace().next().filter(|name| is_option(name));
        mask_from(line, name.map_or(0, |name| line.len() - text.len() + name.len()))
    }

    /// Returns the error of the TOML parser with its position.
    pub(super) fn syntax_error(&self, error: &toml::de::Error) -> String {
        let lines: Vec<&str> = error.message().lines().map(str::trim).collect();
        let message = format!("{}; see https://toml.io for the syntax", lines.join(", "));
        self.error_at(error.span().unwrap_or(0..0), &message)
    }
}

impl fmt::Debug for ConfigText {
    /// Writes the name only: the text may have secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigText({})", self.name)
    }
}

fn shown_text(text: &str) -> String {
    sanitize(&text.replace('\t', " ")).into_owned()
}

//! Sanitizing of untrusted text before it reaches a terminal.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use unicode_width::UnicodeWidthChar as _;

/// Replacement for each unsafe character.
const REPLACEMENT: char = '\u{FFFD}';

/// Maximum number of combining marks on one letter: no language needs more. Stacks of marks would
/// cover the lines above and below.
const MARKS_MAX: u32 = 4;

/// Text that is safe to print on a terminal. Cheap to clone.
///
/// **Invariant:** no control characters, no bidirectional controls, no invisible characters, no
/// stacks of combining marks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SafeText(Arc<str>);

impl SafeText {
    /// Sanitizes `text`: each unsafe character becomes `U+FFFD`.
    #[must_use]
    pub fn new(text: &str) -> SafeText {
        SafeText(sanitize(text).into())
    }

    /// Returns the text as a string slice.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for SafeText {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<SafeText, Infallible> {
        Ok(SafeText::new(text))
    }
}

impl From<&str> for SafeText {
    fn from(text: &str) -> SafeText {
        SafeText::new(text)
    }
}

/// Replaces every character of `text` that could move the cursor, change the writing direction or
/// stay invisible: control, bidirectional, zero-width and other invisible characters.
///
/// ```
/// use loadline_protocol::sanitize;
/// assert_eq!(sanitize("web-1"), "web-1");
/// assert_eq!(sanitize("\x1b[31mred\u{202e}"), "\u{fffd}[31mred\u{fffd}");
/// ```
#[must_use]
pub fn sanitize(text: &str) -> Cow<'_, str> {
    // Most texts are ASCII, and looks have many.
    let is_printable = |byte: u8| matches!(byte, b' '..=b'~');
    if text.bytes().all(is_printable) {
        Cow::Borrowed(text)
    } else if text.chars().any(unsafe_character_filter()) {
        let mut is_unsafe = unsafe_character_filter();
        text.chars().map(|c| if is_unsafe(c) { REPLACEMENT } else { c }).collect()
    } else {
        Cow::Borrowed(text)
    }
}

/// Returns a predicate for unsafe characters. Call it for each character of a text, in order.
fn unsafe_character_filter() -> impl FnMut(char) -> bool {
    let mut marks = 0;
    move |c| {
        // A character of width 0 is a mark on the previous letter.
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        marks > MARKS_MAX || is_unsafe(c)
    }
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            // Soft hyphen, grapheme joiner, Arabic letter mark, Hangul fillers, invisible Khmer
            // vowels, Mongolian selectors.
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            // Zero-width characters, directional marks, line and paragraph separators, embeddings,
            // overrides and isolates, invisible operators.
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF0}'..='\u{FFFB}'
            // Shorthand and musical format controls, tags, variation selectors.
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_characters_are_replaced() {
        for (input, expected) in [
            ("plain ascii", "plain ascii"),
            ("Zürich 東京 ½", "Zürich 東京 ½"),
            ("a\x07b\x1b]0;x\x07", "a\u{fffd}b\u{fffd}]0;x\u{fffd}"),
            ("c1: \u{9b}31m", "c1: \u{fffd}31m"),
            ("\u{202e}gnp.exe", "\u{fffd}gnp.exe"),
            ("zero\u{200b}width\u{feff}", "zero\u{fffd}width\u{fffd}"),
            ("line\u{2028}break\n", "line\u{fffd}break\u{fffd}"),
            ("Vi\u{65}\u{302}\u{323}t", "Vi\u{65}\u{302}\u{323}t"),
            (
                "a\u{300}\u{489}\u{20dd}\u{336}\u{301}\u{301}b\u{301}",
                "a\u{300}\u{489}\u{20dd}\u{336}\u{fffd}\u{fffd}b\u{301}",
            ),
            // Bengali.
            (
                "\u{995}\u{981}\u{981}\u{981}\u{981}\u{981}",
                "\u{995}\u{981}\u{981}\u{981}\u{981}\u{fffd}",
            ),
        ] {
            assert_eq!(sanitize(input), expected, "{input:?}");
        }
    }

    #[test]
    fn sanitizing_is_idempotent() {
        let once = SafeText::new(&format!("\u{0}\u{202e}x{}", "\u{301}".repeat(100)));
        assert_eq!(SafeText::new(once.as_str()), once);
    }
}

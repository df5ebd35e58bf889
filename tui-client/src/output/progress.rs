//! Messages and progress for people, next to the rows.

use std::io::Write;

use unicode_width::UnicodeWidthChar as _;

/// Maximum terminal columns of a name: a line that wraps cannot be rewritten.
const NAME_WIDTH: usize = 48;

/// Escape sequence that moves to the start of the line and erases it.
const ERASE: &str = "\r\x1b[K";

/// Progress line that is rewritten in place, and erased at the end.
pub struct ProgressLine<W: Write, F> {
    terminal: Option<W>,
    message: F,
    is_shown: bool,
}

impl<W: Write, F> ProgressLine<W, F> {
    /// Creates a reporter: messages go to `message`, progress goes to the terminal if there is one.
    pub fn new(terminal: Option<W>, message: F) -> ProgressLine<W, F> {
        ProgressLine { terminal, message, is_shown: false }
    }

    fn rewrite(&mut self, text: &str) {
        let Some(terminal) = &mut self.terminal else { return };
        if self.is_shown || !text.is_empty() {
            // An error only means that the terminal is gone.
            let _ = write!(terminal, "{ERASE}{text}").and_then(|()| terminal.flush());
        }
        self.is_shown = !text.is_empty();
    }
}

impl<W: Write, F: FnMut(&str)> ProgressLine<W, F> {
    pub(super) fn message(&mut self, text: &str) {
        self.rewrite("");
        (self.message)(text);
    }

    /// Shows the progress of reading a large recording or a history, in percent.
    pub(super) fn show(&mut self, verb: &str, name: &str, percent: u8) {
        if percent >= 100 {
            return self.rewrite("");
        }
        let mut left = NAME_WIDTH;
        let fits = |c: &char| {
            let rest = left.checked_sub(c.width().unwrap_or(0));
            left = rest.unwrap_or(0);
            rest.is_some()
        };
        let name: String = loadline_protocol::sanitize(name).chars().take_while(fits).collect();
        self.rewrite(&format!("{verb} {name}: {percent} %"));
    }
}

impl<W: Write, F> Drop for ProgressLine<W, F> {
    fn drop(&mut self) {
        self.rewrite("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the terminal output for progress of 1 % and then `last` %.
    fn written(name: &str, last: u8) -> String {
        let mut bytes = Vec::new();
        let mut progress = ProgressLine::new(Some(&mut bytes), |_: &str| {});
        progress.show("reading", name, 1);
        progress.show("reading", name, last);
        drop(progress);
        String::from_utf8(bytes).unwrap().replace(ERASE, "|")
    }

    #[test]
    fn the_line_is_rewritten_and_erased() {
        assert_eq!(written("a.load", 43), "|reading a.load: 1 %|reading a.load: 43 %|");
        assert_eq!(written("a.load", 100), "|reading a.load: 1 %|");
    }

    #[test]
    fn a_name_is_sanitized_and_truncated() {
        let text = written(&format!("\u{1b}[2J{}", "界".repeat(100)), 2);
        assert!(!text.contains('\u{1b}') && text.chars().count() < 100, "{text}");
    }

    #[test]
    fn messages_have_a_line_of_their_own() {
        let (mut bytes, mut lines) = (Vec::new(), Vec::new());
        let mut progress =
            ProgressLine::new(Some(&mut bytes), |text: &str| lines.push(text.to_owned()));
        progress.message("first");
        progress.show("reading", "a.load", 5);
        progress.message("second");
        drop(progress);
        assert_eq!(lines, ["first", "second"]);
        assert_eq!(String::from_utf8(bytes).unwrap().replace(ERASE, "|"), "|reading a.load: 5 %|");
    }

    #[test]
    fn nothing_is_written_without_a_terminal() {
        let mut progress = ProgressLine::new(None::<Vec<u8>>, |_: &str| {});
        progress.show("reading", "a.load", 5);
        assert!(!progress.is_shown);
    }
}

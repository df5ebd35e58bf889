//! What people are told besides the rows.

use std::io::Write;

use unicode_width::UnicodeWidthChar as _;

/// Who tells people what they should know.
pub trait Reporter {
    /// A line.
    fn message(&mut self, text: &str);

    /// How much of a large recording is read, percent.
    fn read_progress(&mut self, _name: &str, _percent: u8) {}
}

impl<F: FnMut(&str)> Reporter for F {
    fn message(&mut self, text: &str) {
        self(text);
    }
}

/// Columns of a name: with it the line fits into a terminal, as it has to for being rewritten.
const NAME_WIDTH: usize = 48;

/// To the beginning of the line, which is empty then.
const ERASE: &str = "\r\x1b[K";

/// Says how far a recording is read, in one line that is rewritten and goes away in the end.
pub struct ProgressLine<W: Write, F> {
    terminal: Option<W>,
    line: F,
    is_shown: bool,
}

impl<W: Write, F> ProgressLine<W, F> {
    /// Lines go to `message`, what is rewritten to the terminal, if there is one.
    pub fn new(terminal: Option<W>, line: F) -> ProgressLine<W, F> {
        ProgressLine { terminal, line, is_shown: false }
    }

    fn rewrite(&mut self, text: &str) {
        let Some(terminal) = &mut self.terminal else { return };
        if self.is_shown || !text.is_empty() {
            // An error means that nobody sees it.
            let _ = write!(terminal, "{ERASE}{text}").and_then(|()| terminal.flush());
        }
        self.is_shown = !text.is_empty();
    }
}

impl<W: Write, F: FnMut(&str)> Reporter for ProgressLine<W, F> {
    fn message(&mut self, text: &str) {
        self.rewrite("");
        (self.line)(text);
    }

    fn read_progress(&mut self, name: &str, percent: u8) {
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
        self.rewrite(&format!("reading {name}: {percent} %"));
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

    /// What a terminal gets, and the lines, when a recording is read in two steps.
    fn written(name: &str, last: u8) -> String {
        let mut bytes = Vec::new();
        let mut progress = ProgressLine::new(Some(&mut bytes), |_: &str| {});
        progress.read_progress(name, 1);
        progress.read_progress(name, last);
        drop(progress);
        String::from_utf8(bytes).unwrap().replace(ERASE, "|")
    }

    #[test]
    fn a_line_is_rewritten_and_goes_away() {
        assert_eq!(written("a.load", 43), "|reading a.load: 1 %|reading a.load: 43 %|");
        assert_eq!(written("a.load", 100), "|reading a.load: 1 %|");
    }

    #[test]
    fn a_name_is_sanitized_and_cut_to_the_line() {
        let text = written(&format!("\u{1b}[2J{}", "界".repeat(100)), 2);
        assert!(!text.contains('\u{1b}') && text.chars().count() < 100, "{text}");
    }

    #[test]
    fn messages_have_a_line_of_their_own() {
        let (mut bytes, mut lines) = (Vec::new(), Vec::new());
        let mut progress =
            ProgressLine::new(Some(&mut bytes), |text: &str| lines.push(text.to_owned()));
        progress.message("first");
        progress.read_progress("a.load", 5);
        progress.message("second");
        drop(progress);
        assert_eq!(lines, ["first", "second"]);
        assert_eq!(String::from_utf8(bytes).unwrap().replace(ERASE, "|"), "|reading a.load: 5 %|");
    }

    #[test]
    fn without_a_terminal_nothing_is_rewritten() {
        let mut progress = ProgressLine::new(None::<Vec<u8>>, |_: &str| {});
        progress.read_progress("a.load", 5);
        assert!(!progress.is_shown);
    }
}

//! Colours and signs. Sixteen colours, as the terminal's own theme has them; never a background.

use malevich::{Charset, Color as Ink};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

/// How the screen looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Whether there are colours at all.
    pub colour: bool,
    /// Whether only ASCII may be drawn.
    pub ascii: bool,
}

/// The colours of the lines of a chart, in their order.
const LINES: [(Ink, Color); 6] = [
    (Ink::Cyan, Color::Cyan),
    (Ink::Yellow, Color::Yellow),
    (Ink::Magenta, Color::Magenta),
    (Ink::Green, Color::Green),
    (Ink::Blue, Color::Blue),
    (Ink::Red, Color::Red),
];

/// The signs of axes and rules.
#[derive(Debug, Clone, Copy)]
pub struct Signs {
    pub(crate) horizontal: char,
    pub(crate) vertical: char,
    pub(crate) corner: char,
    pub(crate) tick_left: char,
    pub(crate) tick_down: char,
}

impl Theme {
    /// Finds out what the terminal can show. `variable` gives the variables of the environment.
    #[must_use]
    pub fn detect(colour: bool, variable: impl Fn(&str) -> Option<String>) -> Theme {
        let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
        // Without a word about it, a terminal of today understands UTF-8.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set);
        let utf8 = locale.is_none_or(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        let term = variable("TERM").unwrap_or_default();
        let colour = colour && term != "dumb";
        Theme { colour, ascii: !utf8 || matches!(term.as_str(), "linux" | "dumb") }
    }

    /// The colour of a line of a chart, for the chart; grey if what it shows is not fresh.
    #[must_use]
    pub fn ink(self, line: usize, fresh: bool) -> Ink {
        match (self.colour, fresh) {
            (false, _) => Ink::Default,
            (true, false) => Ink::BrightBlack,
            (true, true) => LINES[line % LINES.len()].0,
        }
    }

    /// The style of what is written of a line of a chart.
    #[must_use]
    pub fn line(self, line: usize, fresh: bool) -> Style {
        if !fresh {
            return self.faint();
        }
        self.fg(LINES[line % LINES.len()].1)
    }

    /// What frames and explains.
    #[must_use]
    pub fn faint(self) -> Style {
        if self.colour {
            Style::new().fg(Color::DarkGray)
        } else {
            Style::new().add_modifier(Modifier::DIM)
        }
    }

    /// What catches the eye.
    #[must_use]
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// All is well.
    #[must_use]
    pub fn good(self) -> Style {
        self.fg(Color::Green).add_modifier(Modifier::BOLD)
    }

    /// Something is not as it should be.
    #[must_use]
    pub fn warning(self) -> Style {
        self.fg(Color::Yellow).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    /// Something is broken.
    #[must_use]
    pub fn alarm(self) -> Style {
        self.fg(Color::Red).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    fn fg(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// The dots of a chart.
    #[must_use]
    pub fn charset(self) -> Charset {
        if self.ascii { Charset::Ascii } else { Charset::Braille }
    }

    /// The signs of axes and rules.
    #[must_use]
    pub fn signs(self) -> Signs {
        if self.ascii {
            Signs { horizontal: '-', vertical: '|', corner: '+', tick_left: '+', tick_down: '+' }
        } else {
            Signs {
                horizontal: '─', vertical: '│', corner: '└', tick_left: '┤', tick_down: '┬'
            }
        }
    }

    /// The frame of a box.
    #[must_use]
    pub fn border(self) -> border::Set<'static> {
        if !self.ascii {
            return border::ROUNDED;
        }
        border::Set {
            top_left: "+",
            top_right: "+",
            bottom_left: "+",
            bottom_right: "+",
            vertical_left: "|",
            vertical_right: "|",
            horizontal_top: "-",
            horizontal_bottom: "-",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(variables: &[(&str, &str)]) -> Theme {
        Theme::detect(true, |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_the_environment_says_about_the_terminal_is_believed() {
        let fancy = Theme { colour: true, ascii: false };
        assert_eq!(detect(&[]), fancy);
        assert_eq!(detect(&[("LANG", "de_DE.UTF-8"), ("TERM", "xterm")]), fancy);
        assert_eq!(detect(&[("LC_ALL", ""), ("LANG", "C.utf8")]), fancy);
        assert!(detect(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]).ascii);
        assert!(detect(&[("LANG", "en_US.UTF-8"), ("TERM", "linux")]).ascii);
        assert!(!detect(&[("TERM", "dumb")]).colour);
    }
}

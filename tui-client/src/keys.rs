//! The keys, and what they do. The one table that the loop, the help and the footer read.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// End the program.
    Quit,
    /// Show or leave the help.
    Help,
    /// One step back.
    Back,
    /// One chart over the whole screen, and back.
    Fullscreen,
    /// Choose the next chart.
    NextChart,
    /// Choose the chart before.
    PreviousChart,
    /// Choose a chart by its number, the first at 0.
    Chart(usize),
    /// The data table: below the charts, alone, off.
    Table,
    /// Pause and resume.
    Pause,
    /// Draw everything anew.
    Redraw,
}

/// A key, as a binding names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Char(char),
    Ctrl(char),
    Code(KeyCode),
    /// `1` to `9`.
    Digit,
}

/// Keys that do one thing.
#[derive(Debug)]
pub struct Binding {
    keys: &'static [Key],
    action: Action,
    /// The keys as people call them; the first is the one to teach.
    pub names: &'static [&'static str],
    /// What they do, for the help.
    pub does: &'static str,
    /// The word for it in the footer; empty if it does not stand there.
    pub short: &'static str,
}

impl Binding {
    /// What the keys do; for the digits, what the first of them does.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }
}

/// All bindings, in the order of the help.
pub const BINDINGS: &[Binding] = &[
    Binding {
        keys: &[Key::Char('q'), Key::Ctrl('c')],
        action: Action::Quit,
        names: &["q", "Ctrl-C"],
        does: "quit",
        short: "quit",
    },
    Binding {
        keys: &[Key::Char('?'), Key::Code(KeyCode::F(1))],
        action: Action::Help,
        names: &["?", "F1"],
        does: "this help",
        short: "help",
    },
    Binding {
        keys: &[Key::Code(KeyCode::Esc)],
        action: Action::Back,
        names: &["Esc"],
        does: "one step back; never quits",
        short: "",
    },
    Binding {
        keys: &[Key::Char('f'), Key::Code(KeyCode::Enter), Key::Code(KeyCode::F(11))],
        action: Action::Fullscreen,
        names: &["f", "Enter", "F11"],
        does: "one chart over the whole screen, and back",
        short: "fullscreen",
    },
    Binding {
        keys: &[Key::Code(KeyCode::Tab)],
        action: Action::NextChart,
        names: &["Tab"],
        does: "next chart",
        short: "chart",
    },
    Binding {
        keys: &[Key::Code(KeyCode::BackTab)],
        action: Action::PreviousChart,
        names: &["Shift-Tab"],
        does: "previous chart",
        short: "",
    },
    Binding {
        keys: &[Key::Digit],
        action: Action::Chart(0),
        names: &["1-9"],
        does: "choose a chart",
        short: "",
    },
    Binding {
        keys: &[Key::Char('d')],
        action: Action::Table,
        names: &["d"],
        does: "data table: below the charts, alone, off",
        short: "table",
    },
    Binding {
        keys: &[Key::Char(' '), Key::Char('p')],
        action: Action::Pause,
        names: &["Space", "p"],
        does: "pause the view, and go on; samples are kept meanwhile",
        short: "pause",
    },
    Binding {
        keys: &[Key::Ctrl('l')],
        action: Action::Redraw,
        names: &["Ctrl-L"],
        does: "draw the screen anew",
        short: "",
    },
];

/// What a key does, if anything.
#[must_use]
pub fn action(event: KeyEvent) -> Option<Action> {
    BINDINGS.iter().find_map(|binding| {
        let key = binding.keys.iter().find(|key| key.matches(event))?;
        match (key, event.code) {
            (Key::Digit, KeyCode::Char(digit)) => {
                Some(Action::Chart(digit as usize - '1' as usize))
            }
            _ => Some(binding.action),
        }
    })
}

impl Key {
    fn matches(self, event: KeyEvent) -> bool {
        let held = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
        match (self, event.code) {
            (Key::Ctrl(key), KeyCode::Char(c)) => {
                held == KeyModifiers::CONTROL && key == c.to_ascii_lowercase()
            }
            _ if !held.is_empty() => false,
            (Key::Char(key), KeyCode::Char(c)) => key == c,
            (Key::Digit, KeyCode::Char(c)) => ('1'..='9').contains(&c),
            (Key::Code(key), code) => key == code,
            (Key::Char(_) | Key::Ctrl(_) | Key::Digit, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_does_one_thing() {
        let all: Vec<Key> = BINDINGS.iter().flat_map(|binding| binding.keys).copied().collect();
        for (at, key) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(key), "{key:?} is bound twice");
        }
    }

    #[test]
    fn keys_are_told_apart_by_what_is_held_with_them() {
        let press = |code, held| action(KeyEvent::new(code, held));
        assert_eq!(press(KeyCode::Char('q'), KeyModifiers::NONE), Some(Action::Quit));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Action::Quit));
        assert_eq!(press(KeyCode::Char('q'), KeyModifiers::ALT), None);
        assert_eq!(press(KeyCode::Char('?'), KeyModifiers::SHIFT), Some(Action::Help));
        assert_eq!(press(KeyCode::BackTab, KeyModifiers::SHIFT), Some(Action::PreviousChart));
        assert_eq!(press(KeyCode::Char('3'), KeyModifiers::NONE), Some(Action::Chart(2)));
        assert_eq!(press(KeyCode::Char('0'), KeyModifiers::NONE), None);
    }
}

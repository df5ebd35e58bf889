//! Keys: terminal events, names in the configuration, labels on the screen.

use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use loadline_protocol::sanitize;
use thiserror::Error;

/// Key with its modifiers.
///
/// **Invariant:** one form for keys that terminals report in several forms: characters carry no
/// shift, characters with ctrl are lower case, and Tab with shift is `BackTab`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// Reason why a text is not a key that can be bound.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Unknown key.
    #[error(
        "unknown key {0:?}; write a character, f1 to f24, or one of space, tab, enter, esc, backspace, \
         left, right, up, down, home, end, pgup, pgdn, insert, delete, optionally with ctrl-, alt- or \
         shift- in front"
    )]
    Unknown(String),
    /// Terminals send the same bytes for another key.
    #[error("terminals send the same for {0} and {1}; write {1:?}")]
    Ambiguous(String, &'static str),
    /// The character depends on the keyboard layout.
    #[error("{0:?} depends on the keyboard layout; write the character itself")]
    Shifted(String),
}

/// Named keys: name in the configuration, code, label on the screen. Aliases follow the names that
/// are written.
const NAMED_KEYS: &[(&str, KeyCode, &str)] = &[
    ("space", KeyCode::Char(' '), "Space"),
    ("tab", KeyCode::Tab, "Tab"),
    ("shift-tab", KeyCode::BackTab, "Shift-Tab"),
    ("enter", KeyCode::Enter, "Enter"),
    ("esc", KeyCode::Esc, "Esc"),
    ("backspace", KeyCode::Backspace, "Backspace"),
    ("left", KeyCode::Left, "←"),
    ("right", KeyCode::Right, "→"),
    ("up", KeyCode::Up, "↑"),
    ("down", KeyCode::Down, "↓"),
    ("home", KeyCode::Home, "Home"),
    ("end", KeyCode::End, "End"),
    ("pgup", KeyCode::PageUp, "PgUp"),
    ("pgdn", KeyCode::PageDown, "PgDn"),
    ("insert", KeyCode::Insert, "Insert"),
    ("delete", KeyCode::Delete, "Delete"),
    ("return", KeyCode::Enter, "Enter"),
    ("escape", KeyCode::Esc, "Esc"),
    ("pageup", KeyCode::PageUp, "PgUp"),
    ("pagedown", KeyCode::PageDown, "PgDn"),
    ("ins", KeyCode::Insert, "Insert"),
    ("del", KeyCode::Delete, "Delete"),
];

/// Modifiers in the order of the text form: prefix, flag, label.
const MODIFIERS: [(&str, KeyModifiers, &str); 3] = [
    ("ctrl-", KeyModifiers::CONTROL, "Ctrl-"),
    ("alt-", KeyModifiers::ALT, "Alt-"),
    ("shift-", KeyModifiers::SHIFT, "Shift-"),
];

/// Highest function key: F24.
const FUNCTION_KEY_MAX: u8 = 24;

/// Characters that, with ctrl, send the byte of another key.
const CTRL_EQUIVALENTS: [(char, &str); 3] = [('i', "tab"), ('m', "enter"), ('[', "esc")];

impl Key {
    /// Key that always quits.
    pub(crate) const CTRL_C: Key = Key::ctrl('c');

    const fn ctrl(c: char) -> Key {
        Key { code: KeyCode::Char(c), modifiers: KeyModifiers::CONTROL }
    }

    /// Returns the pressed key in its one form.
    pub(crate) fn from_event(event: KeyEvent) -> Key {
        let shift = KeyModifiers::SHIFT;
        let modifiers = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | shift);
        let code = match event.code {
            KeyCode::Char(c) if modifiers.contains(KeyModifiers::CONTROL) => {
                KeyCode::Char(c.to_ascii_lowercase())
            }
            KeyCode::Tab if modifiers.contains(shift) => KeyCode::BackTab,
            code => code,
        };
        let implies_shift = matches!(code, KeyCode::Char(_) | KeyCode::BackTab);
        Key { code, modifiers: if implies_shift { modifiers - shift } else { modifiers } }
    }

    /// Returns the label on the screen: `Ctrl-C`, `PgUp`, `←`.
    pub fn label(self) -> String {
        let held: String = self.held().map(|(.., label)| *label).collect();
        match (self.named(), self.code) {
            (Some((.., label)), _) => held + label,
            (None, KeyCode::Char(c)) if self.modifiers.contains(KeyModifiers::CONTROL) => {
                held + &c.to_ascii_uppercase().to_string()
            }
            (None, code) => held + &code.to_string(),
        }
    }

    fn held(self) -> impl Iterator<Item = &'static (&'static str, KeyModifiers, &'static str)> {
        MODIFIERS.iter().filter(move |(_, held, _)| self.modifiers.contains(*held))
    }

    fn named(self) -> Option<&'static (&'static str, KeyCode, &'static str)> {
        NAMED_KEYS.iter().find(|(_, code, _)| *code == self.code)
    }
}

impl fmt::Display for Key {
    /// Writes the form of the configuration: `ctrl-c`, `pgup`, `left`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held().try_for_each(|(name, ..)| f.write_str(name))?;
        match self.named() {
            Some((name, ..)) => f.write_str(name),
            None => write!(f, "{}", self.code),
        }
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Key, KeyError> {
        let quoted = || sanitize(text).into_owned();
        let (mut modifiers, mut rest) = (KeyModifiers::NONE, text);
        while let Some((modifier, after)) = strip_modifier(rest) {
            modifiers |= modifier;
            rest = after;
        }
        let code = parse_code(rest).ok_or_else(|| KeyError::Unknown(quoted()))?;
        let is_shifted = modifiers.contains(KeyModifiers::SHIFT);
        let code = match code {
            KeyCode::Char(c) if is_shifted && c.is_ascii_lowercase() => {
                KeyCode::Char(c.to_ascii_uppercase())
            }
            KeyCode::Char(c) if is_shifted && !c.is_ascii_uppercase() => {
                return Err(KeyError::Shifted(quoted()));
            }
            code => code,
        };
        let key = Key::from_event(KeyEvent::new(code, modifiers));
        match CTRL_EQUIVALENTS.iter().find(|(c, _)| key == Key::ctrl(*c)) {
            Some((_, other)) => Err(KeyError::Ambiguous(quoted(), other)),
            None => Ok(key),
        }
    }
}

/// Returns the first modifier and the text after it. A dash alone is a key.
fn strip_modifier(text: &str) -> Option<(KeyModifiers, &str)> {
    MODIFIERS.iter().find_map(|(name, held, _)| {
        let (front, rest) = text.split_at_checked(name.len())?;
        (front.eq_ignore_ascii_case(name) && !rest.is_empty()).then_some((*held, rest))
    })
}

fn parse_code(text: &str) -> Option<KeyCode> {
    let mut chars = text.chars();
    if let (Some(c), None) = (chars.next(), chars.next()) {
        // Control and formatting characters can neither be typed nor shown.
        return (sanitize(text) == text).then_some(KeyCode::Char(c));
    }
    let name = text.to_ascii_lowercase();
    if let Some((_, code, _)) = NAMED_KEYS.iter().find(|(named, ..)| *named == name) {
        return Some(*code);
    }
    let number: u8 =
        name.strip_prefix('f').filter(|it| !it.starts_with(['0', '+']))?.parse().ok()?;
    (1..=FUNCTION_KEY_MAX).contains(&number).then_some(KeyCode::F(number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, written: &str, label: &str) {
        let key: Key = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((key.to_string().as_str(), key.label().as_str()), (written, label), "{text}");
    }

    #[test]
    fn a_key_is_written_as_people_call_it() {
        check("q", "q", "q");
        check("Y", "Y", "Y");
        check("shift-y", "Y", "Y");
        check("Ctrl-C", "ctrl-c", "Ctrl-C");
        check("-", "-", "-");
        check("ctrl--", "ctrl--", "Ctrl--");
        check(" ", "space", "Space");
        check("ctrl-space", "ctrl-space", "Ctrl-Space");
        check("f11", "F11", "F11");
        check("PageUp", "pgup", "PgUp");
        check("shift-left", "shift-left", "Shift-←");
        check("shift-tab", "shift-tab", "Shift-Tab");
        check("alt-Q", "alt-Q", "Alt-Q");
        check("ctrl-alt-shift-del", "ctrl-alt-shift-delete", "Ctrl-Alt-Shift-Delete");
        check("ü", "ü", "ü");
    }

    #[test]
    fn invalid_keys_are_refused() {
        for text in
            ["", "ctrl-", "qq", "F0", "f25", "f+1", "hyper-x", "\x1b", "\u{202e}", "ctrl-ab"]
        {
            let error = text.parse::<Key>().expect_err(text).to_string();
            assert!(error.contains("unknown key"), "{text:?}: {error}");
            assert!(!error.contains(char::is_control), "{text:?}");
        }
        let error = |text: &str| text.parse::<Key>().unwrap_err().to_string();
        assert_eq!(error("ctrl-i"), "terminals send the same for ctrl-i and tab; write \"tab\"");
        assert_eq!(
            error("shift-1"),
            "\"shift-1\" depends on the keyboard layout; write the character itself"
        );
    }

    proptest! {
        #[test]
        fn a_written_key_parses_to_the_same_key(text in "(ctrl-|alt-|shift-){0,3}(.|f[0-9]{1,2}|tab|pgup|del)") {
            if let Ok(key) = text.parse::<Key>() {
                prop_assert_eq!(key.to_string().parse(), Ok(key));
            }
        }
    }
}

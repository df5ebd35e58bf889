//! Footer: the message, and the input line for a time.

use std::time::Duration;

use crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent};
use loadline_protocol::Time;
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler as _;

use crate::time_spec;
use crate::zone::Zone;

/// Display time of a message in the footer.
const FOOTER_MESSAGE_TIME: Duration = Duration::from_secs(4);

/// Maximum length of the input in bytes: no time is longer.
const TEXT_BYTES_MAX: usize = 40;

/// Message to the user that disappears after a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FooterMessage {
    pub(crate) text: String,
    /// End of the display time.
    pub(super) until: Time,
}

/// Time that is being typed.
#[derive(Debug, Clone, Default)]
pub struct TimeInput {
    /// Text and position of the text cursor.
    pub input: Input,
    /// True if Enter was pressed and the text is not a valid time.
    pub(crate) is_invalid: bool,
}

/// Content of the footer besides the key hints.
#[derive(Debug, Clone, Default)]
pub struct Footer {
    /// Message in the footer.
    pub message: Option<FooterMessage>,
    /// Time that is being typed.
    pub time_input: Option<TimeInput>,
}

impl Footer {
    pub(super) fn show_message(&mut self, text: String, now: Time) {
        self.message = Some(FooterMessage { text, until: now + FOOTER_MESSAGE_TIME });
    }

    pub(super) fn expire_message(&mut self, now: Time) {
        self.message.take_if(|message| message.until <= now);
    }

    pub(super) fn open_time_input(&mut self) {
        *self = Footer { message: None, time_input: Some(TimeInput::default()) };
    }

    /// Edits the text or closes the input line. Returns a completed time with its text.
    pub(super) fn edit_time_input(
        &mut self,
        key: KeyEvent,
        newest: Option<Time>,
        zone: Zone,
    ) -> Option<(Time, String)> {
        let TimeInput { input, is_invalid } = self.time_input.as_mut()?;
        match (key.code, newest) {
            (KeyCode::Esc, _) | (KeyCode::Enter, None) => self.time_input = None,
            (KeyCode::Enter, Some(newest)) => {
                let typed = input.value().trim().to_owned();
                let time = time_spec::parse(&typed, newest, zone).ok();
                *is_invalid = time.is_none();
                self.time_input.take_if(|_| time.is_some());
                return time.map(|time| (time, typed));
            }
            _ => {
                let before = input.clone();
                input.handle_event(&TerminalEvent::Key(key));
                // Valid times are ASCII.
                if input.value().len() > TEXT_BYTES_MAX || !input.value().is_ascii() {
                    *input = before;
                }
                *is_invalid = false;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_disappears_after_four_seconds() {
        let mut footer = Footer::default();
        footer.show_message("hello".to_owned(), Time::default());
        footer.expire_message(Time::from_millis(3999));
        assert!(footer.message.is_some());
        footer.expire_message(Time::from_millis(4000));
        assert_eq!(footer.message, None);
    }

    #[test]
    fn a_time_is_typed_corrected_and_returned() {
        let newest = Some(Time::from_millis(3_600_000));
        let mut footer = Footer::default();
        footer.open_time_input();
        let mut edit = |code: KeyCode| {
            let typed = footer.edit_time_input(code.into(), newest, Zone::Fixed(0));
            (typed, footer.time_input.as_ref().map(|it| it.is_invalid))
        };
        for code in "-5x".chars().map(KeyCode::Char) {
            assert_eq!(edit(code), (None, Some(false)));
        }
        assert_eq!(edit(KeyCode::Enter), (None, Some(true)));
        assert_eq!(edit(KeyCode::Backspace), (None, Some(false)));
        assert_eq!(edit(KeyCode::Char('m')), (None, Some(false)));
        let there = Time::from_millis(3_300_000);
        assert_eq!(edit(KeyCode::Enter), (Some((there, "-5m".to_owned())), None));
        assert_eq!(edit(KeyCode::Enter), (None, None));
    }
}

//! Footer: the message, and the input line for a time.

use std::collections::VecDeque;
use std::time::Duration;

use crossterm::event::{Event as TerminalEvent, KeyCode, KeyEvent};
use loadline_protocol::Time;
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler as _;

use crate::time_spec;
use crate::zone::Zone;

/// Display time of a message in the footer.
const FOOTER_MESSAGE_TIME: Duration = Duration::from_secs(4);

/// Warnings that wait for the footer: half a minute of them. Later ones are dropped.
const WARNINGS_MAX: usize = 8;

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
    /// Warnings to show afterwards.
    warnings: VecDeque<String>,
    /// Time that is being typed.
    pub time_input: Option<TimeInput>,
}

impl Footer {
    pub(super) fn show_message(&mut self, text: String, now: Time) {
        self.message = Some(FooterMessage { text, until: now + FOOTER_MESSAGE_TIME });
    }

    /// Shows a warning as soon as no other message is shown.
    pub(super) fn show_warning(&mut self, text: String, now: Time) {
        if self.message.is_none() {
            self.show_message(text, now);
        } else if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push_back(text);
        }
    }

    pub(super) fn expire_message(&mut self, now: Time) {
        self.message.take_if(|message| message.until <= now);
        if self.message.is_none()
            && let Some(next) = self.warnings.pop_front()
        {
            self.show_message(next, now);
        }
    }

    pub(super) fn open_time_input(&mut self) {
        (self.message, self.time_input) = (None, Some(TimeInput::default()));
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
    fn warnings_follow_each_other_and_a_message_interrupts_them() {
        let mut footer = Footer::default();
        let at = |seconds: i64| Time::from_millis(1000 * seconds);
        for text in ["a", "b", "c"] {
            footer.show_warning(text.to_owned(), at(0));
        }
        footer.show_message("paused".to_owned(), at(1));
        let shown = [1, 5, 9, 13].map(|seconds| {
            footer.expire_message(at(seconds));
            footer.message.as_ref().map(|message| message.text.clone())
        });
        let expected = ["paused", "b", "c"].map(|text| Some(text.to_owned()));
        assert_eq!((&shown[..3], &shown[3]), (&expected[..], &None));
        (0..100).for_each(|_| footer.show_warning("d".to_owned(), at(20)));
        assert_eq!(footer.warnings.len(), WARNINGS_MAX);
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

//! Jump to a time: the input line and the jump.

use crossterm::event::{KeyEvent, KeyModifiers};
use loadline_protocol::Time;

use super::App;
use super::past::TimeDestination;
use crate::keys::Action;
use crate::watched::PastLimit;

impl App {
    pub(super) fn open_time_input(&mut self) {
        if self.sources.newest().is_some() {
            self.footer.open_time_input();
        } else {
            self.show_message("no samples yet");
        }
    }

    /// Returns whether a key belongs to the input line. Commands with Ctrl, such as Ctrl-C, do not.
    pub(super) fn is_for_time_input(&self, key: KeyEvent) -> bool {
        let action = self.keys.action(key);
        let is_program = matches!(action, Some(Action::Quit | Action::Redraw | Action::Suspend));
        let is_command = is_program && key.modifiers.contains(KeyModifiers::CONTROL);
        self.footer.time_input.is_some() && !is_command
    }

    /// Edits the text, jumps to its time, or closes the input line.
    pub(super) fn edit_time_input(&mut self, key: KeyEvent) {
        let newest = self.sources.newest();
        if let Some((time, typed)) = self.footer.edit_time_input(key, newest, self.zone) {
            self.go_to(time, &typed);
        }
    }

    /// Centres the view on a time. Moves the crosshair to the nearest sample, once it is loaded.
    fn go_to(&mut self, time: Time, typed: &str) {
        let (Some(oldest), Some(newest)) = (self.oldest_reachable(), self.sources.newest()) else {
            return;
        };
        let near = time.clamp(oldest, newest);
        if !self.is_missing(near, near) {
            self.go_to_loaded(time, typed);
            return;
        }
        self.window.centre(near, oldest, newest);
        self.selection.crosshair = None;
        self.selection.measure(&self.sources);
        let typed = Some(typed.to_owned());
        self.selection.destination = Some(TimeDestination { time, typed });
    }

    /// Moves the crosshair to the sample nearest to a time, and centres the view. Shows a message
    /// if there is no sample at that time.
    pub(super) fn go_to_loaded(&mut self, time: Time, typed: &str) {
        let (Some(oldest), Some(newest)) = (self.oldest_reachable(), self.sources.newest()) else {
            return;
        };
        let distance = |there: &Time| (*there - time).max(time - *there);
        let gap = self.sources.watched().stale_after();
        let is_there = |there: &Time| distance(there) <= gap;
        let [before, after] = self.times_around(time);
        let nearest = || before.into_iter().chain(after).min_by_key(distance);
        let Some(there) = before.filter(is_there).or_else(nearest) else { return };
        let is_far = !is_there(&there);
        self.window.centre(there, oldest, newest);
        self.selection.crosshair = Some(there);
        self.selection.measure(&self.sources);
        if is_far {
            let is_older = time < oldest && self.may_have_older();
            let text = self.no_sample_text(typed, there, is_older);
            self.show_message(text);
        }
    }

    /// Returns whether the shown source may have older samples, which it sends only at the start.
    fn may_have_older(&self) -> bool {
        self.sources.watched().oldest_reason() == Some(PastLimit::OldAgent)
    }

    /// Returns the longest fitting message about a time without samples and the nearest one.
    fn no_sample_text(&self, typed: &str, there: Time, is_older: bool) -> String {
        let nearest = self.time_label_within(there, "14:02:49".len());
        let text = if is_older {
            format!("no samples loaded at {typed}, nearest: {nearest}")
        } else {
            format!("no samples at {typed}, nearest: {nearest}")
        };
        // The shell splits at spaces.
        let quote = if typed.contains(' ') { "'" } else { "" };
        let hint = format!("{text}; restart with --from {quote}{typed}{quote}");
        let texts = [is_older.then_some(hint), Some(text)].into_iter().flatten();
        let width = usize::from(self.size.width);
        let mut fitting = texts.filter(|text| text.len() <= width);
        fitting.next().unwrap_or_else(|| format!("nearest sample: {nearest}"))
    }
}

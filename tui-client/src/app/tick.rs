//! Changes caused by time alone.

use std::time::Duration;

use loadline_protocol::Time;

use super::{App, SourceView};
use crate::watched::State;

/// Maximum interval of rows that make the clock advance.
const TICKING_INTERVAL_MAX: Duration = Duration::from_secs(1);

/// Time until the clock advances without a due row: a little later than the row.
const TICK_DELAY: Duration = Duration::from_millis(1100);

impl App {
    pub(super) fn handle_tick(&mut self) {
        self.footer.expire_message(self.now);
        if self.screen.take_cycle(self.now) {
            self.choose_adjacent_chart(true);
        }
    }

    /// Returns the time of the next change without an event: the next second, or the next state.
    pub(crate) fn changes_at(&self, now: Time) -> Time {
        let is_ticking = self.sources.all().iter().any(|SourceView { watched, .. }| {
            let interval = watched.interval().unwrap_or(Duration::MAX);
            watched.state(now) == State::Live && interval <= TICKING_INTERVAL_MAX
        });
        let second = if is_ticking {
            now + TICK_DELAY
        } else {
            now.shifted_ms(1000 - now.as_millis() % 1000)
        };
        // Only the shown source shows a countdown to its next attempt.
        let shown = self.sources.watched().changes_at(now);
        let message_end = self.footer.message.as_ref().map(|message| message.until);
        let states = self.sources.all().iter().map(|view| view.watched.state_changes_at(now));
        let changes = [Some(second), shown, self.screen.cycle_at, message_end];
        changes.into_iter().chain(states).flatten().min().unwrap_or(second)
    }
}

//! What time alone changes, and when.

use std::time::Duration;

use loadline_protocol::Time;

use super::{App, CYCLE_INTERVAL, SourceView};
use crate::watched::State;

/// Rows that come at least so often make the clock go on.
const TICKING_INTERVAL_MAX: Duration = Duration::from_secs(1);

/// When the clock goes on without a row that was due: a little later than the row.
const TICK_DELAY: Duration = Duration::from_millis(1100);

impl App {
    /// What time alone changes.
    pub(super) fn handle_tick(&mut self) {
        if self.footer_message.as_ref().is_some_and(|notice| notice.until <= self.now) {
            self.footer_message = None;
        }
        if self.cycle_at.is_some_and(|next| next <= self.now) {
            self.cycle_at = Some(self.now + CYCLE_INTERVAL);
            self.choose_adjacent_chart(true);
        }
    }

    /// When the screen changes although nothing happens: a second is over, or the state another.
    #[must_use]
    pub fn changes_at(&self, now: Time) -> Time {
        let is_ticking = self.sources.iter().any(|SourceView { watched, .. }| {
            let interval = watched.interval().unwrap_or(Duration::MAX);
            watched.state(now) == State::Live && interval <= TICKING_INTERVAL_MAX
        });
        let second = if is_ticking {
            now + TICK_DELAY
        } else {
            now.shifted_ms(1000 - now.as_millis() % 1000)
        };
        let message_end = self.footer_message.as_ref().map(|notice| notice.until);
        // Only of the source that is shown are the seconds to the next try counted down.
        let states = self.sources.iter().filter_map(|view| view.watched.state_changes_at(now));
        let others =
            [self.watched().changes_at(now), self.cycle_at, message_end].into_iter().flatten();
        let next = others.chain(states).min().unwrap_or(second);
        second.min(next)
    }
}

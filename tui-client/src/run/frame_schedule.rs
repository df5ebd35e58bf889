//! Schedule of frames: few enough for a slow connection, soon enough for a person.

use std::time::Duration;

use tokio::time::Instant;

use crate::app::App;

/// Shortest time between frames: 33 ms, at most 30 frames a second.
pub(super) const FRAME_INTERVAL_MIN: Duration = Duration::from_millis(33);

/// Time that the first frame waits for the history: 250 ms.
const FIRST_FRAME_TIMEOUT: Duration = Duration::from_millis(250);

/// Times of the next frames.
#[derive(Debug)]
pub(super) struct FrameSchedule {
    /// Time to draw the changes since the last frame. `None` without changes.
    draw_at: Option<Instant>,
    last_drawn: Instant,
    /// Time at which the screen changes without events.
    next_tick: Instant,
    /// Time until which the first frame waits for the history.
    history_deadline: Option<Instant>,
}

impl FrameSchedule {
    pub(super) fn new() -> FrameSchedule {
        let now = Instant::now();
        let history_deadline = now + FIRST_FRAME_TIMEOUT;
        FrameSchedule {
            draw_at: Some(now),
            last_drawn: now,
            next_tick: history_deadline,
            history_deadline: Some(history_deadline),
        }
    }

    pub(super) fn should_draw(&mut self, app: &App) -> bool {
        let now = Instant::now();
        if let Some(until) = self.history_deadline {
            if app.sources.awaits_history(app.now) && now < until {
                return false;
            }
            self.history_deadline = None;
        }
        self.draw_at.is_some_and(|due| now >= due)
    }

    /// Requests a frame at the latest `interval` after the last one.
    pub(super) fn request_frame(&mut self, interval: Duration) {
        let due = self.last_drawn + interval;
        self.draw_at = Some(self.draw_at.map_or(due, |before| before.min(due)));
    }

    pub(super) fn mark_drawn(&mut self, app: &App) {
        let now = Instant::now();
        self.draw_at = None;
        self.last_drawn = now;
        self.next_tick = now + (app.changes_at(app.now) - app.now);
    }

    /// Returns the time of the next wake-up without events.
    pub(super) fn wake_at(&self) -> Instant {
        match (self.history_deadline, self.draw_at) {
            (Some(until), _) => until,
            (None, Some(due)) => due.min(self.next_tick.max(self.last_drawn + FRAME_INTERVAL_MIN)),
            (None, None) => self.next_tick,
        }
    }
}

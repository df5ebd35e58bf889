//! Readers that wait for the next sample.

use std::task::Waker;

/// Slots of the readers: the waker of each one that waits.
///
/// Wakers are returned, never called or dropped here: they run foreign code, and the ring is
/// locked.
#[derive(Default)]
pub(super) struct Waiters {
    slots: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Waiters {
    /// Assigns a slot to a reader.
    pub(super) fn register(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        })
    }

    /// Frees a slot. Returns its waker.
    pub(super) fn unregister(&mut self, slot: usize) -> Option<Waker> {
        self.free.push(slot);
        self.slots[slot].take()
    }

    /// Sets the waker of a slot. Returns the previous one.
    pub(super) fn set_waker(&mut self, slot: usize, waker: &Waker) -> Option<Waker> {
        let waiting = &mut self.slots[slot];
        if waiting.as_ref().is_some_and(|waiting| waiting.will_wake(waker)) {
            return None;
        }
        waiting.replace(waker.clone())
    }

    /// Moves all wakers into `wakers`.
    pub(super) fn take_wakers(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.slots.iter_mut().filter_map(Option::take));
    }
}

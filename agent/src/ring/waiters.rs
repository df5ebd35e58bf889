//! Who waits for the next sample.

use std::task::Waker;

/// A place for each reader, and in it the waker of one that waits.
///
/// Wakers are handed out, never called or dropped in here: what they do is not known, and this is
/// behind the lock of the ring.
#[derive(Default)]
pub(super) struct Waiters {
    slots: Vec<Option<Waker>>,
    /// The places that nobody has.
    free: Vec<u32>,
}

impl Waiters {
    /// Gives a reader its place.
    pub(super) fn register(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("fewer readers than file descriptors")
        })
    }

    /// Takes a place back.
    pub(super) fn unregister(&mut self, slot: u32) -> Option<Waker> {
        self.free.push(slot);
        self.slots[slot as usize].take()
    }

    /// Has the reader at this place woken; gives the waker that was there for it before.
    pub(super) fn set_waker(&mut self, slot: u32, waker: &Waker) -> Option<Waker> {
        let waiting = &mut self.slots[slot as usize];
        if waiting.as_ref().is_some_and(|waiting| waiting.will_wake(waker)) {
            return None;
        }
        waiting.replace(waker.clone())
    }

    /// Hands out all that wait.
    pub(super) fn take_wakers(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.slots.iter_mut().filter_map(Option::take));
    }
}

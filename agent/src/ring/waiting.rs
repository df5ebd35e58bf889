//! Who waits for the next sample.

use std::task::Waker;

/// A place for each reader, and in it the waker of one that waits.
///
/// Wakers are handed out, never called or dropped in here: what they do is not known, and this is
/// behind the lock of the ring.
#[derive(Default)]
pub(super) struct Waiting {
    places: Vec<Option<Waker>>,
    /// The places that nobody has.
    free: Vec<u32>,
}

impl Waiting {
    /// Gives a reader its place.
    pub(super) fn enter(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            u32::try_from(self.places.len() - 1).expect("fewer readers than file descriptors")
        })
    }

    /// Takes a place back.
    pub(super) fn leave(&mut self, place: u32) -> Option<Waker> {
        self.free.push(place);
        self.places[place as usize].take()
    }

    /// Has the reader at this place woken; gives the waker that was there for it before.
    pub(super) fn wait(&mut self, place: u32, waker: &Waker) -> Option<Waker> {
        let waiting = &mut self.places[place as usize];
        if waiting.as_ref().is_some_and(|waiting| waiting.will_wake(waker)) {
            return None;
        }
        waiting.replace(waker.clone())
    }

    /// Hands out all that wait.
    pub(super) fn take(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.places.iter_mut().filter_map(Option::take));
    }
}

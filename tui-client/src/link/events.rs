//! Events on their way from the links: sent by each link, merged by the receiver. No link can crowd
//! out the others.

use std::future::poll_fn;
use std::task::Poll;

use tokio::sync::mpsc;

use crate::event::Event;

/// Capacity of the event channel of a link. While the channel is full, the source is not read.
/// A full channel takes about 12 MiB, because an event holds the rows of one read, at most
/// `Rows::NUMBERS_MAX` numbers.
pub const EVENTS_MAX: usize = 64;

/// Smallest capacity of a link's event channel.
const EVENTS_MIN: usize = 2;

/// Returns the capacity of the event channel of each of `links` links. All channels together take
/// hardly more memory than the channel of a single link.
pub fn events_max(links: usize) -> usize {
    (EVENTS_MAX / links.max(1)).max(EVENTS_MIN)
}

/// Sends an event. Once the receiver was dropped, events are lost, and [`Link::run`](super::Link::run) ends.
pub(super) async fn send(events: &mpsc::Sender<Event>, event: Event) {
    // A schema may have thousands of columns: wait for an empty queue, so only one is in flight.
    if matches!(event, Event::Stream(_)) {
        let _ = events.reserve_many(events.max_capacity()).await;
    }
    let _ = events.send(event).await;
}

pub(super) async fn send_all(events: &mpsc::Sender<Event>, all: impl IntoIterator<Item = Event>) {
    for event in all {
        send(events, event).await;
    }
}

/// Receiver of the events of several links. A busy link fills only its own channel.
#[derive(Debug)]
pub struct Events {
    /// One receiver per link; `None` once the link has ended.
    links: Vec<Option<mpsc::Receiver<Event>>>,
    /// Link to poll first the next time.
    next: usize,
}

impl Events {
    /// Creates a receiver of the events of `links`, which are numbered from 0.
    pub fn new(links: impl IntoIterator<Item = mpsc::Receiver<Event>>) -> Events {
        Events { links: links.into_iter().map(Some).collect(), next: 0 }
    }

    /// Waits for events and appends them to `batch`, each with the number of its link: at most
    /// `limit`, one per link in turn. Events of links that are not `wanted` stay queued. Returns the
    /// number of events; 0 if all wanted links have ended. Cancel safe: no event is lost if the
    /// future is dropped.
    pub async fn receive(
        &mut self,
        batch: &mut Vec<(usize, Event)>,
        limit: usize,
        wanted: impl Fn(usize) -> bool,
    ) -> usize {
        let count = self.links.len();
        poll_fn(|context| {
            let mut taken = 0;
            // Polls the links in turn until none has an event.
            let mut silent = 0;
            let mut is_open = false;
            while silent < count && taken < limit {
                let at = self.next;
                self.next = (at + 1) % count;
                silent += 1;
                let Some(link) = self.links[at].as_mut().filter(|_| wanted(at)) else { continue };
                match link.poll_recv(context) {
                    Poll::Ready(Some(event)) => {
                        batch.push((at, event));
                        taken += 1;
                        silent = 0;
                    }
                    Poll::Ready(None) => self.links[at] = None,
                    Poll::Pending => is_open = true,
                }
            }
            if taken > 0 || !is_open { Poll::Ready(taken) } else { Poll::Pending }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn links(count: usize) -> (Vec<mpsc::Sender<Event>>, Events) {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..count).map(|_| mpsc::channel(64)).unzip();
        (senders, Events::new(receivers))
    }

    async fn sources(events: &mut Events, limit: usize) -> Vec<usize> {
        let mut batch = Vec::new();
        events.receive(&mut batch, limit, |_| true).await;
        batch.into_iter().map(|(source, _)| source).collect()
    }

    #[tokio::test]
    async fn a_flood_of_one_link_does_not_keep_the_others_waiting() {
        let (senders, mut events) = links(3);
        for _ in 0..64 {
            senders[1].send(Event::Live).await.unwrap();
        }
        senders[0].send(Event::Live).await.unwrap();
        senders[2].send(Event::Live).await.unwrap();
        let first = sources(&mut events, 8).await;
        assert_eq!(first.len(), 8);
        assert!(first[..3].contains(&0) && first[..3].contains(&2), "{first:?}");
        let mut rest = 0;
        while rest < 58 {
            let some = sources(&mut events, 100).await;
            assert!(some.iter().all(|source| *source == 1), "{some:?}");
            rest += some.len();
        }
        assert_eq!(rest, 58);
    }

    #[tokio::test]
    async fn a_batch_is_limited_and_links_take_turns() {
        let (senders, mut events) = links(5);
        for _ in 0..4 {
            for sender in &senders {
                sender.send(Event::Live).await.unwrap();
            }
        }
        let mut all = Vec::new();
        for _ in 0..5 {
            let some = sources(&mut events, 4).await;
            assert_eq!(some.len(), 4);
            all.extend(some);
        }
        for round in all.chunks(5) {
            let mut round = round.to_vec();
            round.sort_unstable();
            assert_eq!(round, [0, 1, 2, 3, 4]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn unwanted_events_wait_and_zero_means_that_all_links_have_ended() {
        let (senders, mut events) = links(2);
        senders[0].send(Event::Live).await.unwrap();
        let mut batch = Vec::new();
        let second = events.receive(&mut batch, 9, |at| at == 1);
        assert!(tokio::time::timeout(Duration::from_secs(1), second).await.is_err());
        assert_eq!(sources(&mut events, 9).await, [0]);
        let mut senders = senders.into_iter();
        drop(senders.next());
        senders.next().unwrap().send(Event::Live).await.unwrap();
        assert_eq!(sources(&mut events, 9).await, [1]);
        assert_eq!(sources(&mut events, 9).await, Vec::<usize>::new());
    }
}

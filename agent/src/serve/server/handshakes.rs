//! Unfinished TLS handshakes. They are not clients yet, and have places of their own.

use std::collections::{HashMap, VecDeque};

use tokio::task::{AbortHandle, JoinSet};

use super::propagate_panic;
use crate::serve::connection::{Connection, HandshakeResult, PendingHandshake};
use crate::serve::listen::Peer;
use crate::serve::origin::Origin;

/// Handshakes at the same time: 256. At the highest rate of new connections, even one among many of
/// the same address has about 60 ms.
const HANDSHAKES_MAX: usize = 256;

/// Pool of handshakes. In a full pool, the oldest handshake of the origin with the most of them gives
/// way to a new one: silent strangers keep nobody out.
#[derive(Default)]
pub(super) struct Handshakes {
    tasks: JoinSet<(HandshakeResult, Peer)>,
    /// Origins and tasks, oldest first; some may have ended.
    unfinished: VecDeque<(Origin, AbortHandle)>,
}

impl Handshakes {
    /// Starts a handshake. Returns the origin of the one that gave way.
    pub(super) fn start(&mut self, handshake: PendingHandshake, peer: Peer) -> Option<Origin> {
        let origin = peer.origin;
        let task = self.tasks.spawn(async { (handshake.await, peer) });
        self.unfinished.retain(|(_, task)| !task.is_finished());
        self.unfinished.push_back((origin, task));
        if self.unfinished.len() > HANDSHAKES_MAX { self.end_oldest(1) } else { None }
    }

    /// Ends the oldest handshake of the origin with the most, if it has at least `min` of them.
    pub(super) fn end_oldest(&mut self, min: usize) -> Option<Origin> {
        self.unfinished.retain(|(_, task)| !task.is_finished());
        let oldest = oldest_of_most(self.unfinished.iter().map(|(origin, _)| *origin), min)?;
        let (origin, task) = self.unfinished.remove(oldest)?;
        task.abort();
        Some(origin)
    }

    /// Waits for the end of a handshake. Returns the client with its stream, `None` for the stream if
    /// the handshake has failed. `None` if there is no handshake.
    pub(super) async fn next(&mut self) -> Option<(Option<Box<dyn Connection>>, Peer)> {
        loop {
            // A cancelled task has given way.
            if let Some((result, mut peer)) = propagate_panic(self.tasks.join_next().await?) {
                let (stream, has_certificate) = result.ok().unzip();
                peer.is_authenticated |= has_certificate.unwrap_or(false);
                return Some((stream, peer));
            }
        }
    }
}

/// Returns the position of the oldest of the origin that occurs most often, at least `min` times.
/// `origins` are in the order of their age.
fn oldest_of_most(origins: impl Iterator<Item = Origin>, min: usize) -> Option<usize> {
    let mut counts: HashMap<Origin, (usize, usize)> = HashMap::new();
    for (at, origin) in origins.enumerate() {
        counts.entry(origin).or_insert((0, at)).0 += 1;
    }
    let most = counts.into_values().max_by_key(|(count, oldest)| (*count, usize::MAX - oldest))?;
    (most.0 >= min).then_some(most.1)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::IpAddr;

    use tokio::io::duplex;

    use super::*;

    fn peer(origin: u32) -> Peer {
        let origin = Origin::User(origin);
        Peer { name: String::new(), origin, is_authenticated: false }
    }

    #[tokio::test]
    async fn silent_strangers_give_way_to_each_other_and_not_to_the_few() {
        let mut handshakes = Handshakes::default();
        let (finish, finished) = tokio::sync::oneshot::channel();
        let honest: PendingHandshake = Box::pin(async move {
            finished.await.map_err(io::Error::other)?;
            Ok((Box::new(duplex(1).0) as Box<dyn Connection>, true))
        });
        assert_eq!(handshakes.start(honest, peer(1)), None);
        let mut gave_way = 0;
        for _ in 0..1024 {
            let silent = Box::pin(std::future::pending());
            gave_way += usize::from(handshakes.start(silent, peer(2)) == Some(Origin::User(2)));
            assert!(handshakes.unfinished.len() <= HANDSHAKES_MAX);
        }
        assert_eq!(gave_way, 1025 - HANDSHAKES_MAX);
        finish.send(()).unwrap();
        let (stream, peer) = handshakes.next().await.unwrap();
        assert_eq!((peer.origin, peer.is_authenticated), (Origin::User(1), true));
        assert!(stream.is_some());
    }

    #[test]
    fn the_oldest_of_the_most_frequent_origin_is_found() {
        let oldest = |addresses: &str, min| {
            let origins = addresses.bytes().map(|last| IpAddr::from([192, 0, 2, last]).into());
            oldest_of_most(origins, min)
        };
        assert_eq!(oldest("", 1), None);
        assert_eq!(oldest("abc", 1), Some(0));
        assert_eq!(oldest("abc", 2), None);
        assert_eq!(oldest("abcb", 2), Some(1));
        assert_eq!(oldest("abab", 1), Some(0));
    }
}

//! Attempts to connect to the addresses of a host side by side, as RFC 8305 ("Happy Eyeballs") describes:
//! a dead address costs 250 ms.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::addresses::Addresses;
use super::lookups::Lookups;

/// Time until the next address is tried as well: 250 ms.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Additional time before an address that failed the last time: 1.75 s. Such an address may accept the connection
/// at once and then send nothing.
const FAILED_EXTRA_DELAY: Duration = Duration::from_millis(1750);

/// Time to wait for the addresses of the other family: 50 ms.
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// Connects to the first address that answers. Other attempts are dropped.
///
/// # Errors
/// All attempts failed, or the name has no address.
pub(super) async fn race<S, F: Future<Output = io::Result<S>>>(
    lookups: &mut Lookups,
    addresses: &mut Addresses,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<S> {
    let attempt = |address| {
        let connected = connect(address);
        async move { (address, connected.await) }
    };
    let mut running = FuturesUnordered::new();
    let mut lookup_error = None;
    let mut next_at = Instant::now();
    loop {
        let next = addresses.next();
        let is_idle = running.is_empty();
        if is_idle && next.is_none() && lookups.is_complete() {
            let not_found = || io::Error::other("failed to lookup address information: no address");
            return Err(addresses.error().or(lookup_error).unwrap_or_else(not_found));
        }
        let is_second_choice = next.is_some_and(|next| addresses.has_failed(next));
        let start_at =
            if is_second_choice && !is_idle { next_at + FAILED_EXTRA_DELAY } else { next_at };
        tokio::select! {
            biased;
            Some((address, made)) = running.next(), if !is_idle => {
                let made: io::Result<S> = made;
                addresses.finish(address, made.as_ref().err());
                match made {
                    Ok(stream) => return Ok(stream),
                    Err(_) => next_at = Instant::now(),
                }
            }
            found = lookups.next() => {
                match found {
                    Ok(found) => addresses.add(found),
                    Err(error) => lookup_error = Some(error),
                }
                if is_idle {
                    // The addresses of the other family may be about to come.
                    let delay = if lookups.is_complete() { Duration::ZERO } else { RESOLUTION_DELAY };
                    next_at = Instant::now() + delay;
                }
            }
            Some(address) = due(next, start_at) => {
                addresses.start(address);
                running.push(attempt(address));
                next_at = Instant::now() + ATTEMPT_DELAY;
            }
        }
    }
}

/// Returns the next address once its time has come.
async fn due(next: Option<SocketAddr>, at: Instant) -> Option<SocketAddr> {
    let Some(next) = next else { return pending().await };
    sleep_until(at).await;
    Some(next)
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::super::lookups::Found;
    use super::*;

    /// Answer of an address to a connection: after some milliseconds, or never.
    #[derive(Clone, Copy)]
    enum Answer {
        Accepts(u64),
        Refuses(u64),
        Never,
    }
    use Answer::{Accepts, Never, Refuses};

    fn socket(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 1027)
    }

    /// Host with its addresses, and their answers. Time is paused.
    struct Host {
        addresses: Addresses,
        lookups: Lookups,
        answers: Vec<(SocketAddr, Answer)>,
    }

    impl Host {
        fn new(answers: &[(&str, Answer)]) -> Host {
            let answers = answers.iter().map(|(text, answer)| (socket(text), *answer)).collect();
            Host { addresses: Addresses::default(), lookups: Lookups::default(), answers }
        }

        /// Starts lookups that take some milliseconds for IPv6 and for IPv4.
        fn look_up(&mut self, [v6_ms, v4_ms]: [u64; 2]) {
            let lookup = |is_ipv6: bool, ms: u64| {
                let all = self.answers.iter().map(|(address, _)| *address);
                let found: Vec<_> = all.filter(|it| it.is_ipv6() == is_ipv6).collect();
                tokio::spawn(async move {
                    sleep(Duration::from_millis(ms)).await;
                    Found::Ok(found)
                })
            };
            self.lookups.v6.get_or_insert_with(|| lookup(true, v6_ms));
            self.lookups.v4.get_or_insert_with(|| lookup(false, v4_ms));
        }

        /// Makes one attempt of at most 10 s. Returns the address or the error, and the milliseconds.
        async fn connect(&mut self, lookup_ms: [u64; 2]) -> (String, u64) {
            let begin = Instant::now();
            self.addresses.begin();
            self.look_up(lookup_ms);
            let connect = |address: SocketAddr| {
                let answer = self.answers.iter().find(|it| it.0 == address).unwrap().1;
                async move {
                    let (ms, made) = match answer {
                        Accepts(ms) => (ms, Ok(address)),
                        Refuses(ms) => (ms, Err(io::ErrorKind::ConnectionRefused.into())),
                        Never => pending().await,
                    };
                    sleep(Duration::from_millis(ms)).await;
                    made
                }
            };
            let made = race(&mut self.lookups, &mut self.addresses, connect);
            let made = timeout(Duration::from_secs(10), made).await.unwrap_or_else(|_| {
                Err(self.addresses.error().unwrap_or_else(|| io::Error::other("no lookup")))
            });
            let text = made.map_or_else(|error| error.to_string(), |it| it.ip().to_string());
            (text, begin.elapsed().as_millis() as u64)
        }
    }

    async fn connect(answers: &[(&str, Answer)], lookup_ms: [u64; 2]) -> (String, u64) {
        Host::new(answers).connect(lookup_ms).await
    }

    fn made(text: &str, ms: u64) -> (String, u64) {
        (text.to_owned(), ms)
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_address_costs_a_quarter_of_a_second() {
        let broken_ipv6 = [("2001:db8::1", Never), ("10.0.0.7", Accepts(20))];
        assert_eq!(connect(&broken_ipv6, [5, 5]).await, made("10.0.0.7", 275));
        let refusing = [("2001:db8::1", Refuses(1)), ("10.0.0.7", Accepts(20))];
        assert_eq!(connect(&refusing, [5, 5]).await, made("10.0.0.7", 26));
        let slow = [("2001:db8::1", Accepts(400)), ("10.0.0.7", Accepts(300))];
        assert_eq!(connect(&slow, [5, 5]).await, made("2001:db8::1", 405));
        let dead: Vec<String> = (1..16).map(|last| format!("10.0.0.{last}")).collect();
        let mut many: Vec<(&str, Answer)> = dead.iter().map(|it| (it.as_str(), Never)).collect();
        many.push(("10.0.0.99", Accepts(20)));
        assert_eq!(connect(&many, [5, 5]).await, made("10.0.0.99", 5 + 15 * 250 + 20));
    }

    #[tokio::test(start_paused = true)]
    async fn families_take_turns() {
        let host = [
            ("2001:db8::1", Never),
            ("2001:db8::2", Never),
            ("2001:db8::3", Accepts(1)),
            ("10.0.0.1", Never),
            ("10.0.0.2", Accepts(9)),
        ];
        assert_eq!(connect(&host, [0, 0]).await, made("10.0.0.2", 3 * 250 + 9));
    }

    #[tokio::test(start_paused = true)]
    async fn a_family_that_is_not_looked_up_does_not_delay_the_other() {
        let both = [("2001:db8::1", Accepts(20)), ("10.0.0.7", Accepts(20))];
        for (lookup_ms, expected) in [
            ([5, 60_000], made("2001:db8::1", 75)),
            ([60_000, 5], made("10.0.0.7", 75)),
            ([40, 5], made("2001:db8::1", 60)),
            ([5, 40], made("2001:db8::1", 60)),
        ] {
            assert_eq!(connect(&both, lookup_ms).await, expected, "{lookup_ms:?}");
        }
        // A lookup longer than an attempt is continued by the next attempt.
        let mut host = Host::new(&both);
        assert_eq!(host.connect([15_000, 15_000]).await, made("no lookup", 10_000));
        assert_eq!(host.connect([15_000, 15_000]).await, made("2001:db8::1", 5020));
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_names_what_was_tried() {
        for (answers, expected) in [
            (&[("10.0.0.7", Refuses(1))][..], made("connection refused", 1)),
            (&[("10.0.0.7", Never)], made("timed out", 10_000)),
            (
                &[("2001:db8::1", Refuses(1)), ("10.0.0.7", Refuses(1))],
                made("connection refused (2001:db8::1, 10.0.0.7)", 2),
            ),
            (
                &[("2001:db8::1", Never), ("10.0.0.7", Refuses(1))],
                made("2001:db8::1: timed out, 10.0.0.7: connection refused", 10_000),
            ),
            (&[], made("failed to lookup address information: no address", 0)),
        ] {
            assert_eq!(connect(answers, [0, 0]).await, expected);
        }
        let many: Vec<String> = (0..20).map(|last| format!("10.0.0.{last}")).collect();
        let many: Vec<(&str, Answer)> = many.iter().map(|it| (it.as_str(), Never)).collect();
        let (error, _) = connect(&many, [0, 0]).await;
        assert_eq!(error, "timed out (10.0.0.0, 10.0.0.1, 10.0.0.2, 10.0.0.3 and 12 more)");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reconnect_prefers_the_address_that_worked_but_not_only_it() {
        let mut host = Host::new(&[("2001:db8::1", Never), ("10.0.0.7", Accepts(20))]);
        assert_eq!(host.connect([0, 0]).await, made("10.0.0.7", 270));
        host.addresses.keep_current();
        assert_eq!(host.connect([0, 0]).await, made("10.0.0.7", 20));
        host.addresses.keep_current();
        host.answers = vec![(socket("2001:db8::1"), Accepts(20)), (socket("10.0.0.7"), Never)];
        assert_eq!(host.connect([0, 0]).await, made("2001:db8::1", 270));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_sends_no_row_is_the_last_one_next_time() {
        let mut host = Host::new(&[
            ("2001:db8::1", Accepts(1)),
            ("10.0.0.7", Accepts(1)),
            ("10.0.0.8", Accepts(600)),
        ]);
        for expected in [made("2001:db8::1", 1), made("10.0.0.7", 1), made("10.0.0.8", 600)] {
            assert_eq!(host.connect([0, 0]).await, expected);
        }
        assert_eq!(host.connect([0, 0]).await, made("2001:db8::1", 1));
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_beyond_the_limit_are_tried_by_the_next_attempt() {
        let all: Vec<String> = (0..20).map(|last| format!("10.0.0.{last}")).collect();
        let answers = all.iter().map(|it| (it.as_str(), Never));
        let mut host = Host::new(&answers.collect::<Vec<_>>());
        host.answers[18].1 = Accepts(1);
        assert!(host.connect([0, 0]).await.0.starts_with("timed out"));
        assert_eq!(host.connect([0, 0]).await, made("10.0.0.18", 501));
    }
}

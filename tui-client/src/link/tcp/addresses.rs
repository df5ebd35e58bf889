//! Addresses of a host: the order in which they are tried, and the result of each attempt.

use std::io;
use std::net::SocketAddr;

use loadline_protocol::SafeText;

use crate::link::classify_error;

/// Maximum number of attempts for a connection: 16. With 250 ms in between, all of them begin within 4 s.
const ATTEMPTS_MAX: usize = 16;

/// Maximum number of addresses taken from a lookup: 64. Later ones are not tried.
const ADDRESSES_MAX: usize = 64;

/// Maximum number of addresses in an error: 4.
const SHOWN_MAX: usize = 4;

/// Addresses of a host.
///
/// An address that accepts a connection counts as failed until rows have come from it: behind a proxy, the
/// agent may be gone.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// Addresses of the current lookup, distinct.
    found: Vec<SocketAddr>,
    /// Attempts for the current connection, in their order.
    attempts: Vec<Attempt>,
    /// Address from which rows came last.
    worked: Option<SocketAddr>,
    /// Addresses that failed since then, the oldest failure first.
    failed: Vec<SocketAddr>,
}

#[derive(Debug)]
struct Attempt {
    address: SocketAddr,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Running,
    Connected,
    Failed(SafeText),
}

impl Addresses {
    /// Begins the attempts for another connection.
    pub(super) fn begin(&mut self) {
        self.found.clear();
        for attempt in std::mem::take(&mut self.attempts) {
            // No answer within the connect timeout.
            if matches!(attempt.outcome, Outcome::Running) {
                self.demote(attempt.address);
            }
        }
    }

    pub(super) fn add(&mut self, found: impl IntoIterator<Item = SocketAddr>) {
        for address in found {
            if self.found.len() < ADDRESSES_MAX && !self.found.contains(&address) {
                self.found.push(address);
            }
        }
    }

    /// Returns the address to try next: the one that worked last, then both families in turn, IPv6 first,
    /// and addresses that failed last.
    pub(super) fn next(&self) -> Option<SocketAddr> {
        let is_tried =
            |address: &&SocketAddr| self.attempts.iter().any(|it| it.address == **address);
        let last_is_ipv6 = self.attempts.last().map(|attempt| attempt.address.is_ipv6());
        let untried = self.found.iter().filter(|address| !is_tried(address));
        let rank = |address: &&SocketAddr| {
            let failure = self.failed.iter().position(|failed| failed == *address);
            let is_same_family = last_is_ipv6 == Some(address.is_ipv6());
            (self.worked != Some(**address), failure, is_same_family, address.is_ipv4())
        };
        untried.min_by_key(rank).copied().filter(|_| self.attempts.len() < ATTEMPTS_MAX)
    }

    pub(super) fn has_failed(&self, address: SocketAddr) -> bool {
        self.failed.contains(&address)
    }

    pub(super) fn start(&mut self, address: SocketAddr) {
        self.attempts.push(Attempt { address, outcome: Outcome::Running });
    }

    /// Records the result of an attempt. After a success, the attempts that are dropped count as not made.
    pub(super) fn finish(&mut self, address: SocketAddr, error: Option<&io::Error>) {
        let outcome = match error {
            Some(error) => Outcome::Failed(classify_error(error).reason),
            None => Outcome::Connected,
        };
        if let Some(attempt) = self.attempts.iter_mut().find(|it| it.address == address) {
            attempt.outcome = outcome;
        }
        if error.is_none() {
            self.attempts.retain(|attempt| !matches!(attempt.outcome, Outcome::Running));
            self.worked = self.worked.filter(|worked| *worked != address);
        }
        self.demote(address);
    }

    fn demote(&mut self, address: SocketAddr) {
        self.failed.retain(|failed| *failed != address);
        self.failed.push(address);
        if self.failed.len() > ADDRESSES_MAX {
            self.failed.remove(0);
        }
    }

    fn current(&self) -> Option<SocketAddr> {
        let is_connected = |attempt: &&Attempt| matches!(attempt.outcome, Outcome::Connected);
        self.attempts.iter().rfind(is_connected).map(|attempt| attempt.address)
    }

    /// Makes the address of the current connection the first one to try, because rows came from it.
    pub(super) fn keep_current(&mut self) {
        if let Some(current) = self.current() {
            self.worked = Some(current);
            self.failed.clear();
        }
    }

    /// Returns the error of attempts that all failed, or of those that ended by the connect timeout. `None` without
    /// an attempt.
    pub(super) fn error(&self) -> Option<io::Error> {
        let timed_out = SafeText::new("timed out");
        let reasons = self.attempts.iter().map(|attempt| match &attempt.outcome {
            Outcome::Failed(reason) => (attempt.address, reason),
            Outcome::Running | Outcome::Connected => (attempt.address, &timed_out),
        });
        let reasons: Vec<(SocketAddr, &SafeText)> = reasons.collect();
        let (_, first) = reasons.first()?;
        let names = reasons.iter().map(|(address, _)| address.ip().to_string());
        let more = reasons.len().saturating_sub(SHOWN_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let shown = |names: Vec<String>| names.join(", ");
        let text = if reasons.len() == 1 {
            first.to_string()
        } else if reasons.iter().all(|(_, reason)| reason == first) {
            format!("{first} ({}{more})", shown(names.take(SHOWN_MAX).collect()))
        } else {
            let each = names.zip(&reasons).map(|(name, (_, reason))| format!("{name}: {reason}"));
            format!("{}{more}", shown(each.take(SHOWN_MAX).collect()))
        };
        Some(io::Error::other(text))
    }
}

#[cfg(feature = "tls")]
impl Addresses {
    /// Records that the current connection failed.
    pub(super) fn reject_current(&mut self, error: &io::Error) {
        if let Some(current) = self.current() {
            self.finish(current, Some(error));
        }
    }

    pub(super) fn has_one_attempt(&self) -> bool {
        self.attempts.len() < 2
    }
}

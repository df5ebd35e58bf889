//! User at the other end of a TCP connection within this machine.
//!
//! Linux lists connections with their users in `/proc/self/net`. Other systems have no such list.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::user::User;

/// Time limit for reading the lists: 1 s, enough for 100,000 connections.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);

/// State of an established connection.
const ESTABLISHED: &str = "01";

/// Connection by the addresses of its two ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection {
    pub(super) ours: SocketAddr,
    pub(super) peer: SocketAddr,
}

impl Connection {
    /// Returns the user whose process accepted the connection. `None` if the system does not
    /// list it, or if the peer has closed the connection.
    pub(super) async fn peer_user(self) -> Option<User> {
        let lookup = spawn_blocking(move || self.find());
        timeout(LOOKUP_TIMEOUT, lookup).await.ok()?.ok()?
    }

    fn find(self) -> Option<User> {
        let (SocketAddr::V4(_), SocketAddr::V4(_)) = (self.ours, self.peer) else {
            return self.find_in("/proc/self/net/tcp6");
        };
        // A server that listens on [::] has IPv4 clients in the list of IPv6.
        let find_mapped = || self.mapped().find_in("/proc/self/net/tcp6");
        self.find_in("/proc/self/net/tcp").or_else(find_mapped)
    }

    fn find_in(self, list: &str) -> Option<User> {
        let (peer, ours) = (hex(self.peer), hex(self.ours));
        let mut lines = BufReader::new(File::open(list).ok()?).lines().map_while(Result::ok);
        lines.find_map(|line| accepting_user(&line, &peer, &ours))
    }

    fn mapped(self) -> Connection {
        let mapped = |address: SocketAddr| match address {
            SocketAddr::V4(v4) => (v4.ip().to_ipv6_mapped(), v4.port()).into(),
            SocketAddr::V6(_) => address,
        };
        Connection { ours: mapped(self.ours), peer: mapped(self.peer) }
    }
}

/// Parses a line of a list. Returns the user if the line is the peer's end of the connection.
///
/// A connection without an inode belongs to no process: it is not accepted yet, or closed. Some
/// kernels then show root as its user.
fn accepting_user(line: &str, peer: &str, ours: &str) -> Option<User> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let ends = (fields.next()?, fields.next()?, fields.next()?);
    let (user, inode) = (fields.nth(3)?, fields.nth(1)?);
    let is_peer = ends == (peer, ours, ESTABLISHED) && inode != "0";
    is_peer.then(|| user.parse().ok().map(User)).flatten()
}

/// Returns an address in the notation of the lists: words of 32 bits in the byte order of the
/// machine, and the port.
fn hex(address: SocketAddr) -> String {
    let word = |octets: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(octets));
    let words = match address {
        SocketAddr::V4(v4) => word(v4.ip().octets()),
        SocketAddr::V6(v6) => v6.ip().octets().as_chunks().0.iter().copied().map(word).collect(),
    };
    format!("{words}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "0100007F:D431";
    const PEER: &str = "0100007F:0403";

    fn user(ends: &str, state: &str, rest: &str) -> Option<u32> {
        let line =
            format!("   9: {ends} {state} 00000000:00000000 00:00000000 00000000 {rest} 1 0 20");
        accepting_user(&line, PEER, OURS).map(|User(number)| number)
    }

    #[test]
    fn the_user_is_that_of_the_peer_if_a_process_holds_the_connection() {
        let accepted = format!("{PEER} {OURS}");
        assert_eq!(user(&accepted, "01", " 1001        0 42617"), Some(1001));
        // Our own end of the connection.
        assert_eq!(user(&format!("{OURS} {PEER}"), "01", "    0        0 42618"), None);
        // Another client of the same server.
        assert_eq!(user(&format!("{PEER} 0100007F:D432"), "01", "    0        0 42619"), None);
        // Not accepted yet; closed by the peer; the listener.
        assert_eq!(user(&accepted, "01", "    0        0 0"), None);
        assert_eq!(user(&accepted, "06", "    0        0 0"), None);
        assert_eq!(user(&accepted, "05", " 1001        0 42617"), None);
        assert_eq!(user(&format!("{PEER} 00000000:0000"), "0A", "    0        0 42620"), None);
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt";
        assert_eq!(accepting_user(head, PEER, OURS), None);
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn addresses_are_written_as_words_of_the_machine() {
        let check = |address: &str, expected| assert_eq!(hex(address.parse().unwrap()), expected);
        check("127.0.0.1:1027", "0100007F:0403");
        check("[::1]:65535", "00000000000000000000000001000000:FFFF");
        check("[::ffff:127.0.0.1]:1027", "0000000000000000FFFF00000100007F:0403");
    }
}

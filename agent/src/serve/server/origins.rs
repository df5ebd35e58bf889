//! Number of clients per origin.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Origin of a client: an IPv4 address, or an IPv6 network, since one host can use all addresses of
/// a /64.
fn origin_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

/// Counter of clients per origin.
///
/// **Invariant:** each count is from 1 to `per_origin_max`; origins without clients have no entry.
#[derive(Debug)]
pub(super) struct Origins {
    per_origin_max: usize,
    clients: HashMap<IpAddr, usize>,
}

impl Origins {
    pub(super) fn new(per_origin_max: usize) -> Origins {
        Origins { per_origin_max, clients: HashMap::new() }
    }

    /// Adds a client. False if its origin has reached the limit.
    pub(super) fn enter(&mut self, address: IpAddr) -> bool {
        let clients = self.clients.entry(origin_of(address)).or_default();
        let has_room = *clients < self.per_origin_max;
        *clients += usize::from(has_room);
        has_room
    }

    pub(super) fn leave(&mut self, address: IpAddr) {
        let origin = origin_of(address);
        if let Some(clients) = self.clients.get_mut(&origin) {
            *clients = clients.saturating_sub(1);
            if *clients == 0 {
                self.clients.remove(&origin);
            }
        }
        if self.clients.is_empty() {
            // Frees the memory after many origins.
            self.clients = HashMap::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(address: &str) -> IpAddr {
        origin_of(address.parse().unwrap())
    }

    #[test]
    fn equal_addresses_and_ipv6_networks_are_one_origin() {
        assert_eq!(origin("192.0.2.1"), origin("::ffff:192.0.2.1"));
        assert_ne!(origin("192.0.2.1"), origin("192.0.2.2"));
        assert_eq!(origin("2001:db8:0:1::1"), origin("2001:db8:0:1:ffff::2"));
        assert_ne!(origin("2001:db8:0:1::1"), origin("2001:db8:0:2::1"));
    }

    #[test]
    fn each_origin_is_limited_and_leaving_makes_room() {
        let mut origins = Origins::new(2);
        let (ours, theirs) = (origin("192.0.2.1"), origin("192.0.2.2"));
        assert_eq!(
            [ours, ours, ours, theirs].map(|origin| origins.enter(origin)),
            [true, true, false, true]
        );
        origins.leave(ours);
        assert_eq!([ours, ours].map(|origin| origins.enter(origin)), [true, false]);
        for origin in [ours, ours, theirs] {
            origins.leave(origin);
        }
        assert!(origins.clients.is_empty());
    }
}

//! Origins of clients: all clients of one origin share its places.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// Origin of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// An IPv4 address, or an IPv6 network, since one host can use all addresses of a /64. Create
    /// it from an address.
    Network(IpAddr),
    /// A user of this machine, at a Unix socket.
    User(u32),
    /// An origin that the system does not report.
    Unknown,
}

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Origin {
        Origin::Network(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => {
                Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
            }
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Network(IpAddr::V4(address)) => address.fmt(f),
            Origin::Network(IpAddr::V6(network)) => write!(f, "{network}/64"),
            Origin::User(id) => write!(f, "user {id}"),
            Origin::Unknown => f.write_str("an unknown origin"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(address: &str) -> Origin {
        address.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn equal_addresses_and_ipv6_networks_are_one_origin() {
        assert_eq!(origin("192.0.2.1"), origin("::ffff:192.0.2.1"));
        assert_ne!(origin("192.0.2.1"), origin("192.0.2.2"));
        assert_eq!(origin("2001:db8:0:1::1"), origin("2001:db8:0:1:ffff::2"));
        assert_ne!(origin("2001:db8:0:1::1"), origin("2001:db8:0:2::1"));
        assert_eq!(origin("2001:db8:0:1::1").to_string(), "2001:db8:0:1::/64");
    }
}

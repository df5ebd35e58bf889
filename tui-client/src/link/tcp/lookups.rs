//! Lookups of a host name: one for each address family, side by side.

use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};

use dns_lookup::{AddrFamily, AddrInfoHints, SockType, getaddrinfo};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::source::Address;

/// Addresses of one family.
pub(super) type Found = io::Result<Vec<SocketAddr>>;

/// Lookups whose answers are awaited. Some name servers answer for one family only, so a single lookup of
/// both would wait in vain.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    /// A lookup cannot be cancelled: it continues while no connection is made, and the next attempt awaits
    /// it. So there are at most two threads for each source.
    pub(super) v6: Option<JoinHandle<Found>>,
    pub(super) v4: Option<JoinHandle<Found>>,
}

impl Lookups {
    /// Starts lookups, except those that an earlier attempt has started. Returns the address of a host
    /// that needs no lookup.
    pub(super) fn start(&mut self, address: &Address) -> Option<SocketAddr> {
        if let Ok(ip) = address.host.parse::<IpAddr>() {
            return Some(SocketAddr::new(ip, address.port));
        }
        let spawn = |family| {
            let address = address.clone();
            spawn_blocking(move || look_up(&address, family))
        };
        self.v6.get_or_insert_with(|| spawn(AddrFamily::Inet6));
        self.v4.get_or_insert_with(|| spawn(AddrFamily::Inet));
        None
    }

    pub(super) fn is_complete(&self) -> bool {
        self.v6.is_none() && self.v4.is_none()
    }

    /// Waits for the next answer; never resolves without a lookup. Cancel safe.
    pub(super) async fn next(&mut self) -> Found {
        tokio::select! {
            biased;
            found = answer(&mut self.v6) => found,
            found = answer(&mut self.v4) => found,
        }
    }
}

async fn answer(lookup: &mut Option<JoinHandle<Found>>) -> Found {
    let Some(running) = lookup else { return pending().await };
    let found = running.await;
    *lookup = None;
    found.map_err(io::Error::from).flatten()
}

fn look_up(address: &Address, family: AddrFamily) -> Found {
    let hints = AddrInfoHints {
        socktype: SockType::Stream.into(),
        address: family.into(),
        ..AddrInfoHints::default()
    };
    let found = getaddrinfo(Some(&address.host), None, Some(hints))?;
    let with_port = |mut socket: SocketAddr| {
        socket.set_port(address.port);
        socket
    };
    found.map(|found| Ok(with_port(found?.sockaddr))).collect()
}

//! Transport over TCP.

mod addresses;
mod lookups;
mod race;

use std::io;
use std::time::Duration;

use loadline_common::Keepalive;
use tokio::net::TcpStream;

use crate::source::Address;
use addresses::Addresses;
use lookups::Lookups;
use race::race;

/// Probes of a silent server: a dead one is found after 22 s, also if it answers no ping. A request or
/// a ping that is not acknowledged ends the connection after 20 s.
const KEEPALIVE: Keepalive = Keepalive {
    idle: Duration::from_secs(10),
    interval: Duration::from_secs(4),
    probes: 3,
    unacknowledged: Some(Duration::from_secs(20)),
};

/// Transport to one host and port over TCP.
#[derive(Debug)]
pub(super) struct TcpTransport {
    pub(super) address: Address,
    lookups: Lookups,
    addresses: Addresses,
}

impl TcpTransport {
    pub(super) fn new(address: Address) -> TcpTransport {
        let (lookups, addresses) = (Lookups::default(), Addresses::default());
        TcpTransport { address, lookups, addresses }
    }

    /// Connects to the address of the host that answers first.
    pub(super) async fn connect(&mut self) -> io::Result<TcpStream> {
        self.addresses.begin();
        self.addresses.add(self.lookups.start(&self.address));
        self.connect_to_another().await
    }

    /// Connects to an address that the last `connect` has not tried.
    pub(super) async fn connect_to_another(&mut self) -> io::Result<TcpStream> {
        let connect = TcpStream::connect;
        configured(race(&mut self.lookups, &mut self.addresses, connect).await?)
    }

    /// Makes the address of the connection the first one to try, because rows came from it.
    pub(super) fn keep_address(&mut self) {
        self.addresses.keep_current();
    }

    /// Returns the error of an attempt that was dropped after `limit`.
    pub(super) fn timeout_error(&self, limit: Duration) -> io::Error {
        self.addresses.error().unwrap_or_else(|| {
            let seconds = limit.as_secs();
            io::Error::other(format!(
                "failed to lookup address information: no answer within {seconds} s"
            ))
        })
    }
}

/// For transports that do more than connect, and may fail then.
#[cfg(feature = "tls")]
impl TcpTransport {
    /// Returns whether the last `connect` left an address untried.
    pub(super) fn has_another(&self) -> bool {
        self.addresses.next().is_some() || !self.lookups.is_complete()
    }

    pub(super) fn is_only_address(&self) -> bool {
        !self.has_another() && self.addresses.has_one_attempt()
    }

    /// Records that the current connection failed after TCP.
    pub(super) fn reject(&mut self, error: &io::Error) {
        self.addresses.reject_current(error);
    }
}

fn configured(stream: TcpStream) -> io::Result<TcpStream> {
    // Requests are sent without delay.
    stream.set_nodelay(true)?;
    KEEPALIVE.apply(&stream)?;
    Ok(stream)
}

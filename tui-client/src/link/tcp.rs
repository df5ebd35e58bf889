//! Transport over TCP.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::source::Address;

/// Silence before keepalive probes: 15 s, then one every 5 s. Detects a dead peer within a minute.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Transport to one host and port over TCP.
#[derive(Debug)]
pub(super) struct TcpTransport {
    pub(super) address: Address,
}

impl TcpTransport {
    pub(super) fn new(address: Address) -> TcpTransport {
        TcpTransport { address }
    }

    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect((self.address.host.as_str(), self.address.port)).await?;
        // Requests are sent without delay.
        stream.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        Ok(stream)
    }
}

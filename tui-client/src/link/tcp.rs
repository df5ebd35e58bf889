//! Transport over TCP.

use std::io;
use std::time::Duration;

use loadline_common::Keepalive;
use tokio::net::TcpStream;

use crate::source::Address;

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
    /// Connection that is open already, for the first `connect`.
    pub(super) first_stream: Option<TcpStream>,
}

impl TcpTransport {
    pub(super) fn new(address: Address) -> TcpTransport {
        TcpTransport { address, first_stream: None }
    }

    pub(super) async fn connect(&mut self) -> io::Result<TcpStream> {
        let stream = match self.first_stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect((self.address.host.as_str(), self.address.port)).await?,
        };
        // Requests are sent without delay.
        stream.set_nodelay(true)?;
        KEEPALIVE.apply(&stream)?;
        Ok(stream)
    }
}

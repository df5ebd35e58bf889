//! Transport over TCP.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use loadline_agent::probe_agent;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::source::{PORT, Source};

/// Silence before keepalive probes: 15 s, then one every 5 s. Detects a dead peer within a minute.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Transport to one host and port over TCP.
#[derive(Debug)]
pub(super) struct TcpTransport {
    /// Name or address.
    host: String,
    port: u16,
    /// Connection that is open already, for the first `connect`.
    first_stream: Option<TcpStream>,
}

impl TcpTransport {
    pub(super) fn new(host: &str, port: u16) -> TcpTransport {
        TcpTransport { host: host.to_owned(), port, first_stream: None }
    }

    /// Returns the transport to the agent of this machine, if one answers.
    pub(super) async fn to_local_agent() -> Option<TcpTransport> {
        let first_stream = probe_agent((Ipv4Addr::LOCALHOST, PORT).into()).await?;
        Some(TcpTransport {
            first_stream: Some(first_stream),
            ..TcpTransport::new(&Ipv4Addr::LOCALHOST.to_string(), PORT)
        })
    }

    pub(super) async fn connect(&mut self) -> io::Result<TcpStream> {
        let stream = match self.first_stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect((self.host.as_str(), self.port)).await?,
        };
        set_options(&stream)?;
        Ok(stream)
    }
}

/// Sends requests without delay, and detects a dead peer.
fn set_options(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

impl fmt::Display for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Source::Tcp { host: self.host.clone(), port: self.port }.fmt(f)
    }
}

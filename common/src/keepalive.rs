//! Keepalive: probes that find out whether the peer of an idle TCP connection still exists.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// Keepalive of a TCP connection. A dead peer is found `idle + probes * interval` after its last byte.
#[derive(Debug, Clone, Copy)]
pub struct Keepalive {
    /// Silence before the first probe.
    pub idle: Duration,
    /// Time between two probes.
    pub interval: Duration,
    /// Number of probes without an answer that end the connection. By default, Linux sends 9.
    pub probes: u32,
    /// Time after which unacknowledged bytes end the connection. `None` leaves the system's own, which is
    /// a quarter of an hour on Linux. While bytes are unacknowledged, there are no probes.
    pub unacknowledged: Option<Duration>,
}

impl Keepalive {
    /// Sets the options of a connection.
    ///
    /// # Errors
    /// The connection has ended, or the system has no such option.
    pub fn apply(&self, stream: &impl AsFd) -> io::Result<()> {
        let socket = SockRef::from(stream);
        let keepalive = TcpKeepalive::new().with_time(self.idle).with_interval(self.interval);
        #[cfg(not(target_os = "openbsd"))]
        let keepalive = keepalive.with_retries(self.probes);
        socket.set_tcp_keepalive(&keepalive)?;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if self.unacknowledged.is_some() {
            socket.set_tcp_user_timeout(self.unacknowledged)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_gets_its_probes_and_their_count() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let seconds = Duration::from_secs;
        let (idle, interval, unacknowledged) = (seconds(10), seconds(4), Some(seconds(20)));
        Keepalive { idle, interval, probes: 3, unacknowledged }.apply(&stream).unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), idle);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), interval);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_user_timeout().unwrap(), unacknowledged);
    }
}

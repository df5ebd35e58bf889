//! Connection of a hostile server.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Size of a write that has no particular size.
const WRITE_BYTES: usize = 64 * 1024;

pub(super) struct HostilePeer {
    stream: TcpStream,
    /// Number of earlier connections to the server.
    pub(super) number: u64,
    /// Time at which the server gives up.
    end: Instant,
}

impl HostilePeer {
    pub(super) fn new(stream: TcpStream, number: u64, end: Instant) -> HostilePeer {
        HostilePeer { stream, number, end }
    }

    pub(super) fn send(&mut self, text: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(text.as_ref())
    }

    /// Reads the client's request.
    pub(super) fn read_request(&mut self) -> io::Result<()> {
        self.check_time_left()?;
        let mut byte = [0];
        while byte[0] != b'\n' {
            self.stream.read_exact(&mut byte)?;
        }
        Ok(())
    }

    /// Sends nothing more until the client closes the connection.
    pub(super) fn hold_open(&mut self) -> io::Result<()> {
        self.check_time_left()?;
        let mut ignored = [0; 1024];
        while self.stream.read(&mut ignored)? > 0 {}
        Ok(())
    }

    /// Sends `chunk(n)` for n = 0, 1, 2, … as fast as the client reads.
    pub(super) fn pour(&mut self, chunk: impl Fn(u64) -> Vec<u8>) -> io::Result<()> {
        for number in 0.. {
            self.check_time_left()?;
            self.stream.write_all(&chunk(number))?;
        }
        Ok(())
    }

    /// Sends `line(n)` for n = 1, 2, 3, … as fast as the client reads, many lines in a write.
    pub(super) fn flood(&mut self, line: impl Fn(u64) -> String) -> io::Result<()> {
        let mut text = String::new();
        for number in 1.. {
            text += &line(number);
            text.push('\n');
            if text.len() >= WRITE_BYTES {
                self.check_time_left()?;
                self.stream.write_all(text.as_bytes())?;
                text.clear();
            }
        }
        Ok(())
    }

    /// Sends `piece(n)` for n = 1, 2, 3, … with a pause after each.
    pub(super) fn drip(
        &mut self,
        pause: Duration,
        piece: impl Fn(u64) -> String,
    ) -> io::Result<()> {
        for number in 1.. {
            self.check_time_left()?;
            self.stream.write_all(piece(number).as_bytes())?;
            std::thread::sleep(pause);
        }
        Ok(())
    }

    /// Makes the end of the connection a TCP reset, as after a restart of the machine.
    pub(super) fn reset(&mut self) -> io::Result<()> {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
    }

    /// Fails if the server's time is over.
    fn check_time_left(&self) -> io::Result<()> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.set_write_timeout(Some(left))
    }
}

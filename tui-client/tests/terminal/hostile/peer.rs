//! One connection of a hostile server.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How many bytes are written at once where it does not matter how many.
const WRITE_BYTES: usize = 64 * 1024;

pub(super) struct HostilePeer {
    stream: TcpStream,
    /// How many connections there were before this one.
    pub(super) number: u64,
    /// When the server gives up.
    end: Instant,
}

impl HostilePeer {
    pub(super) fn new(stream: TcpStream, number: u64, end: Instant) -> HostilePeer {
        HostilePeer { stream, number, end }
    }

    pub(super) fn send(&mut self, text: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(text.as_ref())
    }

    /// Waits for the client's request.
    pub(super) fn read_request(&mut self) -> io::Result<()> {
        self.check_time_left()?;
        let mut byte = [0];
        while byte[0] != b'\n' {
            self.stream.read_exact(&mut byte)?;
        }
        Ok(())
    }

    /// Says nothing more until the client goes.
    pub(super) fn hold_open(&mut self) -> io::Result<()> {
        self.check_time_left()?;
        let mut ignored = [0; 1024];
        while self.stream.read(&mut ignored)? > 0 {}
        Ok(())
    }

    /// Sends `chunk(n)` for n = 0, 1, 2, …, as fast as it is taken.
    pub(super) fn pour(&mut self, chunk: impl Fn(u64) -> Vec<u8>) -> io::Result<()> {
        for number in 0.. {
            self.check_time_left()?;
            self.stream.write_all(&chunk(number))?;
        }
        Ok(())
    }

    /// Sends `line(n)` for n = 1, 2, 3, …, as fast as it is taken, many at once.
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

    /// Sends `line(n)` for n = 1, 2, 3, …, one each `pause`.
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

    /// Ends the connection as a machine does that knows nothing of it.
    pub(super) fn reset(&mut self) -> io::Result<()> {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))
    }

    /// An error when it is time to give up.
    fn check_time_left(&self) -> io::Result<()> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.set_write_timeout(Some(left))
    }
}

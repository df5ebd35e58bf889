//! Sockets that systemd or another program has opened for the agent.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

use super::unix::UnixEndpoint;
use super::{ListenError, Listener, PlaintextPolicy, tcp};

/// Listening sockets that the agent has inherited.
#[derive(Debug, Default)]
pub struct InheritedSockets(Vec<InheritedSocket>);

#[derive(Debug)]
enum InheritedSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl InheritedSockets {
    /// Takes the sockets that `LISTEN_FDS` counts. Call this before the program opens a file: with a
    /// wrong number, the program would take its own files for sockets.
    ///
    /// # Errors
    /// A file descriptor is no listening TCP or Unix stream socket.
    pub fn take() -> Result<InheritedSockets, ListenError> {
        let mut sockets = ListenFd::from_env();
        let taken: io::Result<_> = (0..sockets.len()).map(|at| take(&mut sockets, at)).collect();
        taken.map(InheritedSockets).map_err(ListenError::Inherited)
    }

    /// Returns the sockets as listeners.
    ///
    /// # Errors
    /// `plaintext` does not permit an address, or the system refuses the socket.
    pub fn listen(self, plaintext: &PlaintextPolicy) -> Result<Vec<Listener>, ListenError> {
        let listen = |socket| match socket {
            InheritedSocket::Tcp(listener) => tcp::adopt(listener, plaintext),
            InheritedSocket::Unix(listener) => {
                UnixEndpoint::adopt(listener).map(Listener::from).map_err(ListenError::Inherited)
            }
        };
        self.0.into_iter().map(listen).collect()
    }
}

fn take(sockets: &mut ListenFd, at: usize) -> io::Result<InheritedSocket> {
    let (number, count) = (at + 1, sockets.len());
    let wrong = |why| io::Error::other(format!("number {number} of {count} {why}"));
    // A socket of another kind fails here and stays available.
    let socket = if let Ok(Some(listener)) = sockets.take_tcp_listener(at) {
        InheritedSocket::Tcp(listener)
    } else if let Ok(Some(listener)) = sockets.take_unix_listener(at) {
        InheritedSocket::Unix(listener)
    } else {
        return Err(wrong("is no stream socket"));
    };
    let descriptor = match &socket {
        InheritedSocket::Tcp(listener) => listener.as_fd(),
        InheritedSocket::Unix(listener) => listener.as_fd(),
    };
    if is_listening(descriptor)? { Ok(socket) } else { Err(wrong("does not listen")) }
}

#[cfg(not(target_vendor = "apple"))]
fn is_listening(socket: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(rustix::net::sockopt::socket_acceptconn(socket)?)
}

/// Returns true: the system does not say.
#[cfg(target_vendor = "apple")]
#[expect(clippy::unnecessary_wraps, reason = "other systems may fail")]
fn is_listening(_: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(true)
}

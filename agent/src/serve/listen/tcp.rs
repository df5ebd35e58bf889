//! TCP ports.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use loadline_common::Keepalive;
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};

use super::SEND_BUFFER_BYTES;
use super::{Address, BACKLOG, ListenError, Listener, ListeningSocket, Peer, PlaintextPolicy};
use crate::serve::connection::{Handshake, without_handshake};
use crate::serve::tls::ServerTls;

/// Probes of a client that got no row for a minute: a dead one is found after four minutes more. Bytes
/// have no timeout of their own: on Linux it would also end a client that pauses.
const KEEPALIVE: Keepalive = Keepalive {
    idle: Duration::from_mins(1),
    interval: Duration::from_mins(1),
    probes: 4,
    unacknowledged: None,
};

/// Port that is bound but does not accept connections yet.
#[derive(Debug)]
pub(super) struct BoundTcp {
    socket: TcpSocket,
    requested: Address,
    tls: Option<ServerTls>,
}

impl BoundTcp {
    /// Binds the port; `address` is for error messages.
    pub(super) async fn new(
        address: &Address,
        host: &str,
        port: u16,
        plaintext: PlaintextPolicy,
    ) -> Result<BoundTcp, ListenError> {
        let unresolved = |why| ListenError::Resolve(address.clone(), why);
        let found: Vec<SocketAddr> = lookup_host((host, port)).await.map_err(unresolved)?.collect();
        if !found.iter().all(|found| plaintext.permits(found)) {
            return Err(ListenError::Plaintext(address.clone()));
        }
        let mut why = io::Error::from(io::ErrorKind::NotFound);
        for found in found {
            match bind(found) {
                Ok(socket) => {
                    let (requested, tls) = (address.clone(), plaintext.into_tls());
                    return Ok(BoundTcp { socket, requested, tls });
                }
                Err(error) => why = error,
            }
        }
        Err(ListenError::Bind(address.clone(), why))
    }

    /// Starts to accept connections.
    pub(super) fn listen(self) -> Result<Listener, ListenError> {
        let listener = self.socket.listen(BACKLOG);
        let listener = listener.and_then(|listener| with_address(listener, self.tls));
        listener.map_err(|why| ListenError::Bind(self.requested, why))
    }
}

fn with_address(listener: TcpListener, tls: Option<ServerTls>) -> io::Result<Listener> {
    let address = listener.local_addr()?.into();
    Ok(Listener { socket: ListeningSocket::Tcp { listener, tls }, address })
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // On Unix this allows a restart while old connections linger. On Windows it would steal the
    // port of a running program.
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit the size.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Takes over a listening socket.
pub(super) fn adopt(
    listener: std::net::TcpListener,
    plaintext: &PlaintextPolicy,
) -> Result<Listener, ListenError> {
    let address = listener.local_addr().map_err(ListenError::Inherited)?;
    if !plaintext.permits(&address) {
        return Err(ListenError::Plaintext(address.into()));
    }
    let open = || {
        listener.set_nonblocking(true)?;
        set_socket_send_buffer_size(&listener, SEND_BUFFER_BYTES as usize)?;
        with_address(TcpListener::from_std(listener)?, plaintext.clone().into_tls())
    };
    open().map_err(ListenError::Inherited)
}

/// Waits for a client.
pub(super) async fn accept(
    listener: &TcpListener,
    tls: Option<&ServerTls>,
) -> io::Result<(Handshake, Peer)> {
    let (tcp, peer) = accept_prepared(listener).await?;
    let peer = Peer::from(peer);
    let handshake = match tls {
        Some(tls) => tls.handshake(tcp, peer.name.clone()),
        None => without_handshake(tcp),
    };
    Ok((handshake, peer))
}

async fn accept_prepared(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    // Sends each row at once. An error on a closed connection shows up again when it is served.
    let _ = stream.set_nodelay(true).and_then(|()| KEEPALIVE.apply(&stream));
    Ok((stream, peer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::listen::{BoundAddress, Listener};

    async fn bind(address: &str, plaintext: PlaintextPolicy) -> Result<BoundAddress, String> {
        let bound = Listener::bind(&address.parse().unwrap(), plaintext).await;
        bound.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn plaintext_beyond_loopback_needs_permission() {
        for address in ["127.0.0.1:0", "127.8.8.8:0"] {
            assert!(bind(address, PlaintextPolicy::LoopbackOnly).await.is_ok(), "{address}");
        }
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let error = bind(address, PlaintextPolicy::LoopbackOnly).await.unwrap_err();
            assert!(error.contains("--allow-plaintext"), "{error}");
            assert!(error.contains(address) && !error.contains('\n'), "{error}");
        }
        assert!(bind("0.0.0.0:0", PlaintextPolicy::Anywhere).await.is_ok());
    }

    #[tokio::test]
    async fn a_port_in_use_fails_at_once_with_a_hint() {
        let taken =
            bind("127.0.0.1:0", PlaintextPolicy::LoopbackOnly).await.unwrap().listen().unwrap();
        let address = taken.address().to_string();
        let error = bind(&address, PlaintextPolicy::LoopbackOnly).await.unwrap_err();
        assert!(error.starts_with(&format!("cannot listen on {address}: ")), "{error}");
        assert!(error.ends_with("choose another port"), "{error}");
    }

    #[tokio::test]
    async fn accepted_connections_have_nodelay_and_keepalive_set() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, peer) = accept_prepared(&listener).await.unwrap();
        assert!(accepted.nodelay().unwrap());
        assert!(rustix::net::sockopt::socket_keepalive(&accepted).unwrap());
        assert_eq!(peer, client.local_addr().unwrap());
    }
}

//! TCP ports.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};

use super::{Address, BACKLOG, Connection, ListenError, Peer, PlaintextPolicy};
use crate::serve::tls::{ServerTls, TlsConnection};

/// Send buffer of the system for a client that does not read: 64 KiB, a quarter of an hour of rows.
/// By default it grows to megabytes, a second queue beside the ring.
const SEND_BUFFER_BYTES: u32 = 64 * 1024;

/// Port that is bound but does not accept connections yet.
#[derive(Debug)]
pub(super) struct BoundTcp {
    socket: TcpSocket,
    requested: Address,
    tls: Option<ServerTls>,
}

/// Port that accepts connections.
#[derive(Debug)]
pub(super) struct TcpPort {
    listener: TcpListener,
    /// `None` for plaintext.
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
        let resolve = |why| ListenError::Resolve { address: address.clone(), why };
        let found: Vec<SocketAddr> = lookup_host((host, port)).await.map_err(resolve)?.collect();
        if plaintext == PlaintextPolicy::LoopbackOnly && !found.iter().all(is_loopback) {
            return Err(ListenError::Plaintext { address: address.clone() });
        }
        let mut why = io::Error::from(io::ErrorKind::NotFound);
        for found in found {
            match bind(found) {
                Ok(socket) => {
                    return Ok(BoundTcp {
                        socket,
                        requested: address.clone(),
                        tls: plaintext.into_tls(),
                    });
                }
                Err(error) => why = error,
            }
        }
        Err(ListenError::Bind { address: address.clone(), why })
    }

    /// Starts to accept connections. Returns the address with the real port.
    pub(super) fn listen(self) -> Result<(TcpPort, Address), ListenError> {
        let tls = self.tls;
        let open = |socket: TcpSocket| {
            let listener = socket.listen(BACKLOG)?;
            let address = listener.local_addr()?;
            let address = Address::Tcp { host: address.ip().to_string(), port: address.port() };
            Ok((TcpPort { listener, tls }, address))
        };
        open(self.socket).map_err(|why| ListenError::Bind { address: self.requested, why })
    }
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
) -> Result<(TcpPort, Address), ListenError> {
    let prepare = || {
        listener.set_nonblocking(true)?;
        rustix::net::sockopt::set_socket_send_buffer_size(&listener, SEND_BUFFER_BYTES as usize)?;
        listener.local_addr()
    };
    let address = prepare().map_err(|why| ListenError::Inherited { why })?;
    let shown = Address::Tcp { host: address.ip().to_string(), port: address.port() };
    if *plaintext == PlaintextPolicy::LoopbackOnly && !is_loopback(&address) {
        return Err(ListenError::Plaintext { address: shown });
    }
    let listener = TcpListener::from_std(listener).map_err(|why| ListenError::Inherited { why })?;
    Ok((TcpPort { listener, tls: plaintext.clone().into_tls() }, shown))
}

fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

impl TcpPort {
    /// Waits for a client. A TLS handshake follows with the first read or write.
    pub(super) async fn accept(&self) -> io::Result<(Box<dyn Connection>, Peer)> {
        let (tcp, peer) = accept_prepared(&self.listener).await?;
        let peer = Peer::from(peer);
        let stream: Box<dyn Connection> = match &self.tls {
            Some(tls) => Box::new(TlsConnection::start(tcp, tls, peer.name.clone())),
            None => Box::new(tcp),
        };
        Ok((stream, peer))
    }
}

async fn accept_prepared(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    // Sends each row at once. An error on a closed connection shows up again when it is served.
    let _ = stream.set_nodelay(true);
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
    async fn accepted_connections_have_nodelay_set() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, peer) = accept_prepared(&listener).await.unwrap();
        assert!(accepted.nodelay().unwrap());
        assert_eq!(peer, client.local_addr().unwrap());
    }
}

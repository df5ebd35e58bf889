//! Addresses, and who comes in by them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};

/// How many connections the system holds for an agent that has not yet accepted them.
const BACKLOG: u32 = 1024;

/// What the system holds for a client that does not read. Left alone it grows to megabytes, which
/// would be a queue beside the ring; this is a quarter of an hour of rows.
const SEND_BUFFER_BYTES: u32 = 64 * 1024;

/// Where an agent can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A TCP port; 0 is any that is free.
    Tcp {
        /// A name or an IP address, the latter without brackets.
        host: String,
        /// The port.
        port: u16,
    },
}

/// Why a text is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddressError {
    /// There is no port, or none that can be read.
    #[error("no port from 0 to 65535; write HOST:PORT, as in 127.0.0.1:1027")]
    Port,
    /// There is no host, or none that can be read.
    #[error("no host; write HOST:PORT, as in 127.0.0.1:1027")]
    Host,
    /// An IPv6 address whose end cannot be told from the port.
    #[error("an IPv6 address stands in brackets, as in [::1]:1027")]
    Brackets,
    /// A Unix socket.
    #[error("this version does not listen on Unix sockets; write HOST:PORT")]
    Unix,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        if text.starts_with("unix:") {
            return Err(AddressError::Unix);
        }
        let (host, port) = text.rsplit_once(':').ok_or(AddressError::Port)?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            None if host.contains(':') => return Err(AddressError::Brackets),
            _ => bracketed.unwrap_or(host),
        };
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || "[]/@".contains(c)) {
            return Err(AddressError::Host);
        }
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| digits).ok_or(AddressError::Port)?;
        Ok(Address::Tcp { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// Whether a stream that nobody encrypts may leave the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// Only loopback addresses are listened on.
    LoopbackOnly,
    /// Any address is, in a network that the user trusts.
    Anywhere,
}

/// Why an agent cannot be reached by an address.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The name of the host leads nowhere.
    #[error("cannot find the address of {address}: {why}; check the name, or give an IP address")]
    Resolve {
        /// The address as it was given.
        address: Address,
        /// What the system says.
        why: io::Error,
    },
    /// Others could read what the agent sends.
    #[error(
        "refuses to listen on {address}: the stream is not encrypted and this address is open to \
         the network; listen on 127.0.0.1 and come in by `ssh -L 1027:127.0.0.1:1027 HOST`, or \
         give --allow-plaintext in a network you trust"
    )]
    Plaintext {
        /// The address as it was given.
        address: Address,
    },
    /// The system does not give the address.
    #[error("cannot listen on {address}: {why}; {}", advice(why.kind()))]
    Bind {
        /// The address as it was given.
        address: Address,
        /// What the system says.
        why: io::Error,
    },
}

/// What to do about an address that the system does not give.
fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => "stop the program that has the port, or choose another port",
        io::ErrorKind::PermissionDenied => "choose a port from 1024 on",
        io::ErrorKind::AddrNotAvailable => "choose an address of this machine",
        _ => "choose another address",
    }
}

/// A way in for clients.
pub trait Accept: Send + 'static {
    /// The connection to a client.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for a client; the text says who it is, for the log. To be dropped while it waits is
    /// harmless.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, String)>> + Send;
}

/// An address that is taken, so that nobody else gets it, but not yet open.
#[derive(Debug)]
pub struct Bound {
    socket: TcpSocket,
    asked: Address,
}

/// An address that is open: clients can connect.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Takes an address. Nobody can connect before [`Bound::listen`]: an agent opens its doors
    /// when it has something to show, but a port that is in use is to fail at once.
    ///
    /// # Errors
    /// The address leads nowhere, leads out of the machine unasked, or is not to be had.
    pub async fn bind(address: &Address, plaintext: Plaintext) -> Result<Bound, ListenError> {
        let Address::Tcp { host, port } = address;
        let resolve = |why| ListenError::Resolve { address: address.clone(), why };
        let found: Vec<SocketAddr> =
            lookup_host((host.as_str(), *port)).await.map_err(resolve)?.collect();
        let is_loopback = |found: &SocketAddr| found.ip().to_canonical().is_loopback();
        if plaintext == Plaintext::LoopbackOnly && !found.iter().all(is_loopback) {
            return Err(ListenError::Plaintext { address: address.clone() });
        }
        let mut why = io::Error::from(io::ErrorKind::NotFound);
        for found in found {
            match bind(found) {
                Ok(socket) => return Ok(Bound { socket, asked: address.clone() }),
                Err(error) => why = error,
            }
        }
        Err(ListenError::Bind { address: address.clone(), why })
    }

    /// The address, with the port that the system chose if it was free to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // On Unix this makes a restart possible while old connections linger. On Windows it would take
    // a port away from a program that is using it.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    Ok(socket)
}

impl Bound {
    /// Lets clients connect.
    ///
    /// # Errors
    /// The system refuses; some tell only now that the port is in use.
    pub fn listen(self) -> Result<Listener, ListenError> {
        let open = |socket: TcpSocket| {
            let listener = socket.listen(BACKLOG)?;
            let address = listener.local_addr()?;
            Ok(Listener { listener, address })
        };
        open(self.socket).map_err(|why| ListenError::Bind { address: self.asked, why })
    }
}

impl Accept for Listener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, String)> {
        let (stream, peer) = self.listener.accept().await?;
        // Each row leaves when it is written. A connection that is gone already fails here, and
        // again where it is served.
        let _ = stream.set_nodelay(true);
        Ok((stream, peer.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, expected) in [
            ("127.0.0.1:1027", Ok(("127.0.0.1", 1027))),
            ("[::1]:0", Ok(("::1", 0))),
            ("web-1.example.org:65535", Ok(("web-1.example.org", 65535))),
            ("localhost", Err(AddressError::Port)),
            ("localhost:", Err(AddressError::Port)),
            ("localhost:+1", Err(AddressError::Port)),
            ("localhost:65536", Err(AddressError::Port)),
            ("", Err(AddressError::Port)),
            (":1027", Err(AddressError::Host)),
            ("me@host:1027", Err(AddressError::Host)),
            ("::1:1027", Err(AddressError::Brackets)),
            ("::1", Err(AddressError::Brackets)),
            ("unix:/run/loadline", Err(AddressError::Unix)),
        ] {
            let expected =
                expected.map(|(host, port)| Address::Tcp { host: host.to_owned(), port });
            assert_eq!(text.parse(), expected, "{text}");
            if let Ok(address) = expected {
                assert_eq!(address.to_string(), text);
            }
        }
    }

    async fn bind(address: &str, plaintext: Plaintext) -> Result<Bound, String> {
        let bound = Listener::bind(&address.parse().unwrap(), plaintext).await;
        bound.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn what_others_could_read_is_served_only_when_allowed() {
        for address in ["127.0.0.1:0", "127.8.8.8:0"] {
            assert!(bind(address, Plaintext::LoopbackOnly).await.is_ok(), "{address}");
        }
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
            let error = bind(address, Plaintext::LoopbackOnly).await.unwrap_err();
            assert!(error.contains("--allow-plaintext"), "{error}");
            assert!(error.contains(address) && !error.contains('\n'), "{error}");
        }
        assert!(bind("0.0.0.0:0", Plaintext::Anywhere).await.is_ok());
    }

    #[tokio::test]
    async fn a_port_in_use_is_told_at_once_and_what_to_do() {
        let taken = bind("127.0.0.1:0", Plaintext::LoopbackOnly).await.unwrap().listen().unwrap();
        let address = taken.address().to_string();
        let error = bind(&address, Plaintext::LoopbackOnly).await.unwrap_err();
        assert!(error.starts_with(&format!("cannot listen on {address}: ")), "{error}");
        assert!(error.ends_with("choose another port"), "{error}");
    }

    #[tokio::test]
    async fn each_row_leaves_at_once_on_a_connection_that_is_accepted() {
        let listener =
            bind("127.0.0.1:0", Plaintext::LoopbackOnly).await.unwrap().listen().unwrap();
        let client = TcpStream::connect(listener.address()).await.unwrap();
        let (accepted, peer) = listener.accept().await.unwrap();
        assert!(accepted.nodelay().unwrap());
        assert_eq!(peer, client.local_addr().unwrap().to_string());
    }
}

//! Addresses and their listeners.

mod inherited;
mod tcp;
mod unix;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;
use tokio::net::TcpListener;

use crate::serve::connection::Handshake;
use crate::serve::origin::Origin;
use crate::serve::tls::ServerTls;
pub use inherited::InheritedSockets;
use tcp::BoundTcp;
use unix::UnixEndpoint;

/// Listen backlog: connections that the system holds until the agent accepts them.
const BACKLOG: u32 = 1024;

/// Send buffer of the system for a client that does not read: 64 KiB, a quarter of an hour of rows.
/// By default it grows to megabytes, a second queue beside the ring.
const SEND_BUFFER_BYTES: u32 = 64 * 1024;

/// Address of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// A TCP port; port 0 picks a free one.
    Tcp {
        /// A host name or an IP address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket, for local users with write access to its file.
    Unix(PathBuf),
}

/// Error in the text of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddressError {
    #[error("missing port; write HOST:PORT, for example 127.0.0.1:1027")]
    MissingPort,
    #[error("invalid port; write a number from 0 to 65535")]
    InvalidPort,
    #[error("missing host; write HOST:PORT, for example 127.0.0.1:1027")]
    MissingHost,
    #[error("invalid host; write HOST:PORT, for example 127.0.0.1:1027")]
    InvalidHost,
    #[error("IPv6 address without brackets; write [ADDRESS]:PORT, for example [::1]:1027")]
    Brackets,
    #[error("missing or invalid path; write unix:PATH, for example unix:/run/loadline.sock")]
    Path,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            let is_valid = !path.is_empty() && !path.contains(char::is_control);
            return is_valid.then(|| Address::Unix(path.into())).ok_or(AddressError::Path);
        }
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (host, port) = match text.rsplit_once(':') {
            Some(parts) => parts,
            None if is_number(text) => return Err(AddressError::MissingHost),
            None => return Err(AddressError::MissingPort),
        };
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if bracketed.is_none() && host.contains(':') {
            return Err(AddressError::Brackets);
        }
        let host = bracketed.unwrap_or(host);
        if host.is_empty() {
            return Err(AddressError::MissingHost);
        }
        if host.contains(|c: char| c.is_whitespace() || "[]/@".contains(c)) {
            return Err(AddressError::InvalidHost);
        }
        if port.is_empty() {
            return Err(AddressError::MissingPort);
        }
        let parsed = port.parse().ok().filter(|_| is_number(port));
        let port = parsed.ok_or(AddressError::InvalidPort)?;
        Ok(Address::Tcp { host: host.to_owned(), port })
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Tcp { host: address.ip().to_string(), port: address.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Rule for streams without encryption.
#[derive(Debug, Clone)]
pub enum PlaintextPolicy {
    /// Plaintext on loopback addresses only; others are refused.
    LoopbackOnly,
    /// Plaintext on any address: the user trusts the network.
    Anywhere,
    /// No plaintext on TCP ports: all of them use TLS.
    Never(ServerTls),
}

impl PlaintextPolicy {
    fn permits(&self, address: &SocketAddr) -> bool {
        !matches!(self, PlaintextPolicy::LoopbackOnly) || address.ip().to_canonical().is_loopback()
    }

    /// Returns the TLS of TCP ports, if they use it.
    fn into_tls(self) -> Option<ServerTls> {
        match self {
            PlaintextPolicy::LoopbackOnly | PlaintextPolicy::Anywhere => None,
            PlaintextPolicy::Never(tls) => Some(tls),
        }
    }
}

/// Error of a listener, with its address as given.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The host name has no address.
    #[error("cannot resolve {0}: {1}; check the host name, or give an IP address")]
    Resolve(Address, io::Error),
    /// The address is open to the network, and the stream would not be encrypted.
    #[error(
        "refusing to listen on {0}: the address is open to the network and the stream is not \
         encrypted; listen on 127.0.0.1 and connect through ssh with `loadline USER@HOST`, give \
         --tls-cert and --tls-key, or give --allow-plaintext in a network you trust"
    )]
    Plaintext(Address),
    /// A socket that another program opened for this one cannot be used.
    #[error(
        "cannot listen on an inherited socket: {0}; pass a listening stream socket: ListenStream= and \
         Accept=no in systemd"
    )]
    Inherited(io::Error),
    /// The system refuses the address.
    #[error("cannot listen on {0}: {1}; {hint}", hint = advice(.0, .1.kind()))]
    Bind(Address, io::Error),
}

/// Returns the hint for an address that the system refuses.
fn advice(address: &Address, kind: io::ErrorKind) -> &'static str {
    use io::ErrorKind::{AddrInUse, AddrNotAvailable, NotFound, PermissionDenied};
    match (address, kind) {
        (Address::Tcp { .. }, AddrInUse) => {
            "stop the program that uses the port, or choose another port"
        }
        (Address::Tcp { .. }, PermissionDenied) => "choose a port above 1023",
        (Address::Tcp { .. }, AddrNotAvailable) => "choose an address of this machine",
        (Address::Tcp { .. }, _) => "choose another address",
        (Address::Unix(_), AddrInUse) => "stop the program that uses it, or choose another path",
        (Address::Unix(_), NotFound) => "create its directory first",
        (Address::Unix(_), PermissionDenied) => "choose a directory that the agent can write to",
        (Address::Unix(_), _) => "choose another path",
    }
}

/// Listener that accepts clients.
pub trait Accept: Send + 'static {
    /// Waits for a client. Cancel safe.
    fn accept(&self) -> impl Future<Output = io::Result<(Handshake, Peer)>> + Send;
}

/// Identity of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Name for the log.
    pub name: String,
    /// Origin, for its share of the places.
    pub origin: Origin,
    /// True if the system vouches for the client: root, or the agent's own user.
    pub is_authenticated: bool,
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        let origin = Origin::from(address.ip());
        Peer { name: address.to_string(), origin, is_authenticated: false }
    }
}

/// Address that is bound, so that no other program gets it, but does not accept connections yet.
#[derive(Debug)]
pub struct BoundAddress(BoundSocket);

#[derive(Debug)]
enum BoundSocket {
    Tcp(BoundTcp),
    /// A Unix socket listens as soon as it is bound.
    Listening(Listener),
}

/// Address that accepts connections.
#[derive(Debug)]
pub struct Listener {
    socket: ListeningSocket,
    address: Address,
}

#[derive(Debug)]
enum ListeningSocket {
    Tcp {
        listener: TcpListener,
        /// `None` for plaintext.
        tls: Option<ServerTls>,
    },
    Unix(UnixEndpoint),
}

impl Listener {
    /// Binds an address. Clients connect after [`BoundAddress::listen`]: the agent needs a first
    /// sample, but a port in use must fail at once.
    pub async fn bind(
        address: &Address,
        plaintext: PlaintextPolicy,
    ) -> Result<BoundAddress, ListenError> {
        let refused = |why| ListenError::Bind(address.clone(), why);
        let socket = match address {
            Address::Tcp { host, port } => {
                BoundSocket::Tcp(BoundTcp::new(address, host, *port, plaintext).await?)
            }
            Address::Unix(path) => {
                BoundSocket::Listening(UnixEndpoint::bind(path).await.map_err(refused)?.into())
            }
        };
        Ok(BoundAddress(socket))
    }

    /// Address of the listener, with the real port if 0 was given.
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl BoundAddress {
    /// Starts to accept connections. Some systems report only now that the port is in use.
    pub fn listen(self) -> Result<Listener, ListenError> {
        match self.0 {
            BoundSocket::Tcp(bound) => bound.listen(),
            BoundSocket::Listening(listener) => Ok(listener),
        }
    }
}

impl Accept for Listener {
    async fn accept(&self) -> io::Result<(Handshake, Peer)> {
        match &self.socket {
            ListeningSocket::Tcp { listener, tls } => tcp::accept(listener, tls.as_ref()).await,
            ListeningSocket::Unix(socket) => socket.accept().await,
        }
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
            ("localhost", Err(AddressError::MissingPort)),
            ("localhost:", Err(AddressError::MissingPort)),
            ("localhost:+1", Err(AddressError::InvalidPort)),
            ("localhost:65536", Err(AddressError::InvalidPort)),
            ("", Err(AddressError::MissingHost)),
            ("1027", Err(AddressError::MissingHost)),
            (":1027", Err(AddressError::MissingHost)),
            ("me@host:1027", Err(AddressError::InvalidHost)),
            ("::1:1027", Err(AddressError::Brackets)),
            ("::1", Err(AddressError::Brackets)),
        ] {
            let expected =
                expected.map(|(host, port)| Address::Tcp { host: host.to_owned(), port });
            assert_eq!(text.parse(), expected, "{text}");
            if let Ok(address) = expected {
                assert_eq!(address.to_string(), text);
            }
        }
    }

    #[test]
    fn a_unix_socket_is_a_path() {
        for path in ["/run/loadline.sock", "here", "with a blank:1"] {
            let text = format!("unix:{path}");
            assert_eq!(text.parse(), Ok(Address::Unix(path.into())));
            assert_eq!(Address::Unix(path.into()).to_string(), text);
        }
        for text in ["unix:", "unix:two\nlines"] {
            assert_eq!(text.parse::<Address>(), Err(AddressError::Path), "{text}");
        }
    }
}

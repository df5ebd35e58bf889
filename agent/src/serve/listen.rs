//! Addresses and their listeners.

mod tcp;
mod unix;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::serve::tls::ServerTls;
use unix::UnixEndpoint;

/// Listen backlog: connections that the system holds until the agent accepts them.
const BACKLOG: u32 = 1024;

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
    /// The port is missing.
    #[error("missing port; write HOST:PORT, for example 127.0.0.1:1027")]
    MissingPort,
    /// The port is no number from 0 to 65535.
    #[error("invalid port; write a number from 0 to 65535")]
    InvalidPort,
    /// The host is missing.
    #[error("missing host; write HOST:PORT, for example 127.0.0.1:1027")]
    MissingHost,
    /// The host has an invalid character, such as a blank or `@`.
    #[error("invalid host; write HOST:PORT, for example 127.0.0.1:1027")]
    InvalidHost,
    /// An IPv6 address without brackets, whose last group could be the port.
    #[error("IPv6 address without brackets; write [ADDRESS]:PORT, for example [::1]:1027")]
    Brackets,
    /// The path of a Unix socket is empty or has control characters.
    #[error("missing or invalid path; write unix:PATH, for example unix:/run/loadline.sock")]
    Path,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return parse_unix(path);
        }
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let Some((host, port)) = text.rsplit_once(':') else {
            let is_port = is_number(text);
            return Err(if is_port {
                AddressError::MissingHost
            } else {
                AddressError::MissingPort
            });
        };
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            None if host.contains(':') => return Err(AddressError::Brackets),
            _ => bracketed.unwrap_or(host),
        };
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

fn parse_unix(path: &str) -> Result<Address, AddressError> {
    if path.is_empty() || path.contains(char::is_control) {
        return Err(AddressError::Path);
    }
    Ok(Address::Unix(path.into()))
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaintextPolicy {
    /// Plaintext on loopback addresses only; others are refused.
    LoopbackOnly,
    /// Plaintext on any address: the user trusts the network.
    Anywhere,
    /// No plaintext on TCP ports: all of them use TLS.
    Never(ServerTls),
}

impl PlaintextPolicy {
    /// Returns the TLS of TCP ports, if they use it.
    fn into_tls(self) -> Option<ServerTls> {
        match self {
            PlaintextPolicy::LoopbackOnly | PlaintextPolicy::Anywhere => None,
            PlaintextPolicy::Never(tls) => Some(tls),
        }
    }
}

/// Error of a listener.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The host name has no address.
    #[error("cannot resolve {address}: {why}; check the host name, or give an IP address")]
    Resolve {
        /// The address as given.
        address: Address,
        /// Error of the system.
        why: io::Error,
    },
    /// The address is open to the network, and the stream would not be encrypted.
    #[error(
        "refusing to listen on {address}: the address is open to the network and the stream is not \
         encrypted; listen on 127.0.0.1 and connect through ssh with `loadline USER@HOST`, give \
         --tls-cert and --tls-key, or give --allow-plaintext in a network you trust"
    )]
    Plaintext {
        /// The address as given.
        address: Address,
    },
    /// A socket that another program opened for this one cannot be used.
    #[error(
        "cannot listen on an inherited socket: {why}; pass a stream socket, ListenStream= in systemd"
    )]
    Inherited {
        /// Error of the system.
        why: io::Error,
    },
    /// The system refuses the address.
    #[error("cannot listen on {address}: {why}; {}", advice(address, why.kind()))]
    Bind {
        /// The address as given.
        address: Address,
        /// Error of the system.
        why: io::Error,
    },
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
    /// Stream of a client.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for a client. Cancel safe.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;
}

/// Identity of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Name for the log.
    pub name: String,
    /// Address of a network client, for the limit of clients per address.
    pub address: Option<IpAddr>,
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        Peer { name: address.to_string(), address: Some(address.ip().to_canonical()) }
    }
}

/// Stream of a client over any transport.
pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection for S {}

/// Address that is bound, so that no other program gets it, but does not accept connections yet.
#[derive(Debug)]
pub struct BoundAddress(ListenerKind<tcp::BoundTcp>);

/// Address that accepts connections.
#[derive(Debug)]
pub struct Listener {
    kind: ListenerKind<tcp::TcpPort>,
    address: Address,
}

#[derive(Debug)]
enum ListenerKind<T> {
    Tcp(T),
    Unix(UnixEndpoint),
}

impl Listener {
    /// Binds an address. Clients connect after [`BoundAddress::listen`]: the agent needs a first
    /// sample, but a port in use must fail at once.
    ///
    /// # Errors
    /// The host is unknown, plaintext is not allowed there, or the system refuses the address.
    pub async fn bind(
        address: &Address,
        plaintext: PlaintextPolicy,
    ) -> Result<BoundAddress, ListenError> {
        match address {
            Address::Tcp { host, port } => {
                let bound = tcp::BoundTcp::new(address, host, *port, plaintext).await?;
                Ok(BoundAddress(ListenerKind::Tcp(bound)))
            }
            Address::Unix(path) => match UnixEndpoint::bind(path).await {
                Ok(socket) => Ok(BoundAddress(ListenerKind::Unix(socket))),
                Err(why) => Err(ListenError::Bind { address: address.clone(), why }),
            },
        }
    }

    /// Takes over the sockets that systemd or another program opened for this one.
    ///
    /// # Errors
    /// A socket is neither TCP nor Unix, or plaintext is not allowed on its address.
    pub fn inherited(plaintext: &PlaintextPolicy) -> Result<Vec<Listener>, ListenError> {
        let mut sockets = listenfd::ListenFd::from_env();
        let failed = |why| ListenError::Inherited { why };
        let mut listeners = Vec::new();
        for at in 0..sockets.len() {
            // A socket of another kind fails here and stays available.
            if let Ok(Some(listener)) = sockets.take_tcp_listener(at) {
                let (port, address) = tcp::adopt(listener, plaintext)?;
                listeners.push(Listener { kind: ListenerKind::Tcp(port), address });
            } else if let Some(listener) = sockets.take_unix_listener(at).map_err(failed)? {
                let socket = UnixEndpoint::adopt(listener).map_err(failed)?;
                let address = Address::Unix(socket.path().to_owned());
                listeners.push(Listener { kind: ListenerKind::Unix(socket), address });
            }
        }
        Ok(listeners)
    }

    /// Address of the listener, with the real port if 0 was given.
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl BoundAddress {
    /// Starts to accept connections.
    ///
    /// # Errors
    /// The system refuses. Some systems report only now that the port is in use.
    pub fn listen(self) -> Result<Listener, ListenError> {
        match self.0 {
            ListenerKind::Tcp(bound) => {
                let (port, address) = bound.listen()?;
                Ok(Listener { kind: ListenerKind::Tcp(port), address })
            }
            ListenerKind::Unix(socket) => {
                let address = Address::Unix(socket.path().to_owned());
                Ok(Listener { kind: ListenerKind::Unix(socket), address })
            }
        }
    }
}

impl Accept for Listener {
    type Stream = Box<dyn Connection>;

    async fn accept(&self) -> io::Result<(Box<dyn Connection>, Peer)> {
        match &self.kind {
            ListenerKind::Tcp(port) => port.accept().await,
            ListenerKind::Unix(socket) => socket.accept().await,
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

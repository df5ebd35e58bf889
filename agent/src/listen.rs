//! Addresses, and who comes in by them.

mod tcp;
#[cfg(unix)]
mod unix;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
#[cfg(unix)]
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::tls::ServerTls;

/// How many connections the system holds for an agent that has not yet accepted them.
const BACKLOG: u32 = 1024;

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
    /// A Unix socket, for those on this machine who may write to its file.
    #[cfg(unix)]
    Unix(PathBuf),
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
    /// A Unix socket without a path, or with one that cannot be shown in a line.
    #[cfg(unix)]
    #[error("no path; write unix:PATH, as in unix:/run/loadline.sock")]
    Path,
    /// A Unix socket, on a system that has none.
    #[cfg(not(unix))]
    #[error("there are no Unix sockets here; write HOST:PORT")]
    Unix,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return parse_unix(path);
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

#[cfg(unix)]
fn parse_unix(path: &str) -> Result<Address, AddressError> {
    if path.is_empty() || path.contains(char::is_control) {
        return Err(AddressError::Path);
    }
    Ok(Address::Unix(path.into()))
}

#[cfg(not(unix))]
fn parse_unix(_path: &str) -> Result<Address, AddressError> {
    Err(AddressError::Unix)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            #[cfg(unix)]
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Whether a stream that nobody encrypts may leave the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaintextPolicy {
    /// Only loopback addresses are listened on.
    LoopbackOnly,
    /// Any address is, in a network that the user trusts.
    Anywhere,
    /// Any address is, and all TCP ports speak TLS.
    Never(ServerTls),
}

impl PlaintextPolicy {
    /// What TCP ports speak instead.
    fn into_tls(self) -> Option<ServerTls> {
        match self {
            PlaintextPolicy::LoopbackOnly | PlaintextPolicy::Anywhere => None,
            PlaintextPolicy::Never(tls) => Some(tls),
        }
    }
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
         the network; listen on 127.0.0.1 and come in by ssh, as in `loadline USER@HOST`, give \
         --tls-cert and --tls-key, or give --allow-plaintext in a network you trust"
    )]
    Plaintext {
        /// The address as it was given.
        address: Address,
    },
    /// What was opened for this program cannot be used.
    #[error("cannot listen on a socket that was handed over: {why}; it has to be a stream socket")]
    Inherited {
        /// What the system says.
        why: io::Error,
    },
    /// The system does not give the address.
    #[error("cannot listen on {address}: {why}; {}", advice(address, why.kind()))]
    Bind {
        /// The address as it was given.
        address: Address,
        /// What the system says.
        why: io::Error,
    },
}

/// What to do about an address that the system does not give.
fn advice(address: &Address, kind: io::ErrorKind) -> &'static str {
    use io::ErrorKind::{AddrInUse, AddrNotAvailable, NotFound, PermissionDenied};
    match (address, kind) {
        (Address::Tcp { .. }, AddrInUse) => {
            "stop the program that has the port, or choose another port"
        }
        (Address::Tcp { .. }, PermissionDenied) => "choose a port from 1024 on",
        (Address::Tcp { .. }, AddrNotAvailable) => "choose an address of this machine",
        (Address::Tcp { .. }, _) => "choose another address",
        #[cfg(unix)]
        (Address::Unix(_), AddrInUse) => "stop the program that has it, or choose another path",
        #[cfg(unix)]
        (Address::Unix(_), NotFound) => "make its folder first",
        #[cfg(unix)]
        (Address::Unix(_), PermissionDenied) => "choose a folder in which you may write",
        #[cfg(unix)]
        (Address::Unix(_), _) => "choose another path",
    }
}

/// A way in for clients.
pub trait Accept: Send + 'static {
    /// The connection to a client.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for a client. To be dropped while it waits is harmless.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;
}

/// Who a client is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// For the log.
    pub name: String,
    /// Where it comes from, if it comes over a network: there are only so many from one address.
    pub address: Option<IpAddr>,
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        Peer { name: address.to_string(), address: Some(address.ip().to_canonical()) }
    }
}

/// A connection to a client, of whatever kind.
pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection for S {}

/// An address that is taken, so that nobody else gets it, but not yet open.
#[derive(Debug)]
pub struct BoundAddress(ListenerKind<tcp::BoundTcp, UnixEndpoint>);

/// An address that is open: clients can connect.
#[derive(Debug)]
pub struct Listener {
    kind: ListenerKind<tcp::TcpPort, UnixEndpoint>,
    address: Address,
}

#[cfg(unix)]
type UnixEndpoint = unix::UnixEndpoint;

/// There is none.
#[cfg(not(unix))]
type UnixEndpoint = std::convert::Infallible;

#[derive(Debug)]
enum ListenerKind<T, U> {
    Tcp(T),
    #[cfg_attr(not(unix), expect(dead_code, reason = "there are no Unix sockets"))]
    Unix(U),
}

impl Listener {
    /// Takes an address. Nobody is let in before [`BoundAddress::listen`]: an agent opens its doors when
    /// it has something to show, but a port that is in use is to fail at once.
    ///
    /// # Errors
    /// The address leads nowhere, leads out of the machine unasked, or is not to be had.
    pub async fn bind(
        address: &Address,
        plaintext: PlaintextPolicy,
    ) -> Result<BoundAddress, ListenError> {
        match address {
            Address::Tcp { host, port } => {
                let bound = tcp::BoundTcp::new(address, host, *port, plaintext).await?;
                Ok(BoundAddress(ListenerKind::Tcp(bound)))
            }
            #[cfg(unix)]
            Address::Unix(path) => match unix::UnixEndpoint::bind(path).await {
                Ok(socket) => Ok(BoundAddress(ListenerKind::Unix(socket))),
                Err(why) => Err(ListenError::Bind { address: address.clone(), why }),
            },
        }
    }

    /// The sockets that were opened for this program, as systemd does; of those that it had in mind
    /// for us, each that is no TCP port and no Unix socket is an error.
    ///
    /// # Errors
    /// One leads out of the machine unasked, or is of another kind.
    #[cfg(unix)]
    pub fn inherited(plaintext: &PlaintextPolicy) -> Result<Vec<Listener>, ListenError> {
        let mut sockets = listenfd::ListenFd::from_env();
        let failed = |why| ListenError::Inherited { why };
        let mut listeners = Vec::new();
        for at in 0..sockets.len() {
            // Whether it is of a kind is told by an error, after which it can be asked for again.
            if let Ok(Some(listener)) = sockets.take_tcp_listener(at) {
                let (port, address) = tcp::adopt(listener, plaintext)?;
                listeners.push(Listener { kind: ListenerKind::Tcp(port), address });
            } else if let Some(listener) = sockets.take_unix_listener(at).map_err(failed)? {
                let socket = unix::UnixEndpoint::adopt(listener).map_err(failed)?;
                let address = Address::Unix(socket.path().to_owned());
                listeners.push(Listener { kind: ListenerKind::Unix(socket), address });
            }
        }
        Ok(listeners)
    }

    /// The address, with the port that the system chose if it was free to.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl BoundAddress {
    /// Lets clients in.
    ///
    /// # Errors
    /// The system refuses; some tell only now that the port is in use.
    pub fn listen(self) -> Result<Listener, ListenError> {
        match self.0 {
            ListenerKind::Tcp(bound) => {
                let (port, address) = bound.listen()?;
                Ok(Listener { kind: ListenerKind::Tcp(port), address })
            }
            #[cfg(unix)]
            ListenerKind::Unix(socket) => {
                let address = Address::Unix(socket.path().to_owned());
                Ok(Listener { kind: ListenerKind::Unix(socket), address })
            }
            #[cfg(not(unix))]
            ListenerKind::Unix(never) => match never {},
        }
    }
}

impl Accept for Listener {
    type Stream = Box<dyn Connection>;

    async fn accept(&self) -> io::Result<(Box<dyn Connection>, Peer)> {
        match &self.kind {
            ListenerKind::Tcp(port) => port.accept().await,
            #[cfg(unix)]
            ListenerKind::Unix(socket) => socket.accept().await,
            #[cfg(not(unix))]
            ListenerKind::Unix(never) => match *never {},
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
            ("localhost", Err(AddressError::Port)),
            ("localhost:", Err(AddressError::Port)),
            ("localhost:+1", Err(AddressError::Port)),
            ("localhost:65536", Err(AddressError::Port)),
            ("", Err(AddressError::Port)),
            (":1027", Err(AddressError::Host)),
            ("me@host:1027", Err(AddressError::Host)),
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
    #[cfg(unix)]
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

//! Agent that already runs on this machine.
//!
//! Any local user can be the first to listen on 127.0.0.1:1027. An agent is therefore believed only
//! if it belongs to root, to the user of this process or to the service's user. The check is made
//! on the connection that is then used.

mod port_owner;
mod user;

use std::fmt;
use std::fs;
use std::io::{self, Cursor};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loadline_protocol::{Note, SafeText, sanitize};
use thiserror::Error;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, BufReader, join, split,
};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::unix_socket::connect_to_socket;
use crate::usage::without_error_number;
use port_owner::Connection;
use user::User;

/// Default port of an agent.
pub const AGENT_PORT: u16 = 1027;

/// Socket of the service. Only root can create its folder.
const SERVICE_SOCKET: &str = if cfg!(target_os = "linux") {
    "/run/loadline/agent.sock"
} else {
    "/var/run/loadline/agent.sock"
};

/// Time limit for the first byte on a port: 200 ms. Anybody may listen there, and must not delay the
/// start.
const PORT_TIMEOUT: Duration = Duration::from_millis(200);

/// Time limit for the first byte on a socket: 2 s. Its user is trusted by then, and systemd may have
/// to start the service.
const SOCKET_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes of a first line that is a note: it may be the reason for which an agent refuses a client.
const NOTE_BYTES_MAX: u64 = 512;

/// Permissions of group and others to write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Place where an agent of this machine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalAgent {
    /// Unix socket.
    Socket(PathBuf),
    /// TCP port.
    Port(SocketAddr),
}

/// Stream of an agent of this machine.
pub trait LocalStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> LocalStream for S {}

/// Reason why an agent of this machine is not used.
#[derive(Debug, Error)]
pub enum Rejection {
    /// Nothing listens there.
    #[error("{0}")]
    Absent(io::Error),
    /// Another program answers.
    #[error("is no agent")]
    NoAgent,
    /// An agent seems to run, but cannot be used. The text begins with a verb.
    #[error("{0}")]
    Unusable(String),
}

/// Result of a search for an agent of this machine.
pub struct LocalSearch {
    /// Place of the first usable agent, and the connection to it.
    pub found: Option<(LocalAgent, Box<dyn LocalStream>)>,
    /// Reason why no agent is used although one seems to run.
    pub warning: Option<String>,
}

impl LocalAgent {
    /// Returns the places where an agent is searched by default: the socket of the service, and the
    /// default port.
    pub fn default_places() -> Vec<LocalAgent> {
        let port = LocalAgent::Port((Ipv4Addr::LOCALHOST, AGENT_PORT).into());
        vec![LocalAgent::Socket(SERVICE_SOCKET.into()), port]
    }

    /// Connects to the first of `places` with an agent of a trusted user.
    pub async fn search(places: &[LocalAgent]) -> LocalSearch {
        let mut reasons = Vec::new();
        for place in places {
            match place.connect(place.answer_timeout()).await {
                Ok(stream) => {
                    return LocalSearch { found: Some((place.clone(), stream)), warning: None };
                }
                Err(Rejection::Absent(_) | Rejection::NoAgent) => {}
                Err(rejection) => reasons.push(format!("{place} {rejection}")),
            }
        }
        let reasons = Some(reasons.join(", ")).filter(|reasons| !reasons.is_empty());
        let warning = reasons.map(|reasons| format!("{reasons}, sampling this machine instead"));
        LocalSearch { found: None, warning }
    }

    /// Connects, and waits at most `answer_timeout` for the first byte of a row or a note.
    ///
    /// # Errors
    /// Nothing or another program listens there, or the agent cannot be believed.
    pub async fn connect(
        &self,
        answer_timeout: Duration,
    ) -> Result<Box<dyn LocalStream>, Rejection> {
        match self {
            LocalAgent::Socket(path) => {
                answer_within(answer_timeout, open_socket(path)).await?.accept()
            }
            LocalAgent::Port(address) => {
                let answer = answer_within(answer_timeout, open_port(*address));
                let (connection, greeting) = answer.await?;
                // Only a process that has accepted the connection can have answered.
                let user = connection.peer_user().await;
                let unknown = || Rejection::Unusable("belongs to an unknown user".to_owned());
                check_user(user.ok_or_else(unknown)?)?;
                // Only now: the words of another user explain nothing.
                greeting.accept()
            }
        }
    }

    fn answer_timeout(&self) -> Duration {
        match self {
            LocalAgent::Socket(_) => SOCKET_TIMEOUT,
            LocalAgent::Port(_) => PORT_TIMEOUT,
        }
    }
}

impl fmt::Display for LocalAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LocalAgent::Socket(path) => write!(f, "unix:{}", sanitize(&path.to_string_lossy())),
            LocalAgent::Port(address) => address.fmt(f),
        }
    }
}

impl From<Rejection> for io::Error {
    fn from(rejection: Rejection) -> io::Error {
        match rejection {
            Rejection::Absent(error) => error,
            Rejection::NoAgent | Rejection::Unusable(_) => io::Error::other(rejection.to_string()),
        }
    }
}

async fn answer_within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Rejection>>,
) -> Result<T, Rejection> {
    let silent = || Rejection::Unusable("does not answer".to_owned());
    timeout(limit, answer).await.map_err(|_| silent()).flatten()
}

async fn open_socket(path: &Path) -> Result<Greeting, Rejection> {
    check_folder(path)?;
    let stream = connect_to_socket(path).await.map_err(socket_error)?;
    // The user who began to listen: root if systemd opened the socket.
    check_user(User(stream.peer_cred().map_err(socket_error)?.uid()))?;
    wait_for_line(stream).await
}

async fn open_port(address: SocketAddr) -> Result<(Connection, Greeting), Rejection> {
    let open = async {
        let stream = TcpStream::connect(address).await?;
        // Requests are sent without delay.
        stream.set_nodelay(true)?;
        Ok((Connection { ours: stream.local_addr()?, peer: stream.peer_addr()? }, stream))
    };
    let (connection, stream) = open.await.map_err(Rejection::Absent)?;
    Ok((connection, wait_for_line(stream).await?))
}

fn socket_error(error: io::Error) -> Rejection {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Rejection::Absent(error),
        _ => {
            let error = without_error_number(&error.to_string());
            Rejection::Unusable(format!("cannot be opened: {error}"))
        }
    }
}

/// Checks that only a trusted user can have put a socket there.
fn check_folder(path: &Path) -> Result<(), Rejection> {
    let folder = fs::symlink_metadata(path.parent().unwrap_or(path)).map_err(socket_error)?;
    let user = User(folder.uid());
    let fault = if !folder.is_dir() {
        "is not in a folder".to_owned()
    } else if !user.is_trusted() {
        format!("is in a folder of {user}")
    } else if folder.mode() & WRITABLE_BY_OTHERS != 0 {
        "is in a folder to which other users can write".to_owned()
    } else {
        return Ok(());
    };
    Err(Rejection::Unusable(fault))
}

fn check_user(user: User) -> Result<(), Rejection> {
    let untrusted = || Rejection::Unusable(format!("belongs to {user}"));
    user.is_trusted().then_some(()).ok_or_else(untrusted)
}

/// Beginning of a stream.
struct Greeting {
    /// Stream that yields its beginning again.
    stream: Box<dyn LocalStream>,
    /// Reason for which the agent refuses the connection.
    refusal: Option<SafeText>,
}

impl Greeting {
    fn accept(self) -> Result<Box<dyn LocalStream>, Rejection> {
        let refuse = |why| Rejection::Unusable(format!("refuses the connection: {why}"));
        self.refusal.map_or(Ok(self.stream), |why| Err(refuse(why)))
    }
}

/// Waits for the first byte, which must begin a row or a note.
async fn wait_for_line(mut stream: impl LocalStream + 'static) -> Result<Greeting, Rejection> {
    let mut first = [0];
    if !matches!(stream.read(&mut first).await, Ok(1)) {
        return Err(Rejection::Unusable("closed the connection".to_owned()));
    }
    let mut begin = first.to_vec();
    let mut refusal = None;
    match first[0] {
        b'0'..=b'9' | b'n' | b'-' => {}
        b'#' => {
            begin.extend(read_line(&mut stream).await);
            let note = String::from_utf8_lossy(&begin);
            if let Ok(Note::Error(why)) = Note::parse(note.trim_start_matches('#')) {
                refusal = Some(why);
            }
        }
        _ => return Err(Rejection::NoAgent),
    }
    let (rows, requests) = split(stream);
    let stream = Box::new(join(Cursor::new(begin).chain(rows), requests));
    Ok(Greeting { stream, refusal })
}

/// Reads the rest of a line, at most [`NOTE_BYTES_MAX`].
async fn read_line(stream: &mut (impl LocalStream + 'static)) -> Vec<u8> {
    let mut line = Vec::new();
    // After an error, the next read has it again.
    let _ =
        BufReader::with_capacity(1, stream.take(NOTE_BYTES_MAX)).read_until(b'\n', &mut line).await;
    line
}

#[cfg(test)]
mod tests;

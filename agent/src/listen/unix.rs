//! Unix sockets.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::{BACKLOG, Connection, Peer};

/// Who may connect: who may write to the file. The owner and the group, so that an administrator
/// says by the group who else may watch.
const MODE: u32 = 0o660;

/// What the system holds for a client that does not read: as on a TCP port, but the system counts
/// each row of 40 bytes as about 800.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// A Unix socket; its file goes when this is dropped.
///
/// Whoever connects before the agent accepts waits for it, unlike at a port: a socket at which nobody
/// can connect is what an agent leaves that was killed, and another one would take its place.
#[derive(Debug)]
pub(super) struct Socket {
    listener: UnixListener,
    file: File,
}

/// The file of a socket, removed when this is dropped, unless it is another one by then.
#[derive(Debug)]
struct File {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl Socket {
    /// Takes a path. A socket that was left there is replaced; anything else stays and is an error.
    pub(super) async fn bind(path: &Path) -> io::Result<Socket> {
        let socket = UnixSocket::new_stream()?;
        if let Err(error) = socket.bind(path) {
            if error.kind() != io::ErrorKind::AddrInUse {
                return Err(error);
            }
            remove_if_stale(path).await?;
            socket.bind(path)?;
        }
        let file = File { path: path.to_owned(), identity: identity(path) };
        // Before anybody can connect.
        fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
        Ok(Socket { listener: socket.listen(BACKLOG)?, file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    /// Takes a socket that is open already. Its file stays: whoever made it, needs it.
    pub(super) fn adopt(listener: std::os::unix::net::UnixListener) -> io::Result<Socket> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let path = address.as_pathname().unwrap_or(Path::new("")).to_owned();
        let file = File { path, identity: None };
        Ok(Socket { listener: UnixListener::from_std(listener)?, file })
    }

    pub(super) async fn accept(&self) -> io::Result<(Box<dyn Connection>, Peer)> {
        let (stream, _) = self.listener.accept().await?;
        // A connection that is gone already fails here, and again where it is served.
        let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER_BYTES);
        let name = match stream.peer_cred() {
            Ok(peer) => format!("user {}", peer.uid()),
            Err(_) => "somebody".to_owned(),
        };
        Ok((Box::new(stream), Peer { name, address: None }))
    }
}

/// Removes the socket of an agent that ended without doing so.
async fn remove_if_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        let why = "there is a file that is no socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // There is a reason to think that somebody accepts: that its queue is full is one.
        Ok(_) | Err(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// What tells a file from another one of the same name.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

impl Drop for File {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // An error means that somebody else has removed it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net;

    use super::*;

    fn at(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("agent.sock")
    }

    async fn refusal(path: &Path) -> String {
        Socket::bind(path).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn owner_and_group_may_connect_and_the_file_goes_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let socket = Socket::bind(&at(&folder)).await.unwrap();
        assert_eq!(fs::metadata(at(&folder)).unwrap().mode() & 0o777, 0o660);
        let client = UnixStream::connect(at(&folder)).await;
        assert!(client.is_ok() && socket.accept().await.is_ok());
        drop(socket);
        assert!(!at(&folder).exists());
    }

    #[tokio::test]
    async fn a_socket_that_was_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        drop(net::UnixListener::bind(at(&folder)).unwrap());
        assert!(at(&folder).exists());
        let socket = Socket::bind(&at(&folder)).await.unwrap();
        assert!(UnixStream::connect(at(&folder)).await.is_ok());
        drop(socket);
    }

    #[tokio::test]
    async fn a_socket_that_is_in_use_stays_with_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        // Nobody is let in yet.
        let socket = Socket::bind(&at(&folder)).await.unwrap();
        assert!(refusal(&at(&folder)).await.contains("in use"));
        assert!(UnixStream::connect(at(&folder)).await.is_ok());
        drop(socket);
    }

    #[tokio::test]
    async fn what_is_no_socket_is_never_removed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(at(&folder), "mine").unwrap();
        assert!(refusal(&at(&folder)).await.contains("no socket"));
        assert_eq!(fs::read_to_string(at(&folder)).unwrap(), "mine");
        // Nor is what a link leads to.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(at(&folder), &link).unwrap();
        assert!(refusal(&link).await.contains("no socket"));
        assert!(link.exists());
    }

    #[tokio::test]
    async fn the_socket_of_another_agent_is_not_removed_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let first = Socket::bind(&at(&folder)).await.unwrap();
        fs::rename(at(&folder), folder.path().join("moved")).unwrap();
        let second = Socket::bind(&at(&folder)).await.unwrap();
        drop(first);
        assert!(at(&folder).exists());
        drop(second);
    }
}

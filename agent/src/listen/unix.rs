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
const SOCKET_FILE_MODE: u32 = 0o660;

/// What the system holds for a client that does not read: as on a TCP port, but the system counts
/// each row of 40 bytes as about 800.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// A Unix socket; its file goes when this is dropped.
///
/// Whoever connects before the agent accepts waits for it, unlike at a port: a socket at which nobody
/// can connect is what an agent leaves that was killed, and another one would take its place.
#[derive(Debug)]
pub(super) struct UnixEndpoint {
    listener: UnixListener,
    file: SocketFile,
}

/// The file of a socket, removed when this is dropped, unless it is another one by then.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl UnixEndpoint {
    /// Takes a path. A socket that was left there is replaced; anything else stays and is an error.
    pub(super) async fn bind(path: &Path) -> io::Result<UnixEndpoint> {
        let socket = UnixSocket::new_stream()?;
        if let Err(error) = socket.bind(path) {
            if error.kind() != io::ErrorKind::AddrInUse {
                return Err(error);
            }
            remove_if_stale(path).await?;
            socket.bind(path)?;
        }
        let file = SocketFile { path: path.to_owned(), identity: identity(path) };
        // Before anybody can connect.
        fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_FILE_MODE))?;
        Ok(UnixEndpoint { listener: socket.listen(BACKLOG)?, file })
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    /// Takes a socket that is open already. Its file stays: whoever made it, needs it.
    pub(super) fn adopt(listener: std::os::unix::net::UnixListener) -> io::Result<UnixEndpoint> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let path = address.as_pathname().unwrap_or(Path::new("")).to_owned();
        let file = SocketFile { path, identity: None };
        Ok(UnixEndpoint { listener: UnixListener::from_std(listener)?, file })
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

impl Drop for SocketFile {
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

    fn socket_path(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("agent.sock")
    }

    async fn bind_error(path: &Path) -> String {
        UnixEndpoint::bind(path).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn owner_and_group_may_connect_and_the_file_is_removed_on_drop() {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixEndpoint::bind(&socket_path(&folder)).await.unwrap();
        assert_eq!(fs::metadata(socket_path(&folder)).unwrap().mode() & 0o777, 0o660);
        let client = UnixStream::connect(socket_path(&folder)).await;
        assert!(client.is_ok() && socket.accept().await.is_ok());
        drop(socket);
        assert!(!socket_path(&folder).exists());
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        drop(net::UnixListener::bind(socket_path(&folder)).unwrap());
        assert!(socket_path(&folder).exists());
        let socket = UnixEndpoint::bind(&socket_path(&folder)).await.unwrap();
        assert!(UnixStream::connect(socket_path(&folder)).await.is_ok());
        drop(socket);
    }

    #[tokio::test]
    async fn a_socket_in_use_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        // Nobody is let in yet.
        let socket = UnixEndpoint::bind(&socket_path(&folder)).await.unwrap();
        assert!(bind_error(&socket_path(&folder)).await.contains("in use"));
        assert!(UnixStream::connect(socket_path(&folder)).await.is_ok());
        drop(socket);
    }

    #[tokio::test]
    async fn other_files_are_never_removed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(socket_path(&folder), "mine").unwrap();
        assert!(bind_error(&socket_path(&folder)).await.contains("no socket"));
        assert_eq!(fs::read_to_string(socket_path(&folder)).unwrap(), "mine");
        // Nor is what a link leads to.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(socket_path(&folder), &link).unwrap();
        assert!(bind_error(&link).await.contains("no socket"));
        assert!(link.exists());
    }

    #[tokio::test]
    async fn the_socket_of_another_agent_is_not_removed_on_drop() {
        let folder = tempfile::tempdir().unwrap();
        let first = UnixEndpoint::bind(&socket_path(&folder)).await.unwrap();
        fs::rename(socket_path(&folder), folder.path().join("moved")).unwrap();
        let second = UnixEndpoint::bind(&socket_path(&folder)).await.unwrap();
        drop(first);
        assert!(socket_path(&folder).exists());
        drop(second);
    }
}

//! Unix sockets.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::net::{UnixListener, UnixSocket, UnixStream};

use super::{Address, BACKLOG, Listener, ListeningSocket, Peer, SEND_BUFFER_BYTES};
use crate::serve::connection::{Handshake, without_handshake};
use crate::serve::origin::Origin;

/// Permission to connect is write access to the file. Owner and group have it, so that an
/// administrator can admit others by the group.
const SOCKET_FILE_MODE: u32 = 0o660;

/// Unix socket. Dropping it removes its file.
///
/// It queues connections as soon as it is bound, unlike a TCP port: another agent would take a
/// socket that refuses connections for a stale one and replace it.
#[derive(Debug)]
pub(super) struct UnixEndpoint {
    listener: UnixListener,
    file: SocketFile,
}

/// File of a socket. Dropping it removes the file, unless another one has its path by then.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl UnixEndpoint {
    /// Binds a path. Replaces a stale socket; any other file is an error and stays.
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

    /// Takes over a listening socket. Its file stays: it belongs to the program that created it.
    pub(super) fn adopt(listener: std::os::unix::net::UnixListener) -> io::Result<UnixEndpoint> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let path = address.as_pathname().unwrap_or(Path::new("")).to_owned();
        let file = SocketFile { path, identity: None };
        Ok(UnixEndpoint { listener: UnixListener::from_std(listener)?, file })
    }

    pub(super) async fn accept(&self) -> io::Result<(Handshake, Peer)> {
        let (stream, _) = self.listener.accept().await?;
        // The system counts a row of 40 bytes as about 800. An error on a closed connection shows up
        // again when it is served.
        let _ = set_socket_send_buffer_size(&stream, SEND_BUFFER_BYTES as usize);
        let user = stream.peer_cred().map(|peer| peer.uid()).ok();
        let origin = user.map_or(Origin::Unknown, Origin::User);
        let is_authenticated = user.is_some_and(|user| user == 0 || user == own_user());
        let peer = Peer { name: origin.to_string(), origin, is_authenticated };
        Ok((without_handshake(stream), peer))
    }
}

/// Returns the user of this process.
fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

impl From<UnixEndpoint> for Listener {
    fn from(socket: UnixEndpoint) -> Listener {
        let address = Address::Unix(socket.file.path.clone());
        Listener { socket: ListeningSocket::Unix(socket), address }
    }
}

/// Removes the socket of an agent that ended without removing it.
async fn remove_if_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        let why = "the file exists and is not a socket";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // Somebody may still accept, for example with a full backlog.
        Ok(_) | Err(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// Device and inode of a file, which identify it.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            // An error means that the file is already removed.
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
        // No client is accepted yet.
        let socket = UnixEndpoint::bind(&socket_path(&folder)).await.unwrap();
        assert!(bind_error(&socket_path(&folder)).await.contains("in use"));
        assert!(UnixStream::connect(socket_path(&folder)).await.is_ok());
        drop(socket);
    }

    #[tokio::test]
    async fn other_files_are_never_removed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(socket_path(&folder), "mine").unwrap();
        assert!(bind_error(&socket_path(&folder)).await.contains("not a socket"));
        assert_eq!(fs::read_to_string(socket_path(&folder)).unwrap(), "mine");
        // Nor is the target of a link.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(socket_path(&folder), &link).unwrap();
        assert!(bind_error(&link).await.contains("not a socket"));
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

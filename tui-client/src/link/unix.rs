//! The way over a Unix socket.

use std::io;
use std::path::Path;

use tokio::net::UnixStream;

/// # Errors
/// In words that say what is wrong with a socket: the system's own are those of a file.
pub(super) async fn connect(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::other("there is no such socket"),
        io::ErrorKind::PermissionDenied => {
            io::Error::other("no permission; it is for the owner and the group of the socket")
        }
        _ => error,
    })
}

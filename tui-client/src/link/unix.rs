//! Transport over a Unix socket.

use std::io;
use std::path::Path;

use tokio::net::UnixStream;

/// Connects to a socket. Errors name the socket, as the system's own texts speak of files.
pub(super) async fn connect(path: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(path).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::other(
            "no such socket; start loadline-agent --listen unix:PATH, or check the path",
        ),
        io::ErrorKind::PermissionDenied => {
            io::Error::other("permission denied; connect as owner or group member of the socket")
        }
        _ => error,
    })
}

//! Transport over a Unix socket.

use std::io;
use std::path::Path;

use loadline_common::connect_to_socket;
use tokio::net::UnixStream;

/// Connects to a socket. Errors name the socket, as the system's own texts speak of files.
pub(super) async fn connect(path: &Path) -> io::Result<UnixStream> {
    connect_to_socket(path).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => io::Error::other(
            "no such socket; start loadline-agent --listen unix:PATH, or check the path",
        ),
        io::ErrorKind::PermissionDenied => {
            io::Error::other("permission denied; connect as owner or group member of the socket")
        }
        io::ErrorKind::WouldBlock => {
            io::Error::other("too many connections wait for the agent; try again later")
        }
        _ => error,
    })
}

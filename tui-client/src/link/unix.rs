//! Transport over a Unix socket.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

/// Time for which a full queue of connections is tried again: 2 s. The system refuses a connection at
/// once then, unlike at a TCP port, so a crowd of one user would keep others out.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(2);

/// Pause between two attempts at a full queue: 2 ms, in which an agent accepts several connections.
const QUEUE_RETRY_INTERVAL: Duration = Duration::from_millis(2);

/// Connects to a socket. Errors name the socket, as the system's own texts speak of files.
pub(super) async fn connect(path: &Path) -> io::Result<UnixStream> {
    let until = Instant::now() + QUEUE_TIMEOUT;
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => {
                sleep(QUEUE_RETRY_INTERVAL).await;
            }
            connected => return connected.map_err(explain),
        }
    }
}

fn explain(error: io::Error) -> io::Error {
    io::Error::other(match error.kind() {
        io::ErrorKind::NotFound => {
            "no such socket; start loadline-agent --listen unix:PATH, or check the path"
        }
        io::ErrorKind::PermissionDenied => {
            "permission denied; connect as owner or group member of the socket"
        }
        io::ErrorKind::WouldBlock => "too many connections wait for the agent; try again later",
        _ => return error,
    })
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use tokio::net::UnixSocket;

    use super::*;

    #[tokio::test]
    async fn a_full_queue_is_tried_again_until_it_has_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&path).unwrap();
        let listener = socket.listen(1).unwrap();
        let mut crowd = Vec::new();
        while let Ok(client) = UnixStream::connect(&path).await {
            crowd.push(client);
        }
        let accept_later = async {
            sleep(10 * QUEUE_RETRY_INTERVAL).await;
            listener.accept().await.unwrap()
        };
        let (connected, _accepted) = tokio::join!(connect(&path), accept_later);
        connected.unwrap();
        let error = connect(&path).await.unwrap_err();
        assert!(error.to_string().starts_with("too many connections wait"), "{error}");
    }
}

//! Connections to Unix sockets.

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

/// Connects to a socket.
///
/// # Errors
/// Nothing listens there, or the queue of connections stays full for 2 s (`WouldBlock`).
pub async fn connect_to_socket(path: &Path) -> io::Result<UnixStream> {
    let until = Instant::now() + QUEUE_TIMEOUT;
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => {
                sleep(QUEUE_RETRY_INTERVAL).await;
            }
            connected => return connected,
        }
    }
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
        let (connected, _accepted) = tokio::join!(connect_to_socket(&path), accept_later);
        connected.unwrap();
        let error = connect_to_socket(&path).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}

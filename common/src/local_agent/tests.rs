use std::fs::Permissions;
use std::net::Ipv6Addr;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, UnixListener};
use tokio::time::Instant;

use super::*;

const ROW: &[u8] = b"1 2 3 4 5 6\n";

/// Time limit for what must not delay a start, on a machine that is busy with other work.
const SHORT: Duration = Duration::from_secs(3);

/// Private folder with the path of a socket in it.
fn socket_path() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("agent.sock");
    (folder, path)
}

/// Serves one client: sends `greeting`, then each byte that the client sends.
async fn serve(mut client: impl LocalStream, greeting: &[u8]) {
    client.write_all(greeting).await.unwrap();
    let (mut requests, mut rows) = split(client);
    // An error means that the client has left.
    let _ = tokio::io::copy(&mut requests, &mut rows).await;
}

/// Starts a server on a port. Returns its address.
async fn port(address: SocketAddr, greeting: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind(address).await.unwrap();
    let bound = listener.local_addr().unwrap();
    tokio::spawn(async move { serve(listener.accept().await.unwrap().0, greeting).await });
    bound
}

fn loopback() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

/// Checks that the stream begins with the row, and carries a request to the server and back.
async fn assert_works(stream: Box<dyn LocalStream>) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    assert_eq!(line.as_bytes(), ROW);
    stream.write_all(b"loadline/1\n").await.unwrap();
    line.clear();
    stream.read_line(&mut line).await.unwrap();
    assert_eq!(line, "loadline/1\n");
}

async fn search(place: LocalAgent) -> (bool, Option<String>) {
    let found = LocalAgent::search(&[place]).await;
    (found.found.is_some(), found.warning)
}

fn warning(reason: &str) -> (bool, Option<String>) {
    (false, Some(format!("{reason}, sampling this machine instead")))
}

#[tokio::test]
async fn a_socket_of_the_own_user_is_used_before_the_port() {
    let (_folder, path) = socket_path();
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move { serve(listener.accept().await.unwrap().0, ROW).await });
    let socket = LocalAgent::Socket(path);
    let port = LocalAgent::Port(port(loopback(), ROW).await);
    let search = LocalAgent::search(&[socket.clone(), port]).await;
    let (place, stream) = search.found.unwrap();
    assert_eq!((place, search.warning), (socket, None));
    assert_works(stream).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_port_of_the_own_user_is_used() {
    let dual_stack = (Ipv6Addr::UNSPECIFIED, 0).into();
    for listening in [loopback(), (Ipv6Addr::LOCALHOST, 0).into(), dual_stack] {
        let bound = port(listening, ROW).await;
        // IPv4 clients of a server that listens on [::] are listed as IPv6.
        let ip = if listening == dual_stack { Ipv4Addr::LOCALHOST.into() } else { bound.ip() };
        let place = LocalAgent::Port((ip, bound.port()).into());
        let search = LocalAgent::search(&[place]).await;
        assert_eq!(search.warning, None, "{listening}");
        assert_works(search.found.unwrap().1).await;
    }
}

#[tokio::test]
async fn without_a_listener_there_is_nothing_to_warn_of() {
    let (folder, path) = socket_path();
    assert_eq!(search(LocalAgent::Socket(path.clone())).await, (false, None));
    // A stale socket.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    assert_eq!(search(LocalAgent::Socket(path)).await, (false, None));
    let path = folder.path().join("no/such/folder");
    assert_eq!(search(LocalAgent::Socket(path)).await, (false, None));
    let unused = TcpListener::bind(loopback()).await.unwrap().local_addr().unwrap();
    assert_eq!(search(LocalAgent::Port(unused)).await, (false, None));
}

#[tokio::test]
async fn another_program_is_no_agent() {
    for greeting in [&b"SSH-2.0-other\r\n"[..], b" 1 2\n", b"\xff"] {
        let port = port(loopback(), greeting).await;
        assert_eq!(search(LocalAgent::Port(port)).await, (false, None));
    }
}

#[tokio::test]
async fn an_agent_that_refuses_clients_is_not_used() {
    let port = port(loopback(), b"# error \"too many clients\"\n").await;
    let expected = warning(&format!("{port} refuses the connection: too many clients"));
    assert_eq!(search(LocalAgent::Port(port)).await, expected);
}

#[tokio::test]
async fn a_server_may_begin_with_a_note() {
    let (_folder, path) = socket_path();
    let listener = UnixListener::bind(&path).unwrap();
    let note = b"# rows of a script\n";
    tokio::spawn(async move { serve(listener.accept().await.unwrap().0, note).await });
    let mut stream = LocalAgent::Socket(path).connect(SHORT).await.unwrap();
    let mut received = vec![0; note.len()];
    stream.read_exact(&mut received).await.unwrap();
    assert_eq!(received, note);
}

#[tokio::test]
async fn a_server_that_closes_the_connection_at_once_is_named() {
    let (_folder, path) = socket_path();
    let (socket, port) =
        (UnixListener::bind(&path).unwrap(), TcpListener::bind(loopback()).await.unwrap());
    let address = port.local_addr().unwrap();
    tokio::spawn(async move { while socket.accept().await.is_ok() {} });
    tokio::spawn(async move { while port.accept().await.is_ok() {} });
    for place in [LocalAgent::Socket(path), LocalAgent::Port(address)] {
        let expected = warning(&format!("{place} closed the connection"));
        assert_eq!(search(place).await, expected);
    }
}

#[tokio::test]
async fn a_silent_port_delays_the_start_only_shortly() {
    let silent = TcpListener::bind(loopback()).await.unwrap();
    let address = silent.local_addr().unwrap();
    let begin = Instant::now();
    let expected = warning(&format!("{address} does not answer"));
    assert_eq!(search(LocalAgent::Port(address)).await, expected);
    assert!(begin.elapsed() < SHORT, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_server_that_has_closed_the_connection_has_no_known_user() {
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            client.write_all(ROW).await.unwrap();
        }
    });
    // The search may read the list before the server has closed the connection.
    let expected = warning(&format!("{address} belongs to an unknown user"));
    let begin = Instant::now();
    while search(LocalAgent::Port(address)).await != expected {
        assert!(begin.elapsed() < SHORT);
    }
}

#[tokio::test]
async fn a_folder_that_others_can_write_to_is_not_trusted() {
    let (folder, path) = socket_path();
    let _listener = UnixListener::bind(&path).unwrap();
    for mode in [0o775, 0o757, 0o1777] {
        fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
        let reason = "is in a folder to which other users can write";
        let expected = warning(&format!("unix:{} {reason}", path.display()));
        assert_eq!(search(LocalAgent::Socket(path.clone())).await, expected);
    }
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path(), &link).unwrap();
    let path = link.join("agent.sock");
    let expected = warning(&format!("unix:{} is not in a folder", path.display()));
    assert_eq!(search(LocalAgent::Socket(path)).await, expected);
}

#[tokio::test]
async fn all_reasons_are_in_one_line() {
    let (folder, path) = socket_path();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let silent = TcpListener::bind(loopback()).await.unwrap();
    let address = silent.local_addr().unwrap();
    let places = [LocalAgent::Socket(path.clone()), LocalAgent::Port(address)];
    let expected = warning(&format!(
        "unix:{} is in a folder to which other users can write, {address} does not answer",
        path.display()
    ));
    assert_eq!((false, LocalAgent::search(&places).await.warning), expected);
}

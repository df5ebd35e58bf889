//! One client on standard input and output, as with ssh.
//!
//! ```text
//!  stdin ──▶ requests ─┬─▶ the agent of this machine, if one answers: it has a history
//!  stdout ◀─── rows ◀──┴── else a session of an agent in this process
//! ```

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy, join};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::agent::Agent;
use crate::serve::listen::Listener;
use crate::serve::server::{STOP_TIMEOUT, propagate_panic};

/// Time in which the local agent must answer; then an agent is started in this process.
const PROBE_TIMEOUT: Duration = Duration::from_millis(200);

/// Connects to the agent at a local address. `None` unless it sends the first byte of a row or a
/// note within 200 ms.
pub async fn probe_agent(address: SocketAddr) -> Option<TcpStream> {
    let answer = async {
        let stream = TcpStream::connect(address).await?;
        let mut first = [0];
        let count = stream.peek(&mut first).await?;
        let is_line = count == 1 && matches!(first[0], b'0'..=b'9' | b'n' | b'-' | b'#');
        io::Result::Ok(is_line.then_some(stream))
    };
    timeout(PROBE_TIMEOUT, answer).await.ok()?.ok()?
}

/// Serves one client until `input` ends, `output` fails, or `stop` resolves.
///
/// Forwards the stream of the agent at `local_agent` unchanged, if one answers. Else awaits `agent`
/// and serves its stream.
///
/// # Panics
/// If the session panics.
pub async fn serve_stdio(
    local_agent: SocketAddr,
    agent: impl Future<Output = Agent>,
    input: impl AsyncRead + Unpin + Send + 'static,
    output: impl AsyncWrite + Unpin + Send + 'static,
    stop: impl Future<Output = ()>,
) {
    match probe_agent(local_agent).await {
        Some(stream) => tokio::select! {
            () = proxy(stream, input, output) => {}
            () = stop => {}
        },
        None => serve(agent.await, input, output, stop).await,
    }
}

async fn proxy(
    mut local_agent: TcpStream,
    mut input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) {
    // Sends requests at once. An error on a closed connection shows up again below.
    let _ = local_agent.set_nodelay(true);
    let (mut rows, mut requests) = local_agent.split();
    // The end of either direction ends both.
    tokio::select! {
        _ = copy(&mut input, &mut requests) => {}
        _ = copy(&mut rows, &mut output) => {}
    }
}

async fn serve(
    agent: Agent,
    input: impl AsyncRead + Unpin + Send + 'static,
    output: impl AsyncWrite + Unpin + Send + 'static,
    stop: impl Future<Output = ()>,
) {
    let service = agent.service();
    let mut session = JoinSet::new();
    session.spawn(async move { service.serve(join(EofAsError(input), output)).await });
    let finished = async {
        tokio::select! {
            () = stop => {}
            Some(ended) = session.join_next() => drop(propagate_panic(ended)),
        }
    };
    agent.run(Vec::<Listener>::new(), finished).await;
    // Already ended if `session` is empty.
    if let Ok(Some(ended)) = timeout(STOP_TIMEOUT, session.join_next()).await {
        propagate_panic(ended);
    }
}

/// Input whose end is an error. A socket's peer may shut down its side and still read; for standard
/// input, the end is the only sign that the client left.
struct EofAsError<R>(R);

impl<R: AsyncRead + Unpin> AsyncRead for EofAsError<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.0).poll_read(context, into);
        if matches!(read, Poll::Ready(Ok(()))) && into.filled().len() == before {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        read
    }
}

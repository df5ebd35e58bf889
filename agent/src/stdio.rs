//! One client on standard input and output, as ssh brings it.
//!
//! ```text
//!  stdin ──▶ requests ─┬─▶ the agent of this machine, if one answers: its history is there
//!  stdout ◀─── rows ◀──┴── else a session of an agent of our own
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
use crate::listen::Listener;
use crate::server;

/// How long the agent on this machine has to answer before one is run in this process.
const PROBE_TIMEOUT: Duration = Duration::from_millis(200);

/// How long the session has to say goodbye.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection to the agent at an address of this machine, if something there sends in time what
/// a line of a stream begins with.
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

/// Serves one client until its `input` ends, `output` takes no more, or `stop` comes true: with the
/// stream of the agent at `local_agent`, byte for byte both ways, if one answers there, else with that
/// of `agent`, which is not begun otherwise.
///
/// # Panics
/// If the session does.
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
    // A request leaves when it is written. A connection that is gone already fails here, and again
    // below.
    let _ = local_agent.set_nodelay(true);
    let (mut rows, mut requests) = local_agent.split();
    // Whatever way one of them ends, it is over.
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
    session.spawn(async move {
        service.serve(join(EofAsError(input), output)).await;
    });
    let finished = async {
        tokio::select! {
            () = stop => {}
            Some(ended) = session.join_next() => drop(server::propagate_panic(ended)),
        }
    };
    agent.run(Vec::<Listener>::new(), finished).await;
    // Nothing is left to wait for if it has ended before.
    if let Ok(Some(ended)) = timeout(STOP_TIMEOUT, session.join_next()).await {
        server::propagate_panic(ended);
    }
}

/// An input whose end is that of the client. On a socket, one that is done talking may still listen;
/// here, somebody who has gone leaves no other trace.
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

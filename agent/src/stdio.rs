//! One client on standard input and output, as with ssh.
//!
//! ```text
//!  stdin ──▶ requests ─┬─▶ the agent of this machine, if a trusted one answers: it has a history
//!  stdout ◀─── rows ◀──┴── else a session of an agent in this process
//! ```

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use loadline_common::LocalStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy, join, split};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::agent::Agent;
use crate::serve::listen::Listener;
use crate::serve::server::{STOP_TIMEOUT, propagate_panic};

/// Serves one client until `input` ends, `output` fails, or `stop` resolves.
///
/// Forwards the stream of `local_agent` unchanged, if there is one. Else awaits `agent` and serves its
/// stream.
///
/// # Panics
/// If the session panics.
pub async fn serve_stdio(
    local_agent: Option<Box<dyn LocalStream>>,
    agent: impl Future<Output = Agent>,
    input: impl AsyncRead + Unpin + Send + 'static,
    output: impl AsyncWrite + Unpin + Send + 'static,
    stop: impl Future<Output = ()>,
) {
    match local_agent {
        Some(stream) => tokio::select! {
            () = proxy(stream, input, output) => {}
            () = stop => {}
        },
        None => serve(agent.await, input, output, stop).await,
    }
}

async fn proxy(
    local_agent: Box<dyn LocalStream>,
    mut input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) {
    let (mut rows, mut requests) = split(local_agent);
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

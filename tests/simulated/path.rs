//! Network path between a client and an agent that loses packets without a word. Both ends behave like TCP:
//! they repeat what is not acknowledged, at growing distances, and deliver bytes in order.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadline_agent::Service;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, duplex, split,
};
use tokio::time::sleep;

/// Time of a packet on the path.
const LATENCY: Duration = Duration::from_millis(20);

/// Distance of the first repetition of a packet; each further one doubles it. Of a packet that opens a
/// connection, and of others.
const OPENING_REPETITION: Duration = Duration::from_secs(1);
const REPETITION: Duration = Duration::from_millis(200);

/// Longest distance of two repetitions.
const REPETITION_MAX: Duration = Duration::from_mins(2);

/// Largest packet that passes a path whose MTU is not known.
const SMALL_BYTES: usize = 60;

/// Capacity of the buffers of a socket.
const SOCKET_BYTES: usize = 64 * 1024;

/// Loss of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    None,
    /// All packets are lost.
    All,
    /// The packets of the client are lost. Those of the agent arrive while its window lasts.
    ToAgent,
    /// The packets of the agent are lost.
    ToClient,
    /// All packets are lost, but somebody in between accepts connections.
    AllButAccepted,
    /// Large packets are lost.
    Large,
    /// A device in between forgets the open connections. New ones work.
    Forgotten,
}

/// Direction of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToAgent,
    ToClient,
}

/// Path that all connections of a simulation share.
#[derive(Debug, Clone)]
pub(crate) struct Path(Arc<Mutex<PathState>>);

#[derive(Debug)]
struct PathState {
    loss: Loss,
    /// Number of times that open connections were forgotten.
    generation: usize,
    /// Packets of the agent that still arrive although no acknowledgement comes back.
    window: usize,
}

impl Path {
    pub(crate) fn new() -> Path {
        Path(Arc::new(Mutex::new(PathState { loss: Loss::None, generation: 0, window: 0 })))
    }

    /// Begins a loss, or ends it with [`Loss::None`].
    pub(crate) fn set(&self, loss: Loss, window: usize) {
        let mut state = self.0.lock().unwrap();
        state.generation += usize::from(matches!(loss, Loss::Forgotten | Loss::Large));
        (state.loss, state.window) = (loss, window);
    }

    fn generation(&self) -> usize {
        self.0.lock().unwrap().generation
    }

    /// Returns whether a packet of a connection arrives.
    fn passes(&self, direction: Direction, bytes: usize, generation: usize) -> bool {
        let mut state = self.0.lock().unwrap();
        if state.generation != generation {
            return false;
        }
        match state.loss {
            Loss::None | Loss::Forgotten => true,
            Loss::ToAgent if direction == Direction::ToClient && state.window > 0 => {
                state.window -= 1;
                true
            }
            Loss::All | Loss::AllButAccepted | Loss::ToAgent => false,
            Loss::ToClient => direction == Direction::ToAgent,
            Loss::Large => bytes <= SMALL_BYTES,
        }
    }

    fn accepts(&self) -> bool {
        let loss = self.0.lock().unwrap().loss;
        matches!(loss, Loss::None | Loss::AllButAccepted | Loss::Large | Loss::Forgotten)
    }

    /// Connects a client to an agent.
    pub(crate) async fn connect(self, agent: Service) -> io::Result<DuplexStream> {
        let mut repetition = OPENING_REPETITION;
        while !self.accepts() {
            sleep(repetition).await;
            repetition *= 2;
        }
        sleep(2 * LATENCY).await;
        let (client, near) = duplex(SOCKET_BYTES);
        let (far, server) = duplex(SOCKET_BYTES);
        tokio::spawn(async move { agent.serve(server).await });
        let generation = self.generation();
        tokio::spawn(async move {
            let (from_client, to_client) = split(near);
            let (from_agent, to_agent) = split(far);
            // The end of either direction ends both.
            tokio::select! {
                _ = self.carry(Direction::ToAgent, generation, from_client, to_agent) => {}
                _ = self.carry(Direction::ToClient, generation, from_agent, to_client) => {}
            }
        });
        Ok(client)
    }

    /// Carries bytes in one direction, packet by packet.
    async fn carry(
        &self,
        direction: Direction,
        generation: usize,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let mut packet = [0; 1400];
        loop {
            let count = from.read(&mut packet).await?;
            if count == 0 {
                return Ok(());
            }
            let mut repetition = REPETITION;
            while !self.passes(direction, count, generation) {
                sleep(repetition).await;
                repetition = (2 * repetition).min(REPETITION_MAX);
            }
            sleep(LATENCY).await;
            to.write_all(&packet[..count]).await?;
        }
    }
}

//! Agent on a loopback port, in this process. Tests of other crates include this file.

use std::net::SocketAddr;

use loadline_agent::{Address, Agent, Listener, PlaintextPolicy};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Running agent on a loopback port.
#[derive(Debug)]
pub struct LoopbackAgent {
    /// Address of its listener.
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl LoopbackAgent {
    /// Runs an agent on this port; port 0 picks a free one.
    pub async fn run(agent: Agent, port: u16, plaintext: PlaintextPolicy) -> LoopbackAgent {
        let address: Address = format!("127.0.0.1:{port}").parse().unwrap();
        let listener = Listener::bind(&address, plaintext).await.unwrap().listen().unwrap();
        let address = listener.address().to_string().parse().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(agent.run(vec![listener], async {
            let _ = stopped.await;
        }));
        LoopbackAgent { address, stop, task }
    }

    /// Stops the agent as a signal does.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap();
    }
}

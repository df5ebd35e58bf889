//! Transport to an agent in this process.

use std::future;
use std::time::Duration;

use loadline_agent::{Agent, AgentSettings, Listener, Machine, MachineFacts, Service};
use tokio::io::DuplexStream;

/// Capacity of the in-memory pipe to the agent: 16 KiB.
const PIPE_BYTES: usize = 16 * 1024;

pub(super) struct EmbeddedAgent(Service);

impl EmbeddedAgent {
    /// Starts an agent that samples this machine until the process exits.
    pub(super) async fn start(interval: Option<Duration>) -> EmbeddedAgent {
        let mut settings = AgentSettings::default();
        if let Some(interval) = interval {
            settings.interval =
                interval.clamp(AgentSettings::INTERVAL_MIN, AgentSettings::INTERVAL_MAX);
        }
        let machine = Machine::default().with_top(AgentSettings::TOP);
        let agent = Agent::start(machine, MachineFacts::of_this_machine(), settings).await;
        let service = agent.service();
        tokio::spawn(agent.run(Vec::<Listener>::new(), future::pending()));
        EmbeddedAgent(service)
    }

    pub(super) fn connect(&self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let service = self.0.clone();
        // The task ends when our end of the pipe is dropped.
        tokio::spawn(async move { service.serve(theirs).await });
        ours
    }
}

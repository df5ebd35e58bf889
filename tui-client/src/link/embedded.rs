//! Transport to an agent in this process.

use std::future;
use std::time::Duration;

use loadline_agent::{Agent, AgentSettings, Machine, MachineFacts, Service};
use tokio::io::DuplexStream;

/// Capacity of the in-memory pipe to the agent: 16 KiB.
const PIPE_BYTES: usize = 16 * 1024;

/// Starts an agent that samples this machine until the process exits.
pub(super) async fn run_agent(interval: Option<Duration>) -> Service {
    let mut settings = AgentSettings::default();
    if let Some(interval) = interval {
        settings.interval =
            interval.clamp(AgentSettings::INTERVAL_MIN, AgentSettings::INTERVAL_MAX);
    }
    let agent = Agent::start(Machine::new(), MachineFacts::of_this_machine(), settings).await;
    let service = agent.service();
    tokio::spawn(agent.run(Vec::new(), future::pending()));
    service
}

pub(super) fn connect(service: &Service) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let service = service.clone();
    // The task ends when our end of the pipe is dropped.
    tokio::spawn(async move { service.serve(theirs).await });
    ours
}

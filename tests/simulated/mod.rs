//! Simulation of two agents and two clients for a minute of simulated time.

mod faults;
mod hosts;
pub(crate) mod path;
mod wire;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use faults::FaultPlan;
use hosts::{AGENTS, AgentView, SimulatedAgents};
use wire::ClientNetwork;

const SIMULATION_LENGTH: Duration = Duration::from_mins(1);

/// End of the last fault.
const REPAIRED_AT: Duration = Duration::from_secs(30);

/// Time at which each client has to be live again. After the last fault it takes 22 s to notice a dead
/// connection without a header, or 6 s and 10 s to ask an agent, and another 10 s if the network has lost the
/// next request; then 0.5 s of backoff, and 2 s to connect.
const LIVE_TIMEOUT: Duration = Duration::from_secs(30 + 6 + 10 + 10 + 3);

/// Simulated time of a step.
const TICK: Duration = Duration::from_millis(10);

/// Resume behaviour of the clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResumeMode {
    /// Continues behind the last received row.
    Correct,
    /// Skips a row, to prove that the simulation notices.
    OffByOne,
}

/// Simulates a minute with the seed `number`.
///
/// # Errors
/// Describes the first violation.
pub(crate) fn run(number: u64, resume: ResumeMode) -> Result<(), String> {
    // The backoff draws from this generator.
    fastrand::seed(number);
    let mut random = SmallRng::seed_from_u64(number);
    let mut sim = turmoil::Builder::new()
        .simulation_duration(2 * SIMULATION_LENGTH)
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(50))
        // Ample: a real socket buffers megabytes, and rows are small.
        .tcp_capacity(4096)
        .rng_seed(number)
        .build();
    let agents = SimulatedAgents::default();
    for (at, name) in AGENTS.iter().enumerate() {
        let agents = agents.clone();
        sim.host(*name, move || hosts::run_agent(at, agents.clone()));
    }
    let (mut clients, mut networks) = (Vec::new(), Vec::new());
    for client in &hosts::CLIENTS {
        let views: Arc<Mutex<Vec<AgentView>>> = Arc::default();
        let clock = hosts::WallClock::default();
        let network = ClientNetwork::new(resume);
        clients.push((client, views.clone(), clock.clone()));
        networks.push(network.clone());
        let agents = agents.clone();
        sim.host(client.name, move || {
            let (views, clock, agents) = (views.clone(), clock.clone(), agents.clone());
            hosts::run_client(client, views, clock, agents, network.clone())
        });
    }
    let walls = agents.walls().into_iter().chain(clients.iter().map(|(.., wall)| wall.clone()));
    let mut faults = FaultPlan::plan(&mut random, REPAIRED_AT, walls.collect(), networks);
    while sim.elapsed() < SIMULATION_LENGTH {
        faults.apply(&mut sim, &mut random);
        sim.step().map_err(|error| format!("{error} at {:?}", sim.elapsed()))?;
    }
    for (client, views, _) in clients {
        for view in views.lock().unwrap().iter() {
            let name = format!("{} of {}", client.name, AGENTS[view.agent]);
            view.check(&agents, client, LIVE_TIMEOUT).map_err(|why| {
                format!("{name}: {why}\n{}\nafter {}", view.log_text(), faults.log())
            })?;
        }
    }
    Ok(())
}

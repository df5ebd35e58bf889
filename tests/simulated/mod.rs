//! A minute of two agents and two clients, in simulated time.

mod faults;
mod hosts;
mod wire;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use faults::FaultPlan;
use hosts::{AGENTS, AgentView, SimulatedAgents};

/// How long a simulation lasts.
const SIMULATION_LENGTH: Duration = Duration::from_mins(1);

/// When the last fault is mended.
const REPAIRED_AT: Duration = Duration::from_secs(30);

/// When each client has to be live again: it may have to notice first that its connection is dead,
/// then a try that is under way fails, and then it waits for the next one.
const LIVE_TIMEOUT: Duration = Duration::from_secs(30 + 6 + 10 + 10 + 2);

/// What a simulated step takes.
const TICK: Duration = Duration::from_millis(10);

/// Whether clients resume where they stopped, or, to show that it would be noticed, one row later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResumeMode {
    /// As they do.
    Correct,
    /// With one row left out.
    OffByOne,
}

/// Simulates a minute; `number` is the seed.
///
/// # Errors
/// What was not as it has to be.
pub(crate) fn run(number: u64, resume: ResumeMode) -> Result<(), String> {
    // The waits between tries are drawn from it.
    fastrand::seed(number);
    let mut random = SmallRng::seed_from_u64(number);
    let mut sim = turmoil::Builder::new()
        .simulation_duration(2 * SIMULATION_LENGTH)
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(50))
        // A socket holds some megabytes, and rows are small.
        .tcp_capacity(4096)
        .rng_seed(number)
        .build();
    let agents = SimulatedAgents::default();
    for (at, name) in AGENTS.iter().enumerate() {
        let agents = agents.clone();
        sim.host(*name, move || hosts::run_agent(at, agents.clone()));
    }
    let mut clients = Vec::new();
    for client in &hosts::CLIENTS {
        let views: Arc<Mutex<Vec<AgentView>>> = Arc::default();
        let clock = hosts::WallClock::default();
        clients.push((client, views.clone(), clock.clone()));
        sim.host(client.name, move || {
            hosts::run_client(client, views.clone(), clock.clone(), resume)
        });
    }
    let walls = agents.walls().into_iter().chain(clients.iter().map(|(.., wall)| wall.clone()));
    let mut faults = FaultPlan::plan(&mut random, REPAIRED_AT, walls.collect());
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

//! A minute of two agents and two clients, in simulated time.

mod faults;
mod hosts;
mod wire;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;

use faults::Faults;
use hosts::{AGENTS, Agents, Seen};

/// How long a simulation lasts.
const LENGTH: Duration = Duration::from_mins(1);

/// When the last fault is mended.
const HEALED: Duration = Duration::from_secs(30);

/// When each client has to be live again: it may have to notice first that its connection is dead,
/// then a try that is under way fails, and then it waits for the next one.
const LIVE: Duration = Duration::from_secs(30 + 6 + 10 + 10 + 2);

/// What a simulated step takes.
const TICK: Duration = Duration::from_millis(10);

/// Whether clients resume where they stopped, or, to show that it would be noticed, one row later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resume {
    /// As they do.
    Whole,
    /// With one row left out.
    OneTooFar,
}

/// Simulates a minute; `number` is the seed.
///
/// # Errors
/// What was not as it has to be.
pub(crate) fn run(number: u64, resume: Resume) -> Result<(), String> {
    // The waits between tries are drawn from it.
    fastrand::seed(number);
    let mut random = SmallRng::seed_from_u64(number);
    let mut sim = turmoil::Builder::new()
        .simulation_duration(2 * LENGTH)
        .tick_duration(TICK)
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(50))
        // A socket holds some megabytes, and rows are small.
        .tcp_capacity(4096)
        .rng_seed(number)
        .build();
    let agents = Agents::default();
    for (at, name) in AGENTS.iter().enumerate() {
        let agents = agents.clone();
        sim.host(*name, move || hosts::agent(at, agents.clone()));
    }
    let mut clients = Vec::new();
    for client in &hosts::CLIENTS {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let clock = hosts::Wall::default();
        clients.push((client, seen.clone(), clock.clone()));
        sim.host(client.name, move || hosts::client(client, seen.clone(), clock.clone(), resume));
    }
    let walls = agents.walls().into_iter().chain(clients.iter().map(|(.., wall)| wall.clone()));
    let mut faults = Faults::plan(&mut random, HEALED, walls.collect());
    while sim.elapsed() < LENGTH {
        faults.apply(&mut sim, &mut random);
        sim.step().map_err(|error| format!("{error} at {:?}", sim.elapsed()))?;
    }
    for (client, seen, _) in clients {
        for seen in seen.lock().unwrap().iter() {
            let name = format!("{} of {}", client.name, AGENTS[seen.agent]);
            seen.check(&agents, client, LIVE).map_err(|why| {
                format!("{name}: {why}\n{}\nafter {}", seen.story(), faults.story())
            })?;
        }
    }
    Ok(())
}

//! Faults of the simulated network, hosts and clocks.

use std::fmt::Write as _;
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::SmallRng;
use turmoil::Sim;

use super::hosts::{AGENTS, CLIENTS, WallClock};
use super::wire::ClientNetwork;

/// Fault of the network, of a host, or of its clock.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Packets between two hosts are lost, in one direction or in both.
    Partition { both: bool },
    /// Packets are held back until the repair.
    Hold,
    /// Some packets are lost.
    Loss,
    /// Packets take up to 1.5 s.
    Delay,
    /// An agent is killed, and started again at the repair.
    Crash,
    /// An agent's network fails, then the agent: its peers do not see the connection end.
    PowerFailure,
    /// A host restarts at once.
    Restart,
    /// A clock is set ahead or back, by seconds or by up to an hour.
    Step,
    /// A client receives little more, or less, than its agents send.
    SlowLink,
}

const FAULTS: [Fault; 12] = [
    Fault::Partition { both: true },
    Fault::Partition { both: false },
    Fault::Hold,
    Fault::Loss,
    Fault::Delay,
    Fault::Crash,
    Fault::PowerFailure,
    Fault::Restart,
    Fault::Step,
    Fault::Step,
    Fault::SlowLink,
    Fault::SlowLink,
];

/// Fault between two hosts, with its begin and end.
struct PlannedFault {
    fault: Fault,
    agent: usize,
    client: usize,
    begin: Duration,
    end: Duration,
    begun: bool,
    ended: bool,
}

/// Faults of one simulation.
pub(crate) struct FaultPlan {
    planned: Vec<PlannedFault>,
    walls: Vec<WallClock>,
    /// Networks of the clients.
    networks: Vec<ClientNetwork>,
    log: String,
}

impl FaultPlan {
    /// Draws faults, all of which end before `repaired_at`. `walls` are the clocks of all hosts.
    pub(crate) fn plan(
        random: &mut SmallRng,
        repaired_at: Duration,
        walls: Vec<WallClock>,
        networks: Vec<ClientNetwork>,
    ) -> FaultPlan {
        let ms = Duration::from_millis;
        let mut planned = Vec::new();
        let mut at = ms(random.random_range(500..5000));
        loop {
            let begin = at;
            let end = begin + ms(random.random_range(100..9000));
            if end >= repaired_at {
                return FaultPlan { planned, walls, networks, log: String::new() };
            }
            planned.push(PlannedFault {
                fault: FAULTS[random.random_range(0..FAULTS.len())],
                agent: random.random_range(0..AGENTS.len()),
                client: random.random_range(0..CLIENTS.len()),
                begin,
                end,
                begun: false,
                ended: false,
            });
            // Faults may overlap. Each is repaired on its own.
            at += ms(random.random_range(100..6000));
        }
    }

    /// Begins and ends the faults that are due.
    pub(crate) fn apply(&mut self, sim: &mut Sim<'_>, random: &mut SmallRng) {
        let now = sim.elapsed();
        for planned in &mut self.planned {
            if !planned.begun && now >= planned.begin {
                planned.begun = true;
                let _ = writeln!(self.log, "{now:?} {}", planned.name());
                planned.begin(sim, random, &self.walls, &self.networks);
            }
            if !planned.ended && now >= planned.end {
                planned.ended = true;
                let _ = writeln!(self.log, "{now:?} over: {}", planned.name());
                planned.end(sim, &self.networks);
            }
        }
    }

    /// Returns the faults so far, for the failure report.
    pub(crate) fn log(&self) -> &str {
        &self.log
    }
}

impl PlannedFault {
    fn name(&self) -> String {
        format!("{:?} of {} and {}", self.fault, AGENTS[self.agent], CLIENTS[self.client].name)
    }

    fn begin(
        &self,
        sim: &mut Sim<'_>,
        random: &mut SmallRng,
        walls: &[WallClock],
        networks: &[ClientNetwork],
    ) {
        let (agent, client) = (AGENTS[self.agent], CLIENTS[self.client].name);
        match self.fault {
            Fault::Partition { both: true } => sim.partition(agent, client),
            Fault::Partition { both: false } if random.random() => {
                sim.partition_oneway(agent, client);
            }
            Fault::Partition { both: false } => sim.partition_oneway(client, agent),
            Fault::Hold => sim.hold(agent, client),
            Fault::Loss => sim.set_link_fail_rate(agent, client, 0.1),
            Fault::Delay => {
                sim.set_link_max_message_latency(agent, client, Duration::from_millis(1500));
            }
            Fault::Crash => sim.crash(agent),
            Fault::PowerFailure => {
                for client in &CLIENTS {
                    sim.partition(agent, client.name);
                }
                sim.crash(agent);
            }
            Fault::Restart if random.random() => sim.bounce(client),
            Fault::Restart => sim.bounce(agent),
            Fault::Step => {
                let most = if random.random() { 10_000 } else { 3_600_000 };
                walls[random.random_range(0..walls.len())].step(random.random_range(-most..most));
            }
            Fault::SlowLink => networks[self.client].limit(random.random_range(20..400)),
        }
    }

    fn end(&self, sim: &mut Sim<'_>, networks: &[ClientNetwork]) {
        let (agent, client) = (AGENTS[self.agent], CLIENTS[self.client].name);
        match self.fault {
            Fault::Partition { .. } => sim.repair(agent, client),
            Fault::Hold => sim.release(agent, client),
            Fault::Loss => sim.set_link_fail_rate(agent, client, 0.0),
            Fault::Delay => {
                sim.set_link_max_message_latency(agent, client, Duration::from_millis(50));
            }
            Fault::PowerFailure => {
                for client in &CLIENTS {
                    sim.repair(agent, client.name);
                }
                sim.bounce(agent);
            }
            Fault::Crash => sim.bounce(agent),
            Fault::SlowLink => networks[self.client].limit(ClientNetwork::UNLIMITED),
            Fault::Restart | Fault::Step => {}
        }
    }
}

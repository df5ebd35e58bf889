//! Agents and clients on the simulated hosts, and the checks of their behaviour.

use std::error::Error;
use std::fmt::Write as _;
use std::future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadline::event::{Event, Sample};
use loadline::link::{Connector, EVENTS_MAX, Link, LinkOptions};
use loadline::watched::{State, Watched};
use loadline_agent::{Agent, AgentSettings, Clock, MachineFacts, ScriptedSource};
use loadline_protocol::{Column, History, Look, Process, Seq, Time, Top};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use turmoil::net::TcpListener;

use super::TICK;
use super::wire::{ClientNetwork, PORT, SimulatedListener, SimulatedStream};

/// Host names of the agents.
pub(crate) const AGENTS: [&str; 2] = ["web-1", "web-2"];

pub(crate) const CLIENTS: [SimulatedClient; 2] = [
    SimulatedClient { name: "wall", agents: &[0, 1], history: History::All },
    SimulatedClient { name: "desk", agents: &[0], history: History::Last(Duration::from_secs(5)) },
];

/// Number of newest samples that may not have reached a client yet.
const IN_FLIGHT_MAX: u64 = 2;

/// Difference between the values of the same sample in two consecutive starts of an agent.
const START_OFFSET: u64 = 1_000_000;

/// Samples between two looks of an agent. Divides [`START_OFFSET`].
const LOOK_EVERY: u64 = 4;

/// Permitted time in state live without a row: 3 s, plus twice the clock tolerance of 1 s, by which
/// the clocks of link and screen may differ.
const LIVE_MAX: Duration = Duration::from_secs(3 + 2);

/// Permitted age of the newest sample in state live: 5 intervals of 1 s and 2 s, plus the clock
/// tolerance of link, screen and agent.
const LIVE_AGE_MAX: Duration = Duration::from_secs(5 + 2 + 3);

/// Interval between two checks of a client's state.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Start of a simulation by all clocks, in milliseconds since 1970.
const BEGIN_MS: i64 = 1_763_836_800_000;

/// Simulated client.
#[derive(Debug)]
pub(crate) struct SimulatedClient {
    /// Name of its host.
    pub name: &'static str,
    /// Indices in [`AGENTS`] of its sources.
    agents: &'static [usize],
    /// History to request.
    history: History,
}

/// Wall clock that can be set.
#[derive(Debug, Clone, Default)]
pub(crate) struct WallClock(Arc<AtomicI64>);

impl WallClock {
    /// Sets the clock ahead, or back if `ms` is negative.
    pub(crate) fn step(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }

    fn now_ms(&self) -> i64 {
        BEGIN_MS + now().as_millis() as i64 + self.0.load(Ordering::Relaxed)
    }

    fn clock(&self) -> Clock {
        let wall = self.clone();
        Clock::new(move || wall.now_ms())
    }
}

/// Returns the time since the start of the simulation.
fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// Wall clock and sample times of each agent.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimulatedAgents(Arc<[(WallClock, Mutex<SampleTimes>); 2]>);

/// Times of an agent's samples, one list for each start.
type SampleTimes = Vec<Vec<SampleTime>>;

/// Time of a sample.
#[derive(Debug, Clone, Copy)]
struct SampleTime {
    /// By the agent's clock, in milliseconds.
    wall_ms: i64,
    /// Since the start of the simulation.
    taken: Duration,
}

impl SimulatedAgents {
    /// Returns the clocks of all agents.
    pub(crate) fn walls(&self) -> Vec<WallClock> {
        self.0.iter().map(|(wall, _)| wall.clone()).collect()
    }
}

type HostResult = Result<(), Box<dyn Error>>;

/// Runs an agent from a start to its end. A sample's value is its number plus [`START_OFFSET`] for
/// each start.
pub(crate) async fn run_agent(at: usize, agents: SimulatedAgents) -> HostResult {
    let start = {
        let mut starts = agents.0[at].1.lock().unwrap();
        starts.push(Vec::new());
        starts.len() as u64
    };
    let samples = agents.clone();
    let source = ScriptedSource::new(vec![Column::new("number", "B")], move |number, values| {
        let (wall, starts) = &samples.0[at];
        starts
            .lock()
            .unwrap()
            .last_mut()
            .unwrap()
            .push(SampleTime { wall_ms: wall.now_ms(), taken: now() });
        values.push((start * START_OFFSET + number) as f64);
    });
    let source = source.with_looks(1, move |number, time| {
        number.is_multiple_of(LOOK_EVERY).then(|| look(start * START_OFFSET + number, time))
    });
    let clock = agents.0[at].0.clock();
    let agent =
        Agent::start_with_clock(source, MachineFacts::default(), AgentSettings::default(), clock)
            .await;
    let listener = SimulatedListener(TcpListener::bind(("0.0.0.0", PORT)).await?);
    agent.run(vec![listener], future::pending()).await;
    Ok(())
}

/// Returns the look after the sample with this value, which is the process id.
fn look(value: u64, time: Time) -> Look {
    let pid = u32::try_from(value).unwrap();
    let process = Process { pid, name: "sh".into(), ..Process::default() };
    Look { top: Top { time, ..Top::default() }, processes: vec![process] }
}

/// View that a client has of an agent since the client's last start.
pub(crate) struct AgentView {
    /// Index in [`AGENTS`].
    pub agent: usize,
    /// Value and timestamp of each row, in order of arrival.
    rows: Vec<(u64, Time)>,
    watched: Watched,
    /// Process ids of the looks since the last row.
    looks: Vec<u64>,
    /// Number of last rows that arrived before a header. The history repeats them.
    headerless_rows: usize,
    /// True once the header has arrived.
    has_header: bool,
    /// Arrival of the last row.
    last_row_at: Option<Duration>,
    /// Start of the last connection attempt. `None` while disconnected.
    connecting_since: Option<Duration>,
    /// Begin of the current live state.
    live_since: Option<Duration>,
    /// Times of the agent's samples.
    agents: SimulatedAgents,
    /// Events for the failure report.
    log: Vec<(Duration, String)>,
    /// First violation.
    failure: Option<String>,
}

/// Runs a client from a start to its end.
pub(crate) async fn run_client(
    client: &'static SimulatedClient,
    views: Arc<Mutex<Vec<AgentView>>>,
    wall: WallClock,
    agents: SimulatedAgents,
    network: ClientNetwork,
) -> HostResult {
    views.lock().unwrap().clear();
    for (index, &agent) in client.agents.iter().enumerate() {
        let watched = Watched::new(AGENTS[agent], false, Duration::MAX);
        let (rows, looks, log) = (Vec::new(), Vec::new(), Vec::new());
        views.lock().unwrap().push(AgentView {
            agent,
            rows,
            watched,
            looks,
            headerless_rows: 0,
            has_header: false,
            last_row_at: None,
            connecting_since: None,
            live_since: None,
            agents: agents.clone(),
            log,
            failure: None,
        });
        let name = AGENTS[agent];
        let network = network.clone();
        let connector =
            Connector::custom(name, move || SimulatedStream::connect(name, network.clone()));
        let (history, looks) = (client.history, true);
        let options = LinkOptions { history, looks, ..LinkOptions::default() };
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(Link::new(connector, options, wall.clock()).run(sender));
        tokio::spawn(follow(index, events, views.clone(), wall.clock()));
    }
    future::pending().await
}

/// Applies events to a view as the screen does, and checks the displayed state.
async fn follow(
    index: usize,
    mut events: mpsc::Receiver<Event>,
    views: Arc<Mutex<Vec<AgentView>>>,
    mut clock: Clock,
) {
    let mut check = interval(CHECK_INTERVAL);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            _ = check.tick() => None,
        };
        let view = &mut views.lock().unwrap()[index];
        let clock_now = clock.now();
        if let Some(event) = event {
            view.handle_event(clock_now, event);
        }
        view.check_state(clock_now);
    }
}

impl AgentView {
    fn handle_event(&mut self, clock_now: Time, event: Event) {
        match &event {
            Event::Connecting => self.connecting_since = Some(now()),
            Event::Disconnected { reason, .. } => {
                self.connecting_since = None;
                self.log.push((now(), format!("down: {reason}")));
            }
            Event::Connected => self.has_header = false,
            Event::Stream(stream) => {
                self.has_header = stream.header.is_some();
                let run = stream.header.as_ref().and_then(|header| header.run);
                self.log.push((now(), format!("run {run:?}")));
            }
            Event::Skipped { count } => self.fail(&format!("{count} rows are skipped")),
            Event::Faults { count, first, .. } => self.fail(&format!("{count} faults: {first}")),
            Event::Look(look) => {
                self.looks.extend(look.processes.iter().map(|process| u64::from(process.pid)));
            }
            Event::Rows(rows) => {
                rows.iter().for_each(|row| self.check_looks(row));
                self.last_row_at = Some(now());
                if self.has_header {
                    self.rows.truncate(self.rows.len() - std::mem::take(&mut self.headerless_rows));
                } else {
                    self.headerless_rows += rows.len();
                }
                for row in rows.iter() {
                    self.rows.push((row.values[0] as u64, row.time));
                }
                let first = rows.iter().next().map_or(0.0, |row| row.values[0]);
                self.log.push((now(), format!("{} rows from {first}", rows.len())));
            }
            _ => {}
        }
        self.watched.apply(clock_now, event);
    }

    /// Checks the looks before a row: the one after the previous sample, if that had a look. The first
    /// sample of a run has none.
    fn check_looks(&mut self, row: Sample<'_>) {
        let value = row.values[0] as u64;
        let before = value - 1;
        let is_first = row.seq.is_none_or(|seq| seq == Seq::FIRST);
        let has_look = before.is_multiple_of(LOOK_EVERY) && !is_first;
        let expected: Vec<u64> = has_look.then_some(before).into_iter().collect();
        let found = std::mem::take(&mut self.looks);
        if found != expected {
            self.fail(&format!("the looks {found:?} before {value}, not {expected:?}"));
        }
    }

    fn fail(&mut self, why: &str) {
        self.failure.get_or_insert(format!("{why} at {:?}", now()));
    }

    /// Checks that a live source has received a row recently, and that its newest sample is recent.
    fn check_state(&mut self, clock_now: Time) {
        self.watched.set_now(clock_now);
        let state = self.watched.state(clock_now);
        if state != State::Live {
            self.live_since = None;
            return;
        }
        self.live_since.get_or_insert(now());
        let silent = self.last_row_at.map(|at| now().saturating_sub(at));
        if silent.is_none_or(|silent| silent > LIVE_MAX + CHECK_INTERVAL + TICK) {
            self.fail(&format!("live, but the last row arrived {silent:?} ago"));
        }
        let age = self.newest_age();
        if age.is_none_or(|age| age > LIVE_AGE_MAX) {
            self.fail(&format!("live, but the newest sample is {age:?} old"));
        }
    }

    /// Returns the true age of the newest sample.
    fn newest_age(&self) -> Option<Duration> {
        let (number, _) = self.rows.last()?;
        let (start, sample) = (number / START_OFFSET, number % START_OFFSET);
        let starts = self.agents.0[self.agent].1.lock().unwrap();
        Some(now().saturating_sub(starts[start as usize - 1][sample as usize - 1].taken))
    }

    /// Returns the last events, for the failure report.
    pub(crate) fn log_text(&self) -> String {
        let mut text = String::new();
        for (at, what) in self.log.iter().rev().take(60).rev() {
            let _ = writeln!(text, "{at:?} {what}");
        }
        text
    }

    /// Checks the view at the end of a simulation. The source must be live since `live` at the
    /// latest.
    pub(crate) fn check(
        &self,
        agents: &SimulatedAgents,
        client: &SimulatedClient,
        live: Duration,
    ) -> Result<(), String> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let starts = agents.0[self.agent].1.lock().unwrap();
        self.check_rows(client, &starts)?;
        let (start, samples) = (starts.len() as u64, starts.last().map_or(0, Vec::len) as u64);
        let last = self.rows.last().map_or(0, |(number, _)| *number);
        if last + IN_FLIGHT_MAX < start * START_OFFSET + samples {
            return Err(format!("after {last}, {samples} of start {start} is missing"));
        }
        self.check_store()?;
        match self.live_since {
            Some(since) if since <= live => Ok(()),
            since => {
                Err(format!("live since {since:?}, connecting since {:?}", self.connecting_since))
            }
        }
    }

    /// Checks that the rows are in order and that none is missing or repeated.
    fn check_rows(
        &self,
        client: &SimulatedClient,
        starts: &[Vec<SampleTime>],
    ) -> Result<(), String> {
        let mut before = None;
        for (number, _) in &self.rows {
            let (start, sample) = (number / START_OFFSET, number % START_OFFSET);
            let last: Option<u64> = before.replace(*number);
            if last.is_some_and(|last| *number <= last) {
                return Err(format!("{number} is repeated after {last:?}"));
            }
            let first = match last {
                Some(last) if last / START_OFFSET == start => last % START_OFFSET + 1,
                // The client requested the whole history, and the agent holds all samples of this
                // start.
                _ if client.history == History::All => 1,
                _ => sample,
            };
            let first = first.max(oldest_held_sample(&starts[start as usize - 1]));
            if first < sample {
                return Err(format!("{first} of start {start} is missing, before {sample}"));
            }
        }
        Ok(())
    }

    /// Checks the store: all rows in it, except those that rows of a clock that was set back
    /// replaced.
    fn check_store(&self) -> Result<(), String> {
        let mut expected: Vec<(u64, Time)> = Vec::new();
        for (number, time) in &self.rows {
            while expected.last().is_some_and(|(_, before)| before >= time) {
                expected.pop();
            }
            expected.push((*number, *time));
        }
        let store = self.watched.store();
        let stored: Vec<(u64, Time)> = (0..store.len())
            .filter_map(|at| store.get(at))
            .map(|sample| (sample.value(0) as u64, sample.time()))
            .collect();
        if stored != expected {
            return Err(format!("the store has {} rows, not {}", stored.len(), expected.len()));
        }
        Ok(())
    }
}

/// Returns the number of the oldest sample that an agent holds. The agent drops its history when
/// its clock is set back: a sample's time is more than a second behind the time expected from the
/// interval of 1 s.
fn oldest_held_sample(samples: &[SampleTime]) -> u64 {
    let tolerance_ms = Clock::TOLERANCE.as_millis() as i64;
    let (mut first, mut anchor) = (1, (0, samples[0].wall_ms));
    for (at, SampleTime { wall_ms, .. }) in samples.iter().enumerate() {
        let ahead_ms = wall_ms - anchor.1 - 1000 * (at - anchor.0) as i64;
        // The agent reads its clock up to a step later.
        if ahead_ms < TICK.as_millis() as i64 - tolerance_ms {
            first = at as u64 + 1;
        }
        if ahead_ms.abs() > tolerance_ms {
            anchor = (at, *wall_ms);
        }
    }
    first
}

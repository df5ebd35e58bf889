//! What runs on the simulated hosts, and what has to hold of it.

use std::error::Error;
use std::fmt::Write as _;
use std::future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadline::event::Event;
use loadline::link::{Connector, EVENTS_MAX, Link, LinkOptions};
use loadline::watched::{State, Watched};
use loadline_agent::{Agent, AgentSettings, Clock, MachineFacts, ScriptedSource};
use loadline_protocol::{Column, History, Time};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use turmoil::net::TcpListener;

use super::wire::{PORT, SimulatedListener, SimulatedStream};
use super::{ResumeMode, TICK};

/// The agents.
pub(crate) const AGENTS: [&str; 2] = ["web-1", "web-2"];

/// The clients.
pub(crate) const CLIENTS: [SimulatedClient; 2] = [
    SimulatedClient { name: "wall", agents: &[0, 1], history: History::All },
    SimulatedClient { name: "desk", agents: &[0], history: History::Last(Duration::from_secs(5)) },
];

/// How long the newest rows may take to be with a client.
const IN_FLIGHT_MAX: u64 = 2;

/// What a sample of the next start of an agent has more.
const START_OFFSET: u64 = 1_000_000;

/// How long a source may be called live without a row: three seconds, and the clocks of the link and
/// of the screen may differ by twice what a clock puts up with.
const LIVE_MAX: Duration = Duration::from_secs(3 + 2);

/// How often a client looks at its state.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// When a simulation begins, by all clocks, milliseconds since 1970.
const BEGIN_MS: i64 = 1_763_836_800_000;

/// A client.
#[derive(Debug)]
pub(crate) struct SimulatedClient {
    /// The name of its host.
    pub name: &'static str,
    /// Which agents it follows.
    agents: &'static [usize],
    /// How far back it asks.
    history: History,
}

/// A wall clock, that is set now and then.
#[derive(Debug, Clone, Default)]
pub(crate) struct WallClock(Arc<AtomicI64>);

impl WallClock {
    /// Sets it, ahead or back.
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

/// The time since the simulation began.
fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// What the agents do: the clock of each, and when by this clock it took its samples, start by start.
#[derive(Debug, Clone, Default)]
pub(crate) struct SimulatedAgents(Arc<[(WallClock, Mutex<SampleTimes>); 2]>);

/// When an agent took its samples, by its clock in milliseconds, start by start.
type SampleTimes = Vec<Vec<i64>>;

impl SimulatedAgents {
    /// Their clocks.
    pub(crate) fn walls(&self) -> Vec<WallClock> {
        self.0.iter().map(|(wall, _)| wall.clone()).collect()
    }
}

type HostResult = Result<(), Box<dyn Error>>;

/// An agent, from a start to its end. The value of a sample is its number, and that of the start.
pub(crate) async fn run_agent(at: usize, agents: SimulatedAgents) -> HostResult {
    let start = {
        let mut starts = agents.0[at].1.lock().unwrap();
        starts.push(Vec::new());
        starts.len() as u64
    };
    let samples = agents.clone();
    let source = ScriptedSource::new(vec![Column::new("number", "B")], move |number, values| {
        let (wall, starts) = &samples.0[at];
        starts.lock().unwrap().last_mut().unwrap().push(wall.now_ms());
        values.push((start * START_OFFSET + number) as f64);
    });
    let clock = agents.0[at].0.clock();
    let agent =
        Agent::start_with_clock(source, MachineFacts::default(), AgentSettings::default(), clock)
            .await;
    let listener = SimulatedListener(TcpListener::bind(("0.0.0.0", PORT)).await?);
    agent.run_with(vec![listener], future::pending()).await;
    Ok(())
}

/// What a client has seen of an agent since its last start.
pub(crate) struct AgentView {
    /// Which agent.
    pub agent: usize,
    /// The number of each row that came, in the order of coming, with its time.
    rows: Vec<(u64, Time)>,
    watched: Watched,
    /// How many of them came before a header: the history has them again.
    headerless_rows: usize,
    /// Whether the header has come.
    has_header: bool,
    /// When the last row came.
    last_row_at: Option<Duration>,
    /// When the client connected last, if it is not down.
    connecting_since: Option<Duration>,
    /// Since when it is live.
    live_since: Option<Duration>,
    /// What happened, for people.
    log: Vec<(Duration, String)>,
    /// What was wrong.
    failure: Option<String>,
}

/// A client, from a start to its end.
pub(crate) async fn run_client(
    client: &'static SimulatedClient,
    views: Arc<Mutex<Vec<AgentView>>>,
    wall: WallClock,
    resume: ResumeMode,
) -> HostResult {
    views.lock().unwrap().clear();
    for (index, &agent) in client.agents.iter().enumerate() {
        let watched = Watched::new(AGENTS[agent], false, Duration::MAX);
        let (rows, story) = (Vec::new(), Vec::new());
        views.lock().unwrap().push(AgentView {
            agent,
            rows,
            watched,
            headerless_rows: 0,
            has_header: false,
            last_row_at: None,
            connecting_since: None,
            live_since: None,
            log: story,
            failure: None,
        });
        let name = AGENTS[agent];
        let connector = Connector::custom(name, move || SimulatedStream::connect(name, resume));
        let options = LinkOptions { history: client.history, ..LinkOptions::default() };
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(Link::new(connector, options, wall.clock()).run(sender));
        tokio::spawn(follow(index, events, views.clone(), wall.clock()));
    }
    future::pending().await
}

/// Does with events what the screen does.
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
            Event::Rows(rows) => {
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

    fn fail(&mut self, why: &str) {
        self.failure.get_or_insert(format!("{why} at {:?}", now()));
    }

    /// Looks whether what is shown is so.
    fn check_state(&mut self, clock_now: Time) {
        self.watched.set_now(clock_now);
        let state = self.watched.state(clock_now);
        if state != State::Live {
            self.live_since = None;
            return;
        }
        self.live_since.get_or_insert(now());
        let silent = self.last_row_at.map(|heard| now().saturating_sub(heard));
        if silent.is_none_or(|silent| silent > LIVE_MAX + CHECK_INTERVAL + TICK) {
            self.fail(&format!("live, though the last row came {silent:?} ago"));
        }
    }

    /// What happened, for people.
    pub(crate) fn log_text(&self) -> String {
        let mut story = String::new();
        for (at, what) in self.log.iter().rev().take(60).rev() {
            let _ = writeln!(story, "{at:?} {what}");
        }
        story
    }

    /// Checks at the end of a simulation.
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
            since => Err(format!("live since {since:?}, tried since {:?}", self.connecting_since)),
        }
    }

    /// Each sample came once, in order, and none between two others is missing.
    fn check_rows(&self, client: &SimulatedClient, starts: &[Vec<i64>]) -> Result<(), String> {
        let mut before = None;
        for (number, _) in &self.rows {
            let (start, sample) = (number / START_OFFSET, number % START_OFFSET);
            let last: Option<u64> = before.replace(*number);
            if last.is_some_and(|last| *number <= last) {
                return Err(format!("{number} is doubled, after {last:?}"));
            }
            let first = match last {
                Some(last) if last / START_OFFSET == start => last % START_OFFSET + 1,
                // All was asked for, and the agent has all of its start.
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

    /// The store has the rows that came, but for those whose times came again: a clock was set back.
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
            return Err(format!("{} rows are kept, not {}", stored.len(), expected.len()));
        }
        Ok(())
    }
}

/// The number of the first sample that an agent still has: it forgets all when its clock is set back,
/// which is one that lags by more than a second behind the samples' distance of one.
fn oldest_held_sample(samples: &[i64]) -> u64 {
    let tolerance_ms = Clock::TOLERANCE.as_millis() as i64;
    let (mut first, mut anchor) = (1, (0, samples[0]));
    for (at, wall_ms) in samples.iter().enumerate() {
        let ahead_ms = wall_ms - anchor.1 - 1000 * (at - anchor.0) as i64;
        // The clock is looked at a step later.
        if ahead_ms < TICK.as_millis() as i64 - tolerance_ms {
            first = at as u64 + 1;
        }
        if ahead_ms.abs() > tolerance_ms {
            anchor = (at, *wall_ms);
        }
    }
    first
}

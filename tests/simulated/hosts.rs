//! What runs on the simulated hosts, and what has to hold of it.

use std::error::Error;
use std::fmt::Write as _;
use std::future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadline::event::Event;
use loadline::link::{Connector, EVENTS_MAX, Link, Wish};
use loadline::watched::{State, Watched};
use loadline_agent::{Agent, Clock, Facts, Scripted, Settings};
use loadline_protocol::{Column, History, Time};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use turmoil::net::TcpListener;

use super::wire::{Door, Line, PORT};
use super::{Resume, TICK};

/// The agents.
pub(crate) const AGENTS: [&str; 2] = ["web-1", "web-2"];

/// The clients.
pub(crate) const CLIENTS: [Client; 2] = [
    Client { name: "wall", agents: &[0, 1], history: History::All },
    Client { name: "desk", agents: &[0], history: History::Last(Duration::from_secs(5)) },
];

/// How long the newest rows may take to be with a client.
const UNDER_WAY: u64 = 2;

/// What a sample of the next start of an agent has more.
const START: u64 = 1_000_000;

/// How long a source may be called live without a row: three seconds, and the clocks of the link and
/// of the screen may differ by twice what a clock puts up with.
const LIVE_MAX: Duration = Duration::from_secs(3 + 2);

/// How often a client looks at its state.
const LOOK: Duration = Duration::from_millis(100);

/// When a simulation begins, by all clocks, milliseconds since 1970.
const BEGIN_MS: i64 = 1_763_836_800_000;

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    /// The name of its host.
    pub name: &'static str,
    /// Which agents it follows.
    agents: &'static [usize],
    /// How far back it asks.
    history: History,
}

/// A wall clock, that is set now and then.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wall(Arc<AtomicI64>);

impl Wall {
    /// Sets it, ahead or back.
    pub(crate) fn step(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }

    fn ms(&self) -> i64 {
        BEGIN_MS + now().as_millis() as i64 + self.0.load(Ordering::Relaxed)
    }

    fn clock(&self) -> Clock {
        let wall = self.clone();
        Clock::new(move || wall.ms())
    }
}

/// The time since the simulation began.
fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// What the agents do: the clock of each, and when by this clock it took its samples, start by start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Agents(Arc<[(Wall, Mutex<Starts>); 2]>);

/// When an agent took its samples, by its clock in milliseconds, start by start.
type Starts = Vec<Vec<i64>>;

impl Agents {
    /// Their clocks.
    pub(crate) fn walls(&self) -> Vec<Wall> {
        self.0.iter().map(|(wall, _)| wall.clone()).collect()
    }
}

type Ended = Result<(), Box<dyn Error>>;

/// An agent, from a start to its end. The value of a sample is its number, and that of the start.
pub(crate) async fn agent(at: usize, agents: Agents) -> Ended {
    let start = {
        let mut starts = agents.0[at].1.lock().unwrap();
        starts.push(Vec::new());
        starts.len() as u64
    };
    let samples = agents.clone();
    let source = Scripted::new(vec![Column::new("number", "B")], move |number, values| {
        let (wall, starts) = &samples.0[at];
        starts.lock().unwrap().last_mut().unwrap().push(wall.ms());
        values.push((start * START + number) as f64);
    });
    let clock = agents.0[at].0.clock();
    let agent = Agent::start_with_clock(source, Facts::default(), Settings::default(), clock).await;
    let door = Door(TcpListener::bind(("0.0.0.0", PORT)).await?);
    agent.run_with(vec![door], future::pending()).await;
    Ok(())
}

/// What a client has seen of an agent since its last start.
pub(crate) struct Seen {
    /// Which agent.
    pub agent: usize,
    /// The number of each row that came, in the order of coming, with its time.
    rows: Vec<(u64, Time)>,
    watched: Watched,
    /// How many of them came before a header: the history has them again.
    headless: usize,
    /// Whether the header has come.
    is_headed: bool,
    /// When the last row came.
    heard: Option<Duration>,
    /// When the client connected last, if it is not down.
    tried: Option<Duration>,
    /// Since when it is live.
    live: Option<Duration>,
    /// What happened, for people.
    story: Vec<(Duration, String)>,
    /// What was wrong.
    lie: Option<String>,
}

/// A client, from a start to its end.
pub(crate) async fn client(
    client: &'static Client,
    seen: Arc<Mutex<Vec<Seen>>>,
    wall: Wall,
    resume: Resume,
) -> Ended {
    seen.lock().unwrap().clear();
    for (place, &agent) in client.agents.iter().enumerate() {
        let watched = Watched::new(AGENTS[agent], false, Duration::MAX);
        let (rows, story) = (Vec::new(), Vec::new());
        seen.lock().unwrap().push(Seen {
            agent,
            rows,
            watched,
            headless: 0,
            is_headed: false,
            heard: None,
            tried: None,
            live: None,
            story,
            lie: None,
        });
        let name = AGENTS[agent];
        let connector = Connector::by(name, move || Line::connect(name, resume));
        let wish = Wish { history: client.history, ..Wish::default() };
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(Link::new(connector, wish, wall.clock()).run(sender));
        tokio::spawn(follow(place, events, seen.clone(), wall.clock()));
    }
    future::pending().await
}

/// Does with events what the screen does.
async fn follow(
    place: usize,
    mut events: mpsc::Receiver<Event>,
    seen: Arc<Mutex<Vec<Seen>>>,
    mut clock: Clock,
) {
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            _ = look.tick() => None,
        };
        let seen = &mut seen.lock().unwrap()[place];
        let clock_now = clock.now();
        if let Some(event) = event {
            seen.take(clock_now, event);
        }
        seen.look(clock_now);
    }
}

impl Seen {
    fn take(&mut self, clock_now: Time, event: Event) {
        match &event {
            Event::Connecting => self.tried = Some(now()),
            Event::Down { reason, .. } => {
                self.tried = None;
                self.story.push((now(), format!("down: {reason}")));
            }
            Event::Connected => self.is_headed = false,
            Event::Stream(stream) => {
                self.is_headed = stream.header.is_some();
                let run = stream.header.as_ref().and_then(|header| header.run);
                self.story.push((now(), format!("run {run:?}")));
            }
            Event::Skipped { count } => self.lie(&format!("{count} rows are skipped")),
            Event::Faults { count, first, .. } => self.lie(&format!("{count} faults: {first}")),
            Event::Rows(rows) => {
                self.heard = Some(now());
                if self.is_headed {
                    self.rows.truncate(self.rows.len() - std::mem::take(&mut self.headless));
                } else {
                    self.headless += rows.len();
                }
                for row in rows.iter() {
                    self.rows.push((row.values[0] as u64, row.time));
                }
                let first = rows.iter().next().map_or(0.0, |row| row.values[0]);
                self.story.push((now(), format!("{} rows from {first}", rows.len())));
            }
            _ => {}
        }
        self.watched.take(clock_now, event);
    }

    fn lie(&mut self, why: &str) {
        self.lie.get_or_insert(format!("{why} at {:?}", now()));
    }

    /// Looks whether what is shown is so.
    fn look(&mut self, clock_now: Time) {
        self.watched.notice(clock_now);
        let state = self.watched.state(clock_now);
        if state != State::Live {
            self.live = None;
            return;
        }
        self.live.get_or_insert(now());
        let silent = self.heard.map(|heard| now().saturating_sub(heard));
        if silent.is_none_or(|silent| silent > LIVE_MAX + LOOK + TICK) {
            self.lie(&format!("live, though the last row came {silent:?} ago"));
        }
    }

    /// What happened, for people.
    pub(crate) fn story(&self) -> String {
        let mut story = String::new();
        for (at, what) in self.story.iter().rev().take(60).rev() {
            let _ = writeln!(story, "{at:?} {what}");
        }
        story
    }

    /// Checks at the end of a simulation.
    pub(crate) fn check(
        &self,
        agents: &Agents,
        client: &Client,
        live: Duration,
    ) -> Result<(), String> {
        if let Some(lie) = &self.lie {
            return Err(lie.clone());
        }
        let starts = agents.0[self.agent].1.lock().unwrap();
        self.check_rows(client, &starts)?;
        let (start, samples) = (starts.len() as u64, starts.last().map_or(0, Vec::len) as u64);
        let last = self.rows.last().map_or(0, |(number, _)| *number);
        if last + UNDER_WAY < start * START + samples {
            return Err(format!("after {last}, {samples} of start {start} is missing"));
        }
        self.check_store()?;
        match self.live {
            Some(since) if since <= live => Ok(()),
            since => Err(format!("live since {since:?}, tried since {:?}", self.tried)),
        }
    }

    /// Each sample came once, in order, and none between two others is missing.
    fn check_rows(&self, client: &Client, starts: &[Vec<i64>]) -> Result<(), String> {
        let mut before = None;
        for (number, _) in &self.rows {
            let (start, sample) = (number / START, number % START);
            let last: Option<u64> = before.replace(*number);
            if last.is_some_and(|last| *number <= last) {
                return Err(format!("{number} is doubled, after {last:?}"));
            }
            let first = match last {
                Some(last) if last / START == start => last % START + 1,
                // All was asked for, and the agent has all of its start.
                _ if client.history == History::All => 1,
                _ => sample,
            };
            let first = first.max(first_held(&starts[start as usize - 1]));
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
        let store = &self.watched.store;
        let kept: Vec<(u64, Time)> = (0..store.len())
            .filter_map(|at| store.get(at))
            .map(|sample| (sample.value(0) as u64, sample.time()))
            .collect();
        if kept != expected {
            return Err(format!("{} rows are kept, not {}", kept.len(), expected.len()));
        }
        Ok(())
    }
}

/// The number of the first sample that an agent still has: it forgets all when its clock is set back,
/// which is one that lags by more than a second behind the samples' distance of one.
fn first_held(samples: &[i64]) -> u64 {
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

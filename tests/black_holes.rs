//! Paths that lose packets without a word, in random order and for random times. The client has to notice it
//! soon, to say why there are no rows, to come back soon, and to lose and repeat nothing.
//!
//! `LOADLINE_SEEDS=2000` runs 2000 seeds, `LOADLINE_SEED=4711` runs that seed.

use std::future;
use std::time::Duration;

use loadline::event::Event;
use loadline::link::{Connector, EVENTS_MAX, Link, LinkOptions};
use loadline::watched::{State, Watched};
use loadline_agent::{Agent, AgentSettings, Clock, Listener, MachineFacts, ScriptedSource};
use loadline_protocol::{Column, History};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::simulated::path::{Loss, Path};
use crate::simulation::number;

/// Number of seeds unless the environment says otherwise.
const DEFAULT_SEEDS: u64 = 100;

/// Number of losses in a simulation.
const LOSSES: usize = 4;

/// Time after which the client has noticed a loss, at an interval of 1 s.
const NOTICED: Duration = Duration::from_secs(25);

/// Time after which a state other than LIVE has a reason.
const EXPLAINED: Duration = Duration::from_secs(8);

/// Time from the end of a loss that was noticed to the first row.
const RESUMED: Duration = Duration::from_secs(5);

/// Time between two checks of the state.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

const ALL: [Loss; 6] =
    [Loss::All, Loss::ToAgent, Loss::ToClient, Loss::AllButAccepted, Loss::Large, Loss::Forgotten];

/// Client of one agent, and all that it has received.
struct Client {
    watched: Watched,
    events: mpsc::Receiver<Event>,
    clock: Clock,
    /// Number of the last row. The rows are 1, 2, 3 and so on.
    last: u64,
    last_row_at: Instant,
    log: Vec<String>,
    begin: Instant,
}

impl Client {
    /// Handles events for this long. Fails if a row is missing or repeated.
    async fn run(&mut self, time: Duration) -> Result<(), String> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let left = (end - Instant::now()).min(CHECK_INTERVAL);
            if let Ok(Some(event)) = timeout(left, self.events.recv()).await {
                self.handle(event)?;
            }
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Result<(), String> {
        match &event {
            Event::Rows(rows) => {
                for row in rows.iter() {
                    let number = row.values[0] as u64;
                    if number != self.last + 1 {
                        return Err(format!("{number} after {}", self.last));
                    }
                    self.last = number;
                }
                self.last_row_at = Instant::now();
            }
            Event::Received { .. } | Event::Live | Event::Health(_) => {}
            other => self.log.push(format!("{:?} {other:?}", self.begin.elapsed())),
        }
        self.watched.apply(self.clock.now(), event);
        Ok(())
    }

    fn state(&mut self) -> State {
        let now = self.clock.now();
        self.watched.set_now(now);
        self.watched.state(now)
    }

    /// Checks the state during a loss that began at `begin`.
    fn check(&mut self, begin: Instant) -> Result<(), String> {
        let (state, silent) = (self.state(), begin.max(self.last_row_at).elapsed());
        let is_explained = match &state {
            State::Stale(remark) => remark.is_some(),
            State::Reconnecting(outage) => outage.is_some(),
            other => silent < EXPLAINED && *other == State::Live,
        };
        if silent > EXPLAINED && !is_explained {
            return Err(format!("{state:?} without a reason, no row for {silent:?}"));
        }
        if silent > NOTICED && !matches!(state, State::Reconnecting(_)) {
            return Err(format!("{state:?} although no row came for {silent:?}"));
        }
        Ok(())
    }

    /// Waits for the first row after the end of a loss.
    async fn resume(&mut self, within: Duration) -> Result<(), String> {
        let (last, end) = (self.last, Instant::now());
        while self.last == last {
            self.run(CHECK_INTERVAL).await?;
            if end.elapsed() > within + CHECK_INTERVAL {
                return Err(format!("no row {:?} after the end of the loss", end.elapsed()));
            }
        }
        Ok(())
    }
}

/// Starts an agent whose samples count from 1, and a client of it.
async fn start(path: Path) -> Client {
    let source = ScriptedSource::new(vec![Column::new("number", "B")], |number, values| {
        values.push(number as f64);
    });
    let clock = || {
        let begin = Instant::now();
        Clock::new(move || 1_763_836_800_000 + begin.elapsed().as_millis() as i64)
    };
    let (facts, settings) = (MachineFacts::default(), AgentSettings::default());
    let agent = Agent::start_with_clock(source, facts, settings, clock()).await;
    let service = agent.service();
    tokio::spawn(agent.run(Vec::<Listener>::new(), future::pending()));
    let connector = Connector::custom("web-1", move || path.clone().connect(service.clone()));
    let options = LinkOptions { history: History::All, ..LinkOptions::default() };
    let (sender, events) = mpsc::channel(EVENTS_MAX);
    tokio::spawn(Link::new(connector, options, clock()).run(sender));
    let watched = Watched::new("web-1", false, Duration::MAX);
    let begin = Instant::now();
    Client { watched, events, clock: clock(), last: 0, last_row_at: begin, log: Vec::new(), begin }
}

async fn suffer(client: &mut Client, path: &Path, random: &mut SmallRng) -> Result<(), String> {
    let ms = |random: &mut SmallRng, range| Duration::from_millis(random.random_range(range));
    client.run(ms(random, 3000..20_000)).await?;
    let loss = ALL[random.random_range(0..ALL.len())];
    // Longer than the client needs to notice it, or shorter.
    let length =
        if random.random() { ms(random, 100..20_000) } else { ms(random, 20_000..300_000) };
    client.log.push(format!("{:?} {loss:?} for {length:?}", client.begin.elapsed()));
    let begin = Instant::now();
    path.set(loss, random.random_range(0..10));
    while begin.elapsed() < length {
        client.run(CHECK_INTERVAL).await?;
        client.check(begin)?;
        if loss == Loss::Forgotten && client.last_row_at > begin + Duration::from_secs(1) {
            break;
        }
    }
    let is_noticed = matches!(client.state(), State::Reconnecting(_));
    path.set(Loss::None, 0);
    client.log.push(format!("{:?} over", client.begin.elapsed()));
    // A loss that was not noticed ends with the repetition of a packet, or is noticed later.
    client.resume(if is_noticed { RESUMED } else { NOTICED }).await
}

/// Simulates some losses with the seed `number`.
fn run(number: u64) -> Result<(), String> {
    // The backoff draws from this generator.
    fastrand::seed(number);
    let mut random = SmallRng::seed_from_u64(number);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let path = Path::new();
        let mut client = start(path.clone()).await;
        for _ in 0..LOSSES {
            if let Err(why) = suffer(&mut client, &path, &mut random).await {
                let log = client.log.join("\n");
                return Err(format!("{why} at {:?}\n{log}", client.begin.elapsed()));
            }
        }
        // Everything has arrived, and the state is right again.
        sleep(Duration::from_millis(1)).await;
        client.run(Duration::from_secs(3)).await?;
        match client.state() {
            State::Live => Ok(()),
            other => Err(format!("{other:?} at the end")),
        }
    })
}

#[test]
fn a_black_hole_is_noticed_explained_and_survived() {
    let seeds = match (number("LOADLINE_SEED"), number("LOADLINE_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, seeds) => 0..seeds.unwrap_or(DEFAULT_SEEDS),
    };
    for seed in seeds {
        if let Err(why) = run(seed) {
            panic!(
                "{why}\nto reproduce: LOADLINE_SEED={seed} cargo test -p loadline-tests black_hole"
            );
        }
    }
}

//! Allocations of the agent after a warm-up: memory must not grow over years of uptime.
//!
//! The path of a row (encoding, ring, fan-out to clients) allocates nothing. Reading the machine
//! with sysinfo allocates buffers for each sample; their number is bounded and all are freed.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "test helpers fail by panicking")]

use std::alloc::System;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loadline_agent::{
    Agent, AgentSettings, Listener, Machine, MachineFacts, MetricSource, PlaintextPolicy,
    ScriptedSource,
};
use loadline_protocol::{Column, Look, Time};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};
use tokio::sync::oneshot;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Serializes the tests, because the allocator counts for the whole process.
static SERIAL: Mutex<()> = Mutex::new(());

/// Number of rounds, of which one must pass. On a busy machine a client may lag further than ever
/// before and need a larger buffer.
const ROUNDS_MAX: usize = 8;

/// Permitted allocations of sysinfo for one sample: buffers for three files, plus some for each
/// core.
const ALLOCATIONS_MAX: usize = 16;
const ALLOCATIONS_PER_CORE_MAX: usize = 4;

/// Permitted bytes for one sample: the text of `/proc/meminfo`, a buffer for `/proc/stat`, and
/// short ones.
const BYTES_MAX: usize = 64 * 1024;

/// Source that reports the allocations of each round of samples.
struct MeteredSource<S> {
    source: S,
    samples_taken: u64,
    /// Samples before the first round.
    warm_up_samples: u64,
    round_samples: u64,
    is_fine: fn(&Stats, u64) -> bool,
    region: Option<Region<'static, System>>,
    rounds: Vec<Stats>,
    sender: Option<oneshot::Sender<Vec<Stats>>>,
}

impl<S: MetricSource> MetricSource for MeteredSource<S> {
    fn columns(&self) -> Vec<Column> {
        self.source.columns()
    }

    fn sample(&mut self, values: &mut Vec<f64>) {
        self.source.sample(values);
        self.samples_taken += 1;
        if self.samples_taken < self.warm_up_samples
            || !(self.samples_taken - self.warm_up_samples).is_multiple_of(self.round_samples)
        {
            return;
        }
        if let Some(region) = self.region.take() {
            self.rounds.push(region.change());
        }
        let is_fine = self.rounds.last().is_some_and(|it| (self.is_fine)(it, self.round_samples));
        if !is_fine && self.rounds.len() < ROUNDS_MAX {
            self.rounds.reserve(1);
            self.region = Some(Region::new(ALLOCATOR));
        } else if let Some(sender) = self.sender.take() {
            sender.send(std::mem::take(&mut self.rounds)).unwrap();
        }
    }

    fn top(&self) -> u16 {
        self.source.top()
    }

    fn look(&mut self, time: Time) -> Option<Look> {
        self.source.look(time)
    }

    fn min_interval(&self) -> Duration {
        self.source.min_interval()
    }
}

/// Reads the stream to its end. Allocates nothing once the buffer has its size.
fn read(address: String, request: &'static str, rows: Arc<Mutex<u64>>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream);
    std::thread::spawn(move || {
        let mut line = String::with_capacity(1024);
        while lines.read_line(&mut line).is_ok_and(|read| read > 0) {
            *rows.lock().unwrap() += 1;
            line.clear();
        }
    });
}

/// Runs an agent with three clients until a round passes.
fn check(
    source: impl MetricSource + 'static,
    interval: Duration,
    (warm_up_samples, round_samples): (u64, u64),
    is_fine: fn(&Stats, u64) -> bool,
) {
    let _guard = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (sender, receiver) = oneshot::channel();
    let (region, rounds) = (None, Vec::new());
    let source = MeteredSource {
        source,
        samples_taken: 0,
        warm_up_samples,
        round_samples,
        is_fine,
        region,
        rounds,
        sender: Some(sender),
    };
    let rows = Arc::new(Mutex::new(0));
    let stats: Vec<Stats> = runtime.block_on(async {
        let history = 50 * interval;
        let settings = AgentSettings { interval, history, ..AgentSettings::default() };
        let agent = Agent::start(source, MachineFacts::of_this_machine(), settings).await;
        let address = "127.0.0.1:0".parse().unwrap();
        let bound = Listener::bind(&address, PlaintextPolicy::LoopbackOnly).await.unwrap();
        let listener = bound.listen().unwrap();
        let address = listener.address().to_string();
        for request in ["", "loadline/1\n", "loadline/1 columns=mem,cpu interval=2ms\n"] {
            read(address.clone(), request, rows.clone());
        }
        let mut stats = None;
        agent.run(vec![listener], async { stats = receiver.await.ok() }).await;
        stats.unwrap()
    });
    assert!(*rows.lock().unwrap() > round_samples, "the clients got their rows");
    assert!(stats.last().is_some_and(|last| is_fine(last, round_samples)), "{stats:?}");
}

#[test]
fn after_a_warm_up_a_row_is_sent_without_allocations() {
    let source = ScriptedSource::plain(|number, values| {
        values.extend([number as f64 % 100.0, 2400.0, 43.1, 0.52, 0.44, 0.4]);
    });
    // After the warm-up the ring has wrapped several times and each buffer has its final size.
    check(source, Duration::from_millis(1), (1000, 300), |stats, _| {
        (stats.allocations, stats.reallocations, stats.bytes_allocated) == (0, 0, 0)
    });
}

#[test]
fn a_sample_of_this_machine_stays_within_its_budget_and_frees_all() {
    // A round between two looks, which allocate.
    let machine = Machine::default().with_top(AgentSettings::TOP);
    check(machine, AgentSettings::INTERVAL_MIN, (4, 4), |stats, samples| {
        let cores = std::thread::available_parallelism().unwrap().get();
        let most = samples as usize * (ALLOCATIONS_MAX + ALLOCATIONS_PER_CORE_MAX * cores);
        stats.allocations == stats.deallocations
            && stats.allocations + stats.reallocations <= most
            && stats.bytes_allocated <= samples as usize * BYTES_MAX
    });
}

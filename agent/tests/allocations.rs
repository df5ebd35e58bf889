//! Allocations of a sample, once warm: the memory of an agent that runs for years is that of its first
//! hour.
//!
//! The way of a row (encoding, ring, fan-out to clients) allocates nothing. sysinfo, which reads this
//! machine, allocates its buffers anew for each sample; their number is bounded, and none is kept.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking")]

use std::alloc::System;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loadline_agent::{
    Agent, AgentSettings, Listener, Machine, MachineFacts, MetricSource, PlaintextPolicy,
    ScriptedSource,
};
use loadline_protocol::Column;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};
use tokio::sync::oneshot;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The allocator counts for the whole process: one test at a time.
static SERIAL: Mutex<()> = Mutex::new(());

/// Stretches of samples that are watched until one is as it should be: on a busy machine a client lags
/// for once further than before, and takes a larger buffer.
const ROUNDS_MAX: usize = 8;

/// Allocations of sysinfo in one sample: buffers for three files, and for each line of a core a few that
/// grow with it.
const ALLOCATIONS_MAX: usize = 16;
const ALLOCATIONS_PER_CORE_MAX: usize = 4;

/// Bytes of them: the text of `/proc/meminfo`, a buffer for `/proc/stat`, and short ones.
const BYTES_MAX: usize = 64 * 1024;

/// A source that reports the allocations from one sample to another.
struct MeteredSource<S> {
    source: S,
    samples_taken: u64,
    /// Samples before the first stretch, and in each.
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

    fn min_interval(&self) -> Duration {
        self.source.min_interval()
    }
}

/// Reads all that comes, and allocates nothing once it has its buffer.
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

/// Runs an agent with three clients until a stretch of samples is as it should be.
fn check(
    source: impl MetricSource + 'static,
    interval: Duration,
    (warm_up_samples, round_samples): (u64, u64),
    is_fine: fn(&Stats, u64) -> bool,
) {
    let _alone = SERIAL.lock().unwrap_or_else(PoisonError::into_inner);
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
    assert!(*rows.lock().unwrap() > round_samples, "the clients had their rows");
    assert!(stats.last().is_some_and(|last| is_fine(last, round_samples)), "{stats:?}");
}

#[test]
fn a_row_allocates_nothing_once_warm_on_its_way_to_the_clients() {
    let source = ScriptedSource::plain(|number, values| {
        values.extend([number as f64 % 100.0, 2400.0, 43.1, 0.52, 0.44, 0.4]);
    });
    // By then the ring is full several times over, and each buffer as large as it gets.
    check(source, Duration::from_millis(1), (1000, 300), |stats, _| {
        (stats.allocations, stats.reallocations, stats.bytes_allocated) == (0, 0, 0)
    });
}

#[test]
fn a_sample_of_this_machine_allocates_no_more_than_it_did_and_keeps_nothing() {
    check(Machine::new(), AgentSettings::INTERVAL_MIN, (4, 4), |stats, samples| {
        let cores = std::thread::available_parallelism().unwrap().get();
        let most = samples as usize * (ALLOCATIONS_MAX + ALLOCATIONS_PER_CORE_MAX * cores);
        stats.allocations == stats.deallocations
            && stats.allocations + stats.reallocations <= most
            && stats.bytes_allocated <= samples as usize * BYTES_MAX
    });
}

//! Once warm, a sample costs no allocation, whoever reads it: the memory of an agent that runs for
//! years is that of its first hour.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking")]

use std::alloc::System;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadline_agent::{Agent, Facts, Listener, Machine, Plaintext, Settings, Source};
use loadline_protocol::Column;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};
use tokio::sync::oneshot;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// By then the ring is full several times over, each file is open, and each buffer as large as it
/// gets.
const WARM: u64 = 1000;

/// Stretches that are watched until one has no allocation: on a busy machine a client lags for once
/// further than before, and takes a larger buffer.
const STRETCHES_MAX: usize = 8;

/// So many samples each of them has: more than the agent takes until it looks for other cores again.
const WATCHED: u64 = 300;

const INTERVAL: Duration = Duration::from_millis(1);

const HISTORY: Duration = Duration::from_millis(50);

/// This machine, which tells what was allocated from one sample to another.
struct Watched {
    machine: Machine,
    taken: u64,
    region: Option<Region<'static, System>>,
    stretches: Vec<Stats>,
    tell: Option<oneshot::Sender<Vec<Stats>>>,
}

impl Source for Watched {
    fn columns(&self) -> Vec<Column> {
        self.machine.columns()
    }

    fn sample(&mut self, values: &mut Vec<f64>) {
        self.machine.sample(values);
        self.taken += 1;
        if self.taken < WARM || !(self.taken - WARM).is_multiple_of(WATCHED) {
            return;
        }
        if let Some(region) = self.region.take() {
            self.stretches.push(region.change());
        }
        let is_free = self.stretches.last().is_some_and(is_free);
        if !is_free && self.stretches.len() < STRETCHES_MAX {
            self.stretches.reserve(1);
            self.region = Some(Region::new(ALLOCATOR));
        } else if let Some(tell) = self.tell.take() {
            tell.send(std::mem::take(&mut self.stretches)).unwrap();
        }
    }

    fn warm_up(&self) -> Duration {
        self.machine.warm_up()
    }
}

fn is_free(stats: &Stats) -> bool {
    (stats.allocations, stats.reallocations, stats.bytes_allocated) == (0, 0, 0)
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

#[test]
fn a_sample_of_this_machine_allocates_nothing_once_warm_and_neither_do_its_clients() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (tell, told) = oneshot::channel();
    let machine = Machine::new();
    let stretches = Vec::new();
    let source = Watched { machine, taken: 0, region: None, stretches, tell: Some(tell) };
    let rows = Arc::new(Mutex::new(0));
    let stats: Vec<Stats> = runtime.block_on(async {
        let settings = Settings { interval: INTERVAL, history: HISTORY, ..Settings::default() };
        let agent = Agent::start(source, Facts::of_this_machine(), settings).await;
        let address = "127.0.0.1:0".parse().unwrap();
        let bound = Listener::bind(&address, Plaintext::LoopbackOnly).await.unwrap();
        let listener = bound.listen().unwrap();
        let address = listener.address().to_string();
        for request in ["", "loadline/1\n", "loadline/1 columns=mem,cpu interval=2ms\n"] {
            read(address.clone(), request, rows.clone());
        }
        let mut stats = None;
        agent.run(vec![listener], async { stats = told.await.ok() }).await;
        stats.unwrap()
    });
    assert!(*rows.lock().unwrap() > WATCHED, "the clients had their rows");
    assert!(stats.last().is_some_and(is_free), "{stats:?}");
}

//! Benchmarks of the agent: a sample, a row, and the path of both through the ring to clients.
//!
//! ```text
//! cargo bench -p loadline-benches --bench agent
//! ```
//!
//! Items are samples. The allocations of each iteration are beside the times. The cost of a line
//! over real sockets is measured by `fanout`.

use std::future::pending;
use std::hint::black_box;
use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use loadline_agent::{
    Agent, AgentSettings, Clock, Listener, Machine, MachineFacts, MetricSource as _, ScriptedSource,
};
use loadline_benches::{BEGIN_MS, samples};
use loadline_protocol::{Schema, Seq, Stamp};
use tokio::io::{AsyncReadExt as _, DuplexStream};
use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep};

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// Samples this machine at the shortest interval. In a shorter one, sysinfo skips the CPU
/// utilization.
#[divan::bench(sample_count = 40, sample_size = 1)]
fn sample(bencher: Bencher<'_, '_>) {
    let mut machine = Machine::default();
    let min_interval = machine.min_interval();
    let mut values = Vec::new();
    bencher.with_inputs(|| std::thread::sleep(min_interval)).bench_local_values(|()| {
        values.clear();
        machine.sample(black_box(&mut values));
    });
}

/// Encodes subscribed rows of six columns.
#[divan::bench]
fn encode(bencher: Bencher<'_, '_>) {
    let samples: Vec<_> = samples().take(1000).collect();
    let schema = Schema::plain(6).with_stamp(Stamp::TimeSeq);
    let mut row = String::new();
    bencher.counter(ItemsCount::new(samples.len())).bench_local(|| {
        for (seq, (time, values)) in (1..).zip(&samples) {
            row.clear();
            schema.write_row(&mut row, Some(*time), Some(Seq(seq)), *values);
            black_box(&row);
        }
    });
}

/// Agent with one sample a second and clients on in-memory pipes. Its clock is paused and advances
/// at once.
struct BenchAgent {
    runtime: Runtime,
    clients: Vec<DuplexStream>,
}

impl BenchAgent {
    fn start(clients: usize) -> BenchAgent {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime of the current thread always starts");
        let clients = runtime.block_on(async {
            let mut samples = samples();
            let source = ScriptedSource::plain(move |_, values| {
                values.extend(samples.next().map_or([0.0; 6], |(_, values)| values));
            });
            let begin = Instant::now();
            let clock = Clock::new(move || BEGIN_MS + begin.elapsed().as_millis() as i64);
            let (facts, settings) = (MachineFacts::default(), AgentSettings::default());
            let agent = Agent::start_with_clock(source, facts, settings, clock).await;
            let service = agent.service();
            tokio::spawn(agent.run(Vec::<Listener>::new(), pending()));
            let connect = |_| {
                let (near, far) = tokio::io::duplex(256);
                let service = service.clone();
                tokio::spawn(async move { service.serve(far).await });
                near
            };
            (0..clients).map(connect).collect()
        });
        BenchAgent { runtime, clients }
    }

    /// Lets `ticks` ticks pass. Each client reads its rows.
    fn advance(&mut self, ticks: u32) {
        self.runtime.block_on(async {
            let mut buffer = [0; 256];
            for _ in 0..ticks {
                sleep(Duration::from_secs(1)).await;
                for client in &mut self.clients {
                    black_box(client.read(&mut buffer).await.expect("the agent goes on"));
                }
            }
        });
    }
}

const TICKS: u32 = 100;

/// Takes a sample, pushes it into the ring and sends it to `clients` clients.
#[divan::bench(args = [0, 1, 10, 1000])]
fn tick(bencher: Bencher<'_, '_>, clients: usize) {
    let mut running = BenchAgent::start(clients);
    running.advance(TICKS);
    bencher.counter(ItemsCount::new(TICKS)).bench_local(|| running.advance(TICKS));
}

//! Instruction counts of the code that runs for every sample, every row and every frame.
//!
//! ```text
//! benches/counts
//! ```
//!
//! The counts hardly depend on the machine and its load, so that small regressions show.
//! `counts.txt` has the expected counts.

#![expect(missing_docs, reason = "gungraun turns the functions into modules")]

use std::hint::black_box;
use std::time::Duration;

use gungraun::{library_benchmark, library_benchmark_group, main};
use loadline::app::App;
use loadline::store::{Slots, Store};
use loadline::view;
use loadline_agent::{
    Agent, AgentSettings, Clock, Listener, MachineFacts, ScriptedSource, Service,
};
use loadline_benches::{
    BEGIN_MS, RETENTION, SampleValues, filled_store, samples, screen, subscribed_stream, window,
};
use loadline_protocol::{Decoder, Line, Row, Schema, Seq, Stamp, Time};
use ratatui::buffer::Buffer;
use tokio::io::AsyncReadExt as _;
use tokio::runtime::Runtime;

/// Rows to encode or decode, and ticks of an agent.
const ROWS: usize = 1000;

fn some_samples() -> Vec<(Time, SampleValues)> {
    samples().take(ROWS).collect()
}

#[library_benchmark(setup = some_samples)]
fn encode(samples: Vec<(Time, SampleValues)>) -> String {
    let schema = Schema::plain(6).with_stamp(Stamp::TimeSeq);
    let mut row = String::new();
    for (seq, (time, values)) in (1..).zip(&samples) {
        row.clear();
        schema.write_row(&mut row, Some(*time), Some(Seq(seq)), *values);
        black_box(&row);
    }
    row
}

fn some_rows() -> String {
    subscribed_stream(ROWS)
}

#[library_benchmark(setup = some_rows)]
fn decode(text: String) -> u64 {
    let (mut decoder, mut row) = (Decoder::new(), Row::default());
    let schema = Schema::plain(6).with_stamp(Stamp::TimeSeq);
    let mut read = 0;
    let mut bytes = text.as_bytes();
    while let Some(line) = decoder.decode(&mut bytes) {
        if let Ok(Ok(Line::Row(line))) = line.map(Line::parse) {
            schema.parse_row_into(line, &mut row).expect("each row is one of this schema");
            read += black_box(&row).seq.unwrap_or_default().0;
        }
    }
    read
}

/// Returns an agent whose ring is full. Its clock is paused and advances at once.
fn agent_with_full_ring() -> (Runtime, Service) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime of the current thread always starts");
    let service = runtime.block_on(async {
        let mut samples = samples();
        let source = ScriptedSource::plain(move |_, values| {
            values.extend(samples.next().map_or([0.0; 6], |(_, values)| values));
        });
        let history = Duration::from_mins(10);
        let settings = AgentSettings { history, ..AgentSettings::default() };
        let begin = tokio::time::Instant::now();
        let clock = Clock::new(move || BEGIN_MS + begin.elapsed().as_millis() as i64);
        let agent = Agent::start_with_clock(source, MachineFacts::default(), settings, clock).await;
        let service = agent.service();
        tokio::spawn(agent.run(Vec::<Listener>::new(), std::future::pending()));
        tokio::time::sleep(2 * history).await;
        service
    });
    (runtime, service)
}

// Takes samples from a source of negligible cost, encodes them and pushes them into the ring.
#[library_benchmark(setup = agent_with_full_ring)]
fn push((runtime, service): (Runtime, Service)) -> (Runtime, Service) {
    runtime.block_on(async {
        tokio::time::sleep(ROWS as u32 * Duration::from_secs(1)).await;
    });
    (runtime, service)
}

// Does the same and sends the rows to a client.
#[library_benchmark(setup = agent_with_full_ring)]
fn push_and_send((runtime, service): (Runtime, Service)) -> (Runtime, usize) {
    let read = runtime.block_on(async move {
        let (mut client, server) = tokio::io::duplex(256);
        tokio::spawn(async move { service.serve(server).await });
        let (mut buffer, mut rows) = ([0; 256], 0);
        while rows < ROWS {
            let read = client.read(&mut buffer).await.expect("the agent goes on");
            rows += buffer[..read].split(|byte| *byte == b'\n').count() - 1;
        }
        rows
    });
    (runtime, read)
}

// Appends samples of six columns to the client's store.
#[library_benchmark(setup = some_samples)]
fn append(samples: Vec<(Time, SampleValues)>) -> Store {
    let mut store = Store::new(6, RETENTION);
    for (time, values) in &samples {
        store.push(*time, None, values, true);
    }
    store
}

const DAY: usize = 24 * 3600;

fn store_of_a_day() -> Store {
    filled_store(DAY)
}

// Computes the slots of all six columns over a day, as each frame needs them.
#[library_benchmark(setup = store_of_a_day)]
fn slots(store: Store) -> (Store, Vec<Slots>) {
    let window = window(store.newest().unwrap_or_default(), DAY);
    let slots = store.slots_of(black_box(&[0, 1, 2, 3, 4, 5]), window);
    (store, slots)
}

fn screen_of_a_day() -> (App, Buffer) {
    let app = screen(DAY);
    let buffer = Buffer::empty(app.area());
    (app, buffer)
}

// Renders a frame of the dashboard with a window of a day.
#[library_benchmark(setup = screen_of_a_day)]
fn frame((app, mut buffer): (App, Buffer)) -> (App, Buffer) {
    view::render(black_box(&app), app.area(), &mut buffer);
    (app, buffer)
}

library_benchmark_group!(
    name = rows,
    benchmarks = [encode, decode, push, push_and_send, append, slots, frame]
);

main!(library_benchmark_groups = rows);

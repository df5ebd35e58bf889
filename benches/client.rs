//! Benchmarks of the client: from bytes to the store, and from the store to slots and frames.
//!
//! ```text
//! cargo bench -p loadline-benches --bench client
//! ```
//!
//! Items are rows or samples. The allocations of each iteration are beside the times.

use std::hint::black_box;
use std::time::Duration;

use crossterm::event::KeyCode;
use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use loadline::app::{App, Message};
use loadline::canvas::Canvas;
use loadline::event::Event;
use loadline::link::{
    Connector, EVENTS_MAX, Events, Link, LinkOptions, ReadOptions, SshCommand, StreamReader,
    TlsClient, TlsClientFiles,
};
use loadline::output::{self, Job, OutputFormat, ProgressLine};
use loadline::source::Source;
use loadline::store::{Slot, Store, Window};
use loadline::time_spec::TimeBounds;
use loadline::view;
use loadline::watched::Watched;
use loadline::zone::Zone;
use loadline_agent::Clock;
use loadline_benches::{
    RETENTION, SampleValues, WEEK, filled_store, looked_stream, plain_stream, replay, samples,
    screen, screen_of, subscribed_stream, wide_stream, window,
};
use loadline_protocol::Time;
use ratatui::buffer::Buffer;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    memory();
    divan::main();
}

/// Prints the memory of a week of six columns.
#[expect(clippy::print_stdout, reason = "prints a figure beside those of divan")]
fn memory() {
    let store = filled_store(WEEK);
    let values = (6 * store.len()) as f64;
    println!(
        "a week of six columns: {:.1} MiB, {:.2} bytes per value",
        store.bytes() as f64 / f64::from(1 << 20),
        store.bytes() as f64 / values
    );
}

const ROWS: usize = 100_000;

const MILLION: usize = 1_000_000;

/// Seconds in a day.
const DAY: usize = 24 * 3600;

/// Decodes rows of six columns with timestamps and sequence numbers into events.
#[divan::bench]
fn rows_to_events(bencher: Bencher<'_, '_>) {
    let stream = subscribed_stream(ROWS);
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
        replay(&stream, |_, event| drop(black_box(event)));
    });
}

/// Decodes rows into the store.
#[divan::bench(args = ["subscribed", "plain"])]
fn rows_to_store(bencher: Bencher<'_, '_>, kind: &str) {
    let stream = if kind == "plain" { plain_stream(ROWS) } else { subscribed_stream(ROWS) };
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| {
        let mut watched = Watched::new("web-1", false, RETENTION);
        replay(&stream, |now, event| watched.apply(now, event));
        assert_eq!(watched.store().len(), ROWS, "every row is stored");
        watched
    });
}

/// Reads a file of a million rows into the store: a recording, and plain rows of the same values. A
/// file without timestamps is read twice.
#[divan::bench(args = ["recording", "plain"], sample_count = 5)]
fn open_a_file(bencher: Bencher<'_, '_>, kind: &str) {
    let folder = tempfile::tempdir().expect("the file can be written");
    let path = folder.path().join("a.load");
    let text = if kind == "plain" { plain_stream(MILLION) } else { subscribed_stream(MILLION) };
    std::fs::write(&path, text).expect("the file can be written");
    let source = Source::Path(path);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime of the current thread always starts");
    bencher.counter(ItemsCount::new(MILLION)).bench_local(|| {
        runtime.block_on(async {
            let (sender, mut events) = tokio::sync::mpsc::channel(EVENTS_MAX);
            let (ssh, tls) = (SshCommand::default(), TlsClient::new(TlsClientFiles::default()));
            let open = Connector::open(&source, None, &ssh, &tls).await;
            let connector = open.expect("a path needs no TLS");
            tokio::spawn(Link::new(connector, LinkOptions::default(), Clock::system()).run(sender));
            let mut watched = Watched::new("a.load", false, Duration::MAX);
            while let Some(event) = events.recv().await {
                let is_over = matches!(event, Event::Ended { .. });
                watched.apply(Time::default(), event);
                if is_over {
                    break;
                }
            }
            watched
        })
    });
}

/// Decodes a day of rows into the store: alone, and with looks at the processes every 5 s.
#[divan::bench(args = ["rows", "rows and looks"])]
fn day_to_store(bencher: Bencher<'_, '_>, kind: &str) {
    let stream = if kind == "rows" { subscribed_stream(DAY) } else { looked_stream(DAY) };
    bencher.counter(ItemsCount::new(DAY)).bench_local(|| {
        let mut watched = Watched::new("web-1", false, RETENTION);
        replay(&stream, |now, event| watched.apply(now, event));
        assert_eq!(watched.store().len(), DAY, "every row is stored");
        watched
    });
}

/// Number of values in the rows of [`values_to_csv`].
const VALUES: usize = 400_000;

/// Writes rows with many columns as CSV. Items are values: one of a wide row costs as much as one of a narrow row.
#[divan::bench(args = [1000, 4000], sample_count = 5)]
fn values_to_csv(bencher: Bencher<'_, '_>, columns: usize) {
    let mut reader = StreamReader::without_request(ReadOptions::default());
    reader.feed(wide_stream(columns, VALUES / columns).as_bytes(), Time::default());
    let events: Vec<Event> = reader.drain_events().collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime of the current thread always starts");
    let job = Job {
        format: OutputFormat::Csv,
        count: Some((VALUES / columns) as u64),
        bounds: TimeBounds::default(),
        sources: vec!["web-1".to_owned()],
        zone: Zone::Fixed(0),
        interval: None,
        recorded_columns: Vec::new(),
    };
    bencher.counter(ItemsCount::new(VALUES)).bench_local(|| {
        runtime.block_on(async {
            let (sender, receiver) = tokio::sync::mpsc::channel(events.len());
            for event in &events {
                sender.try_send(event.clone()).expect("the channel has room for all events");
            }
            let (events, progress) =
                (Events::new([receiver]), ProgressLine::new(None::<Vec<u8>>, |_: &str| {}));
            let written =
                output::run(&job, events, tokio::io::sink(), progress, std::future::pending());
            written.await.expect("all rows are written")
        })
    });
}

/// Appends samples of six columns to a store: one that grows, and one that drops a sample for each
/// new one.
#[divan::bench(args = [RETENTION, Duration::from_hours(1)])]
fn append(bencher: Bencher<'_, '_>, keep: Duration) {
    let samples: Vec<_> = samples().take(100_000).collect();
    bencher.counter(ItemsCount::new(samples.len())).bench_local(|| {
        let mut store = Store::new(6, keep);
        for (time, values) in &samples {
            store.push(*time, None, values, true);
        }
        store
    });
}

/// Renders a frame of the dashboard: four charts, the table, and everything around them.
#[divan::bench(args = [MINUTES, 3600, 24 * 3600, WEEK])]
fn frame(bencher: Bencher<'_, '_>, samples: usize) {
    let app = screen(samples);
    let mut buffer = Buffer::empty(app.area());
    bencher.bench_local(|| {
        buffer.reset();
        view::render(black_box(&app), app.area(), &mut buffer);
    });
}

/// Renders a frame of a day with looks: with the data table, and with the processes of the newest look, at the
/// crosshair, and summed over the marked day.
#[divan::bench(args = ["samples", "newest look", "crosshair", "mark"])]
fn frame_with_processes(bencher: Bencher<'_, '_>, table: &str) {
    let mut app = screen_of(&looked_stream(DAY), DAY);
    press_all(&mut app, table);
    let mut buffer = Buffer::empty(app.area());
    bencher.bench_local(|| {
        buffer.reset();
        view::render(black_box(&app), app.area(), &mut buffer);
    });
}

/// Moves the crosshair by a screen, with the other end of a marked day at the mark: statistics and sum of the
/// looks.
#[divan::bench]
fn move_the_crosshair_of_a_marked_day(bencher: Bencher<'_, '_>) {
    let mut app = screen_of(&looked_stream(DAY), DAY);
    press_all(&mut app, "mark");
    let mut keys = [KeyCode::Right, KeyCode::Left].into_iter().cycle();
    bencher.bench_local(|| {
        let key = keys.next().expect("a cycle has no end");
        app.update(app.now, Message::Key(key.into()))
    });
}

/// Presses the keys that show this table.
fn press_all(app: &mut App, table: &str) {
    use KeyCode::{Char, Home};
    let keys: &[KeyCode] = match table {
        "samples" => &[],
        "newest look" => &[Char('w')],
        "crosshair" => &[Char('w'), Char('c'), KeyCode::Left],
        _ => &[Char('w'), Char('c'), Char('m'), Home],
    };
    for key in keys {
        app.update(app.now, Message::Key((*key).into()));
    }
}

/// Adds rows to the screen's state, which decides with each row what is wrong.
#[divan::bench]
fn rows_to_screen(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(ROWS)).bench_local(|| screen(ROWS));
}

/// Renders the frame of an hour with the crosshair half an hour back: what was wrong there follows from the
/// samples before it.
#[divan::bench]
fn frame_with_crosshair(bencher: Bencher<'_, '_>) {
    let mut app = screen(3600);
    app.selection.crosshair =
        app.sources.watched().store().newest().map(|newest| newest - Duration::from_mins(30));
    let mut buffer = Buffer::empty(app.area());
    bencher.bench_local(|| {
        buffer.reset();
        view::render(black_box(&app), app.area(), &mut buffer);
    });
}

/// Writes the difference between two consecutive frames, a second apart.
#[divan::bench]
fn frame_to_bytes(bencher: Bencher<'_, '_>) {
    let mut frames = [screen(MINUTES), screen(MINUTES + 1)].map(|app| {
        let mut buffer = Buffer::empty(app.area());
        view::render(&app, app.area(), &mut buffer);
        (view::scrolling_rows(&app), buffer)
    });
    let mut bytes = Vec::new();
    let mut canvas = Canvas::new(frames[0].1.area);
    bencher.bench_local(|| {
        // Swaps the frames, so that each follows the other.
        let [(rolling, one), (_, other)] = &mut frames;
        bytes.clear();
        canvas.draw(black_box(one), *rolling, &mut bytes);
        std::mem::swap(one, other);
        bytes.len()
    });
}

const MINUTES: usize = 5 * 60;

/// Computes the slots of all six columns over a window of `samples` samples, from a store that
/// holds a week.
#[divan::bench(args = [MINUTES, 3600, 24 * 3600, WEEK])]
fn slots_of_a_store(bencher: Bencher<'_, '_>, samples: usize) {
    let store = filled_store(WEEK);
    let newest = store.newest().unwrap_or_default();
    let window = window(newest, samples);
    bencher.bench_local(|| {
        for column in 0..6 {
            black_box(store.slots(column, black_box(window)));
        }
    });
}

/// Computes the same slots by a scan of plain arrays, for comparison.
#[divan::bench(args = [MINUTES, 3600, 24 * 3600, WEEK])]
fn slots_by_a_scan(bencher: Bencher<'_, '_>, count: usize) {
    let all: Vec<(Time, SampleValues)> = samples().take(count).collect();
    let times: Vec<i64> = all.iter().map(|(time, _)| time.as_millis()).collect();
    let column = |at: usize| all.iter().map(|(_, values)| values[at]).collect::<Vec<_>>();
    let columns: Vec<Vec<f64>> = (0..6).map(column).collect();
    let newest = all.last().map_or(Time::default(), |(time, _)| *time);
    let window = window(newest, count);
    bencher.bench_local(|| {
        for values in &columns {
            black_box(scan(&times, values, black_box(window)));
        }
    });
}

fn scan(times: &[i64], values: &[f64], window: Window) -> Vec<Option<Slot>> {
    let mut slots = vec![None; window.slot_count()];
    let begin = times.partition_point(|time| *time < window.from_ms());
    let mut broken = true;
    for (time, value) in times[begin..].iter().zip(&values[begin..]) {
        let Some(slot) = slots.get_mut(window.slot_of(*time) as usize) else { break };
        let value = *value;
        if value.is_nan() {
            broken = true;
            continue;
        }
        match slot {
            Some(Slot { min, max, last, .. }) => {
                *min = value.min(*min);
                *max = value.max(*max);
                *last = value;
            }
            None => {
                *slot = Some(Slot { first: value, min: value, max: value, last: value, broken });
            }
        }
        broken = false;
    }
    slots
}

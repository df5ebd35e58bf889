//! Input of the benchmarks: values that change like those of a machine, and streams of them. Each
//! run gets the same input.

use std::time::Duration;

use loadline::app::{App, Message, ScreenSettings};
use loadline::event::Event;
use loadline::link::{ReadOptions, StreamReader};
use loadline::store::{Store, Window};
use loadline::theme::Theme;
use loadline::watched::Watched;
use loadline::zone::Zone;
use loadline_protocol::{Look, Process, Schema, Seq, Stamp, Time, Top};
use ratatui::layout::Size;

/// Timestamp of the first sample, in milliseconds since 1970.
pub const BEGIN_MS: i64 = 1_763_836_800_123;

/// Seconds in a week.
pub const WEEK: usize = 7 * 24 * 3600;

/// Size of a read. Equals that of the link.
const READ_BYTES: usize = 16 * 1024;

/// Retention of the stores: longer than the longest input.
pub const RETENTION: Duration = Duration::from_hours(8 * 24);

/// Slots of a chart in a terminal of 120x36.
const SLOTS: usize = 232;

/// Values of a sample in the plain stream: cpu, freq, mem and three loads.
pub type SampleValues = [f64; 6];

/// Returns endless samples, one a second, rounded to the decimals of their columns.
pub fn samples() -> impl Iterator<Item = (Time, SampleValues)> {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        // Xorshift: weak, but the same everywhere.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) as f64 / (1_u64 << 53) as f64
    };
    let columns = Schema::plain(6);
    let mut values: SampleValues = [50.0, 2400.0, 40.0, 1.0, 1.0, 1.0];
    (0..).map(move |second| {
        let (steps, tops) =
            ([9.0, 120.0, 0.3, 0.2, 0.1, 0.05], [100.0, 4000.0, 100.0, 16.0, 16.0, 16.0]);
        let mut rounded = values;
        for (at, value) in values.iter_mut().enumerate() {
            *value = (*value + (next() - 0.5) * steps[at]).clamp(0.0, tops[at]);
            rounded[at] = columns.columns()[at].round(*value);
        }
        (Time::from_millis(BEGIN_MS + second * 1000), rounded)
    })
}

/// Returns a subscribed stream of `rows` rows, with its header.
#[must_use]
pub fn subscribed_stream(rows: usize) -> String {
    let schema = Schema::plain(6).with_stamp(Stamp::TimeSeq);
    let mut text = format!(
        "# loadline/1 run=9f3a17c2 host=web-1 interval=1000ms cores=16\n# columns {schema}\n"
    );
    for (seq, (time, values)) in (1..).zip(samples()).take(rows) {
        schema.write_row(&mut text, Some(time), Some(Seq(seq)), values);
        text.push('\n');
    }
    text
}

/// Returns [`subscribed_stream`] with a look at eight processes in front of every fifth row.
#[must_use]
pub fn looked_stream(rows: usize) -> String {
    let stream = subscribed_stream(rows);
    let mut lines = stream.split_inclusive('\n');
    let mut text: String = lines.by_ref().take(2).collect();
    for (at, row) in lines.enumerate() {
        if at % 5 == 0 {
            text.push_str(&look(BEGIN_MS + 1000 * at as i64).to_string());
        }
        text.push_str(row);
    }
    text
}

/// Returns a look at eight processes, of which one has another process id each time.
fn look(time_ms: i64) -> Look {
    let of_look = (time_ms / 5000 % 30_000) as u32;
    let processes = (1..=8_u32).map(|number| Process {
        pid: if number == 4 { of_look } else { 100 * number },
        name: format!("program-{number}").as_str().into(),
        user: Some("www-data".into()),
        unit: Some(format!("service-{number}.service").as_str().into()),
        cpu: Some(f64::from((of_look + number) % 100) / 10.0),
        mem: u64::from(number) << 24,
        io: Some(f64::from(of_look * 1024)),
    });
    let top = Top {
        time: Time::from_millis(time_ms),
        over: Some(5.0),
        processes: Some(412),
        cpu: Some(63.2),
        other: Some(4.1),
    };
    Look { top, processes: processes.collect() }
}

/// Returns a plain stream of `rows` rows.
#[must_use]
pub fn plain_stream(rows: usize) -> String {
    let schema = Schema::plain(6);
    let mut text = String::new();
    for (_, values) in samples().take(rows) {
        schema.write_row(&mut text, None, None, values);
        text.push('\n');
    }
    text
}

/// Returns a plain stream of `rows` rows of `columns` digits. A line of 4,000 digits fits the line format.
#[must_use]
pub fn wide_stream(columns: usize, rows: usize) -> String {
    let row = |row: usize| {
        let digits: Vec<String> = (0..columns).map(|at| ((at + row) % 10).to_string()).collect();
        digits.join(" ") + "\n"
    };
    (0..rows).map(row).collect()
}

/// Returns a store of six columns with `count` samples.
#[must_use]
pub fn filled_store(count: usize) -> Store {
    let mut store = Store::new(6, RETENTION);
    for (time, values) in samples().take(count) {
        store.push(time, None, &values, true);
    }
    store
}

/// Passes the events of a stream to `handle`. Each read brings a chunk, a second after the previous
/// one.
pub fn replay(stream: &str, mut handle: impl FnMut(Time, Event)) {
    let mut reader = StreamReader::new(ReadOptions::default());
    for (second, bytes) in (0..).zip(stream.as_bytes().chunks(READ_BYTES)) {
        let now = Time::from_millis(BEGIN_MS + second * 1000);
        reader.feed(bytes, now);
        reader.drain_events().for_each(|event| handle(now, event));
    }
}

/// Returns the window of a chart in a terminal of 120x36 over `samples` samples.
#[must_use]
pub fn window(newest: Time, samples: usize) -> Window {
    Window::ending(newest, samples as i64 * 1000, SLOTS / 2, 2)
}

/// Returns a screen of 120x36 with `samples` samples, all of them in its window.
///
/// # Panics
///
/// If a sample is missing, because the measurement would be wrong.
#[must_use]
pub fn screen(samples: usize) -> App {
    screen_of(&subscribed_stream(samples), samples)
}

/// Returns [`screen`] of a stream with this many samples.
///
/// # Panics
///
/// As [`screen`].
#[must_use]
pub fn screen_of(stream: &str, samples: usize) -> App {
    let settings = ScreenSettings {
        window: Some(Duration::from_secs(samples as u64)),
        fullscreen: false,
        zone: Zone::Fixed(3600),
        theme: Theme::detect(None, None, |name| (name == "LANG").then(|| "C.UTF-8".to_owned())),
    };
    let watched = Watched::new("web-1", false, RETENTION);
    let size = Size { width: 120, height: 36 };
    let mut app = App::new(watched, settings, size, Time::default());
    replay(stream, |now, event| {
        app.update(now, Message::Event { source: 0, event });
    });
    assert_eq!(app.sources.watched().store().len(), samples, "every sample is stored");
    app
}

//! What the benchmarks are fed with: numbers that wander as those of a machine do, and the bytes of
//! a stream of them. They are the same in each run.

use std::time::Duration;

use loadline::app::{App, Message, ScreenSettings};
use loadline::event::Event;
use loadline::link::{ReadOptions, StreamReader};
use loadline::store::{Store, Window};
use loadline::theme::Theme;
use loadline::watched::Watched;
use loadline::zone::Zone;
use loadline_protocol::{Schema, Stamp, Time};
use ratatui::layout::Size;

/// The time of the first sample.
pub const BEGIN_MS: i64 = 1_763_836_800_123;

/// Seconds of a week.
pub const WEEK: usize = 7 * 24 * 3600;

/// Bytes of a read, as the link does them.
const READ_BYTES: usize = 16 * 1024;

/// How long the samples are kept: all of them are.
pub const RETENTION: Duration = Duration::from_hours(8 * 24);

/// Columns of dots in the charts of a terminal of 120x36.
const SLOTS: usize = 232;

/// The six numbers of a sample, as the plain stream has them: cpu, freq, mem and three loads.
pub type SampleValues = [f64; 6];

/// A sample a second, each with its six numbers, to the usual decimals.
pub fn samples() -> impl Iterator<Item = (Time, SampleValues)> {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        // Xorshift: what it draws is not good, but the same everywhere.
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

/// What comes over a connection to an agent: the headers, then so many rows.
#[must_use]
pub fn subscribed_stream(rows: usize) -> String {
    let schema = Schema::plain(6).with_stamp(Stamp::TimeSeq);
    let mut text = format!(
        "# loadline/1 run=9f3a17c2 host=web-1 interval=1000ms cores=16\n# columns {schema}\n"
    );
    for (seq, (time, values)) in (1..).zip(samples()).take(rows) {
        schema.write_row(&mut text, Some(time), Some(seq), values);
        text.push('\n');
    }
    text
}

/// What a server sends that only writes rows: so many of them.
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

/// A store of six columns with so many samples.
#[must_use]
pub fn filled_store(count: usize) -> Store {
    let mut store = Store::new(6, RETENTION);
    for (time, values) in samples().take(count) {
        store.push(time, None, &values, true);
    }
    store
}

/// Passes the events of a stream on that comes in reads of a second each.
pub fn replay(stream: &str, mut handle: impl FnMut(Time, Event)) {
    let mut reader = StreamReader::new(ReadOptions::default());
    for (second, bytes) in (0..).zip(stream.as_bytes().chunks(READ_BYTES)) {
        let now = Time::from_millis(BEGIN_MS + second * 1000);
        reader.feed(bytes, now);
        reader.drain_events().for_each(|event| handle(now, event));
    }
}

/// The slots of a chart on a terminal of 120x36, over so many samples.
#[must_use]
pub fn window(newest: Time, samples: usize) -> Window {
    Window::ending(newest, samples as i64 * 1000, SLOTS / 2, 2)
}

/// A screen of 120x36 over so many samples, with all of them in sight.
///
/// # Panics
///
/// Where a sample is missing in it: what is measured would not be what is meant.
#[must_use]
pub fn screen(samples: usize) -> App {
    let settings = ScreenSettings {
        window: Some(Duration::from_secs(samples as u64)),
        fullscreen: false,
        zone: Zone::Fixed(3600),
        theme: Theme::detect(None, None, |_| None),
    };
    let watched = Watched::new("web-1", false, RETENTION);
    let size = Size { width: 120, height: 36 };
    let mut app = App::new(watched, settings, size, Time::default());
    replay(&subscribed_stream(samples), |now, event| {
        app.update(now, Message::Event { source: 0, event });
    });
    assert_eq!(app.watched().store.len(), samples, "all are there");
    app
}

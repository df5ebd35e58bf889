//! The line format of loadline, version 1: wire format, recording and plot file in one.
//!
//! This page is its specification; the types below read and write it. The crate does no I/O, looks
//! at no clock, never panics on what it reads, and holds no more of it than a line.
//!
//! ```text
//!  bytes ─▶ Decoder ─▶ Line ─┬─▶ Note   headers and events
//!                            └─▶ Schema::parse_row ─▶ Row
//! ```
//!
//! # Lines
//!
//! A stream is lines of UTF-8 that end in `\n`; `\r\n` is accepted, and a byte order mark at the
//! very start is ignored. A line has at most [`LINE_MAX`] bytes without its end; a longer one is one
//! fault and is skipped to its end. A line is
//!
//! * blank, and ignored;
//! * a **note**, if it starts with `#`: a header or an event;
//! * else a **row**: numbers with blanks between them. Readers take tabs, commas and semicolons
//!   too.
//!
//! `nan` is a missing value. An infinite or unreadable number, or a wrong count of them, makes the
//! whole line a fault: it is counted, and the next line is read.
//!
//! ```
//! use loadline_protocol::Schema;
//! let plain = Schema::plain(6);
//! let row = plain.parse_row("12.5 nan 43.1 0.52 0.44 0.40").unwrap();
//! assert!(row.values[1].is_nan());
//! assert!(plain.parse_row("12.5 inf 43.1 0.52 0.44 0.40").is_err());
//! assert!(plain.parse_row("12.5 2400.0 43.1").is_err());
//! ```
//!
//! # Plain stream
//!
//! A client that says nothing gets rows of six numbers, one for each sample, and nothing else:
//!
//! ```text
//! 12.5 2400.0 43.1 0.52 0.44 0.40
//! ```
//!
//! | column | unit | meaning |
//! |---|---|---|
//! | cpu | % | utilization of all cores since the previous sample, 0–100 |
//! | freq | MHz | mean current frequency of the cores; `nan` where the system tells none |
//! | mem | % | (total − available) / total |
//! | load1 load5 load15 | – | load averages; `nan` where the system has none |
//!
//! The first row is the newest sample and comes at once; then one row comes for each sample.
//!
//! # Subscribed stream
//!
//! A client that wants more sends one line, a [`Request`], at any time:
//!
//! ```text
//! loadline/1 interval=2s history=10m columns=cpu,mem resume=9f3a17c2:4711
//! ```
//!
//! | key | meaning | if left out |
//! |---|---|---|
//! | `interval` | time between rows, rounded up to a multiple of the agent's | the agent's |
//! | `history` | how far back to begin: a duration, `all` or `none` | `none` |
//! | `columns` | which columns, in this order | all that the agent collects |
//! | `resume` | `RUN:SEQ`: begin after this row; for an unknown run `history` decides | – |
//!
//! The answer is two header notes, then rows that begin with the time and the sequence number:
//!
//! ```
//! use loadline_protocol::{Decoder, Line, Note, Schema};
//! let mut stream = concat!(
//!     "# loadline/1 run=9f3a17c2 host=web-1 interval=1000ms os=\"Debian GNU/Linux 12\" cores=16\n",
//!     "# columns time:s seq cpu:% freq:MHz mem:% load1 load5 load15\n",
//!     "1763836800.123 4712 12.5 2400.0 43.1 0.52 0.44 0.40\n",
//!     "# live\n",
//! )
//! .as_bytes();
//! let mut decoder = Decoder::new();
//! let mut schema = Schema::plain(6);
//! let mut rows = Vec::new();
//! while let Some(line) = decoder.decode(&mut stream) {
//!     match Line::parse(line.unwrap()).unwrap() {
//!         Line::Note(Note::Columns(columns)) => schema = columns,
//!         Line::Row(row) => rows.push(schema.parse_row(row).unwrap()),
//!         Line::Note(_) | Line::Blank => {}
//!     }
//! }
//! assert_eq!(rows[0].seq, Some(4712));
//! assert_eq!(schema.columns()[0].unit(), "%");
//! ```
//!
//! * The fields of notes and requests are logfmt: `key=value` or `key="quoted value"`, with `\"` and
//!   `\\` inside the quotes. Readers ignore notes and fields that they do not know.
//! * `time` is Unix seconds with milliseconds, by the agent's clock; it strictly increases within a
//!   run. `seq` goes up by 1 with each sample of the run. `run` is eight hex digits, drawn at each
//!   start of the agent and when its clock steps back. `interval` is the time between the rows of
//!   this stream.
//! * `cores` and `memory` (bytes) are what the machine has. Where a container may use less,
//!   `cpu_limit=1.5` (cores) and `memory_limit=536870912` (bytes) say so; that is what 100 % means
//!   then, and `memory` is the limit as well.
//! * The six columns of the plain stream come first. Those behind them are whatever the agent
//!   collects: names and units say what.
//! * Events: `# live` once, when the history is through; `# skipped from=A to=B` when rows were lost
//!   to this client; `# error "text"` before the agent closes for a fault of the request; `# bye`
//!   before it closes to stop. `# agent cpu=0.05% rss=3.1MiB late=0 clients=3` once a minute: what
//!   the agent costs ([`Health`]). A second pair of headers in mid-stream begins a new run or answers a
//!   further request.
//! * Plain rows that were sent before the request arrived stand in front of the headers.
//! * A request with a higher version gets the highest one that the agent speaks. An unknown column,
//!   an unreadable value and a request of more than [`REQUEST_MAX`] bytes are errors. A server that
//!   knows no requests never answers; its client stays with the plain rows.
//!
//! # Numbers
//!
//! Numbers are written as short as they read back to the same number, with at least the usual
//! decimals of their unit ([`Column::decimals`]). Printing and parsing are exact inverses.

mod decoder;
mod error;
mod health;
mod line;
mod logfmt;
mod note;
mod number;
mod request;
mod schema;
mod text;
mod time;

pub use decoder::Decoder;
pub use error::LineError;
pub use health::Health;
pub use line::{Line, Row};
pub use note::{CpuLimit, Header, Note, RunId};
pub use number::{parse_number, write_number};
pub use request::{History, Request, RequestError, Resume};
pub use schema::{
    COLUMNS_MAX, Column, PLAIN_COLUMNS, Schema, Stamp, parse_plain_row, parse_plain_row_into,
};
pub use text::{SafeText, sanitize};
pub use time::{DurationText, Time, parse_duration};

/// The version of the line format that this crate speaks.
pub const VERSION: u32 = 1;

/// The most bytes of a line, its end not counted.
pub const LINE_MAX: usize = 8 * 1024;

/// The most bytes of a request, its end not counted.
pub const REQUEST_MAX: usize = 1024;

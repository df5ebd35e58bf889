//! Parser and writer for loadline's line format: wire format, recording and plot file in one.
//!
//! The crate does no I/O, reads no clock, never panics on input and buffers at most one line.
//!
//! ```text
//!  bytes ─▶ Decoder ─▶ Line ─┬─▶ Note   headers and other notes
//!                            └─▶ Schema::parse_row ─▶ Row
//! ```
//!
//! A faulty row is an error. Parsing continues with the next line:
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
//! A subscribed stream names its columns in a header:
//!
//! ```
//! use loadline_protocol::{Decoder, Line, Note, Schema, Seq};
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
//!         Line::Note(_) | Line::Past(_) | Line::Blank => {}
//!     }
//! }
//! assert_eq!(rows[0].seq, Some(Seq(4712)));
//! assert_eq!(schema.columns()[0].unit(), "%");
//! ```
//!
//! Lines are limited to [`LINE_MAX`] bytes, requests to [`REQUEST_MAX`], streams to [`COLUMNS_MAX`]
//! columns. Printing and parsing of numbers are exact inverses. [`Column::decimals`] returns the
//! usual decimals of a unit. The rest of this page is the specification of the format.
#![doc = include_str!("../line-format.md")]

mod decoder;
mod error;
mod health;
mod line;
mod logfmt;
mod look;
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
pub use look::{LISTED_MAX, Look, PROCESS_TEXT_MAX, Process, TOP_MAX, Top};
pub use note::{CpuLimit, Header, Note, RunId, Seq};
pub use number::{parse_number, write_number};
pub use request::{History, Request, RequestError, Resume};
pub use schema::{
    COLUMNS_MAX, Column, PLAIN_COLUMNS, Schema, Stamp, parse_plain_row, parse_plain_row_into,
};
pub use text::{SafeText, sanitize};
pub use time::{DurationText, Time, duration_ms, parse_duration};

/// Version of the line format that this crate implements.
pub const VERSION: u32 = 1;

/// Maximum length of a line in bytes, without the line end.
pub const LINE_MAX: usize = 8 * 1024;

/// Maximum length of a request in bytes, without the line end.
pub const REQUEST_MAX: usize = 1024;

/// Line with which a client of a subscribed stream asks for [`Note::Pong`]. No request: an agent that
/// does not know it ignores it, and its stream goes on.
pub const PING: &str = "ping";

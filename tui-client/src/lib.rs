//! loadline: watch servers live in a terminal.
//!
//! A sample walks down this list; a module imports from those above it only.
//!
//! ```text
//!  source    what was typed, and what it means
//!  event     what a link tells: rows, streams, outages, faults
//!  link      connect, ask, read, reconnect, resume: the only code that touches a source
//!    │ events
//!    │        zone: local time; time_spec: times as people type them
//!    ├──────────▶ output   csv, json, table, raw: the same events without a screen
//!    ▼
//!  store     a series per column, gaps kept as gaps
//!  units     how values look
//!  watched   everything known of one source, and what state it is in
//!    ├──────────▶ check    what a source is, in a few lines
//!    │
//!  thresholds  which values are worth a look
//!  charts    which charts the columns make
//!  keys      what the keys do; theme: colours and signs; digits: large ones; layout: where all stands
//!  app       the state of the screen, and what changes it
//!    ▼
//!  view      the screen as a picture of that state
//!    ▼
//!  canvas    from one picture to the next, in few bytes
//!    ▼
//!  run       the loop between terminal, link and app
//!  config    what the user has written down
//!  cli       options, and what they mean
//! ```

pub mod app;
pub mod canvas;
pub mod charts;
pub mod check;
pub mod cli;
pub mod config;
pub mod digits;
pub mod event;
pub mod keys;
pub mod layout;
pub mod link;
pub mod output;
pub mod run;
pub mod source;
pub mod store;
pub mod theme;
pub mod thresholds;
pub mod time_spec;
pub mod units;
pub mod view;
pub mod watched;
pub mod zone;

//! loadline: watch servers live in a terminal.
//!
//! The modules in the order of the data flow; a module imports only from modules above it.
//!
//! ```text
//!  redact      secrets removed from texts for people
//!  source      parsed SOURCE arguments
//!  zone        local time
//!  import      tables of other programs: dialect, times, units
//!  event       events of a link: rows, columns, outages, faults
//!  history_progress  part of a history that has arrived
//!  time_ranges  sets of times
//!  link        connect, subscribe, read, reconnect, resume: the only code that touches a source
//!  prometheus  sources behind a Prometheus server, as links see an agent
//!    │ events
//!    │  column_union  columns of several streams, by name and unit
//!    │  time_spec  times as users type them
//!    ├─▶ output    csv, json, table, raw: the events without a screen
//!    ▼
//!  store       one series per column, with gaps
//!  units       formatting of values
//!  watched     samples and state of one source
//!    │  thresholds  warning and critical levels of columns
//!    │  diagnosis   what is wrong with a machine, as a sentence
//!    ├─▶ check     report on a source in a few lines
//!    │
//!    │  charts      assignment of columns to charts
//!    │  keys        key bindings
//!    │  theme       colours and signs
//!    │  digits      large digits
//!    │  layout      areas of the screen
//!    ▼
//!  app         state of the screen, and its transitions
//!    ▼
//!  view        rendering of that state into a buffer
//!    ▼
//!  canvas      smallest update from one buffer to the next
//!    ▼
//!  run         event loop between terminal, link and app
//!  scope       outputs and sources in which each option has an effect
//!  config      configuration file
//!  cli         command line and settings
//!  program     sources opened as the settings say, and connected to a screen or an output
//! ```

pub mod app;
pub mod canvas;
pub mod charts;
pub mod check;
mod cli;
mod column_union;
mod config;
mod diagnosis;
mod digits;
pub mod event;
mod history_progress;
pub mod import;
pub mod keys;
pub mod layout;
pub mod link;
pub mod output;
mod program;
pub mod prometheus;
mod redact;
pub mod run;
mod scope;
pub mod source;
pub mod store;
pub mod theme;
pub mod thresholds;
mod time_ranges;
pub mod time_spec;
mod units;
pub mod view;
pub mod watched;
pub mod zone;

pub use program::run_program;

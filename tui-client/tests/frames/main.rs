//! Whole frames as text, for each state, size and key.

#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod axes;
mod configured;
mod drawn;
mod findings;
mod loading;
mod measure;
mod metrics;
mod navigate;
mod past;
mod pointer;
mod processes;
mod properties;
mod recordings;
mod scenes;
mod scrolling;
mod several;
mod stage;
mod time;

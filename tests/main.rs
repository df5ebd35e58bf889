//! End-to-end tests of all crates together.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[cfg(feature = "tls")]
#[expect(dead_code, reason = "tests of other crates use the rest")]
#[path = "../agent/tests/agent/authority.rs"]
mod authority;
mod black_holes;
mod corpus;
mod docs;
mod looks;
mod multiple_sources;
mod scenarios;
mod simulated;
mod simulation;
mod tidy;
#[cfg(feature = "tls")]
mod tls;

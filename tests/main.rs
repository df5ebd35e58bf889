//! A user's view of loadline, checked over all crates together.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

#[cfg(feature = "tls")]
#[path = "../agent/tests/agent/authority.rs"]
mod authority;
mod corpus;
mod docs;
mod multiple_sources;
mod scenarios;
mod simulated;
mod simulation;
mod tidy;
#[cfg(feature = "tls")]
mod tls;

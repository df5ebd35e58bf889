//! Tests of the agent from outside: its clients, its command line, signals and the service manager.

#![expect(clippy::unwrap_used, reason = "test helpers fail by panicking")]

#[cfg(feature = "tls")]
mod authority;
#[cfg(target_os = "linux")]
mod descriptors;
mod earlier;
#[cfg(target_os = "linux")]
mod hangs;
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(target_os = "linux")]
mod inherited;
mod looks;
#[expect(unreachable_pub, dead_code, reason = "other crates use this file as well")]
mod loopback;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(target_os = "linux")]
mod places;
mod program;
mod running_agent;
mod server;
#[cfg(target_os = "linux")]
mod service;
mod stage;
mod stdio;
mod stream;
#[cfg(feature = "tls")]
mod tls;
#[cfg(target_os = "linux")]
mod top;
#[cfg(target_os = "linux")]
mod trouble;

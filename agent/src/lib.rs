//! Agent of loadline: samples a machine and serves the samples as lines of text.
//!
//! The agent program, clients that embed an agent, and the tests all run the same [`Agent`].
//!
//! ```text
//!  clock      timestamps: anchored once to the wall clock, then driven by the monotonic clock
//!  ticker     ticks at a fixed interval, one wake-up each
//!  kernel     parsers and readers of the files below /proc and /sys
//!  vitals     health of the agent process
//!  source     collectors of columns: by sysinfo, or by the readers in kernel
//!  top        looks at the processes, in a thread of its own
//!    │ values, one for each column
//!    ▼
//!  ring       ring buffer of the newest samples, each encoded once: THE ONLY QUEUE
//!    │ ▲
//!    │ └── sampler   one sample per tick; the only module that reads the agent's clock
//!    ▼ cursor
//!  agent_info header and columns, common to all streams of an agent
//!  archive    samples on disk, which outlive the agent
//!  serve      clients: listeners, TLS, limits, and a session for each client
//!  metrics    HTTP server for Prometheus, with its metrics
//!  agent      all modules above, put together
//!  stdio      one client on standard input and output, as started by ssh
//! ```
//!
//! A socket and an in-memory pipe carry the same stream:
//!
//! ```
//! use loadline_agent::{Agent, AgentSettings, MachineFacts, ScriptedSource};
//! use tokio::io::AsyncReadExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let values = [12.5, 2400.0, 43.1, 0.52, 0.44, 0.4];
//! let source = ScriptedSource::plain(move |_, row| row.extend(values));
//! let agent = Agent::start(source, MachineFacts::default(), AgentSettings::default()).await;
//! let service = agent.service();
//! let (mut client, server) = tokio::io::duplex(1024);
//! tokio::spawn(async move { service.serve(server).await });
//!
//! let mut row = [0; 32];
//! client.read_exact(&mut row).await?;
//! assert_eq!(&row, b"12.5 2400.0 43.1 0.52 0.44 0.40\n");
//! # Ok(())
//! # }
//! ```

mod agent;
mod agent_info;
mod archive;
mod clock;
#[cfg_attr(
    not(all(feature = "metrics", target_os = "linux")),
    expect(dead_code, reason = "partly for metrics of Linux")
)]
mod kernel;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(not(feature = "metrics"))]
#[path = "metrics/none.rs"]
mod metrics;
mod ring;
mod sampler;
mod serve;
mod source;
mod stdio;
mod ticker;
mod top;
mod vitals;

pub use agent::{Agent, AgentSettings};
pub use archive::{Archive, ArchiveError};
pub use clock::Clock;
pub use ring::SAMPLES_MAX;
pub use serve::ServerTlsFiles;
pub use serve::connection::{Connection, Handshake, PendingHandshake, without_handshake};
pub use serve::listen::{
    Accept, Address, BoundAddress, InheritedSockets, ListenError, Listener, Peer, PlaintextPolicy,
};
pub use serve::origin::Origin;
pub use serve::session::{Ending, Service};
pub use serve::tls::ServerTls;
pub use source::{GroupError, GroupSet, Machine, MachineFacts, MetricSource, ScriptedSource};
pub use stdio::serve_stdio;
pub use top::MachineWithLooks;

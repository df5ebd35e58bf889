//! The agent of loadline: samples a machine and serves it, a line a sample.
//!
//! A library first: the program, the client that embeds an agent, and the tests run the same
//! [`Agent`] by the same calls.
//!
//! ```text
//!  usage     how wrong words are told; manual page and completions of both programs
//!  clock     when a sample was taken: anchored once, bent by nothing
//!  beat      when it is time for one: a tick is one wake-up
//!  vitals    how the agent itself is
//!  procfs    what Linux tells of the machine, file by file
//!  source    what is sampled; this and procfs alone touch the machine
//!    │ values, one for each column
//!    ▼
//!  ring      the samples of the last while, each encoded once: THE ONLY QUEUE
//!    │ ▲
//!    │ └── sampler   one sample a tick, the only code here that reads the clock
//!    ▼ cursor
//!  about     what all streams of an agent say of it
//!  archive   what of the samples outlives the agent
//!  session   one client: its requests in, its rows out
//!    │ bytes
//!    ▼
//!  tls_files where its certificate is
//!  tls       what makes a TCP port private
//!  listen    addresses, and who comes in by them
//!  server    all clients: accepts them, bounds their number, stops them
//!  metrics   those who read metrics over HTTP, and what they read
//!  agent     everything above, put together
//!  stdio     one client on standard input and output, as ssh brings it
//! ```
//!
//! The same stream comes out of a socket and out of an in-memory pipe:
//!
//! ```
//! use loadline_agent::{Agent, Facts, Scripted, Settings};
//! use tokio::io::AsyncReadExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let source = Scripted::plain(|_, values| values.extend([12.5, 2400.0, 43.1, 0.52, 0.44, 0.4]));
//! let agent = Agent::start(source, Facts::default(), Settings::default()).await;
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
mod listen;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(not(feature = "metrics"))]
#[path = "metrics/none.rs"]
mod metrics;
#[cfg(target_os = "linux")]
#[cfg_attr(not(any(test, feature = "metrics")), expect(dead_code, reason = "some is for metrics"))]
mod procfs;
mod ring;
mod sampler;
mod server;
mod session;
mod source;
mod stdio;
mod ticker;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls/none.rs"]
mod tls;
mod tls_files;
mod usage;
mod vitals;

pub use agent::{Agent, AgentSettings};
pub use archive::{Archive, ArchiveError};
pub use clock::{Clock, ClockStep};
pub use listen::{
    Accept, Address, AddressError, BoundAddress, Connection, ListenError, Listener, Peer,
    PlaintextPolicy,
};
pub use ring::SAMPLES_MAX;
pub use session::{Ending, Service};
pub use source::{GroupError, GroupSet, Machine, MachineFacts, MetricSource, ScriptedSource};
pub use stdio::{probe_agent, serve_stdio};
pub use tls::{ServerTls, TlsFileError};
#[cfg(feature = "tls")]
pub use tls::{provider, read_authorities, read_identity};
pub use tls_files::ServerTlsFiles;
pub use usage::{
    GenerateTarget, Manual, ManualEntry, error_text, nearest, usage_error, version_text,
    with_suggestion, without_error_number,
};

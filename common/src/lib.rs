//! Parts that both programs of loadline share.
//!
//! ```text
//!  files       regular files, opened and read in a limited time
//!  descriptors file descriptors that a program needs to start
//!  usage       usage errors, with suggestions for misspelt words
//!  messages    errors, warnings and log lines, written without blocking
//!  ending      end of the program after a signal or a panic, whatever hangs
//!  variables   environment variables: switches, wrong values, unknown names
//!  version     text of `--version`
//!  manual      manual page, from clap's options and texts of the program
//!  generate    output of `--generate`: manual page and shell completions
//!  keepalive   probes of idle TCP connections
//!  pem         certificates, keys and CAs from files, for TLS
//!  unix_socket connections to Unix sockets
//!  local_agent agent that already runs on this machine, and whose it may be
//! ```

mod descriptors;
mod ending;
mod files;
mod generate;
mod keepalive;
mod local_agent;
mod manual;
mod messages;
#[cfg(feature = "tls")]
mod pem;
mod unix_socket;
mod usage;
mod variables;
mod version;

pub use descriptors::check_descriptors;
pub use ending::{end_after_signals, exit_on_panic};
pub use files::read_file;
pub use generate::GenerateTarget;
pub use keepalive::Keepalive;
pub use local_agent::{AGENT_PORT, LocalAgent, LocalSearch, LocalStream, Rejection};
pub use manual::Manual;
pub use messages::{MessageWriter, STDERR, STDOUT, print_error, print_warning};
#[cfg(feature = "tls")]
pub use pem::{TlsFileError, provider, read_authorities, read_identity};
pub use unix_socket::connect_to_socket;
pub use usage::{
    error_text, nearest, usage_error, warning_text, with_suggestion, without_error_number,
};
pub use variables::{
    AGENT_VARIABLES, parse_switch, unknown_variables, usage_or_variable_error, variables_of,
};
pub use version::version_text;

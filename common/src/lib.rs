//! Parts that both programs of loadline share.
//!
//! ```text
//!  usage     usage errors, with suggestions for misspelt words
//!  variables environment variables: switches, wrong values, unknown names
//!  version   text of `--version`
//!  manual    manual page, from clap's options and texts of the program
//!  generate  output of `--generate`: manual page and shell completions
//!  keepalive probes of idle TCP connections
//!  pem       certificates, keys and CAs from files, for TLS
//! ```

mod generate;
mod keepalive;
mod manual;
#[cfg(feature = "tls")]
mod pem;
mod usage;
mod variables;
mod version;

pub use generate::GenerateTarget;
pub use keepalive::Keepalive;
pub use manual::Manual;
#[cfg(feature = "tls")]
pub use pem::{TlsFileError, provider, read_authorities, read_identity};
pub use usage::{
    error_text, nearest, usage_error, warning_text, with_suggestion, without_error_number,
};
pub use variables::{
    AGENT_VARIABLES, parse_switch, unknown_variables, usage_or_variable_error, variables_of,
};
pub use version::version_text;

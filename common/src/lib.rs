//! Parts that both programs of loadline share.
//!
//! ```text
//!  files     regular files, opened and read in a limited time
//!  usage     usage errors, with suggestions for misspelt words
//!  variables environment variables: switches, wrong values, unknown names
//!  version   text of `--version`
//!  manual    manual page, from clap's options and texts of the program
//!  generate  output of `--generate`: manual page and shell completions
//!  pem       certificates, keys and CAs from files, for TLS
//! ```

mod files;
mod generate;
mod manual;
#[cfg(feature = "tls")]
mod pem;
mod usage;
mod variables;
mod version;

pub use files::{open_regular, read_file};
pub use generate::GenerateTarget;
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

//! Scope of options: where each of them has an effect.

use clap::ArgMatches;
use clap::parser::ValueSource;

/// All options, and the reason why an option has no effect with `--stdio`.
pub(super) const OPTION_SCOPES: [(&str, Option<&str>); 17] = [
    ("listen", Some(CANNOT_LISTEN)),
    ("metrics_listen", Some(CANNOT_LISTEN)),
    ("stdio", None),
    ("interval", None),
    ("history", None),
    ("collect", None),
    ("top", None),
    ("state_dir", Some("--stdio ends with its client and keeps no samples")),
    ("max_clients", Some(ONE_CLIENT)),
    ("max_clients_per_address", Some(ONE_CLIENT)),
    ("tls_cert", Some(NO_TLS)),
    ("tls_key", Some(NO_TLS)),
    ("tls_client_ca", Some(NO_TLS)),
    ("allow_plaintext", Some(CANNOT_LISTEN)),
    ("quiet", None),
    ("verbose", None),
    ("generate", None),
];

const CANNOT_LISTEN: &str = "--stdio serves one client and cannot listen";
const ONE_CLIENT: &str = "--stdio serves one client";
const NO_TLS: &str = "--stdio does not use TLS, ssh encrypts its stream";

/// Options of sampling. With `--stdio`, they have no effect on the stream of an agent that already runs.
const SAMPLING_OPTIONS: [&str; 4] = ["interval", "history", "collect", "top"];

/// Options that were given, as opposed to defaults.
#[derive(Debug, Clone, Default)]
pub(crate) struct GivenOptions {
    /// Ids of the options on the command line.
    typed: Vec<&'static str>,
    /// Ids of the options in the environment.
    in_environment: Vec<&'static str>,
}

impl GivenOptions {
    pub(super) fn new(matches: &ArgMatches) -> GivenOptions {
        let from = |source| {
            let ids = OPTION_SCOPES.iter().map(|(id, _)| *id);
            ids.filter(|id| matches.value_source(id) == Some(source)).collect()
        };
        GivenOptions {
            typed: from(ValueSource::CommandLine),
            in_environment: from(ValueSource::EnvVariable),
        }
    }

    pub(super) fn is_typed(&self, id: &str) -> bool {
        self.typed.contains(&id)
    }

    /// Returns whether an option does not have its default.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.is_typed(id) || self.in_environment.contains(&id)
    }

    /// Returns the error of a typed option that has no effect with `--generate` or `--stdio`. Settings in
    /// the environment are for all agents of a machine and conflict with nothing.
    pub(super) fn conflict(&self, generates: bool, is_stdio: bool) -> Option<String> {
        let mut typed = OPTION_SCOPES.iter().filter(|(id, _)| self.is_typed(id));
        typed.find_map(|(id, with_stdio)| {
            let name = option_name(id);
            if generates && *id != "generate" {
                return Some(format!("{name} cannot be used with --generate; remove {name}"));
            }
            let why = with_stdio.filter(|_| is_stdio)?;
            Some(format!("{why}; remove {name}"))
        })
    }

    /// Returns that the typed options of sampling have no effect, if there are any.
    pub(crate) fn sampling_without_effect(&self) -> Option<String> {
        let typed = SAMPLING_OPTIONS.iter().filter(|id| self.is_typed(id));
        let names: Vec<String> = typed.map(|id| option_name(id)).collect();
        let (last, others) = names.split_last()?;
        Some(match others {
            [] => format!("{last} has no effect"),
            _ => format!("{} and {last} have no effect", others.join(", ")),
        })
    }
}

/// Returns the long name of an option with this id.
fn option_name(id: &str) -> String {
    format!("--{}", id.replace('_', "-"))
}

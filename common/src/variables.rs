//! Environment variables of both programs: switches, wrong values and unknown names.

use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};
use loadline_protocol::sanitize;

use crate::usage::{nearest, usage_error};

/// Prefix of the variables of both programs.
const PREFIX: &str = "LOADLINE_";

/// Prefix of variables that tests pass to their own processes.
const TEST_PREFIX: &str = "LOADLINE_TEST_";

/// Variables of the agent. Its tests compare them with its options, which `loadline` cannot read.
pub const AGENT_VARIABLES: [&str; 18] = [
    "LOADLINE_AGENT_LISTEN",
    "LOADLINE_AGENT_METRICS_LISTEN",
    "LOADLINE_AGENT_STDIO",
    "LOADLINE_AGENT_INTERVAL",
    "LOADLINE_AGENT_HISTORY",
    "LOADLINE_AGENT_COLLECT",
    "LOADLINE_AGENT_TOP",
    "LOADLINE_AGENT_STATE_DIR",
    "LOADLINE_AGENT_MAX_CLIENTS",
    "LOADLINE_AGENT_MAX_CLIENTS_PER_ADDRESS",
    "LOADLINE_AGENT_TLS_CERT",
    "LOADLINE_AGENT_TLS_KEY",
    "LOADLINE_AGENT_TLS_CLIENT_CA",
    "LOADLINE_AGENT_ALLOW_PLAINTEXT",
    "LOADLINE_AGENT_QUIET",
    "LOADLINE_AGENT_VERBOSE",
    // No option: the address at which --stdio looks for the local agent.
    "LOADLINE_AGENT_RESIDENT",
    // An option of loadline with the agent's prefix.
    "LOADLINE_AGENT_COMMAND",
];

/// Parses the value of a switch in the environment. An empty value is off.
///
/// # Errors
/// A text that is neither yes nor no.
pub fn parse_switch(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "1" | "true" | "yes" | "on" | "y" | "t" => Ok(true),
        "" | "0" | "false" | "no" | "off" | "n" | "f" => Ok(false),
        _ => Err("must be 1 or 0".to_owned()),
    }
}

/// Returns the variables of a command's options.
pub fn variables_of(command: &Command) -> impl Iterator<Item = String> {
    let names = command.get_arguments().filter_map(Arg::get_env);
    names.map(|name| name.to_string_lossy().into_owned())
}

/// Returns a warning for each of `names` that begins with `prefix` and is not in `known`, with the known
/// name that was probably meant.
pub fn unknown_variables(
    names: impl Iterator<Item = OsString>,
    prefix: &str,
    known: &[String],
) -> Vec<String> {
    let names = names.map(|name| name.to_string_lossy().into_owned());
    let is_unknown = |name: &String| {
        // A name in lower case is a mistake too: the system distinguishes cases.
        let begins = |with: &str| name.to_ascii_uppercase().starts_with(with);
        begins(prefix) && !begins(TEST_PREFIX) && !known.contains(name)
    };
    let mut unknown: Vec<String> = names.filter(is_unknown).collect();
    unknown.sort_unstable();
    unknown.iter().map(|name| unknown_variable(name, known)).collect()
}

fn unknown_variable(name: &str, known: &[String]) -> String {
    // The common prefix would make all names similar.
    let endings = known.iter().filter_map(|known| known.strip_prefix(PREFIX));
    let upper = name.to_ascii_uppercase();
    let hint = match nearest(upper.trim_start_matches(PREFIX), endings) {
        Some(ending) => format!("did you mean {PREFIX}{ending}?"),
        None => "see --help".to_owned(),
    };
    format!("unknown variable {} in the environment has no effect; {hint}", sanitize(name))
}

/// Message of a command-line error. If `line` alone is valid, the fault is in the environment, and the
/// message names the variable of the option.
#[must_use]
pub fn usage_or_variable_error(command: Command, line: &[OsString], error: &clap::Error) -> String {
    let why = usage_error(error);
    let Some(variable) = faulty_variable(command, line, error) else { return why };
    // The variable replaces the name of the option.
    let why = match why.split_once(": ") {
        Some((option, reason)) if option.starts_with("--") => reason,
        _ => &why,
    };
    format!("{variable} in the environment: {why}")
}

/// Returns whether the value of a variable is no UTF-8.
fn is_not_text(variable: &OsStr) -> bool {
    std::env::var_os(variable).is_some_and(|value| value.to_str().is_none())
}

fn faulty_variable(command: Command, line: &[OsString], error: &clap::Error) -> Option<String> {
    let variable = blamed_variable(&command, error)?;
    let typed = command.mut_args(|option| option.env(Resettable::Reset));
    typed.try_get_matches_from(line).ok()?;
    Some(variable)
}

/// Returns the variable of the option that `error` is about.
fn blamed_variable(command: &Command, error: &clap::Error) -> Option<String> {
    let mut options = command.get_arguments();
    let variable = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(option)) => {
            let name = option.split([' ', '=', '[', '.']).next()?.strip_prefix("--")?;
            options.find(|arg| arg.get_long() == Some(name))?.get_env()?
        }
        // clap does not name an option whose value is no UTF-8.
        _ => options.filter_map(Arg::get_env).find(|name| is_not_text(name))?,
    };
    Some(variable.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(names: &[&str], prefix: &str) -> Vec<String> {
        let known = ["LOADLINE_WINDOW", "LOADLINE_AGENT_COMMAND", "LOADLINE_AGENT_COLLECT"];
        let known = known.map(str::to_owned);
        unknown_variables(names.iter().map(OsString::from), prefix, &known)
    }

    #[test]
    fn an_unknown_variable_is_named_with_the_one_that_was_meant() {
        let names = ["LOADLINE_ZZZZ", "LOADLINE_WINDW", "LOADLINE_AGENT_COLECT", "HOME"];
        assert_eq!(
            warnings(&names, "LOADLINE_"),
            [
                "unknown variable LOADLINE_AGENT_COLECT in the environment has no effect; did you \
                 mean LOADLINE_AGENT_COLLECT?",
                "unknown variable LOADLINE_WINDW in the environment has no effect; did you mean \
                 LOADLINE_WINDOW?",
                "unknown variable LOADLINE_ZZZZ in the environment has no effect; see --help",
            ]
        );
        assert_eq!(warnings(&names, "LOADLINE_AGENT_").len(), 1);
        let known = ["LOADLINE_WINDOW", "LOADLINE_TEST_X", "XLOADLINE_Y", "LOADLINE"];
        assert!(warnings(&known, "LOADLINE_").is_empty());
        assert!(!warnings(&["LOADLINE_\x1b[2J"], "LOADLINE_")[0].contains('\x1b'));
        let lower = &warnings(&["loadline_window"], "LOADLINE_")[0];
        assert!(lower.ends_with("did you mean LOADLINE_WINDOW?"), "{lower}");
    }

    #[test]
    fn a_switch_is_on_off_or_an_error() {
        assert!(["1", "true", "Yes", "ON"].iter().all(|text| parse_switch(text) == Ok(true)));
        assert!(["", "0", "false", "No", "off"].iter().all(|text| parse_switch(text) == Ok(false)));
        assert!(["2", "maybe", " "].iter().all(|text| parse_switch(text).is_err()));
    }
}

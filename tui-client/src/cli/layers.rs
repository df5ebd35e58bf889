//! Precedence of options: command line, environment, configuration, defaults.

use std::ffi::OsString;

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser as _};
use loadline_common::usage_error;

use super::EarlyExit;
use super::args::Args;
use crate::config::{Config, Setting};

#[derive(Debug)]
pub(super) struct CommandLine {
    line: Vec<OsString>,
    matches: ArgMatches,
    pub(super) args: Args,
}

impl CommandLine {
    pub(super) fn read(line: &[OsString]) -> Result<CommandLine, EarlyExit> {
        let matches = Args::command().try_get_matches_from(line).map_err(|error| {
            match (early_exit(&error), faulty_variable(line, &error)) {
                (EarlyExit::Error(why), Some(variable)) => {
                    // The variable replaces the name of the option.
                    let why = match why.split_once(": ") {
                        Some((option, reason)) if option.starts_with("--") => reason,
                        _ => &why,
                    };
                    EarlyExit::Error(format!("{variable} in the environment: {why}"))
                }
                (instead, _) => instead,
            }
        })?;
        let args = Args::from_arg_matches(&matches).map_err(|it| early_exit(&it))?;
        Ok(CommandLine { line: line.to_vec(), matches, args })
    }

    pub(super) fn is_typed(&self, id: &str) -> bool {
        self.matches.value_source(id) == Some(ValueSource::CommandLine)
    }

    /// Fills options that are not given from `settings`. The last setting of an option wins.
    pub(super) fn with_settings<'a>(
        &self,
        settings: impl IntoIterator<Item = &'a Setting>,
    ) -> Result<Args, EarlyExit> {
        let command = settings.into_iter().fold(Args::command(), |command, setting| {
            command.mut_arg(setting.option.id(), |option| option.default_value(&setting.value))
        });
        let matches = command.try_get_matches_from(&self.line);
        let args = matches.and_then(|matches| Args::from_arg_matches(&matches));
        args.map_err(|error| early_exit(&error))
    }
}

/// Checks the values of all settings; the error shows the line of the first invalid value.
pub(super) fn check(config: &Config) -> Result<(), String> {
    let settings = config.options.iter().chain(config.sources.source_settings());
    for Setting { option, span, value } in settings.filter(|it| !it.option.is_switch()) {
        let mut argument = OsString::from(format!("--{}=", option.name));
        argument.push(value);
        if let Err(error) = Args::try_parse_from([OsString::from("loadline"), argument]) {
            return Err(config.text.error_at(span.clone(), &value_error(option.name, &error)));
        }
    }
    Ok(())
}

/// Returns the message for an invalid value, without hints about the command line.
fn value_error(name: &str, error: &clap::Error) -> String {
    if let Some(ContextValue::Strings(all)) = error.get(ContextKind::ValidValue) {
        return format!("invalid {name}; possible values: {}", all.join(", "));
    }
    if let Some(why) = std::error::Error::source(error) {
        return format!("{name}: {why}");
    }
    let error = usage_error(error);
    format!("{name}: {}", error.strip_suffix("; see --help").unwrap_or(&error))
}

/// Returns the name of the environment variable at fault, if the command line itself is valid.
fn faulty_variable(line: &[OsString], error: &clap::Error) -> Option<String> {
    let typed = Args::command().mut_args(|option| option.env(Resettable::Reset));
    typed.try_get_matches_from(line).ok()?;
    let ContextValue::String(option) = error.get(ContextKind::InvalidArg)? else { return None };
    let name = option.split_whitespace().next()?.trim_start_matches("--");
    Some(format!("LOADLINE_{}", name.replace('-', "_").to_uppercase()))
}

fn early_exit(error: &clap::Error) -> EarlyExit {
    if error.use_stderr() {
        EarlyExit::Error(redact_password(&usage_error(error)))
    } else {
        EarlyExit::Print(error.to_string())
    }
}

/// Removes the password of a Prometheus address from an error message.
pub(super) fn redact_password(text: &str) -> String {
    let hidden = || {
        let address =
            text.find("prom+http").and_then(|at| Some(at + text[at..].find("://")? + 3))?;
        let from = address + text[address..].find(':')?;
        let until = text.rfind('@').filter(|until| *until > from)?;
        Some(format!("{}{}", &text[..from], &text[until..]))
    };
    hidden().unwrap_or_else(|| text.to_owned())
}

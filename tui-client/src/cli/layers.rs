//! Precedence of options: command line, environment, configuration, defaults.

use std::collections::HashSet;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser as _};
use loadline_common::{usage_error, usage_or_variable_error};
use loadline_protocol::{History, sanitize};

use super::EarlyExit;
use super::args::Args;
use crate::config::{Config, Setting};
use crate::link::{TIME_OPTIONS, TypedRequest};
use crate::output::OutputFormat;
use crate::redact::{redact, redact_address};

pub(super) struct CommandLine {
    line: Vec<OsString>,
    matches: ArgMatches,
    pub(super) args: Args,
}

impl CommandLine {
    pub(super) fn read(line: &[OsString]) -> Result<CommandLine, EarlyExit> {
        let exit = |error: clap::Error| match early_exit(&error) {
            EarlyExit::Error(_) => {
                let why = usage_or_variable_error(Args::command(), line, &error);
                EarlyExit::Error(without_typed_passwords(&why, line))
            }
            print @ EarlyExit::Print(_) => print,
        };
        let matches = Args::command().try_get_matches_from(line).map_err(exit)?;
        let args = Args::from_arg_matches(&matches).map_err(|it| early_exit(&it))?;
        Ok(CommandLine { line: line.to_vec(), matches, args })
    }

    pub(super) fn is_typed(&self, id: &str) -> bool {
        self.matches.value_source(id) == Some(ValueSource::CommandLine)
    }

    /// Returns the typed options that some sources do not follow.
    pub(super) fn typed_request(&self, args: &Args, format: OutputFormat) -> TypedRequest {
        // Outputs other than raw select the columns themselves.
        let columns = (format == OutputFormat::Raw).then_some("columns");
        let none = args.history == Some(History::None);
        let history = (!none).then_some("history");
        let options = ["interval"].into_iter().chain(history).chain(["from"]).chain(columns);
        let options = options.chain(TIME_OPTIONS).filter(|id| self.is_typed(id)).collect();
        let interval = args.interval.filter(|_| self.is_typed("interval"));
        TypedRequest { interval, options, source: String::new() }
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
        let args = Args::try_parse_from([OsString::from("loadline"), argument]);
        let why = match &args {
            Ok(args) => args.columns.as_deref().and_then(repeated_column),
            Err(error) => Some(value_error(option.name, error)),
        };
        if let Some(why) = why {
            return Err(config.text.error_at(span.clone(), &why));
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

fn early_exit(error: &clap::Error) -> EarlyExit {
    if error.use_stderr() {
        EarlyExit::Error(redact(&usage_error(error)))
    } else {
        EarlyExit::Print(error.to_string())
    }
}

/// Returns a usage error without the passwords in the words of the command line.
fn without_typed_passwords(error: &str, line: &[OsString]) -> String {
    let words = line.iter().map(|word| word.to_string_lossy());
    let hidden = words.fold(error.to_owned(), |error, word| {
        let value = word.split_once('=').map_or(&*word, |(_, value)| value);
        let replaced = error.replace(&*sanitize(&word), &redact_address(&sanitize(&word)));
        replaced.replace(&*sanitize(value), &redact_address(&sanitize(value)))
    });
    redact(&hidden)
}

/// Returns the error of a column that is given twice.
pub(super) fn repeated_column(columns: &[String]) -> Option<String> {
    let name = |column: &String| column.split(':').next().unwrap_or_default().to_owned();
    let mut names = HashSet::new();
    let twice = columns.iter().map(name).find(|name| !names.insert(name.clone()))?;
    Some(format!("column {twice:?} is given twice; give each column once"))
}

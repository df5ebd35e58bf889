//! Options and variables that have no effect, or do not go together.

use std::ffi::OsString;

use clap::CommandFactory as _;
use loadline_common::{AGENT_VARIABLES, unknown_variables, variables_of};

use super::args::Args;
use super::layers::CommandLine;
use super::{CliSettings, OutputDevice, SourceSpec, Terminals};
use crate::output::OutputFormat;
use crate::scope::{Mode, NoEffect, OPTION_SCOPES, OptionScope};
use crate::source::Source;

/// Prefix of the variables of loadline.
const VARIABLE_PREFIX: &str = "LOADLINE_";

/// Variables that are no options.
const OTHER_VARIABLES: [&str; 2] = ["LOADLINE_PROM_PASSWORD", "LOADLINE_PROM_TOKEN"];

/// Returns a warning for each unknown variable among `names`.
pub(super) fn variable_warnings(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let others = AGENT_VARIABLES.into_iter().chain(OTHER_VARIABLES).map(str::to_owned);
    let known: Vec<String> = variables_of(&Args::command()).chain(others).collect();
    unknown_variables(names, VARIABLE_PREFIX, &known)
}

/// Typed options. Environment and configuration may have options without an effect: they apply to all
/// runs.
fn typed(command_line: &CommandLine) -> impl Iterator<Item = &'static OptionScope> {
    OPTION_SCOPES.iter().filter(|option| command_line.is_typed(option.id))
}

/// Rejects typed options that have no effect in a mode without sources.
pub(super) fn check_mode(command_line: &CommandLine, mode: Mode) -> Result<(), String> {
    match typed(command_line).find_map(|option| option.check_mode(mode)) {
        Some(NoEffect::Error(error) | NoEffect::Warning(error)) => Err(error),
        None => Ok(()),
    }
}

/// Rejects standard streams that do not fit, and typed options that contradict the source or the output.
/// Returns warnings about typed options without an effect.
pub(super) fn check_settings(
    command_line: &CommandLine,
    settings: &CliSettings,
    terminals: Terminals,
) -> Result<Vec<String>, String> {
    let CliSettings { sources, format, args, .. } = settings;
    settings.check_source_count(sources.len())?;
    let is_tui = *format == OutputFormat::Tui;
    let mode = match is_tui {
        _ if args.check => Mode::Check,
        true => Mode::Screen,
        false => Mode::Rows,
    };
    let mut warnings = Vec::new();
    for option in typed(command_line) {
        let sources = sources.iter().map(|chosen| &chosen.source);
        match option.check_mode(mode).or_else(|| option.check_sources(sources)) {
            Some(NoEffect::Error(error)) => return Err(error),
            Some(NoEffect::Warning(warning)) => warnings.push(warning),
            None => {}
        }
    }
    let reads_input = sources.iter().any(|chosen| chosen.source == Source::Stdin);
    if command_line.is_typed("from") && command_line.is_typed("window") {
        return Err("--window cannot be used with --from; remove --window".to_owned());
    }
    if is_tui && reads_input && terminals.input {
        return Err("standard input is a terminal; write `PROGRAM | loadline -`".to_owned());
    }
    let unfit_output = match terminals.output {
        OutputDevice::Redirected => Some("standard output is not a terminal; "),
        OutputDevice::TextTerminal => {
            Some("no charts, because TERM is unset or of a terminal without them; set TERM, or ")
        }
        OutputDevice::Screen => None,
    };
    if let Some(why) = unfit_output.filter(|_| is_tui) {
        return Err(format!("{why}choose -o table, csv, json or raw"));
    }
    if command_line.is_typed("columns")
        && let Some(why) = raw_columns_warning(*format, sources)
    {
        warnings.push(why.to_owned());
    }
    Ok(warnings)
}

/// Only an agent selects columns in the lines that raw repeats.
fn raw_columns_warning(format: OutputFormat, sources: &[SourceSpec]) -> Option<&'static str> {
    let is_read = matches!(sources, [one] if matches!(one.source, Source::Path(_) | Source::Stdin));
    (format == OutputFormat::Raw && is_read)
        .then_some("--columns has no effect with -o raw, which repeats lines; choose -o csv")
}

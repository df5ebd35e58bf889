//! Options and variables that have no effect, or do not go together.

use std::ffi::OsString;

use clap::CommandFactory as _;
use loadline_common::{AGENT_VARIABLES, unknown_variables, variables_of};
use loadline_protocol::{DurationText, History};

use super::args::Args;
use super::layers::CommandLine;
use super::{CliSettings, OutputDevice, SourceSpec, Terminals};
use crate::output::OutputFormat;
use crate::scope::{Mode, NoEffect, OPTION_SCOPES, OptionScope};
use crate::source::{SECRET_VARIABLES, Source};

/// Prefix of the variables of loadline.
const VARIABLE_PREFIX: &str = "LOADLINE_";

/// Returns a warning for each unknown variable among `names`.
pub(super) fn variable_warnings(names: impl Iterator<Item = OsString>) -> Vec<String> {
    let others = AGENT_VARIABLES.into_iter().chain(SECRET_VARIABLES).map(str::to_owned);
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
    let mode = match format {
        _ if args.check => Mode::Check,
        OutputFormat::Tui => Mode::Screen,
        OutputFormat::Top => Mode::Processes,
        OutputFormat::Table | OutputFormat::Csv | OutputFormat::Json | OutputFormat::Raw => {
            Mode::Rows
        }
    };
    let is_prometheus = |chosen: &SourceSpec| matches!(chosen.source, Source::Prometheus(_));
    if *format == OutputFormat::Top && sources.iter().all(is_prometheus) {
        return Err("-o top: Prometheus has no processes; give an agent".to_owned());
    }
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
    warnings.extend(contradictions(command_line, settings));
    Ok(warnings)
}

/// Returns warnings about typed options of the screen that another option overrides.
fn contradictions(command_line: &CommandLine, settings: &CliSettings) -> Vec<String> {
    let CliSettings { args, format, .. } = settings;
    let mut warnings = Vec::new();
    if *format != OutputFormat::Tui {
        return warnings;
    }
    if command_line.is_typed("window") && args.from.is_some() {
        let why = "--window has no effect, because LOADLINE_FROM sets the window";
        warnings.push(format!("{why}; unset LOADLINE_FROM"));
    }
    let Some(keep) = args.keep.filter(|_| command_line.is_typed("keep")) else { return warnings };
    let history = match args.history {
        Some(History::Last(history)) => Some(history),
        Some(History::All | History::None) | None => None,
    };
    if let Some(window) = args.window.filter(|window| *window > keep) {
        let (keep, window) = (DurationText(keep), DurationText(window));
        let why = format!("--keep {keep} has no effect, because --window is {window}");
        warnings.push(format!("{why}; give at least --keep {window}"));
    } else if let Some(history) = history.filter(|history| *history > keep) {
        let (keep, history) = (DurationText(keep), DurationText(history));
        let why = format!("--keep {keep} keeps less than --history {history}");
        warnings.push(format!("{why}; give at least --keep {history}"));
    }
    warnings
}

//! Command line, and the settings from command line, environment and configuration.

mod args;
mod conflicts;
mod layers;
mod manual;
mod time_zone;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::IsTerminal as _;
use std::time::Duration;

use clap::CommandFactory as _;
use loadline_protocol::{History, Time};

use crate::config::{
    Config, GROUP_PREFIX, ResolvedSource, SOURCES_MAX, SourceNames, default_config,
};
use crate::keys::Keys;
use crate::link::{SshCommand, TlsClientFiles, TypedRequest};
use crate::output::OutputFormat;
use crate::scope::{Mode, SourceScope};
use crate::source::Source;
use crate::theme::{Colours, is_text_only};
use crate::thresholds::Thresholds;
use crate::time_spec::TimeBounds;
pub(crate) use args::Args;
use args::WINDOW_MIN;
use conflicts::{check_mode, check_settings, variable_warnings};
use layers::{CommandLine, repeated_column};
use time_zone::zone_warning;

/// Time window of the charts if only `--to` is given.
const DEFAULT_WINDOW: Duration = Duration::from_mins(5);

/// Default history of the screen: 10 min.
const DEFAULT_HISTORY: History = History::Last(Duration::from_mins(10));

/// History of a check: 3 min. Some problems are found only after two minutes.
const CHECK_HISTORY: History = History::Last(Duration::from_mins(3));

/// Extra history to request: 1 min. The agent counts history back from the connection, which a
/// password prompt may delay.
const CONNECT_MARGIN: Duration = Duration::from_mins(1);

/// Default time span of samples in memory: the day that an agent has by default, and an hour to look at
/// its beginning.
const DEFAULT_RETENTION: Duration = Duration::from_hours(25);

#[derive(Clone, PartialEq)]
pub(crate) struct CliSettings {
    /// Distinct sources, at least one.
    pub(crate) sources: Vec<SourceSpec>,
    pub(crate) format: OutputFormat,
    pub(crate) history: History,
    /// Options from all layers. A `no_` option is already applied to its counterpart.
    pub(crate) args: Args,
    pub(crate) colours: Colours,
    pub(crate) keys: Keys,
    pub(crate) thresholds: Thresholds,
    /// Typed options of the request to a source.
    pub(crate) typed_request: TypedRequest,
    /// Warnings about input without an effect.
    pub(crate) warnings: Vec<String>,
}

/// A source with its own options.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SourceSpec {
    /// Name in the configuration.
    pub(crate) name: Option<String>,
    pub(crate) source: Source,
    /// Names for its columns, or the columns to select.
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) ssh: SshCommand,
    pub(crate) tls: TlsClientFiles,
    /// Name or group in the configuration, to suggest if the host is unknown.
    pub(crate) suggestion: Option<String>,
}

impl fmt::Debug for CliSettings {
    /// Writes the sources only: options may have secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CliSettings").field("sources", &self.sources).finish_non_exhaustive()
    }
}

impl CliSettings {
    /// Checks that the options permit this number of sources.
    ///
    /// # Errors
    /// A one-line message if an option takes one source only.
    pub(crate) fn check_source_count(&self, count: usize) -> Result<(), String> {
        let one = "give one source";
        let options = [
            (self.format == OutputFormat::Raw, "-o raw", "choose -o csv, json or table"),
            (self.args.record.is_some(), "--record", one),
            (self.args.check, "--check", one),
            (self.args.follow, "--follow", one),
        ];
        match options.iter().find(|(is_given, ..)| *is_given && count > 1) {
            Some((_, option, hint)) => {
                Err(format!("{option} takes one source, not {count}; {hint}"))
            }
            None => Ok(()),
        }
    }

    /// Returns whether looks at the processes are shown, reported or recorded.
    pub(crate) fn uses_looks(&self) -> bool {
        let has_looks =
            matches!(self.format, OutputFormat::Tui | OutputFormat::Raw | OutputFormat::Top);
        has_looks || self.args.check || self.args.record.is_some()
    }

    /// Sets time window and history so that they cover `bounds`. `recorded` has the oldest and
    /// newest time if all sources are recordings.
    pub(crate) fn apply_bounds(
        &mut self,
        bounds: TimeBounds,
        recorded: Option<(Time, Time)>,
        now: Time,
    ) {
        let newest = recorded.map_or(now, |(_, newest)| newest);
        let end = bounds.to.unwrap_or(newest);
        let begin = bounds.from.or(recorded.map(|(oldest, _)| oldest));
        let span = begin.map(|begin| (end - begin).max(WINDOW_MIN));
        let window = span.or(self.args.window).unwrap_or(DEFAULT_WINDOW);
        self.args.window = Some(window);
        let of_window = (self.format == OutputFormat::Tui).then(|| now - end + window);
        let needed = bounds.from.map(|from| now - from).or(of_window);
        self.history = match (self.history, needed.map(|needed| needed + CONNECT_MARGIN)) {
            (History::All, _) | (_, None) => History::All,
            (History::None, Some(needed)) => History::Last(needed),
            (History::Last(given), Some(needed)) => History::Last(given.max(needed)),
        };
    }

    /// Returns the time span of samples to keep: `--keep`, else the longer of 25 h and the requested
    /// history, and all of a recording. At least the time window of the charts.
    pub(crate) fn retention_of(&self, source: &Source) -> Duration {
        let default = match self.history {
            _ if matches!(source, Source::Path(_)) => Duration::MAX,
            History::Last(history) => DEFAULT_RETENTION.max(history),
            History::All | History::None => DEFAULT_RETENTION,
        };
        self.args.keep.unwrap_or(default).max(self.args.window.unwrap_or_default())
    }
}

fn are_recordings(sources: &[SourceSpec]) -> bool {
    sources.iter().all(|chosen| SourceScope::Recording.includes(&chosen.source))
}

/// Reason to exit before anything runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EarlyExit {
    /// Text that the user requested, such as the help.
    Print(String),
    /// Usage error in one line, or configuration error with the line of the file below.
    Error(String),
}

/// Reads the command line, the environment and the configuration.
pub(crate) fn parse() -> Result<CliSettings, EarlyExit> {
    let line: Vec<OsString> = std::env::args_os().collect();
    let terminals = Terminals {
        input: std::io::stdin().is_terminal(),
        output: OutputDevice::detect(
            std::io::stdout().is_terminal(),
            &std::env::var("TERM").unwrap_or_default(),
        ),
    };
    let mut settings = read(&line, terminals, Config::load)?;
    let variables = std::env::vars_os().map(|(name, _)| name);
    let zone = std::env::var_os("TZ").and_then(|tz| zone_warning(&tz.to_string_lossy()));
    settings.warnings.splice(0..0, variable_warnings(variables).into_iter().chain(zone));
    Ok(settings)
}

fn read(
    line: &[OsString],
    terminals: Terminals,
    load: impl FnOnce(Option<&OsStr>) -> Result<Config, String>,
) -> Result<CliSettings, EarlyExit> {
    let command_line = CommandLine::read(line)?;
    if let Some(kind) = command_line.args.generate {
        check_mode(&command_line, Mode::Generate).map_err(EarlyExit::Error)?;
        return Err(EarlyExit::Print(kind.text(Args::command(), manual::write_manual)));
    }
    if command_line.args.print_config {
        check_mode(&command_line, Mode::PrintConfig).map_err(EarlyExit::Error)?;
        return Err(EarlyExit::Print(default_config(option_help)));
    }
    let config = load(command_line.args.config.as_deref())
        .and_then(|config| layers::check(&config).map(|()| config))
        .map_err(EarlyExit::Error)?;
    build_settings(&command_line, config, terminals)
}

/// Returns the help of an option with its possible values.
fn option_help(name: &str) -> String {
    let command = Args::command();
    let option = command.get_arguments().find(|option| option.get_long() == Some(name));
    let Some(option) = option else { return String::new() };
    let help = option.get_help().map_or_else(String::new, ToString::to_string);
    let values = option.get_possible_values();
    // A flag has the possible values true and false; leave them out.
    let names: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
    if names.is_empty() || !option.get_action().takes_values() {
        return help;
    }
    format!("{help}: {}", names.join(", "))
}

#[derive(Debug, Clone, Copy)]
struct Terminals {
    input: bool,
    output: OutputDevice,
}

/// Kind of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OutputDevice {
    /// A file or a pipe.
    Redirected,
    /// A terminal that cannot move its cursor: `TERM` is missing or says so.
    TextTerminal,
    /// A terminal that can show charts.
    Screen,
}

impl OutputDevice {
    fn detect(is_terminal: bool, term: &str) -> OutputDevice {
        match is_terminal {
            false => OutputDevice::Redirected,
            true if is_text_only(term) => OutputDevice::TextTerminal,
            true => OutputDevice::Screen,
        }
    }
}

/// Warning if the table replaces the charts on a terminal.
const TABLE_WARNING: &str =
    "no charts, because TERM is unset or of a terminal without them; rows follow as a table";

/// Resolves the given sources; this machine if there are none.
fn resolve_sources(args: &Args, names: &SourceNames) -> Result<Vec<ResolvedSource>, String> {
    let mut typed: Vec<Source> = Vec::new();
    let mut found: Vec<ResolvedSource> = Vec::new();
    for word in &args.sources {
        let all = names.resolve(word)?;
        if let ([one], false) = (all.as_slice(), word.starts_with(GROUP_PREFIX)) {
            if typed.contains(&one.source) {
                return Err(format!("{} is given twice; give each source once", one.source));
            }
            typed.push(one.source.clone());
        }
        for one in all {
            // A source in several groups is watched once.
            if !found.iter().any(|it| it.source == one.source) {
                found.push(one);
            }
        }
        if found.len() > SOURCES_MAX {
            let count = found.len().max(args.sources.len());
            return Err(format!("too many sources: {count}; give at most {SOURCES_MAX}"));
        }
    }
    if found.is_empty() && !args.sources.is_empty() {
        let groups = args.sources.join(" ");
        return Err(format!("no source in {groups}; add one to the group in the configuration"));
    }
    if found.is_empty() {
        found.push(ResolvedSource::unnamed(Source::Localhost));
    }
    Ok(found)
}

fn tls_files(args: &Args) -> Result<TlsClientFiles, String> {
    let identity = match (args.tls_cert.clone(), args.tls_key.clone()) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => return Err("--tls-cert needs a key; give --tls-key".to_owned()),
        (None, Some(_)) => return Err("--tls-key needs a certificate; give --tls-cert".to_owned()),
    };
    Ok(TlsClientFiles { ca: args.tls_ca.clone(), identity })
}

/// Resolves the sources, each with its own options.
fn source_specs(
    command_line: &CommandLine,
    config: &Config,
    args: &Args,
) -> Result<Vec<SourceSpec>, EarlyExit> {
    let sources = resolve_sources(args, &config.sources).map_err(EarlyExit::Error)?;
    let chosen =
        sources.into_iter().map(|ResolvedSource { name, source, settings, suggestion }| {
            let all = config.options.iter().chain(&settings);
            let own =
                (!settings.is_empty()).then(|| command_line.with_settings(all)).transpose()?;
            let args = own.as_ref().unwrap_or(args);
            let tls = tls_files(args).map_err(EarlyExit::Error)?;
            let mut options =
                shell_words::split(&args.ssh).expect("the value parser has split it before");
            let program = options.remove(0);
            let ssh = SshCommand { program, options, agent_command: args.agent_command.clone() };
            let columns = args.columns.clone();
            Ok(SourceSpec { name, source, columns, ssh, tls, suggestion })
        });
    chosen.collect()
}

fn build_settings(
    command_line: &CommandLine,
    config: Config,
    terminals: Terminals,
) -> Result<CliSettings, EarlyExit> {
    let mut args = command_line.with_settings(&config.options)?;
    let has_screen = terminals.output == OutputDevice::Screen && !args.check;
    let default_format = if has_screen { OutputFormat::Tui } else { OutputFormat::Table };
    let is_possible = |form: &OutputFormat| {
        *form != OutputFormat::Tui || has_screen || command_line.is_typed("output")
    };
    let format = args.output.filter(is_possible).unwrap_or(default_format);
    let is_tui = format == OutputFormat::Tui;
    let replaces_tui = format == OutputFormat::Table && args.output != Some(format) && !args.check;
    let mut warnings = Vec::new();
    if replaces_tui && terminals.output == OutputDevice::TextTerminal {
        warnings.push(TABLE_WARNING.to_owned());
    }
    if let Some(why) = args.columns.as_deref().and_then(repeated_column) {
        return Err(EarlyExit::Error(format!("--columns: {why}")));
    }
    let sources = source_specs(command_line, &config, &args)?;
    let default_history = if is_tui { DEFAULT_HISTORY } else { History::None };
    let history = args.history.unwrap_or(default_history);
    let history = if args.check { CHECK_HISTORY } else { history };
    args.count = args.count.filter(|_| !is_tui);
    args.fullscreen &= !args.no_fullscreen;
    args.fill &= !args.no_fill;
    args.mouse |= !args.no_mouse;
    let colours = Colours { palette: args.theme.unwrap_or_default(), ..config.colours };
    let Config { keys, thresholds, .. } = config;
    let typed_request = command_line.typed_request(&args, format);
    let mut settings = CliSettings {
        sources,
        format,
        history,
        args,
        colours,
        keys,
        thresholds,
        typed_request,
        warnings,
    };
    // Only a typed --follow contradicts other sources.
    settings.args.follow &= command_line.is_typed("follow") || are_recordings(&settings.sources);
    let warnings = check_settings(command_line, &settings, terminals);
    settings.warnings.extend(warnings.map_err(EarlyExit::Error)?);
    Ok(settings)
}

#[cfg(test)]
mod tests;

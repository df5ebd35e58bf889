//! Command line, and the settings from command line, environment and configuration.

mod args;
mod layers;
mod manual;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::CommandFactory as _;
use loadline_protocol::{History, Time};

pub use crate::config::SOURCES_MAX;
use crate::config::{Config, ConfigError, ResolvedSource, SourceNames, default_config};
use crate::keys::Keys;
use crate::link::{SshCommand, TlsClientFiles};
use crate::output::OutputFormat;
use crate::source::Source;
use crate::theme::{Colours, Palette};
use crate::thresholds::Thresholds;
use crate::time_spec::{TimeBounds, TimeRange};
use args::{Args, WINDOW_MIN, split_words};
use layers::{CommandLine, redact_password};

/// Time window of the charts if only `--to` is given.
const DEFAULT_WINDOW: Duration = Duration::from_mins(5);

/// Extra history to request: 1 min. The agent counts history back from the connection, which a
/// password prompt may delay.
const CONNECT_MARGIN: Duration = Duration::from_mins(1);

/// Default time span of samples in memory.
const DEFAULT_RETENTION: Duration = Duration::from_hours(24);

/// Settings of a run of the program.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent option")]
pub struct CliSettings {
    /// Distinct sources, at least one.
    pub sources: Vec<SourceSpec>,
    /// Output format.
    pub format: OutputFormat,
    /// Number of rows after which the program exits.
    pub count: Option<u64>,
    /// Interval to request.
    pub interval: Option<Duration>,
    /// History to request.
    pub history: History,
    /// Time window of the charts. `None` fits it to the samples.
    pub window: Option<Duration>,
    /// Time range from `--from` and `--to`.
    pub range: TimeRange,
    /// Time span of samples to keep in memory, if given.
    pub(crate) retention: Option<Duration>,
    /// True to start with one fullscreen chart.
    pub fullscreen: bool,
    /// Path of the recording to append to.
    pub record: Option<PathBuf>,
    /// True to report on the source and exit.
    pub check: bool,
    /// True to continue as a recording grows.
    pub follow: bool,
    /// Colour theme. `None` if not given.
    pub theme: Option<Palette>,
    /// Configured colours that replace colours of the theme.
    pub colours: Colours,
    /// True to fill the area below lines.
    pub fill: bool,
    /// Key bindings.
    pub keys: Keys,
    /// Warning and critical thresholds.
    pub thresholds: Thresholds,
    /// True to use the mouse.
    pub mouse: bool,
}

/// A source with its own options.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSpec {
    /// Name in the configuration.
    pub name: Option<String>,
    /// Parsed source.
    pub source: Source,
    /// Names for its columns, or the columns to select.
    pub columns: Option<Vec<String>>,
    /// Commands for ssh sources.
    pub ssh: SshCommand,
    /// Certificate files for TLS sources.
    pub tls: TlsClientFiles,
}

impl fmt::Display for SourceSpec {
    /// Writes the name under which the source is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => self.source.fmt(f),
        }
    }
}

impl CliSettings {
    /// Checks that the options permit this number of sources.
    ///
    /// # Errors
    /// A one-line message if an option takes one source only.
    pub fn check_source_count(&self, sources: usize) -> Result<(), String> {
        check_single_source(self.format, [self.record.is_some(), self.check, self.follow], sources)
    }

    /// Sets time window and history so that they cover `bounds`. `recorded` has the oldest and
    /// newest time if all sources are recordings.
    pub fn apply_bounds(&mut self, bounds: TimeBounds, recorded: Option<(Time, Time)>, now: Time) {
        let newest = recorded.map_or(now, |(_, newest)| newest);
        let end = bounds.to.unwrap_or(newest);
        let begin = bounds.from.or(recorded.map(|(oldest, _)| oldest));
        let span = begin.map(|begin| (end - begin).max(WINDOW_MIN));
        let window = span.or(self.window).unwrap_or(DEFAULT_WINDOW);
        self.window = Some(window);
        let needed = match (bounds.from, self.format) {
            (Some(from), _) => Some(now - from),
            (None, OutputFormat::Tui) => Some(now - end + window),
            (
                None,
                OutputFormat::Table | OutputFormat::Csv | OutputFormat::Json | OutputFormat::Raw,
            ) => None,
        };
        self.history = match (self.history, needed.map(|needed| needed + CONNECT_MARGIN)) {
            (History::All, _) | (_, None) => History::All,
            (History::None, Some(needed)) => History::Last(needed),
            (History::Last(given), Some(needed)) => History::Last(given.max(needed)),
        };
    }

    /// Returns the time span of samples to keep: `--keep`, else the longer of 24 h and the requested
    /// history, and all of a recording. At least the time window of the charts.
    pub fn retention_of(&self, source: &Source) -> Duration {
        let default = match self.history {
            _ if is_recording(source) => Duration::MAX,
            History::Last(history) => DEFAULT_RETENTION.max(history),
            History::All | History::None => DEFAULT_RETENTION,
        };
        self.retention.unwrap_or(default).max(self.window.unwrap_or_default())
    }
}

fn is_recording(source: &Source) -> bool {
    matches!(source, Source::Path(_))
}

/// Reason to exit before anything runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EarlyExit {
    /// Text that the user requested, such as the help.
    Print(String),
    /// Usage error in one line.
    Usage(String),
    /// Configuration error: a message in one line, then the line of the file with a caret.
    Config(String),
}

/// Reads the command line, the environment and the configuration.
pub fn parse<I>(args: I) -> Result<CliSettings, EarlyExit>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let terminals = Terminals {
        input: std::io::stdin().is_terminal(),
        output: std::io::stdout().is_terminal(),
    };
    read(&args, terminals, Config::load)
}

fn read(
    line: &[OsString],
    terminals: Terminals,
    load: impl FnOnce(Option<&OsStr>) -> Result<Config, ConfigError>,
) -> Result<CliSettings, EarlyExit> {
    let command_line = CommandLine::read(line)?;
    if let Some(kind) = command_line.args.generate {
        return Err(EarlyExit::Print(kind.text(Args::command(), manual::write_manual)));
    }
    if command_line.args.print_config {
        return Err(EarlyExit::Print(default_config(option_help)));
    }
    let config = load(command_line.args.config.as_deref())
        .and_then(|config| layers::check(&config).map(|()| config))
        .map_err(|fault| EarlyExit::Config(fault.to_string()))?;
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

/// Standard streams that are terminals.
#[derive(Debug, Clone, Copy)]
struct Terminals {
    input: bool,
    output: bool,
}

/// Resolves the given sources; this machine if there are none.
fn resolve_sources(args: &Args, names: &SourceNames) -> Result<Vec<ResolvedSource>, String> {
    let mut typed: Vec<Source> = Vec::new();
    let mut found: Vec<ResolvedSource> = Vec::new();
    for word in &args.sources {
        let all = names.resolve(word)?;
        if let ([one], false) = (all.as_slice(), word.starts_with('@')) {
            if typed.contains(&one.source) {
                return Err(format!("{} is given twice; give each source once", one.source));
            }
            typed.push(one.source.clone());
        }
        // A source in several groups is watched once.
        let is_new = |one: &ResolvedSource| !found.iter().any(|it| it.source == one.source);
        let new: Vec<ResolvedSource> = all.into_iter().filter(is_new).collect();
        found.extend(new);
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
        found.push(ResolvedSource { name: None, source: Source::Localhost, settings: Vec::new() });
    }
    Ok(found)
}

/// Rejects options that take one source only if there are several.
fn check_single_source(
    format: OutputFormat,
    [record, check, follow]: [bool; 3],
    count: usize,
) -> Result<(), String> {
    if count <= 1 {
        return Ok(());
    }
    if format == OutputFormat::Raw {
        return Err(format!("-o raw takes one source, not {count}; choose -o csv, json or table"));
    }
    let options = [("--record", record), ("--check", check), ("--follow", follow)];
    match options.iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => {
            Err(format!("{option} takes one source, not {count}; give one source"))
        }
        None => Ok(()),
    }
}

fn tls_files(args: &Args) -> Result<TlsClientFiles, String> {
    let identity = match (args.tls_cert.clone(), args.tls_key.clone()) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => return Err("--tls-cert needs a key; give --tls-key".to_owned()),
        (None, Some(_)) => {
            return Err("--tls-key needs a certificate; give --tls-cert".to_owned());
        }
    };
    Ok(TlsClientFiles { ca: args.tls_ca.clone(), identity })
}

/// Resolves the sources, each with its own options.
fn source_specs(
    command_line: &CommandLine,
    config: &Config,
    args: &Args,
) -> Result<Vec<SourceSpec>, EarlyExit> {
    let hidden = |why: String| EarlyExit::Usage(redact_password(&why));
    let sources = resolve_sources(args, &config.sources).map_err(hidden)?;
    let chosen = sources.into_iter().map(|ResolvedSource { name, source, settings }| {
        let args_of_source;
        let args = if settings.is_empty() {
            args
        } else {
            args_of_source = command_line.with_settings(settings.iter().chain(&config.options))?;
            &args_of_source
        };
        let tls = tls_files(args).map_err(EarlyExit::Usage)?;
        let program = split_words(&args.ssh).expect("the value parser has split it before");
        let ssh = SshCommand { program, agent_command: args.agent_command.clone() };
        Ok(SourceSpec { name, source, columns: args.columns.clone(), ssh, tls })
    });
    chosen.collect()
}

/// Rejects typed options that would have no effect. Environment and configuration may have such
/// options: they apply to all runs.
fn check_typed(
    command_line: &CommandLine,
    args: &Args,
    format: OutputFormat,
    sources: &[SourceSpec],
) -> Result<(), String> {
    let is_tls = |chosen: &SourceSpec| match &chosen.source {
        Source::Tls { .. } => true,
        Source::Prometheus(server) => server.is_tls,
        _ => false,
    };
    let of_tls = ["tls_ca", "tls_cert", "tls_key"].into_iter().find(|id| command_line.is_typed(id));
    if let Some(id) = of_tls.filter(|_| !sources.iter().any(is_tls)) {
        let of = if id == "tls_ca" { "--tls-ca" } else { "--tls-cert" };
        return Err(format!("{of} needs a TLS source; write tls://HOST or prom+https://HOST"));
    }
    if command_line.is_typed("follow") && !sources.iter().all(|chosen| is_recording(&chosen.source))
    {
        return Err("--follow takes recordings only; give the path of a recording".to_owned());
    }
    if format == OutputFormat::Tui && command_line.is_typed("count") {
        return Err("--count does not work with tui; choose -o table, csv, json or raw".to_owned());
    }
    if command_line.is_typed("from") && command_line.is_typed("window") {
        return Err("--window cannot be used with --from; remove --window".to_owned());
    }
    let excluded = ["output", "count", "record", "follow", "fullscreen", "from", "to"];
    match excluded.into_iter().find(|id| args.check && command_line.is_typed(id)) {
        Some(id) => Err(format!("--{id} cannot be used with --check; remove --{id}")),
        None => Ok(()),
    }
}

fn build_settings(
    command_line: &CommandLine,
    config: Config,
    terminals: Terminals,
) -> Result<CliSettings, EarlyExit> {
    let usage = |text: &str| Err(EarlyExit::Usage(text.to_owned()));
    let args = command_line.with_settings(&config.options)?;
    let has_screen = terminals.output && !args.check;
    let default_format = if has_screen { OutputFormat::Tui } else { OutputFormat::Table };
    let is_possible = |form: &OutputFormat| {
        *form != OutputFormat::Tui || has_screen || command_line.is_typed("output")
    };
    let format = args.output.filter(is_possible).unwrap_or(default_format);
    let sources = source_specs(command_line, &config, &args)?;
    let wants = [args.record.is_some(), args.check, args.follow];
    check_single_source(format, wants, sources.len()).map_err(EarlyExit::Usage)?;
    check_typed(command_line, &args, format, &sources).map_err(EarlyExit::Usage)?;
    let reads_input = sources.iter().any(|chosen| chosen.source == Source::Stdin);
    if reads_input && format == OutputFormat::Tui && terminals.input {
        return usage("standard input is a terminal; write `PROGRAM | loadline -`");
    }
    if format == OutputFormat::Tui && !terminals.output {
        return usage("standard output is not a terminal; choose -o table, csv, json or raw");
    }
    let history = match (args.history, format) {
        (Some(history), _) => history,
        (None, OutputFormat::Tui) => History::Last(Duration::from_mins(10)),
        (
            None,
            OutputFormat::Table | OutputFormat::Csv | OutputFormat::Json | OutputFormat::Raw,
        ) => History::None,
    };
    Ok(CliSettings {
        follow: args.follow && sources.iter().all(|chosen| is_recording(&chosen.source)),
        sources,
        format,
        count: args.count.filter(|_| format != OutputFormat::Tui),
        interval: args.interval,
        history,
        window: args.window,
        range: TimeRange { from: args.from, to: args.to },
        retention: args.keep,
        fullscreen: args.fullscreen && !args.no_fullscreen,
        record: args.record,
        check: args.check,
        theme: args.theme,
        fill: args.fill && !args.no_fill,
        colours: Colours { palette: args.theme.unwrap_or_default(), ..config.colours },
        keys: config.keys,
        thresholds: config.thresholds,
        mouse: args.mouse || !args.no_mouse,
    })
}

#[cfg(test)]
mod tests;

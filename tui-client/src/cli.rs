//! Options, and what they mean.

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
use crate::theme::{ColourOverrides, Palette};
use crate::thresholds::Thresholds;
use crate::time_spec::{TimeBounds, TimeRange};
use args::{Args, WINDOW_MIN, split_words};
use layers::{CommandLine, redact_password};

/// The charts' time span if all that is said is where they end.
const DEFAULT_WINDOW: Duration = Duration::from_mins(5);

/// By how much more history is asked for than is needed: it counts from the time of the connection, and
/// until then a password may have to be typed.
const CONNECT_MARGIN: Duration = Duration::from_mins(1);

/// How much is kept, if nothing else is said.
const DEFAULT_RETENTION: Duration = Duration::from_hours(24);

/// What the user wants.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct CliSettings {
    /// Where samples come from: at least one, each another.
    pub sources: Vec<SourceSpec>,
    /// How they are shown.
    pub format: OutputFormat,
    /// After how many rows to end.
    pub count: Option<u64>,
    /// How far apart rows should be.
    pub interval: Option<Duration>,
    /// How far back to begin.
    pub history: History,
    /// The charts' time span; `None`: what fits the samples.
    pub window: Option<Duration>,
    /// The times that are looked at.
    pub range: TimeRange,
    /// How much to keep in memory, if that was said.
    pub retention: Option<Duration>,
    /// Begin with one chart over the whole screen.
    pub fullscreen: bool,
    /// Where to record what comes.
    pub record: Option<PathBuf>,
    /// Only look what the source is.
    pub check: bool,
    /// Go on when a recording grows.
    pub follow: bool,
    /// The colours.
    pub theme: Option<Palette>,
    /// Those in place of colours of the theme.
    pub colours: ColourOverrides,
    /// Fill the area below lines.
    pub fill: bool,
    /// Which key does what.
    pub keys: Keys,
    /// Which values are worth a look.
    pub thresholds: Thresholds,
    /// Whether the mouse is listened to.
    pub mouse: bool,
}

/// A source that is to be watched, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSpec {
    /// The name that the user has given it.
    pub name: Option<String>,
    /// The source.
    pub source: Source,
    /// Names of its columns, or which to take.
    pub columns: Option<Vec<String>>,
    /// What is run if ssh leads to it.
    pub ssh: SshCommand,
    /// What is read if it is reached over TLS.
    pub tls: TlsClientFiles,
}

impl fmt::Display for SourceSpec {
    /// The name under which it is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => self.source.fmt(f),
        }
    }
}

impl CliSettings {
    /// Whether what is wanted can be had of so many sources; why not, in one line.
    ///
    /// # Errors
    /// It is for one source only.
    pub fn check_source_count(&self, sources: usize) -> Result<(), String> {
        check_single_source(self.format, [self.record.is_some(), self.check, self.follow], sources)
    }

    /// Looks at these times: the charts span them, and the history reaches back to them. `recorded` has
    /// the oldest and the newest time of recordings, if there is nothing else to look at.
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

    /// How much of a source to keep in memory: what was said, else a day, or the history that is asked
    /// for, or the whole of a recording; and never less than the charts show.
    #[must_use]
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

/// Why there is nothing to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EarlyExit {
    /// The user asked for this text.
    Print(String),
    /// The command line is wrong, and why, in one line.
    Usage(String),
    /// The configuration is wrong: why in one line, and below it the line of the file.
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
        return Err(EarlyExit::Print(kind.text(Args::command(), &manual::manual())));
    }
    if command_line.args.print_config {
        return Err(EarlyExit::Print(default_config(option_help)));
    }
    let config = load(command_line.args.config.as_deref())
        .and_then(|config| layers::check(&config).map(|()| config))
        .map_err(|fault| EarlyExit::Config(fault.to_string()))?;
    build_settings(&command_line, config, terminals)
}

/// What the help says of an option.
fn option_help(name: &str) -> String {
    let command = Args::command();
    let option = command.get_arguments().find(|option| option.get_long() == Some(name));
    let Some(option) = option else { return String::new() };
    let help = option.get_help().map_or_else(String::new, ToString::to_string);
    let values = option.get_possible_values();
    // Of a flag, they are true and false.
    let names: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
    if names.is_empty() || !option.get_action().takes_values() {
        return help;
    }
    format!("{help}: {}", names.join(", "))
}

/// What the program is connected to a terminal with.
#[derive(Debug, Clone, Copy)]
struct Terminals {
    input: bool,
    output: bool,
}

/// The sources that were given; this machine if there are none.
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
        // What is in two groups is watched once.
        let is_new = |one: &ResolvedSource| !found.iter().any(|it| it.source == one.source);
        let new: Vec<ResolvedSource> = all.into_iter().filter(is_new).collect();
        found.extend(new);
        if found.len() > SOURCES_MAX {
            let count = found.len().max(args.sources.len());
            return Err(format!("{count} sources are too many; give {SOURCES_MAX} at most"));
        }
    }
    if found.is_empty() && !args.sources.is_empty() {
        return Err("no source is in this group; write one into it".to_owned());
    }
    if found.is_empty() {
        found.push(ResolvedSource { name: None, source: Source::Localhost, settings: Vec::new() });
    }
    Ok(found)
}

/// Whether what is wanted, a recording, a look or to follow a file, can be had of so many sources.
fn check_single_source(
    format: OutputFormat,
    [record, check, follow]: [bool; 3],
    count: usize,
) -> Result<(), String> {
    if count <= 1 {
        return Ok(());
    }
    if format == OutputFormat::Raw {
        return Err("raw is the stream of one source; choose -o csv, json or table".to_owned());
    }
    let of_one =
        [("--record keeps", record), ("--check looks at", check), ("--follow reads on in", follow)];
    match of_one.iter().find(|(_, is_given)| *is_given) {
        Some((what, _)) => Err(format!("{what} one source; {count} are given")),
        None => Ok(()),
    }
}

/// The files for TLS.
fn tls_files(args: &Args) -> Result<TlsClientFiles, String> {
    let identity = match (args.tls_cert.clone(), args.tls_key.clone()) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => return Err("--tls-cert needs its key; give --tls-key".to_owned()),
        (None, Some(_)) => {
            return Err("--tls-key needs its certificate; give --tls-cert".to_owned());
        }
    };
    Ok(TlsClientFiles { ca: args.tls_ca.clone(), identity })
}

/// How each source is watched.
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
        let program = split_words(&args.ssh).expect("it was read before");
        let ssh = SshCommand { program, agent_command: args.agent_command.clone() };
        Ok(SourceSpec { name, source, columns: args.columns.clone(), ssh, tls })
    });
    chosen.collect()
}

/// What is typed and would be for nothing. In the environment or the configuration, which are there for
/// whatever is watched, it is no oversight.
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
        return Err(format!("{of} is for a source over TLS; write it as tls://HOST"));
    }
    if command_line.is_typed("follow") && !sources.iter().all(|chosen| is_recording(&chosen.source))
    {
        return Err("--follow is for recordings; give the path of one".to_owned());
    }
    if format == OutputFormat::Tui && command_line.is_typed("count") {
        return Err("--count is not for the screen; choose -o table, csv, json or raw".to_owned());
    }
    if command_line.is_typed("from") && command_line.is_typed("window") {
        return Err("--from says what the charts span; leave out --window".to_owned());
    }
    let beside = ["output", "count", "record", "follow", "fullscreen", "from", "to"];
    match beside.into_iter().find(|id| args.check && command_line.is_typed(id)) {
        Some(id) => Err(format!("--check ends by itself and shows no rows; leave out --{id}")),
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
        return usage("standard input is the terminal; write `PROGRAM | loadline -`");
    }
    if format == OutputFormat::Tui && !terminals.output {
        return usage("standard output is no terminal; choose -o table, csv, json or raw");
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
        colours: ColourOverrides { palette: args.theme.unwrap_or_default(), ..config.colours },
        keys: config.keys,
        thresholds: config.thresholds,
        mouse: args.mouse || !args.no_mouse,
    })
}

#[cfg(test)]
mod tests;

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
use crate::config::{Config, Fault, Resolved, Sources, usual};
use crate::keys::Keys;
use crate::link::{SshCommand, TlsFiles};
use crate::output::Form;
use crate::source::Source;
use crate::theme::{Own, Palette};
use crate::thresholds::Thresholds;
use crate::time_spec::{Bounds, TimeRange};
use args::{Args, WINDOW_MIN, words};
use layers::{Given, without_password};

/// The charts' time span if all that is said is where they end.
const WINDOW: Duration = Duration::from_mins(5);

/// By how much more history is asked for than is needed: it counts from the time of the connection, and
/// until then a password may have to be typed.
const CONNECT_MARGIN: Duration = Duration::from_mins(1);

/// How much is kept, if nothing else is said.
const KEEP: Duration = Duration::from_hours(24);

/// What the user wants.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct Settings {
    /// Where samples come from: at least one, each another.
    pub sources: Vec<Chosen>,
    /// How they are shown.
    pub form: Form,
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
    pub keep: Option<Duration>,
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
    pub colours: Own,
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
pub struct Chosen {
    /// The name that the user has given it.
    pub name: Option<String>,
    /// The source.
    pub source: Source,
    /// Names of its columns, or which to take.
    pub columns: Option<Vec<String>>,
    /// What is run if ssh leads to it.
    pub ssh: SshCommand,
    /// What is read if it is reached over TLS.
    pub tls: TlsFiles,
}

impl fmt::Display for Chosen {
    /// The name under which it is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => self.source.fmt(f),
        }
    }
}

impl Settings {
    /// Whether what is wanted can be had of so many sources; why not, in one line.
    ///
    /// # Errors
    /// It is for one source only.
    pub fn allow(&self, sources: usize) -> Result<(), String> {
        alone(self.form, [self.record.is_some(), self.check, self.follow], sources)
    }

    /// Looks at these times: the charts span them, and the history reaches back to them. `recorded` has
    /// the oldest and the newest time of recordings, if there is nothing else to look at.
    pub fn look_at(&mut self, bounds: Bounds, recorded: Option<(Time, Time)>, now: Time) {
        let between = |from: Time, to: Time| {
            let ms = to.as_millis().saturating_sub(from.as_millis());
            Duration::from_millis(ms.max(0) as u64)
        };
        let newest = recorded.map_or(now, |(_, newest)| newest);
        let end = bounds.to.unwrap_or(newest);
        let begin = bounds.from.or(recorded.map(|(oldest, _)| oldest));
        let span = begin.map(|begin| between(begin, end).max(WINDOW_MIN));
        let window = span.or(self.window).unwrap_or(WINDOW);
        self.window = Some(window);
        let needed = match (bounds.from, self.form) {
            (Some(from), _) => Some(between(from, now)),
            (None, Form::Tui) => Some(between(end, now) + window),
            (None, Form::Table | Form::Csv | Form::Json | Form::Raw) => None,
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
    pub fn keep_of(&self, source: &Source) -> Duration {
        let usual = match self.history {
            _ if is_recording(source) => Duration::MAX,
            History::Last(history) => KEEP.max(history),
            History::All | History::None => KEEP,
        };
        self.keep.unwrap_or(usual).max(self.window.unwrap_or_default())
    }
}

fn is_recording(source: &Source) -> bool {
    matches!(source, Source::Path(_))
}

/// Why there is nothing to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// The user asked for this text.
    Print(String),
    /// The command line is wrong, and why, in one line.
    Usage(String),
    /// The configuration is wrong: why in one line, and below it the line of the file.
    Config(String),
}

/// Reads the command line, the environment and the configuration.
pub fn parse<I>(args: I) -> Result<Settings, Instead>
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
    load: impl FnOnce(Option<&OsStr>) -> Result<Config, Fault>,
) -> Result<Settings, Instead> {
    let given = Given::read(line)?;
    if let Some(kind) = given.args.generate {
        return Err(Instead::Print(kind.text(Args::command(), &manual::manual())));
    }
    if given.args.print_config {
        return Err(Instead::Print(usual(help)));
    }
    let config = load(given.args.config.as_deref())
        .and_then(|config| layers::check(&config).map(|()| config))
        .map_err(|fault| Instead::Config(fault.to_string()))?;
    settle(&given, config, terminals)
}

/// What the help says of an option.
fn help(name: &str) -> String {
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
fn sources(args: &Args, names: &Sources) -> Result<Vec<Resolved>, String> {
    let mut typed: Vec<Source> = Vec::new();
    let mut found: Vec<Resolved> = Vec::new();
    for word in &args.sources {
        let all = names.resolve(word)?;
        if let ([one], false) = (all.as_slice(), word.starts_with('@')) {
            if typed.contains(&one.source) {
                return Err(format!("{} is given twice; give each source once", one.source));
            }
            typed.push(one.source.clone());
        }
        // What is in two groups is watched once.
        let is_new = |one: &Resolved| !found.iter().any(|it| it.source == one.source);
        let new: Vec<Resolved> = all.into_iter().filter(is_new).collect();
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
        found.push(Resolved { name: None, source: Source::Here, own: Vec::new() });
    }
    Ok(found)
}

/// Whether what is wanted, a recording, a look or to follow a file, can be had of so many sources.
fn alone(form: Form, [record, check, follow]: [bool; 3], count: usize) -> Result<(), String> {
    if count <= 1 {
        return Ok(());
    }
    if form == Form::Raw {
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
fn tls(args: &Args) -> Result<TlsFiles, String> {
    let identity = match (args.tls_cert.clone(), args.tls_key.clone()) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => return Err("--tls-cert needs its key; give --tls-key".to_owned()),
        (None, Some(_)) => {
            return Err("--tls-key needs its certificate; give --tls-cert".to_owned());
        }
    };
    Ok(TlsFiles { ca: args.tls_ca.clone(), identity })
}

/// How each source is watched.
fn chosen(given: &Given, config: &Config, args: &Args) -> Result<Vec<Chosen>, Instead> {
    let hidden = |why: String| Instead::Usage(without_password(&why));
    let sources = sources(args, &config.sources).map_err(hidden)?;
    let chosen = sources.into_iter().map(|Resolved { name, source, own }| {
        let with_own;
        let args = if own.is_empty() {
            args
        } else {
            with_own = given.with(own.iter().chain(&config.options))?;
            &with_own
        };
        let tls = tls(args).map_err(Instead::Usage)?;
        let program = words(&args.ssh).expect("it was read before");
        let ssh = SshCommand { program, agent: args.agent_command.clone() };
        Ok(Chosen { name, source, columns: args.columns.clone(), ssh, tls })
    });
    chosen.collect()
}

/// What is typed and would be for nothing. In the environment or the configuration, which are there for
/// whatever is watched, it is no oversight.
fn check_typed(given: &Given, args: &Args, form: Form, sources: &[Chosen]) -> Result<(), String> {
    let is_tls = |chosen: &Chosen| match &chosen.source {
        Source::Tls { .. } => true,
        Source::Prometheus(server) => server.is_tls,
        _ => false,
    };
    let of_tls = ["tls_ca", "tls_cert", "tls_key"].into_iter().find(|id| given.is_typed(id));
    if let Some(id) = of_tls.filter(|_| !sources.iter().any(is_tls)) {
        let of = if id == "tls_ca" { "--tls-ca" } else { "--tls-cert" };
        return Err(format!("{of} is for a source over TLS; write it as tls://HOST"));
    }
    if given.is_typed("follow") && !sources.iter().all(|chosen| is_recording(&chosen.source)) {
        return Err("--follow is for recordings; give the path of one".to_owned());
    }
    if form == Form::Tui && given.is_typed("count") {
        return Err("--count is not for the screen; choose -o table, csv, json or raw".to_owned());
    }
    if given.is_typed("from") && given.is_typed("window") {
        return Err("--from says what the charts span; leave out --window".to_owned());
    }
    let beside = ["output", "count", "record", "follow", "fullscreen", "from", "to"];
    match beside.into_iter().find(|id| args.check && given.is_typed(id)) {
        Some(id) => Err(format!("--check ends by itself and shows no rows; leave out --{id}")),
        None => Ok(()),
    }
}

fn settle(given: &Given, config: Config, terminals: Terminals) -> Result<Settings, Instead> {
    let usage = |text: &str| Err(Instead::Usage(text.to_owned()));
    let args = given.with(&config.options)?;
    let has_screen = terminals.output && !args.check;
    let usual = if has_screen { Form::Tui } else { Form::Table };
    let is_possible = |form: &Form| *form != Form::Tui || has_screen || given.is_typed("output");
    let form = args.output.filter(is_possible).unwrap_or(usual);
    let sources = chosen(given, &config, &args)?;
    let wants = [args.record.is_some(), args.check, args.follow];
    alone(form, wants, sources.len()).map_err(Instead::Usage)?;
    check_typed(given, &args, form, &sources).map_err(Instead::Usage)?;
    let reads_input = sources.iter().any(|chosen| chosen.source == Source::Stdin);
    if reads_input && form == Form::Tui && terminals.input {
        return usage("standard input is the terminal; write `PROGRAM | loadline -`");
    }
    if form == Form::Tui && !terminals.output {
        return usage("standard output is no terminal; choose -o table, csv, json or raw");
    }
    let history = match (args.history, form) {
        (Some(history), _) => history,
        (None, Form::Tui) => History::Last(Duration::from_mins(10)),
        (None, Form::Table | Form::Csv | Form::Json | Form::Raw) => History::None,
    };
    Ok(Settings {
        follow: args.follow && sources.iter().all(|chosen| is_recording(&chosen.source)),
        sources,
        form,
        count: args.count.filter(|_| form != Form::Tui),
        interval: args.interval,
        history,
        window: args.window,
        range: TimeRange { from: args.from, to: args.to },
        keep: args.keep,
        fullscreen: args.fullscreen && !args.no_fullscreen,
        record: args.record,
        check: args.check,
        theme: args.theme,
        fill: args.fill && !args.no_fill,
        colours: Own { of: args.theme.unwrap_or_default(), ..config.colours },
        keys: config.keys,
        thresholds: config.thresholds,
        mouse: args.mouse || !args.no_mouse,
    })
}

#[cfg(test)]
mod tests;

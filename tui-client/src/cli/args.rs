//! The command line and the environment, as clap reads them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Parser, ValueHint};
use loadline_agent::{GenerateTarget, version_text};
use loadline_protocol::{Column, History, parse_duration};

use crate::output::OutputFormat;
use crate::theme::Palette;
use crate::time_spec::TimeSpec;

/// What `--version` says; `-V` is the version alone.
static VERSION: LazyLock<String> =
    LazyLock::new(|| version_text(env!("CARGO_PKG_VERSION"), env!("LOADLINE_FEATURES")));

/// Watch servers live in a terminal.
///
/// Without a SOURCE it shows this machine: through the agent on 127.0.0.1:1027 if one answers, else
/// through one inside this program. Each option is also read from the environment, as in
/// `LOADLINE_WINDOW=15m`, and most of them from a file, as `loadline --print-config` shows it.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "loadline",
    version,
    long_version = VERSION.as_str(),
    max_term_width = 100
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that is typed")]
pub(super) struct Args {
    /// USER@HOST or ssh://[USER@]HOST[:PORT] for an agent that ssh starts; HOST, HOST:PORT, either with
    /// tls:// in front, or unix:PATH for one that listens, or any program that writes rows of
    /// numbers; prom+http://HOST:PORT/?instance=REGEX for the machines that a Prometheus knows; - for
    /// standard input; the path of a recording or a CSV file; a name or a @group that the
    /// configuration has
    #[arg(value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub(super) sources: Vec<String>,

    /// How to show what comes [default: tui; table if stdout is no terminal]
    #[arg(short, long, value_name = "FORM", value_enum, env = "LOADLINE_OUTPUT", hide_env = true)]
    pub(super) output: Option<OutputFormat>,

    /// End after N rows (not with tui)
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), env = "LOADLINE_COUNT", hide_env = true)]
    pub(super) count: Option<u64>,

    /// Ask for rows this far apart [default: the agent's interval]; in a file, how far apart rows
    /// are that have no time [default: 1s]
    #[arg(short, long, value_name = "DURATION", value_parser = positive, env = "LOADLINE_INTERVAL", hide_env = true)]
    pub(super) interval: Option<Duration>,

    /// How far back to begin: a duration, all or none [default: 10m for tui, none else]
    #[arg(long, value_name = "DURATION", value_parser = History::parse, env = "LOADLINE_HISTORY", hide_env = true)]
    pub(super) history: Option<History>,

    /// The charts' time span [default: 1m, 2m or 5m as the samples need it, or the whole of a
    /// recording]
    #[arg(short, long, value_name = "DURATION", value_parser = window, env = "LOADLINE_WINDOW", hide_env = true)]
    pub(super) window: Option<Duration>,

    /// Begin at this time: 03:12, yesterday 03:12, 2026-11-28 03:12, 2026-11-28T03:12:00Z or -2h. On the
    /// screen, the charts span what follows; else, earlier rows are left out
    #[arg(
        long,
        value_name = "TIME",
        allow_hyphen_values = true,
        env = "LOADLINE_FROM",
        hide_env = true
    )]
    pub(super) from: Option<TimeSpec>,

    /// End at this time: on the screen, the charts stand still there; else, later rows are left out
    #[arg(
        long,
        value_name = "TIME",
        allow_hyphen_values = true,
        env = "LOADLINE_TO",
        hide_env = true
    )]
    pub(super) to: Option<TimeSpec>,

    /// How much to keep in memory [default: 24h, or the whole of a recording]
    #[arg(long, value_name = "DURATION", value_parser = positive, env = "LOADLINE_KEEP", hide_env = true)]
    pub(super) keep: Option<Duration>,

    /// Names for the columns of a source without a header; else which columns to take
    #[arg(short, long, value_name = "A,B,...", value_delimiter = ',', value_parser = column, env = "LOADLINE_COLUMNS", hide_env = true)]
    pub(super) columns: Option<Vec<String>>,

    /// Begin with one chart over the whole screen
    #[arg(short, long, overrides_with = "no_fullscreen", env = "LOADLINE_FULLSCREEN", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(super) fullscreen: bool,

    /// Begin with all charts, whatever the configuration says
    #[arg(long)]
    pub(super) no_fullscreen: bool,

    /// Also append what comes to this recording
    #[arg(short, long, value_name = "FILE", env = "LOADLINE_RECORD", hide_env = true)]
    pub(super) record: Option<PathBuf>,

    /// Say what the source is and what it sends, and end: with 0 if rows come, else with 1
    #[arg(long, env = "LOADLINE_CHECK", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(super) check: bool,

    /// Go on when the recording grows
    #[arg(long, env = "LOADLINE_FOLLOW", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(super) follow: bool,

    /// The agent on the other side of ssh, as the shell there reads it
    #[arg(long, value_name = "COMMAND", default_value = "loadline-agent", value_parser = command, env = "LOADLINE_AGENT_COMMAND", hide_env = true)]
    pub(super) agent_command: String,

    /// The program for ssh, and options of its own, as in "ssh -F other.conf"
    #[arg(long, value_name = "COMMAND", default_value = "ssh", value_parser = command, env = "LOADLINE_SSH", hide_env = true)]
    pub(super) ssh: String,

    /// The CAs to trust with tls:// (PEM), instead of those of the system
    #[arg(long, value_name = "FILE", env = "LOADLINE_TLS_CA", hide_env = true)]
    pub(super) tls_ca: Option<PathBuf>,

    /// Our own certificate, for a server that wants one (PEM)
    #[arg(long, value_name = "FILE", env = "LOADLINE_TLS_CERT", hide_env = true)]
    pub(super) tls_cert: Option<PathBuf>,

    /// The key of our certificate (PEM, not encrypted)
    #[arg(long, value_name = "FILE", env = "LOADLINE_TLS_KEY", hide_env = true)]
    pub(super) tls_key: Option<PathBuf>,

    /// Colours for this background, or none [default: dark]
    #[arg(long, value_name = "THEME", value_enum, env = "LOADLINE_THEME", hide_env = true)]
    pub(super) theme: Option<Palette>,

    /// Fill the area below lines, the denser the higher
    #[arg(long, overrides_with = "no_fill", env = "LOADLINE_FILL", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(super) fill: bool,

    /// Draw lines only, whatever the configuration says
    #[arg(long)]
    pub(super) no_fill: bool,

    /// Leave the mouse to the terminal, for selecting text
    #[arg(long, overrides_with = "mouse", env = "LOADLINE_NO_MOUSE", hide_env = true, value_parser = FalseyValueParser::new())]
    pub(super) no_mouse: bool,

    /// Listen to the mouse; else the terminal has it, for selecting text [default: yes]
    #[arg(long)]
    pub(super) mouse: bool,

    /// The configuration to read, '' for none [default: ~/.config/loadline/config.toml, or where
    /// `XDG_CONFIG_HOME` leads]
    #[arg(long, value_name = "FILE", env = "LOADLINE_CONFIG", hide_env = true)]
    pub(super) config: Option<OsString>,

    /// Print the configuration with all defaults, commented, and end
    #[arg(long)]
    pub(super) print_config: bool,

    /// Write the manual page, or what a shell completes, to standard output, and end
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(super) generate: Option<GenerateTarget>,
}

/// The shortest time span that a chart can show.
pub(super) const WINDOW_MIN: Duration = Duration::from_secs(1);

fn positive(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration.is_zero() { Err("must be longer than nothing".to_owned()) } else { Ok(duration) }
}

fn window(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration < WINDOW_MIN { Err("must be at least 1s".to_owned()) } else { Ok(duration) }
}

/// A program and its arguments, quoted where a shell would ask for it.
fn command(text: &str) -> Result<String, String> {
    match split_words(text) {
        None => Err("a quote is not closed".to_owned()),
        Some(words) if words.first().is_none_or(String::is_empty) => {
            Err("name a program".to_owned())
        }
        Some(_) => Ok(text.to_owned()),
    }
}

pub(super) fn split_words(text: &str) -> Option<Vec<String>> {
    shell_words::split(text).ok()
}

/// A name, checked as a header would be.
fn column(text: &str) -> Result<String, String> {
    text.parse::<Column>()
        .map(|column| column.to_string())
        .map_err(|_| "write names with commas between them, like cpu,mem or temp:°C".to_owned())
}

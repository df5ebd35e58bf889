//! Options of the command line and the environment, for clap.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use chrono::format::StrftimeItems;
use clap::{Parser, ValueHint};
use loadline_common::{GenerateTarget, parse_switch, version_text};
use loadline_protocol::{Column, History, parse_duration};

use crate::output::OutputFormat;
use crate::theme::Palette;
use crate::time_spec::TimeSpec;

/// Version with commit and features, for `--version`. `-V` prints the version only.
static VERSION: LazyLock<String> =
    LazyLock::new(|| version_text(env!("CARGO_PKG_VERSION"), &[("tls", cfg!(feature = "tls"))]));

/// Watch servers live in a terminal.
///
/// Without SOURCE, loadline shows this machine: it connects to the agent of root, of the same user or of the
/// service, or samples in its own process if none answers. Options can also be set in the environment, as in
/// `LOADLINE_WINDOW=15m`, and most of them in a configuration file (see --print-config).
#[derive(Clone, PartialEq, Parser)]
#[command(
    name = "loadline",
    version,
    long_version = VERSION.as_str(),
    max_term_width = 100
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag on the command line")]
#[expect(clippy::doc_markdown, reason = "help texts have no markup")]
pub(crate) struct Args {
    /// Server, file or other source of samples: USER@HOST or ssh://[USER@]HOST[:PORT] starts an
    /// agent over ssh; HOST[:PORT], tls://HOST[:PORT] or unix:PATH connects to an agent, or any
    /// program that writes rows of numbers; prom+http://HOST:PORT/?instance=REGEX queries a
    /// Prometheus server; - reads standard input; a path reads a recording or a CSV file; NAME or
    /// @GROUP is a source or group in the configuration
    #[arg(value_name = "SOURCE", value_hint = ValueHint::AnyPath)]
    pub(crate) sources: Vec<String>,

    /// Output format [default: tui; table if stdout is not a terminal]
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        value_enum,
        env = "LOADLINE_OUTPUT",
        hide_env = true
    )]
    pub(crate) output: Option<OutputFormat>,

    /// Exit after N rows, with top after N looks at the processes (not with tui)
    #[arg(short = 'n', long, value_name = "N", value_parser = count, env = "LOADLINE_COUNT", hide_env = true)]
    pub(crate) count: Option<u64>,

    /// Interval to request [default: the agent's interval]; for files, the interval of rows without
    /// timestamps [default: 1s]
    #[arg(short, long, value_name = "DURATION", value_parser = positive, allow_hyphen_values = true, env = "LOADLINE_INTERVAL", hide_env = true)]
    pub(crate) interval: Option<Duration>,

    /// History to request: a duration, all or none [default: 10m for tui, else none]
    #[arg(long, value_name = "DURATION", value_parser = History::parse, allow_hyphen_values = true, env = "LOADLINE_HISTORY", hide_env = true)]
    pub(crate) history: Option<History>,

    /// Time window of the charts [default: 1m, 2m or 5m to fit the samples; all of a recording]
    #[arg(short, long, value_name = "DURATION", value_parser = window, allow_hyphen_values = true, env = "LOADLINE_WINDOW", hide_env = true)]
    pub(crate) window: Option<Duration>,

    /// Begin at TIME: 03:12, yesterday 03:12, 2026-11-28 03:12, 2026-11-28T03:12:00Z or -2h. Sets
    /// the time window of the charts; other outputs leave out earlier rows
    #[arg(
        long,
        value_name = "TIME",
        allow_hyphen_values = true,
        env = "LOADLINE_FROM",
        hide_env = true
    )]
    pub(crate) from: Option<TimeSpec>,

    /// End at TIME: charts pause there; other outputs leave out later rows
    #[arg(
        long,
        value_name = "TIME",
        allow_hyphen_values = true,
        env = "LOADLINE_TO",
        hide_env = true
    )]
    pub(crate) to: Option<TimeSpec>,

    /// Time span of samples to keep in memory [default: 25h; all of a recording]
    #[arg(long, value_name = "DURATION", value_parser = positive, allow_hyphen_values = true, env = "LOADLINE_KEEP", hide_env = true)]
    pub(crate) keep: Option<Duration>,

    /// Columns to show; for a source without a header, the names of its columns
    #[arg(short, long, value_name = "A,B,...", value_delimiter = ',', value_parser = column, env = "LOADLINE_COLUMNS", hide_env = true)]
    pub(crate) columns: Option<Vec<String>>,

    /// Column with the times, in a table of another program [default: found by names and values]
    #[arg(long, value_name = "NAME", env = "LOADLINE_TIME_COLUMN", hide_env = true)]
    pub(crate) time_column: Option<String>,

    /// Format of the times, in a table of another program, with the letters of strftime:
    /// "%d/%m/%Y %H:%M:%S"
    #[arg(long, value_name = "FORMAT", value_parser = time_format, env = "LOADLINE_TIME_FORMAT", hide_env = true)]
    pub(crate) time_format: Option<String>,

    /// Start with one chart over the whole screen
    #[arg(short, long, overrides_with = "no_fullscreen", env = "LOADLINE_FULLSCREEN", hide_env = true, value_parser = parse_switch)]
    pub(crate) fullscreen: bool,

    /// Start with all charts, overriding the configuration
    #[arg(long)]
    pub(crate) no_fullscreen: bool,

    /// Append the stream to this recording
    #[arg(short, long, value_name = "FILE", env = "LOADLINE_RECORD", hide_env = true)]
    pub(crate) record: Option<PathBuf>,

    /// Report on the source and on problems of its machine, and exit: 0 if it sends rows, else 1
    #[arg(long, env = "LOADLINE_CHECK", hide_env = true, value_parser = parse_switch)]
    pub(crate) check: bool,

    /// Continue as the recording grows
    #[arg(long, env = "LOADLINE_FOLLOW", hide_env = true, value_parser = parse_switch)]
    pub(crate) follow: bool,

    /// Agent command on the server for ssh sources, run by the shell there
    #[arg(long, value_name = "COMMAND", default_value = "loadline-agent", value_parser = command, env = "LOADLINE_AGENT_COMMAND", hide_env = true)]
    pub(crate) agent_command: String,

    /// ssh program, with options as in "ssh -F other.conf"
    #[arg(long, value_name = "COMMAND", default_value = "ssh", value_parser = command, env = "LOADLINE_SSH", hide_env = true)]
    pub(crate) ssh: String,

    /// Trust only these CAs for TLS (PEM) [default: the system's CAs]
    #[arg(long, value_name = "FILE", env = "LOADLINE_TLS_CA", hide_env = true)]
    pub(crate) tls_ca: Option<PathBuf>,

    /// Client certificate, for servers that require one (PEM)
    #[arg(long, value_name = "FILE", env = "LOADLINE_TLS_CERT", hide_env = true)]
    pub(crate) tls_cert: Option<PathBuf>,

    /// Private key of the client certificate (PEM, not encrypted)
    #[arg(long, value_name = "FILE", env = "LOADLINE_TLS_KEY", hide_env = true)]
    pub(crate) tls_key: Option<PathBuf>,

    /// Colours for a dark or light background, or mono for none [default: dark]
    #[arg(long, value_name = "THEME", value_enum, env = "LOADLINE_THEME", hide_env = true)]
    pub(crate) theme: Option<Palette>,

    /// Fill the area below lines, denser at higher values
    #[arg(long, overrides_with = "no_fill", env = "LOADLINE_FILL", hide_env = true, value_parser = parse_switch)]
    pub(crate) fill: bool,

    /// Draw lines only, overriding the configuration
    #[arg(long)]
    pub(crate) no_fill: bool,

    /// Do not use the mouse, so that the terminal can select text
    #[arg(long, overrides_with = "mouse", env = "LOADLINE_NO_MOUSE", hide_env = true, value_parser = parse_switch)]
    pub(crate) no_mouse: bool,

    /// Use the mouse (the terminal then cannot select text) [default: yes]
    #[arg(long)]
    pub(crate) mouse: bool,

    /// Configuration file, '' for none [default: ~/.config/loadline/config.toml]
    #[arg(long, value_name = "FILE", env = "LOADLINE_CONFIG", hide_env = true)]
    pub(crate) config: Option<OsString>,

    /// Print a commented configuration with all defaults, and exit
    #[arg(long)]
    pub(crate) print_config: bool,

    /// Print the manual page or shell completions, and exit
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(crate) generate: Option<GenerateTarget>,
}

/// Shortest time window of the charts: 1 s.
pub(super) const WINDOW_MIN: Duration = Duration::from_secs(1);

fn count(text: &str) -> Result<u64, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "must be a whole number from 1".to_owned())
}

fn positive(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration.is_zero() { Err("must be greater than 0".to_owned()) } else { Ok(duration) }
}

fn window(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration < WINDOW_MIN { Err("must be at least 1s".to_owned()) } else { Ok(duration) }
}

/// Checks a format of times.
fn time_format(text: &str) -> Result<String, String> {
    let has_fault = StrftimeItems::new(text).any(|item| item == chrono::format::Item::Error);
    if has_fault || !text.contains('%') {
        return Err("expected letters of strftime, as in %d/%m/%Y %H:%M:%S".to_owned());
    }
    Ok(text.to_owned())
}

/// Checks a program with arguments, quoted as for a shell.
fn command(text: &str) -> Result<String, String> {
    let words = shell_words::split(text).map_err(|_| "unclosed quote".to_owned())?;
    if words.first().is_none_or(String::is_empty) {
        return Err("must name a program".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses `NAME` or `NAME:UNIT`, with the rules of a header.
fn column(text: &str) -> Result<String, String> {
    text.parse::<Column>()
        .map(|column| column.to_string())
        .map_err(|_| "expected names separated by commas, as in cpu,mem or temp:°C".to_owned())
}

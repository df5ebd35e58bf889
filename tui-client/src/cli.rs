//! Options, and what they mean.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use loadline_protocol::{Column, History, parse_duration};

use crate::link::{SshCommand, TlsFiles};
use crate::output::Form;
use crate::source::Source;
use crate::theme::Palette;

/// Watch servers live in a terminal.
///
/// Without a SOURCE it shows this machine: through the agent on 127.0.0.1:1027 if one answers, else
/// through one inside this program.
#[derive(Debug, Clone, Parser)]
#[command(name = "loadline", version, max_term_width = 100)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that is typed")]
struct Args {
    /// USER@HOST or ssh://[USER@]HOST[:PORT] for an agent that ssh starts; HOST, HOST:PORT, either with
    /// tls:// in front, or unix:PATH for one that listens, or any program that writes rows of numbers;
    /// prom+http://HOST:PORT/?instance=REGEX for the machines that a Prometheus knows; - for standard input; the path of a recording or a CSV file
    #[arg(value_name = "SOURCE")]
    sources: Vec<Source>,

    /// How to show what comes [default: tui; table if stdout is no terminal]
    #[arg(short, long, value_name = "FORM", value_enum)]
    output: Option<Form>,

    /// End after N rows (not with tui)
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Ask for rows this far apart [default: the agent's interval]; in a file, how far apart rows
    /// are that have no time [default: 1s]
    #[arg(short, long, value_name = "DURATION", value_parser = positive)]
    interval: Option<Duration>,

    /// How far back to begin: a duration, all or none [default: 10m for tui, none else]
    #[arg(long, value_name = "DURATION", value_parser = History::parse)]
    history: Option<History>,

    /// The charts' time span [default: 5m, or the whole of a recording]
    #[arg(short, long, value_name = "DURATION", value_parser = window)]
    window: Option<Duration>,

    /// How much to keep in memory [default: 24h, or the whole of a recording]
    #[arg(long, value_name = "DURATION", value_parser = positive)]
    keep: Option<Duration>,

    /// Names for the columns of a source without a header; else which columns to take
    #[arg(short, long, value_name = "A,B,...", value_delimiter = ',', value_parser = column)]
    columns: Option<Vec<String>>,

    /// Begin with one chart over the whole screen
    #[arg(short, long)]
    fullscreen: bool,

    /// Also append what comes to this recording
    #[arg(short, long, value_name = "FILE")]
    record: Option<PathBuf>,

    /// Say what the source is and what it sends, and end: with 0 if rows come, else with 1
    #[arg(long, conflicts_with_all = ["output", "count", "record", "follow", "fullscreen"])]
    check: bool,

    /// Go on when the recording grows
    #[arg(long)]
    follow: bool,
    /// The agent on the other side of ssh, as the shell there reads it
    #[arg(long, value_name = "COMMAND", default_value = "loadline-agent", value_parser = command)]
    agent_command: String,

    /// The program for ssh, and options of its own, as in "ssh -F other.conf"
    #[arg(long, value_name = "COMMAND", default_value = "ssh", value_parser = command)]
    ssh: String,

    /// The CAs to trust with tls:// (PEM), instead of those of the system
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// Our own certificate, for a server that wants one (PEM)
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The key of our certificate (PEM, not encrypted)
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// Colours for this background, or none [default: dark]
    #[arg(long, value_name = "THEME", value_enum)]
    theme: Option<Palette>,

    /// Leave the mouse to the terminal, for selecting text
    #[arg(long)]
    no_mouse: bool,
}

/// The charts' time span, if nothing else is said.
const WINDOW: Duration = Duration::from_mins(5);

/// How much is kept, if nothing else is said.
const KEEP: Duration = Duration::from_hours(24);

/// The shortest time span that a chart can show.
const WINDOW_MIN: Duration = Duration::from_secs(1);

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
    match words(text) {
        None => Err("a quote is not closed".to_owned()),
        Some(words) if words.first().is_none_or(String::is_empty) => {
            Err("name a program".to_owned())
        }
        Some(_) => Ok(text.to_owned()),
    }
}

fn words(text: &str) -> Option<Vec<String>> {
    shell_words::split(text).ok()
}

/// A name, checked as a header would be.
fn column(text: &str) -> Result<String, String> {
    text.parse::<Column>()
        .map(|column| column.to_string())
        .map_err(|_| "write names with commas between them, like cpu,mem or temp:°C".to_owned())
}

/// What the user wants.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
pub struct Settings {
    /// Where samples come from: at least one, each another.
    pub sources: Vec<Source>,
    /// How they are shown.
    pub form: Form,
    /// After how many rows to end.
    pub count: Option<u64>,
    /// How far apart rows should be.
    pub interval: Option<Duration>,
    /// How far back to begin.
    pub history: History,
    /// The charts' time span.
    pub window: Duration,
    /// Whether the time span is rather the whole of a recording.
    pub whole: bool,
    /// How much to keep in memory, if that was said.
    pub keep: Option<Duration>,
    /// Names of columns, or which to take.
    pub columns: Option<Vec<String>>,
    /// Begin with one chart over the whole screen.
    pub fullscreen: bool,
    /// Where to record what comes.
    pub record: Option<PathBuf>,
    /// Only look what the source is.
    pub check: bool,
    /// Go on when a recording grows.
    pub follow: bool,
    /// What is run for a source that ssh leads to.
    pub ssh: SshCommand,
    /// What is read for a source that is reached over TLS.
    pub tls: TlsFiles,
    /// The colours.
    pub theme: Option<Palette>,
    /// Whether the mouse is listened to.
    pub mouse: bool,
}

impl Settings {
    /// Whether what is wanted can be had of so many sources; why not, in one line.
    ///
    /// # Errors
    /// It is for one source only.
    pub fn allow(&self, sources: usize) -> Result<(), String> {
        alone(self.form, [self.record.is_some(), self.check, self.follow], sources)
    }

    /// How much of a source to keep in memory: what was said, else a day, or the whole of a recording;
    /// and never less than the charts show.
    #[must_use]
    pub fn keep_of(&self, source: &Source) -> Duration {
        let usual = if is_recording(source) { Duration::MAX } else { KEEP };
        self.keep.unwrap_or(usual).max(self.window)
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
}

/// Reads the command line.
pub fn parse<I>(args: I) -> Result<Settings, Instead>
where
    I: IntoIterator,
    I::Item: Into<OsString> + Clone,
{
    let args = Args::try_parse_from(args).map_err(|error| {
        if error.use_stderr() {
            Instead::Usage(one_line(&error.to_string()))
        } else {
            Instead::Print(error.to_string())
        }
    })?;
    let terminals = Terminals {
        input: std::io::stdin().is_terminal(),
        output: std::io::stdout().is_terminal(),
    };
    settle(args, terminals)
}

/// The first paragraph of an error in one line, without clap's label.
fn one_line(error: &str) -> String {
    let paragraph = error.split("\n\n").next().unwrap_or(error);
    let text = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let text = without_password(text);
    format!("{}; see loadline --help", loadline_protocol::sanitize(&text))
}

/// A password that was typed is not for the screen, whatever is wrong with the rest.
fn without_password(text: &str) -> String {
    let hidden = || {
        let address =
            text.find("prom+http").and_then(|at| Some(at + text[at..].find("://")? + 3))?;
        let from = address + text[address..].find(':')?;
        let until = text.rfind('@').filter(|until| *until > from)?;
        Some(format!("{}{}", &text[..from], &text[until..]))
    };
    hidden().unwrap_or_else(|| text.to_owned())
}

/// More sources than anybody can watch, and than a process may have connections on some systems.
pub const SOURCES_MAX: usize = 256;

/// What the program is connected to a terminal with.
#[derive(Debug, Clone, Copy)]
struct Terminals {
    input: bool,
    output: bool,
}

/// The sources that were given; this machine if there are none.
fn sources(args: &Args, form: Form) -> Result<Vec<Source>, String> {
    let given = &args.sources;
    let count = given.len();
    if count > SOURCES_MAX {
        return Err(format!("{count} sources are too many; give {SOURCES_MAX} at most"));
    }
    if let Some(twice) = (1..count).find(|at| given[..*at].contains(&given[*at])) {
        return Err(format!("{} is given twice; give each source once", given[twice]));
    }
    let wants = [args.record.is_some(), args.check, args.follow];
    alone(form, wants, count)?;
    Ok(if given.is_empty() { vec![Source::Here] } else { given.clone() })
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

/// The files for TLS; none without a source that is reached by it, which would be an oversight.
fn tls(args: &Args, sources: &[Source]) -> Result<TlsFiles, String> {
    let identity = match (args.tls_cert.clone(), args.tls_key.clone()) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => return Err("--tls-cert needs its key; give --tls-key".to_owned()),
        (None, Some(_)) => {
            return Err("--tls-key needs its certificate; give --tls-cert".to_owned());
        }
    };
    let files = TlsFiles { ca: args.tls_ca.clone(), identity };
    let is_tls = |source: &Source| match source {
        Source::Tls { .. } => true,
        Source::Prometheus(server) => server.is_tls,
        _ => false,
    };
    if files != TlsFiles::default() && !sources.iter().any(is_tls) {
        let of = if files.ca.is_some() { "--tls-ca" } else { "--tls-cert" };
        return Err(format!("{of} is for a source over TLS; write it as tls://HOST"));
    }
    Ok(files)
}

fn settle(args: Args, terminals: Terminals) -> Result<Settings, Instead> {
    let usage = |text: &str| Err(Instead::Usage(text.to_owned()));
    let has_screen = terminals.output && !args.check;
    let form = args.output.unwrap_or(if has_screen { Form::Tui } else { Form::Table });
    let sources = sources(&args, form).map_err(Instead::Usage)?;
    let tls = tls(&args, &sources).map_err(Instead::Usage)?;
    if sources.contains(&Source::Stdin) && form == Form::Tui && terminals.input {
        return usage("standard input is the terminal; write `PROGRAM | loadline -`");
    }
    if args.follow && !sources.iter().all(is_recording) {
        return usage("--follow is for recordings; give the path of one");
    }
    if form == Form::Tui && !terminals.output {
        return usage("standard output is no terminal; choose -o table, csv, json or raw");
    }
    if form == Form::Tui && args.count.is_some() {
        return usage("--count is not for the screen; choose -o table, csv, json or raw");
    }
    let history = match (args.history, form) {
        (Some(history), _) => history,
        (None, Form::Tui) => History::Last(Duration::from_mins(10)),
        (None, Form::Table | Form::Csv | Form::Json | Form::Raw) => History::None,
    };
    let window = args.window.unwrap_or(WINDOW);
    let ssh = SshCommand {
        program: words(&args.ssh).expect("it was read before"),
        agent: args.agent_command,
    };
    Ok(Settings {
        sources,
        form,
        count: args.count,
        interval: args.interval,
        history,
        window,
        whole: args.window.is_none(),
        keep: args.keep,
        columns: args.columns,
        fullscreen: args.fullscreen,
        record: args.record,
        check: args.check,
        follow: args.follow,
        ssh,
        tls,
        theme: args.theme,
        mouse: !args.no_mouse,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(line: &str, is_terminal: bool) -> Result<Settings, String> {
        let args = Args::try_parse_from(line.split(' ').filter(|word| !word.is_empty()))
            .map_err(|error| one_line(&error.to_string()))?;
        let terminals = Terminals { input: is_terminal, output: is_terminal };
        settle(args, terminals).map_err(|instead| format!("{instead:?}"))
    }

    #[test]
    fn the_output_follows_the_terminal_and_the_history_the_output() {
        let here = settings("loadline", true).unwrap();
        assert_eq!((here.sources, here.form), (vec![Source::Here], Form::Tui));
        assert_eq!(here.history, History::Last(Duration::from_mins(10)));
        let piped = settings("loadline web-1", false).unwrap();
        assert_eq!((piped.form, piped.history), (Form::Table, History::None));
        assert!(settings("loadline -o csv --history all", true).is_ok());
    }

    #[test]
    fn a_recording_is_kept_and_seen_whole_unless_something_else_is_said() {
        let kept = |settings: &Settings| -> Vec<Duration> {
            settings.sources.iter().map(|source| settings.keep_of(source)).collect()
        };
        let file = settings("loadline ./a.load", true).unwrap();
        assert_eq!((kept(&file), file.whole), (vec![Duration::MAX], true));
        let part = settings("loadline ./a.load --keep 1h -w 1m", true).unwrap();
        assert_eq!((kept(&part), part.whole), (vec![Duration::from_hours(1)], false));
        let both = settings("loadline web-1 ./a.load", true).unwrap();
        assert_eq!(kept(&both), [Duration::from_hours(24), Duration::MAX]);
    }

    #[test]
    fn several_sources_stand_in_the_order_in_which_they_are_given() {
        let names: Vec<String> = (0..256).rev().map(|at| format!("web-{at}:1027")).collect();
        let found = settings(&format!("loadline {} -o csv", names.join(" ")), true).unwrap();
        let found: Vec<String> = found.sources.iter().map(ToString::to_string).collect();
        assert_eq!(found, names);
    }

    #[test]
    fn ssh_is_a_program_with_options() {
        let args = ["loadline", "me@web-1", "--ssh", "ssh -o 'ProxyCommand=nc %h 22'"];
        let terminals = Terminals { input: true, output: false };
        let ssh = settle(Args::try_parse_from(args).unwrap(), terminals).unwrap().ssh;
        assert_eq!(ssh.program, ["ssh", "-o", "ProxyCommand=nc %h 22"]);
        assert_eq!(settings("loadline me@web-1", false).unwrap().ssh, SshCommand::default());
    }

    #[test]
    fn a_wrong_command_line_is_told_in_one_line() {
        for (line, part) in [
            ("loadline -o tui", "no terminal"),
            ("loadline -i fast", "no duration"),
            ("loadline -i 0s", "longer than nothing"),
            ("loadline -w 10ms", "at least 1s"),
            ("loadline -n 0", "0 is not in"),
            ("loadline -c a,,b", "commas between"),
            ("loadline -o pie", "csv"),
            ("loadline web-1:x", "no usable port"),
            ("loadline me@web-1:22", "ssh://USER@HOST:PORT"),
            ("loadline --ssh=' me@web-1", "not closed"),
            ("loadline --agent-command= me@web-1", "name a program"),
            ("loadline --color", "unexpected argument"),
            ("loadline a b a:1027", "a:1027 is given twice"),
            ("loadline a b -o raw", "one source"),
            ("loadline tls://a --tls-cert a.pem", "give --tls-key"),
            ("loadline prom+http://me:secret@a:0/", "'prom+http://me@a:0/'"),
            ("loadline prom+http://a/ --tls-ca a.pem", "write it as tls://HOST"),
            ("loadline http://a:9090/", "write prom+http://HOST:PORT/?instance=REGEX"),
            ("loadline tls://a --tls-key a.pem", "give --tls-cert"),
            ("loadline a --tls-ca a.pem", "write it as tls://HOST"),
            ("loadline --tls-cert a.pem --tls-key a.pem", "write it as tls://HOST"),
        ] {
            let error = settings(line, false).expect_err(line);
            assert!(error.contains(part) && !error.contains('\n'), "{line}: {error}");
        }
        for (line, part) in [
            ("loadline -n 3", "--count"),
            ("loadline -", "standard input is the terminal"),
            ("loadline web-1 -", "standard input is the terminal"),
            ("loadline web-1 --follow", "for recordings"),
            ("loadline web-1 web-2 --record both.load", "--record keeps one source"),
            ("loadline web-1 web-2 --check", "--check looks at one source"),
            ("loadline ./a.load ./b.load --follow", "--follow reads on in one source"),
        ] {
            let error = settings(line, true).expect_err(line);
            assert!(error.contains(part) && !error.contains('\n'), "{line}: {error}");
        }
        let many: Vec<String> = (0..257).map(|at| format!("web-{at}")).collect();
        let error = settings(&format!("loadline {}", many.join(" ")), true).unwrap_err();
        assert!(error.contains("257") && error.contains("256"), "{error}");
    }
}

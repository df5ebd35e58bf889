//! What was typed, and what it means.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser};
use loadline_agent::{
    Address, AgentSettings, GenerateTarget, GroupSet, PlaintextPolicy, SAMPLES_MAX, ServerTls,
    ServerTlsFiles, version_text,
};
use loadline_protocol::{DurationText, parse_duration};
use tracing::Level;

/// The port of an agent to which nothing else was said.
const DEFAULT_PORT: u16 = 1027;

/// Says where `--stdio` looks for the agent of this machine. For tests, which have one of their own;
/// so no option.
const LOCAL_AGENT_VARIABLE: &str = "LOADLINE_AGENT_RESIDENT";

/// What `--version` says; `-V` is the version alone.
static VERSION: LazyLock<String> =
    LazyLock::new(|| version_text(env!("CARGO_PKG_VERSION"), env!("LOADLINE_FEATURES")));

/// Samples this machine and serves it, a line a sample.
///
/// A client that says nothing gets six numbers a line: cpu (%), freq (MHz), mem (%), load1, load5
/// and load15. Each option is also read from the environment, as in `LOADLINE_AGENT_INTERVAL=2s`.
#[derive(Debug, Parser)]
#[command(name = "loadline-agent", version, long_version = VERSION.as_str())]
pub(crate) struct Options {
    /// Where clients connect: HOST:PORT, [v6]:PORT or unix:PATH; port 0 is any that is free.
    /// Repeatable
    #[arg(
        short,
        long,
        value_name = "ADDR",
        env = "LOADLINE_AGENT_LISTEN",
        hide_env = true,
        value_delimiter = ',',
        default_value = "127.0.0.1:1027"
    )]
    pub(crate) listen: Vec<Address>,

    /// Where Prometheus finds `/metrics`, and whoever wants to know `/healthz`; addresses as above.
    /// Repeatable
    ///
    /// The names are those of `node_exporter`. TLS and `--allow-plaintext` are as for the stream. Where
    /// it is stands in a line on standard output: `listening on http://127.0.0.1:9127/metrics`.
    #[arg(
        long,
        value_name = "ADDR",
        env = "LOADLINE_AGENT_METRICS_LISTEN",
        hide_env = true,
        value_delimiter = ','
    )]
    pub(crate) metrics_listen: Vec<Address>,

    /// Nothing was said of where to listen.
    #[arg(skip)]
    pub(crate) listens_by_default: bool,

    /// Serve one client on standard input and output, and end with it; how ssh brings one
    ///
    /// If an agent answers on 127.0.0.1:1027, its stream is handed through, so that its history is
    /// there.
    #[arg(
        long,
        env = "LOADLINE_AGENT_STDIO",
        hide_env = true,
        value_parser = FalseyValueParser::new()
    )]
    pub(crate) stdio: bool,

    /// Time between samples, 250ms to 1h
    #[arg(
        short,
        long,
        value_name = "DURATION",
        env = "LOADLINE_AGENT_INTERVAL",
        hide_env = true,
        default_value = "1s",
        value_parser = parse_interval
    )]
    interval: Duration,

    /// How long samples are kept for clients that ask for the past
    #[arg(
        long,
        value_name = "DURATION",
        env = "LOADLINE_AGENT_HISTORY",
        hide_env = true,
        default_value = "1h",
        value_parser = parse_duration
    )]
    history: Duration,

    /// What to collect beside the six: cpu, freq, mem, load, swap, net, disk, pressure, cores, temp,
    /// procs, uptime; or all
    ///
    /// A client that says nothing gets its six numbers whatever is collected.
    #[arg(
        long,
        value_name = "GROUP,…",
        env = "LOADLINE_AGENT_COLLECT",
        hide_env = true,
        default_value = "cpu,freq,mem,load,swap,net,disk,pressure"
    )]
    pub(crate) collect: GroupSet,

    /// Keep the samples in this folder as well, so that the history survives a restart
    ///
    /// At most twice what `--history` keeps in memory.
    #[arg(long, value_name = "DIR", env = "LOADLINE_AGENT_STATE_DIR", hide_env = true)]
    pub(crate) state_dir: Option<PathBuf>,

    /// How many clients are served at a time
    #[arg(
        long,
        value_name = "N",
        env = "LOADLINE_AGENT_MAX_CLIENTS",
        hide_env = true,
        default_value_t = 1024,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    max_clients: u32,

    /// How many of them may come from one address (of IPv6, from one /64 network)
    #[arg(
        long,
        value_name = "N",
        env = "LOADLINE_AGENT_MAX_CLIENTS_PER_ADDRESS",
        hide_env = true,
        default_value_t = 256,
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    max_clients_per_address: u32,

    /// Speak TLS on TCP ports, with this certificate (PEM, with those that lead to its CA)
    ///
    /// Unix sockets and `--stdio` stay as they are. SIGHUP has the files of the three options read
    /// anew.
    #[arg(long, value_name = "FILE", env = "LOADLINE_AGENT_TLS_CERT", hide_env = true)]
    tls_cert: Option<PathBuf>,

    /// The key of the certificate (PEM, not encrypted)
    #[arg(long, value_name = "FILE", env = "LOADLINE_AGENT_TLS_KEY", hide_env = true)]
    tls_key: Option<PathBuf>,

    /// Let in only clients that have a certificate of a CA in this file
    #[arg(long, value_name = "FILE", env = "LOADLINE_AGENT_TLS_CLIENT_CA", hide_env = true)]
    tls_client_ca: Option<PathBuf>,

    /// Listen on addresses that others can reach, though the stream is not encrypted
    #[arg(
        long,
        env = "LOADLINE_AGENT_ALLOW_PLAINTEXT",
        hide_env = true,
        value_parser = FalseyValueParser::new()
    )]
    allow_plaintext: bool,

    /// Less log; -qq for errors only
    #[arg(short, long, env = "LOADLINE_AGENT_QUIET", hide_env = true, action = ArgAction::Count)]
    quiet: u8,

    /// More log; -vv for everything
    #[arg(short, long, env = "LOADLINE_AGENT_VERBOSE", hide_env = true, action = ArgAction::Count)]
    verbose: u8,

    /// Write the manual page, or what a shell completes, to standard output, and end
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(crate) generate: Option<GenerateTarget>,
}

impl Options {
    /// Reads the command line and the environment.
    pub(crate) fn read() -> Result<Options, clap::Error> {
        Options::from_matches(&Options::command().try_get_matches()?)
    }

    fn from_matches(matches: &ArgMatches) -> Result<Options, clap::Error> {
        let mut command = Options::command();
        let mut options =
            Options::from_arg_matches(matches).map_err(|error| error.format(&mut command))?;
        options.listens_by_default =
            matches.value_source("listen") == Some(ValueSource::DefaultValue);
        // What stands in the environment for all agents of a machine is no contradiction.
        let is_typed = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
        if options.stdio && is_typed("listen") {
            let why = "--stdio serves one client and listens nowhere; leave out --listen";
            return Err(command.error(ErrorKind::ArgumentConflict, why));
        }
        if options.stdio && is_typed("metrics_listen") {
            let why = "--stdio serves one client and listens nowhere; leave out --metrics-listen";
            return Err(command.error(ErrorKind::ArgumentConflict, why));
        }
        if !options.metrics_listen.is_empty() && !cfg!(feature = "metrics") {
            let why = "--metrics-listen: this program was built without metrics; build it with its \
                       feature `metrics`";
            return Err(command.error(ErrorKind::InvalidValue, why));
        }
        if options.stdio && is_typed("state_dir") {
            let why = "--stdio ends with its client and keeps nothing; leave out --state-dir";
            return Err(command.error(ErrorKind::ArgumentConflict, why));
        }
        let typed_tls =
            ["tls_cert", "tls_key", "tls_client_ca"].into_iter().find(|id| is_typed(id));
        if options.stdio && typed_tls.is_some() {
            let why = "--stdio is private by the ssh that it runs in; leave out --tls-cert";
            return Err(command.error(ErrorKind::ArgumentConflict, why));
        }
        if let Some(why) = options.tls_error() {
            return Err(command.error(ErrorKind::MissingRequiredArgument, why));
        }
        match options.history_error() {
            Some(why) => Err(command.error(ErrorKind::ValueValidation, why)),
            None => Ok(options),
        }
    }

    /// Where the agent of this machine listens, if there is one and nothing else was said to it.
    pub(crate) fn local_agent_address() -> SocketAddr {
        let configured =
            std::env::var(LOCAL_AGENT_VARIABLE).ok().and_then(|text| text.parse().ok());
        configured.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, DEFAULT_PORT).into())
    }

    pub(crate) fn settings(&self) -> AgentSettings {
        let clients_max = self.max_clients as usize;
        let clients_of_address_max = self.max_clients_per_address as usize;
        let (interval, history) = (self.interval, self.history);
        AgentSettings {
            interval,
            history,
            clients_max,
            clients_per_address_max: clients_of_address_max,
        }
    }

    /// What may leave the machine, if TCP ports have this TLS or none.
    pub(crate) fn plaintext(&self, tls: Option<ServerTls>) -> PlaintextPolicy {
        match tls {
            Some(tls) => PlaintextPolicy::Never(tls),
            None if self.allow_plaintext => PlaintextPolicy::Anywhere,
            None => PlaintextPolicy::LoopbackOnly,
        }
    }

    /// The files for TLS, if it is wanted.
    pub(crate) fn tls_files(&self) -> Option<ServerTlsFiles> {
        let (cert, key) = self.tls_cert.clone().zip(self.tls_key.clone())?;
        Some(ServerTlsFiles { cert, key, client_ca: self.tls_client_ca.clone() })
    }

    /// What is missing of the options for TLS: one alone would leave the ports open.
    fn tls_error(&self) -> Option<&'static str> {
        match (&self.tls_cert, &self.tls_key, &self.tls_client_ca) {
            (Some(_), Some(_), _) | (None, None, None) => None,
            (Some(_), None, _) => Some("--tls-cert needs its key; give --tls-key as well"),
            (None, Some(_), _) => Some("--tls-key needs its certificate; give --tls-cert as well"),
            (None, None, Some(_)) => {
                Some("--tls-client-ca needs TLS; give --tls-cert and --tls-key as well")
            }
        }
    }

    pub(crate) fn log_level(&self) -> Level {
        match i16::from(self.verbose) - i16::from(self.quiet) {
            ..=-2 => Level::ERROR,
            -1 => Level::WARN,
            0 => Level::INFO,
            1 => Level::DEBUG,
            2.. => Level::TRACE,
        }
    }

    /// What is wrong with `--history` beside this `--interval`.
    fn history_error(&self) -> Option<String> {
        let (history, interval) = (DurationText(self.history), DurationText(self.interval));
        if self.history < self.interval {
            return Some(format!("--history {history} is shorter than --interval {interval}"));
        }
        let samples = self.history.as_millis() / self.interval.as_millis();
        (samples > SAMPLES_MAX as u128).then(|| {
            format!(
                "--history {history} is {samples} samples at --interval {interval}, and at most \
                 {SAMPLES_MAX} are kept; choose a shorter history or a longer interval"
            )
        })
    }
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    if interval < AgentSettings::INTERVAL_MIN {
        return Err(format!(
            "the shortest interval is {}",
            DurationText(AgentSettings::INTERVAL_MIN)
        ));
    }
    if interval > AgentSettings::INTERVAL_MAX {
        return Err(format!(
            "the longest interval is {}",
            DurationText(AgentSettings::INTERVAL_MAX)
        ));
    }
    Ok(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_make_sense_to_clap() {
        Options::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_those_of_the_library() {
        let options = Options::parse_from(["loadline-agent"]);
        assert_eq!(options.settings(), AgentSettings::default());
        assert_eq!(options.plaintext(None), PlaintextPolicy::LoopbackOnly);
        assert_eq!(options.collect, GroupSet::default());
        assert_eq!(options.listen, ["127.0.0.1:1027".parse().unwrap()]);
        assert_eq!(options.log_level(), Level::INFO);
    }

    #[test]
    fn numeric_options_have_bounds() {
        for (option, edges, beyond) in [
            ("--interval", ["250ms", "1h"], ["249ms", "3600001ms"]),
            ("--max-clients", ["1", "1000000"], ["0", "1000001"]),
            ("--max-clients-per-address", ["1", "1000000"], ["0", "1000001"]),
        ] {
            let is_taken =
                |value| Options::try_parse_from(["loadline-agent", option, value]).is_ok();
            assert_eq!(edges.map(is_taken), [true, true], "{option}");
            assert_eq!(beyond.map(is_taken), [false, false], "{option}");
        }
    }

    #[test]
    fn a_history_is_neither_shorter_than_a_sample_nor_endless() {
        let history_error = |interval: &str, history: &str| {
            let line = ["loadline-agent", "--interval", interval, "--history", history];
            Options::parse_from(line).history_error()
        };
        assert_eq!(history_error("1s", "1s"), None);
        assert_eq!(history_error("1h", "90days"), None);
        assert_eq!(history_error("1s", "1000000s"), None);
        assert!(history_error("1s", "1000001s").unwrap().contains("1000001 samples"));
        assert_eq!(
            history_error("1s", "999ms").unwrap(),
            "--history 999ms is shorter than --interval 1s"
        );
        assert!(history_error("250ms", "1000000s").unwrap().contains("4000000 samples"));
    }
}

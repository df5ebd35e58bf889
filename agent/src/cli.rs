//! Command line and environment.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, CommandFactory as _, FromArgMatches as _, Parser};
use loadline_agent::{
    Address, AgentSettings, GroupSet, PlaintextPolicy, SAMPLES_MAX, ServerTls, ServerTlsFiles,
};
use loadline_common::{GenerateTarget, version_text};
use loadline_protocol::{DurationText, parse_duration};
use tracing::Level;

/// Default port of an agent.
const DEFAULT_PORT: u16 = 1027;

/// Highest value of `--max-clients` and `--max-clients-per-address`.
const CLIENT_LIMIT_MAX: usize = 1_000_000;

/// Environment variable with the address at which `--stdio` looks for the local agent. Not an
/// option, since only tests need it.
const LOCAL_AGENT_VARIABLE: &str = "LOADLINE_AGENT_RESIDENT";

/// Options that conflict with `--stdio`, and the reasons.
const STDIO_CONFLICTS: [(&[&str], &str); 4] = [
    (&["listen"], "--stdio serves one client and cannot listen; remove --listen"),
    (&["metrics_listen"], "--stdio serves one client and cannot listen; remove --metrics-listen"),
    (&["state_dir"], "--stdio ends with its client and keeps no samples; remove --state-dir"),
    (
        &["tls_cert", "tls_key", "tls_client_ca"],
        "--stdio does not use TLS, ssh encrypts its stream; remove --tls-cert",
    ),
];

/// Output of `--version`; `-V` prints the version alone.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let features = [("metrics", cfg!(feature = "metrics")), ("tls", cfg!(feature = "tls"))];
    version_text(env!("CARGO_PKG_VERSION"), &features)
});

/// Sample this machine and serve the samples, one line per sample
///
/// A client that sends no request gets six numbers per line: cpu (%), freq (MHz), mem (%), load1,
/// load5 and load15. Every option can also be set in the environment, for example
/// `LOADLINE_AGENT_INTERVAL=2s`.
#[derive(Debug, Parser)]
#[command(name = "loadline-agent", version, long_version = VERSION.as_str())]
#[command(mut_args(with_variable))]
pub(crate) struct Options {
    /// Listen on HOST:PORT, [v6]:PORT or unix:PATH; port 0 picks a free port. Repeatable
    #[arg(
        short,
        long,
        value_name = "ADDR",
        value_delimiter = ',',
        default_value = "127.0.0.1:1027"
    )]
    pub(crate) listen: Vec<Address>,

    /// Serve metrics for Prometheus on this address, at `/metrics` and `/healthz`. Repeatable
    ///
    /// The names are those of `node_exporter`. TLS and `--allow-plaintext` apply as to `--listen`.
    /// The URL is printed to standard output: `listening on http://127.0.0.1:9127/metrics`.
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    pub(crate) metrics_listen: Vec<Address>,

    /// No address was given, so [`Options::listen`] has the default.
    #[arg(skip)]
    pub(crate) listens_by_default: bool,

    /// Serve one client on standard input and output, then exit; used with ssh
    ///
    /// If an agent runs on 127.0.0.1:1027, its stream is forwarded, with its history.
    #[arg(long, value_parser = FalseyValueParser::new())]
    pub(crate) stdio: bool,

    /// Time between samples, 250ms to 1h
    #[arg(short, long, value_name = "DURATION", default_value = "1s", value_parser = parse_interval)]
    interval: Duration,

    /// Keep samples this long, for clients that request history
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
    history: Duration,

    /// Collect these groups: cpu, freq, mem, load, swap, net, disk, pressure, cores, temp, procs,
    /// uptime, net-devices, disk-devices, filesystems; or all
    ///
    /// A client that sends no request always gets its six numbers.
    #[arg(
        long,
        value_name = "GROUP,…",
        default_value = "cpu,freq,mem,load,swap,net,disk,pressure"
    )]
    pub(crate) collect: GroupSet,

    /// Also keep the samples in this directory, so that the history survives a restart
    ///
    /// Takes at most twice the size of the history in memory.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,

    /// Serve at most this many clients at the same time
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = parse_client_limit)]
    max_clients: usize,

    /// Serve at most this many clients from one address (for IPv6, from one /64 network)
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = parse_client_limit)]
    max_clients_per_address: usize,

    /// Use TLS on TCP ports, with this certificate chain (PEM)
    ///
    /// Unix sockets and `--stdio` do not use TLS. SIGHUP reloads the files of all three TLS
    /// options.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// Private key of the certificate (PEM, not encrypted)
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// Require client certificates, issued by a CA in this file (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_client_ca: Option<PathBuf>,

    /// Allow unencrypted listening on addresses that are open to the network
    #[arg(long, value_parser = FalseyValueParser::new())]
    allow_plaintext: bool,

    /// Log less; -qq for errors only
    #[arg(short, long, action = ArgAction::Count)]
    quiet: u8,

    /// Log more; -vv for everything
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,

    /// Print the manual page or a shell completion script, and exit
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(crate) generate: Option<GenerateTarget>,
}

impl Options {
    /// Reads the command line and the environment.
    pub(crate) fn read() -> Result<Options, clap::Error> {
        let mut command = Options::command();
        let matches = command.try_get_matches_from_mut(std::env::args_os())?;
        let mut options =
            Options::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        options.listens_by_default =
            matches.value_source("listen") == Some(ValueSource::DefaultValue);
        match options.conflict(&matches) {
            Some(why) => Err(command.error(ErrorKind::ValueValidation, why)),
            None => Ok(options),
        }
    }

    /// Error of options that do not go together.
    fn conflict(&self, matches: &ArgMatches) -> Option<String> {
        // Settings in the environment are for all agents of a machine and conflict with nothing.
        let is_typed = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
        let with_stdio = STDIO_CONFLICTS.iter().find(|(ids, _)| ids.iter().any(is_typed));
        if let Some((_, why)) = with_stdio.filter(|_| self.stdio) {
            return Some((*why).to_owned());
        }
        if !self.metrics_listen.is_empty() && !cfg!(feature = "metrics") {
            return Some(
                "--metrics-listen: built without metrics; rebuild with --features metrics".into(),
            );
        }
        self.tls_error().map(str::to_owned).or_else(|| self.history_error())
    }

    /// Address at which the agent of this machine listens by default.
    pub(crate) fn local_agent_address() -> SocketAddr {
        let configured =
            std::env::var(LOCAL_AGENT_VARIABLE).ok().and_then(|text| text.parse().ok());
        configured.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, DEFAULT_PORT).into())
    }

    pub(crate) fn settings(&self) -> AgentSettings {
        AgentSettings {
            interval: self.interval,
            history: self.history,
            clients_max: self.max_clients,
            clients_per_address_max: self.max_clients_per_address,
        }
    }

    /// Returns the rule for plaintext, depending on TLS.
    pub(crate) fn plaintext(&self, tls: Option<ServerTls>) -> PlaintextPolicy {
        match tls {
            Some(tls) => PlaintextPolicy::Never(tls),
            None if self.allow_plaintext => PlaintextPolicy::Anywhere,
            None => PlaintextPolicy::LoopbackOnly,
        }
    }

    /// Files for TLS, if it is used.
    pub(crate) fn tls_files(&self) -> Option<ServerTlsFiles> {
        let (cert, key) = self.tls_cert.clone().zip(self.tls_key.clone())?;
        Some(ServerTlsFiles { cert, key, client_ca: self.tls_client_ca.clone() })
    }

    /// Error of incomplete TLS options. Ignoring one would leave the ports unencrypted.
    fn tls_error(&self) -> Option<&'static str> {
        match (&self.tls_cert, &self.tls_key, &self.tls_client_ca) {
            (Some(_), Some(_), _) | (None, None, None) => None,
            (Some(_), None, _) => Some("--tls-cert needs a key; give --tls-key"),
            (None, Some(_), _) => Some("--tls-key needs a certificate; give --tls-cert"),
            (None, None, Some(_)) => {
                Some("--tls-client-ca needs TLS; give --tls-cert and --tls-key")
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

    /// Error of `--history` with this `--interval`.
    fn history_error(&self) -> Option<String> {
        let (history, interval) = (DurationText(self.history), DurationText(self.interval));
        if self.history < self.interval {
            return Some(format!(
                "--history {history} is shorter than --interval {interval}; give a longer history"
            ));
        }
        let samples = self.history.as_millis() / self.interval.as_millis();
        (samples > SAMPLES_MAX as u128).then(|| {
            format!(
                "--history {history} has {samples} samples at --interval {interval}, more than the \
                 limit of {SAMPLES_MAX}; give a shorter history or a longer interval"
            )
        })
    }
}

/// Lets the environment set an option: `LOADLINE_AGENT_MAX_CLIENTS` sets `--max-clients`.
fn with_variable(option: Arg) -> Arg {
    match option.get_long() {
        None | Some("generate") => option,
        Some(name) => {
            let name = name.to_uppercase().replace('-', "_");
            option.env(format!("LOADLINE_AGENT_{name}")).hide_env(true)
        }
    }
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    let (min, max) = (AgentSettings::INTERVAL_MIN, AgentSettings::INTERVAL_MAX);
    if (min..=max).contains(&interval) {
        return Ok(interval);
    }
    Err(format!("must be from {} to {}", DurationText(min), DurationText(max)))
}

fn parse_client_limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=CLIENT_LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| format!("must be a whole number from 1 to {CLIENT_LIMIT_MAX}"))
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
        assert!(matches!(options.plaintext(None), PlaintextPolicy::LoopbackOnly));
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
            "--history 999ms is shorter than --interval 1s; give a longer history"
        );
        assert!(history_error("250ms", "1000000s").unwrap().contains("4000000 samples"));
    }
}

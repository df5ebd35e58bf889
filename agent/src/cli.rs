//! Command line and environment.

mod scope;

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use clap::{Arg, ArgAction, CommandFactory as _, FromArgMatches as _, Parser};
use loadline_agent::{
    Address, AgentSettings, GroupSet, PlaintextPolicy, SAMPLES_MAX, ServerTls, ServerTlsFiles,
};
use loadline_common::{
    AGENT_VARIABLES, GenerateTarget, LocalAgent, parse_switch, unknown_variables,
    usage_or_variable_error, version_text,
};
use loadline_protocol::{DurationText, TOP_MAX, parse_duration};
use tracing::Level;

use scope::GivenOptions;

/// Highest value of `--max-clients` and `--max-clients-per-address`.
const CLIENT_LIMIT_MAX: usize = 1_000_000;

/// Environment variable with the address at which `--stdio` looks for the local agent. Not an
/// option, since only tests need it.
const LOCAL_AGENT_VARIABLE: &str = "LOADLINE_AGENT_RESIDENT";

/// Prefix of the agent's environment variables.
const VARIABLE_PREFIX: &str = "LOADLINE_AGENT_";

/// Unit in which the longest history is shown.
const HOUR: Duration = Duration::from_hours(1);

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

    /// Options that were given, as opposed to defaults.
    #[arg(skip)]
    pub(crate) given: GivenOptions,

    /// Serve one client on standard input and output, then exit; used with ssh
    ///
    /// If an agent of root, of the same user or of the service runs on this machine, its stream is
    /// forwarded, with its history: at /run/loadline/agent.sock, or at 127.0.0.1:1027.
    #[arg(long, value_parser = parse_switch)]
    pub(crate) stdio: bool,

    /// Time between samples, 250ms to 1h
    #[arg(
        short,
        long,
        value_name = "DURATION",
        default_value = "1s",
        value_parser = parse_interval,
        allow_hyphen_values = true
    )]
    interval: Duration,

    /// Keep samples this long, for clients that request history
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "24h",
        value_parser = parse_duration,
        allow_hyphen_values = true
    )]
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

    /// List this many processes that use most CPU, and most memory, in each look: 0 to 50; 0 turns looks off
    ///
    /// Clients get looks on request, every 5 s: names, users and units, never arguments.
    #[arg(long, value_name = "N", default_value_t = AgentSettings::TOP, value_parser = parse_top)]
    pub(crate) top: u16,

    /// Also keep the samples in this directory, so that the history survives a restart
    ///
    /// Takes at most twice the size of the history in memory. The agent creates the directory if
    /// necessary. No other user may own it or write to it. While its disk is full, read-only or gone,
    /// the agent runs without it and retries.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,

    /// Serve at most this many clients at the same time
    ///
    /// When all places are taken, the newest client that has not subscribed gives way to a new one.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = parse_client_limit)]
    max_clients: usize,

    /// Serve at most this many clients from one address (for IPv6, from one /64 network; at a Unix
    /// socket, of one user)
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
    #[arg(long, value_parser = parse_switch)]
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
    ///
    /// # Errors
    /// Help, version, or a usage error.
    pub(crate) fn read() -> Result<Options, OptionsError> {
        let line: Vec<OsString> = std::env::args_os().collect();
        let wrong = |error: clap::Error| {
            if error.use_stderr() {
                OptionsError::Usage(usage_or_variable_error(Options::command(), &line, &error))
            } else {
                OptionsError::Print(error)
            }
        };
        let matches = Options::command().try_get_matches_from(&line).map_err(wrong)?;
        let mut options = Options::from_arg_matches(&matches).map_err(wrong)?;
        options.given = GivenOptions::new(&matches);
        options.conflict().map_or(Ok(options), |why| Err(OptionsError::Usage(why)))
    }

    /// Error of options that do not go together.
    fn conflict(&self) -> Option<String> {
        let with_mode = self.given.conflict(self.generate.is_some(), self.stdio);
        if with_mode.is_some() {
            return with_mode;
        }
        if !self.metrics_listen.is_empty() && !cfg!(feature = "metrics") {
            return Some(
                "--metrics-listen: built without metrics; rebuild with --features metrics".into(),
            );
        }
        let error = self.tls_error().map(str::to_owned).or_else(|| self.history_error());
        let local_agent = || Options::local_agents().err().filter(|_| self.stdio);
        error.or_else(|| self.repeated_address()).or_else(local_agent)
    }

    /// Error of an address that is given twice. Port 0 is another port each time.
    fn repeated_address(&self) -> Option<String> {
        let all: Vec<&Address> = self.listen.iter().chain(&self.metrics_listen).collect();
        let is_repeated = |(at, address): &(usize, &&Address)| {
            !matches!(address, Address::Tcp { port: 0, .. }) && all[..*at].contains(address)
        };
        let (_, address) = all.iter().enumerate().find(is_repeated)?;
        Some(format!("{address} is given twice; give each address once"))
    }

    /// Returns warnings about options and variables without an effect.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let known = AGENT_VARIABLES.map(str::to_owned);
        let variables = std::env::vars_os().map(|(name, _)| name);
        let mut all = unknown_variables(variables, VARIABLE_PREFIX, &known);
        let (limit, per_address) = (self.max_clients, self.max_clients_per_address);
        if self.given.contains("max_clients_per_address") && per_address > limit {
            all.push(format!(
                "--max-clients-per-address {per_address} has no effect: --max-clients is {limit}; \
                 give at most {limit}"
            ));
        }
        if self.given.is_typed("quiet") && self.given.is_typed("verbose") {
            all.push("--quiet and --verbose cancel each other; give one of them".to_owned());
        }
        if self.tls_cert.is_some() && self.given.is_typed("allow_plaintext") {
            let hint = "remove --allow-plaintext or the certificate";
            all.push(format!("--allow-plaintext has no effect with --tls-cert; {hint}"));
        }
        all
    }

    /// Returns warnings about options that have no effect on any of the addresses, those of inherited
    /// sockets included.
    pub(crate) fn warnings_for<'a>(
        &self,
        addresses: impl Iterator<Item = &'a Address>,
    ) -> Vec<String> {
        let host = |address: &'a Address| match address {
            Address::Tcp { host, .. } => Some(host.as_str()),
            _ => None,
        };
        let hosts: Vec<&str> = addresses.filter_map(host).collect();
        let is_loopback = |host: &&str| {
            host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
        };
        let is_tls_unused = self.given.contains("tls_cert") && hosts.is_empty();
        let plain = self.tls_cert.is_none() && self.given.is_typed("allow_plaintext");
        let no_tcp = "--tls-cert has no effect on Unix sockets; give a TCP address with --listen";
        let no_need = "--allow-plaintext has no effect: no address is open to the network; \
                       remove --allow-plaintext";
        [
            is_tls_unused.then(|| no_tcp.to_owned()),
            (plain && hosts.iter().all(is_loopback)).then(|| no_need.to_owned()),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Returns the places where the agent of this machine listens.
    ///
    /// # Errors
    /// The variable that replaces the default places has no valid address.
    pub(crate) fn local_agents() -> Result<Vec<LocalAgent>, String> {
        let Some(configured) = std::env::var_os(LOCAL_AGENT_VARIABLE) else {
            return Ok(LocalAgent::default_places());
        };
        let place = configured.to_str().and_then(|text| match text.parse() {
            Ok(Address::Unix(path)) => Some(LocalAgent::Socket(path)),
            _ => text.parse().ok().map(LocalAgent::Port),
        });
        place.map(|place| vec![place]).ok_or_else(|| {
            format!(
                "{LOCAL_AGENT_VARIABLE} in the environment: invalid address; write 127.0.0.1:1027"
            )
        })
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
        let interval = DurationText(self.interval);
        if self.history < self.interval {
            let history = DurationText(self.history);
            return Some(format!(
                "--history {history} is shorter than --interval {interval}; give a longer history"
            ));
        }
        let samples = self.history.as_millis() / self.interval.as_millis();
        let longest = self.interval.saturating_mul(u32::try_from(SAMPLES_MAX).unwrap_or(u32::MAX));
        let longest = HOUR * u32::try_from(longest.as_secs() / HOUR.as_secs()).unwrap_or(u32::MAX);
        (samples > SAMPLES_MAX as u128).then(|| {
            format!(
                "--history is too long: {} samples at --interval {interval}, and the limit is {}; \
                 give at most --history {}, or a longer interval",
                grouped(samples),
                grouped(SAMPLES_MAX as u128),
                DurationText(longest),
            )
        })
    }
}

/// Reason to exit before the agent starts.
#[derive(Debug)]
pub(crate) enum OptionsError {
    /// Help or version.
    Print(clap::Error),
    /// Usage error in one line.
    Usage(String),
}

/// Returns a number with a comma between groups of three digits.
fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let comma = |at: usize| at > 0 && (digits.len() - at).is_multiple_of(3);
    let digit = |(at, digit)| if comma(at) { format!(",{digit}") } else { format!("{digit}") };
    digits.chars().enumerate().map(digit).collect()
}

/// Lets the environment set an option: `LOADLINE_AGENT_MAX_CLIENTS` sets `--max-clients`.
fn with_variable(option: Arg) -> Arg {
    match option.get_long() {
        None | Some("generate") => option,
        Some(name) => {
            let name = name.to_uppercase().replace('-', "_");
            option.env(format!("{VARIABLE_PREFIX}{name}")).hide_env(true)
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

fn parse_top(text: &str) -> Result<u16, String> {
    let top = text.parse().ok().filter(|top| *top <= TOP_MAX);
    top.ok_or_else(|| format!("must be a whole number from 0 to {TOP_MAX}"))
}

fn parse_client_limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=CLIENT_LIMIT_MAX).contains(limit));
    limit.ok_or_else(|| format!("must be a whole number from 1 to {CLIENT_LIMIT_MAX}"))
}

#[cfg(test)]
mod tests {
    use loadline_common::variables_of;

    use super::*;

    #[test]
    fn the_options_make_sense_to_clap() {
        Options::command().debug_assert();
    }

    #[test]
    fn each_option_has_a_scope_and_a_known_variable() {
        let command = Options::command();
        let ids: Vec<&str> = command.get_arguments().map(|arg| arg.get_id().as_str()).collect();
        assert_eq!(ids, scope::OPTION_SCOPES.map(|(id, _)| id));
        let variables: Vec<String> = variables_of(&command).collect();
        let others = ["LOADLINE_AGENT_RESIDENT", "LOADLINE_AGENT_COMMAND"];
        let known: Vec<&str> =
            AGENT_VARIABLES.into_iter().filter(|name| !others.contains(name)).collect();
        assert_eq!(variables, known, "write new ones into common/src/variables.rs");
    }

    #[test]
    fn each_option_that_does_not_fit_a_mode_is_named_in_the_error() {
        let value = |id: &str| match id {
            "listen" | "metrics_listen" => "=127.0.0.1:0",
            "interval" | "history" => "=1s",
            "collect" => "=cpu",
            "top" | "max_clients" | "max_clients_per_address" => "=5",
            "state_dir" | "tls_cert" | "tls_key" | "tls_client_ca" => "=a",
            "generate" => "=man",
            _ => "",
        };
        for (id, with_stdio) in scope::OPTION_SCOPES {
            let name = format!("--{}", id.replace('_', "-"));
            let word = format!("{name}{}", value(id));
            let matches = Options::command().try_get_matches_from(["loadline-agent", &word]);
            let given = GivenOptions::new(&matches.unwrap());
            let conflict = |generates, is_stdio| given.conflict(generates, is_stdio);
            let hint = format!("remove {name}");
            let names_it = |why: Option<String>| why.is_some_and(|why| why.ends_with(&hint));
            assert_eq!(names_it(conflict(true, false)), id != "generate", "{name}");
            assert_eq!(names_it(conflict(false, true)), with_stdio.is_some(), "{name}");
            assert_eq!(conflict(false, false), None, "{name}");
        }
    }

    #[test]
    fn options_of_sampling_have_no_effect_on_the_stream_of_another_agent() {
        let what = |words: &[&str]| {
            let line = [&["loadline-agent", "--stdio"], words].concat();
            GivenOptions::new(&Options::command().try_get_matches_from(line).unwrap())
                .sampling_without_effect()
        };
        assert_eq!(what(&[]), None);
        assert_eq!(what(&["-i", "2s"]).unwrap(), "--interval has no effect");
        let all = ["-i", "2s", "--history", "1h", "--collect", "cpu", "--top", "3"];
        let expected = "--interval, --history, --collect and --top have no effect";
        assert_eq!(what(&all).unwrap(), expected);
    }

    #[test]
    fn an_option_without_an_effect_on_any_address_is_named() {
        let warnings = |line: &str, addresses: &[&str]| -> Vec<String> {
            let words = ["loadline-agent"].into_iter().chain(line.split_whitespace());
            let matches = Options::command().try_get_matches_from(words).unwrap();
            let mut options = Options::from_arg_matches(&matches).unwrap();
            options.given = GivenOptions::new(&matches);
            let addresses: Vec<Address> = addresses.iter().map(|it| it.parse().unwrap()).collect();
            let all = options.warnings_for(addresses.iter());
            all.iter().map(|it| it.split(' ').next().unwrap().to_owned()).collect()
        };
        let tls = "--tls-cert a --tls-key b";
        for (line, addresses, expected) in [
            (tls, &["unix:/a"][..], &["--tls-cert"][..]),
            (tls, &["unix:/a", "127.0.0.1:1"], &[]),
            ("--max-clients-per-address 2", &["unix:/a"], &[]),
            ("--allow-plaintext", &["unix:/a", "127.0.0.1:1", "[::1]:1"], &["--allow-plaintext"]),
            ("--allow-plaintext", &["127.0.0.1:1", "0.0.0.0:1"], &[]),
            ("--allow-plaintext", &["10.0.0.7:1"], &[]),
            ("", &["unix:/a"], &[]),
        ] {
            assert_eq!(warnings(line, addresses), expected, "{line} {addresses:?}");
        }
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
            ("--top", ["0", "50"], ["-1", "51"]),
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
        assert_eq!(
            history_error("1s", "10y").unwrap(),
            "--history is too long: 315,576,000 samples at --interval 1s, and the limit is 1,000,000; \
             give at most --history 277h, or a longer interval"
        );
        assert_eq!(history_error("1s", "277h"), None);
        assert_eq!(
            history_error("1s", "999ms").unwrap(),
            "--history 999ms is shorter than --interval 1s; give a longer history"
        );
        assert!(history_error("250ms", "1000000s").unwrap().contains("4,000,000 samples"));
    }
}

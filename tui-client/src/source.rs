//! Sources, parsed from SOURCE arguments.

mod prometheus;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub(crate) use loadline_common::AGENT_PORT as PORT;
use loadline_protocol::sanitize;
use thiserror::Error;

use crate::redact::redact_address;
pub(crate) use prometheus::SECRET_VARIABLES;
pub use prometheus::{Prometheus, Secret};

/// Origin of samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// This machine: its agent if a trusted one answers, else an agent in this process.
    Localhost,
    /// An agent, or any program that writes rows, at a TCP port.
    Tcp(Address),
    /// The same over TLS. The certificate must be valid for the host.
    Tls(Address),
    /// Standard input.
    Stdin,
    /// A recording, a CSV file, a pipe or a device.
    Path(PathBuf),
    /// An agent, or any program that writes rows, at a Unix socket.
    Unix(PathBuf),
    /// An agent that ssh starts on a server.
    Ssh(Destination),
    /// Machines of a Prometheus server, each of which becomes a source.
    Prometheus(Box<Prometheus>),
}

/// Host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Destination of ssh.
///
/// **Invariant:** neither user nor host contains spaces or control characters or begins with a
/// dash, which ssh would take for an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    user: Option<String>,
    host: String,
    /// `None` leaves the port to ssh.
    pub(crate) port: Option<u16>,
}

impl Destination {
    /// Returns `USER@HOST` or `HOST`, the destination argument of ssh.
    pub(crate) fn name(&self) -> String {
        match &self.user {
            Some(user) => format!("{user}@{}", self.host),
            None => self.host.clone(),
        }
    }
}

/// Reason why a SOURCE is invalid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct SourceError(String);

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Source, SourceError> {
        let shown = &*redact_address(&sanitize(text));
        if let Some(address) = text.strip_prefix("tcp://") {
            return parse_url_address(address, shown).map(Source::Tcp);
        }
        if let Some(address) = text.strip_prefix("tls://") {
            return parse_url_address(address, shown).map(Source::Tls);
        }
        for (scheme, is_tls) in [("prom+http://", false), ("prom+https://", true)] {
            if let Some(address) = text.strip_prefix(scheme) {
                return Prometheus::parse(address, is_tls, shown)
                    .map(|it| Source::Prometheus(it.into()));
            }
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            let message = "http:// and https:// are not sources; for Prometheus, write \
                           prom+http://HOST:PORT/?instance=REGEX";
            return Err(SourceError(message.to_owned()));
        }
        if let Some(path) = text.strip_prefix("unix:") {
            if path.is_empty() || path.contains(char::is_control) {
                let message = format!("missing or invalid path in {shown:?}; write unix:PATH");
                return Err(SourceError(message));
            }
            return Ok(Source::Unix(path.into()));
        }
        if let Some(address) = text.strip_prefix("ssh://") {
            return parse_ssh_url(address.strip_suffix('/').unwrap_or(address), shown);
        }
        match text {
            "-" => Ok(Source::Stdin),
            "file:" => Err(SourceError("missing path in \"file:\"; write file:PATH".to_owned())),
            _ if text.starts_with("file:") || is_file(text) || names_file(text) => {
                Ok(Source::Path(text.strip_prefix("file:").unwrap_or(text).into()))
            }
            _ if text.contains('@') => match split_port(text) {
                Some((name, None)) => parse_destination(name, None, shown),
                // ssh would take the port for a part of the name.
                Some((_, Some(_))) | None => Err(invalid_destination(shown)),
            },
            _ => parse_address(text, PORT, shown).map(Source::Tcp),
        }
    }
}

/// Returns whether the path exists and is not a folder.
fn is_file(text: &str) -> bool {
    Path::new(text).metadata().is_ok_and(|metadata| !metadata.is_dir())
}

/// Suffixes of files with rows, of text and of compressed files, in lower case. None is a top-level
/// domain with many hosts.
const FILE_SUFFIXES: [&str; 49] = [
    "7z", "arrow", "asc", "bak", "bin", "bz2", "conf", "csv", "dat", "db", "feather", "gz", "h5",
    "hdf5", "htm", "html", "ini", "json", "jsonl", "load", "log", "lz4", "ndjson", "npy", "ods",
    "old", "orig", "out", "parquet", "pcap", "prn", "prom", "rec", "rrd", "sqlite", "tar", "tgz",
    "tmp", "toml", "tsv", "txt", "xls", "xlsx", "xml", "xz", "yaml", "yml", "zip", "zst",
];

/// Length of the date that `logrotate` adds to a name.
const DATE_DIGITS: usize = 8;

/// Returns whether a text names a file, existing or not: by a slash, by its suffix, or by a character
/// or a first dot that no host name has.
fn names_file(text: &str) -> bool {
    if text.contains('/') {
        return true;
    }
    if text.starts_with('-') || text.contains('@') || text.contains(char::is_control) {
        return false;
    }
    let stem = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = text.len() - stem.len();
    let rotated = match stem.as_bytes().last() {
        Some(b'.') if digits > 0 => &stem[..stem.len() - 1],
        Some(b'-') if digits == DATE_DIGITS => &stem[..stem.len() - 1],
        _ => text,
    };
    let suffix = rotated.rsplit_once('.').map(|(_, suffix)| suffix.to_ascii_lowercase());
    text.starts_with('.')
        || text.contains(['\\', '*', '?', '~', '+', ',', '=', '('])
        || suffix.is_some_and(|suffix| FILE_SUFFIXES.contains(&suffix.as_str()))
}

/// Returns how to write a host, for a file that does not exist.
pub(crate) fn host_hint(path: &Path) -> String {
    let is_host = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    match path.to_str() {
        Some(name) if name.starts_with(char::is_alphanumeric) && name.chars().all(is_host) => {
            format!("for a host, write tcp://{name}")
        }
        _ => "check the path; for a server, write HOST or HOST:PORT".to_owned(),
    }
}

/// Parses an address that may end with a slash, as URLs do.
fn parse_url_address(address: &str, shown: &str) -> Result<Address, SourceError> {
    parse_address(address.strip_suffix('/').unwrap_or(address), PORT, shown)
}

/// Parses `HOST`, `HOST:PORT`, `[v6]`, `[v6]:PORT` or a bare IPv6 address. Errors contain `shown`.
fn parse_address(text: &str, default_port: u16, shown: &str) -> Result<Address, SourceError> {
    let Some((host, port)) = split_port(text).filter(|(host, _)| is_name(host)) else {
        let message = format!("missing or invalid host in {shown:?}; write HOST or HOST:PORT");
        return Err(SourceError(message));
    };
    let port = parse_port(port, shown)?.unwrap_or(default_port);
    Ok(Address { host: host.to_owned(), port })
}

/// Parses the part after `ssh://`.
fn parse_ssh_url(address: &str, shown: &str) -> Result<Source, SourceError> {
    let (user, address) = split_user(address);
    let (host, port) = split_port(address).ok_or_else(|| invalid_destination(shown))?;
    let port = parse_port(port, shown)?;
    let name = user.map_or_else(|| host.to_owned(), |user| format!("{user}@{host}"));
    parse_destination(&name, port, shown)
}

fn parse_destination(name: &str, port: Option<u16>, shown: &str) -> Result<Source, SourceError> {
    let (user, host) = split_user(name);
    if !is_name(host) || !user.is_none_or(is_name) {
        return Err(invalid_destination(shown));
    }
    if user.is_some_and(|user| user.contains(':')) {
        let message = format!("ssh takes no password, as in {shown:?}; remove it, ssh asks for it");
        return Err(SourceError(message));
    }
    Ok(Source::Ssh(Destination { user: user.map(str::to_owned), host: host.to_owned(), port }))
}

fn invalid_destination(shown: &str) -> SourceError {
    let message = "write USER@HOST or ssh://USER@HOST:PORT";
    SourceError(format!("invalid ssh destination {shown:?}; {message}"))
}

/// Splits `USER@HOST`. A user or password may contain an @, a host may not.
fn split_user(text: &str) -> (Option<&str>, &str) {
    text.rsplit_once('@').map_or((None, text), |(user, host)| (Some(user), host))
}

/// Splits an address into the host, without brackets, and the text after its colon.
fn split_port(address: &str) -> Option<(&str, Option<&str>)> {
    if let Some(bracketed) = address.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']')?;
        return Some((host, (!rest.is_empty()).then(|| rest.strip_prefix(':').unwrap_or(""))));
    }
    match address.split_once(':') {
        Some((host, port)) if !port.contains(':') => Some((host, Some(port))),
        Some(_) | None => Some((address, None)),
    }
}

fn is_name(text: &str) -> bool {
    let unusable = |c: char| c.is_whitespace() || c.is_control();
    !text.is_empty() && !text.starts_with('-') && !text.contains(unusable)
}

fn parse_port(port: Option<&str>, shown: &str) -> Result<Option<u16>, SourceError> {
    let Some(port) = port else { return Ok(None) };
    let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
        let hint = "write HOST:PORT with a port from 1 to 65535";
        SourceError(format!("invalid port in {shown:?}; {hint}"))
    })?;
    Ok(Some(port))
}

impl fmt::Display for Source {
    /// Writes the name under which the source is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Localhost => f.write_str("localhost"),
            Source::Stdin => f.write_str("stdin"),
            Source::Path(path) => f.write_str(&sanitize(&path.to_string_lossy())),
            Source::Tcp(address) => address.fmt(f),
            Source::Tls(address) => write!(f, "tls://{address}"),
            Source::Prometheus(server) => server.fmt(f),
            Source::Unix(path) => write!(f, "unix:{}", sanitize(&path.to_string_lossy())),
            Source::Ssh(to) if to.user.is_some() && to.port.is_none() => {
                f.write_str(&sanitize(&to.name()))
            }
            Source::Ssh(to) => {
                let user = to.user.as_ref().map_or_else(String::new, |user| format!("{user}@"));
                write!(f, "ssh://{}{}", sanitize(&user), bracketed(&to.host))?;
                to.port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", bracketed(&self.host), self.port)
    }
}

/// Returns a host, safe for a terminal, as it stands before a port.
fn bracketed(host: &str) -> String {
    let host = sanitize(host);
    if host.contains(':') { format!("[{host}]") } else { host.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(&str, u16), &str>) {
        let found = text.parse::<Source>().map_err(|error| error.to_string());
        match expected {
            Ok((host, port)) => {
                let address = Address { host: host.to_owned(), port };
                assert_eq!(found, Ok(Source::Tcp(address)), "{text:?}");
            }
            Err(part) => {
                let error = found.expect_err(text);
                assert!(error.contains(part), "{text:?}: {error}");
                assert!(!error.contains(char::is_control), "{text:?}: {error}");
            }
        }
    }

    #[test]
    fn a_host_may_have_a_port() {
        check("web-1", Ok(("web-1", 1027)));
        check("web-1:2000", Ok(("web-1", 2000)));
        check("10.0.0.7:1", Ok(("10.0.0.7", 1)));
        check("[::1]:2000", Ok(("::1", 2000)));
        check("[::1]", Ok(("::1", 1027)));
        check("fe80::1%eth0", Ok(("fe80::1%eth0", 1027)));
        check("tcp://web-1:2000/", Ok(("web-1", 2000)));
    }

    #[test]
    fn a_tls_url_is_a_source_with_tls() {
        let tls = |host: &str, port| Ok(Source::Tls(Address { host: host.to_owned(), port }));
        assert_eq!("tls://web-1".parse(), tls("web-1", 1027));
        assert_eq!("tls://web-1:2000/".parse(), tls("web-1", 2000));
        assert_eq!("tls://[::1]:2000".parse(), tls("::1", 2000));
        check("tls://", Err("invalid host"));
        check("tls://web-1:0", Err("invalid port"));
    }

    #[test]
    fn a_source_without_a_usable_host_or_port_is_rejected() {
        check("", Err("invalid host"));
        check(":1027", Err("invalid host"));
        check("-oProxyCommand=x", Err("invalid host"));
        check("web 1", Err("invalid host"));
        check("[::1", Err("invalid host"));
        check("web-1:", Err("invalid port"));
        check("web-1:0", Err("invalid port"));
        check("web-1:70000", Err("invalid port"));
        check("[::1]x", Err("invalid port"));
        check("\x1b[2J:1", Ok(("\x1b[2J", 1)).and(Err("invalid host")));
    }

    #[test]
    fn a_user_at_a_host_is_reached_by_ssh() {
        let check = |text: &str, name: &str, port: Option<u16>| match text.parse() {
            Ok(Source::Ssh(to)) => assert_eq!((to.name().as_str(), to.port), (name, port)),
            other => panic!("{text}: {other:?}"),
        };
        check("deploy@web-1", "deploy@web-1", None);
        check("me@home@web-1", "me@home@web-1", None);
        check("deploy@::1", "deploy@::1", None);
        check("ssh://web-1", "web-1", None);
        check("ssh://web-1/", "web-1", None);
        check("ssh://deploy@web-1:2222", "deploy@web-1", Some(2222));
        check("ssh://deploy@[::1]:2222", "deploy@::1", Some(2222));
    }

    #[test]
    fn a_destination_that_ssh_would_take_for_an_option_is_rejected() {
        for text in [
            "-oProxyCommand=x@web-1",
            "deploy@-oProxyCommand=x",
            "ssh://-oProxyCommand=x",
            "ssh://-v@web-1",
            "ssh://deploy@-v:22",
            "ssh://",
            "@web-1",
            "deploy@",
            "de ploy@web-1",
            "deploy@web-1\n",
        ] {
            check(text, Err("write USER@HOST"));
        }
        check("deploy@web-1:22", Err("ssh://USER@HOST:PORT"));
        check("ssh://web-1:0", Err("invalid port"));
    }

    #[test]
    fn a_unix_socket_has_a_path() {
        assert_eq!("unix:/run/x".parse(), Ok(Source::Unix("/run/x".into())));
        check("unix:", Err("invalid path"));
        check("unix:/run/\x1b[2J", Err("invalid path"));
    }

    #[test]
    fn a_path_is_a_recording_and_a_dash_standard_input() {
        let path = |path: &str| Ok(Source::Path(path.into()));
        assert_eq!("-".parse(), Ok(Source::Stdin));
        assert_eq!("./today.load".parse(), path("./today.load"));
        assert_eq!("file:today".parse(), path("today"));
        assert_eq!("Cargo.toml".parse(), path("Cargo.toml"), "the file exists");
        check("file:", Err("missing path"));
    }

    #[test]
    fn a_word_that_names_a_file_is_no_host() {
        for text in [
            "data.csv",
            "DATA.CSV",
            "./x.load",
            "logs/today.csv",
            "logs/",
            "my data.csv",
            "today.log.1",
            "today.log-20251122",
            "today.csv.gz",
            "*.load",
            "..",
            ".load",
            "C:\\data\\today.txt",
            "today(1).tsv",
            "~me.load",
            "today.yaml",
            "today.load.bak",
            "today.tar",
        ] {
            assert_eq!(text.parse(), Ok(Source::Path(text.into())), "{text}");
        }
        for host in [
            "web-1.example.org",
            "web.load2",
            "web.1",
            "10.0.0.7",
            "csv",
            "build_1",
            "münchen.example",
            "web.py",
            "xn--bcher-kva.example",
        ] {
            check(host, Ok((host, 1027)));
        }
        check("data.csv:1027", Ok(("data.csv", 1027)));
        check("tcp://data.csv", Ok(("data.csv", 1027)));
    }

    #[test]
    fn a_missing_file_is_answered_with_the_way_to_write_a_host() {
        assert_eq!(host_hint(Path::new("data.csv")), "for a host, write tcp://data.csv");
        for path in ["logs/today.csv", "*.load", ".", "my data.csv"] {
            assert!(host_hint(Path::new(path)).ends_with("HOST or HOST:PORT"), "{path}");
        }
    }

    #[test]
    fn a_source_is_shown_as_it_can_be_typed() {
        for text in [
            "web-1:1027",
            "[::1]:2000",
            "tls://web-1:1027",
            "tls://[::1]:2000",
            "unix:/run/loadline.sock",
            "deploy@web-1",
            "ssh://web-1",
            "ssh://deploy@web-1:2222",
            "ssh://deploy@[::1]:2222",
        ] {
            assert_eq!(text.parse::<Source>().map(|source| source.to_string()), Ok(text.into()));
        }
    }
}

//! Sources, parsed from SOURCE arguments.

mod prometheus;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use loadline_protocol::sanitize;
use thiserror::Error;

pub use prometheus::{Prometheus, Secret};

/// Default port of an agent.
pub(crate) const PORT: u16 = 1027;

/// Origin of samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// This machine: the agent on 127.0.0.1:1027 if one answers, else an agent in this process.
    Localhost,
    /// An agent, or any program that writes rows, at a TCP port.
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
    },
    /// An agent, or any program that writes rows, over TLS.
    Tls {
        /// Name or address, without brackets. The certificate must be valid for it.
        host: String,
        /// Port.
        port: u16,
    },
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

/// Destination of ssh.
///
/// **Invariant:** neither user nor host contains spaces or control characters or begins with a
/// dash, which ssh would take for an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    user: Option<String>,
    host: String,
    port: Option<u16>,
}

impl Destination {
    /// Returns `USER@HOST` or `HOST`, the destination argument of ssh.
    pub(crate) fn name(&self) -> String {
        match &self.user {
            Some(user) => format!("{user}@{}", self.host),
            None => self.host.clone(),
        }
    }

    /// Returns the port. `None` leaves the port to ssh.
    pub(crate) fn port(&self) -> Option<u16> {
        self.port
    }
}

/// Reason why a SOURCE is invalid.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SourceError {
    /// The host is missing, starts with a dash, or contains spaces or control characters.
    #[error("missing or invalid host in {0:?}; write HOST or HOST:PORT")]
    Host(String),
    /// The port is not a number from 1 to 65535.
    #[error("invalid port in {0:?}; write HOST:PORT with a port from 1 to 65535")]
    Port(String),
    /// The path after `file:` is missing.
    #[error("missing path in \"file:\"; write file:PATH")]
    File,
    /// The path after `unix:` is missing or contains control characters.
    #[error("missing or invalid path in {0:?}; write unix:PATH")]
    Socket(String),
    /// The user or host for ssh is missing or invalid, or `USER@HOST` has a port.
    #[error("invalid ssh destination {0:?}; write USER@HOST or ssh://USER@HOST:PORT")]
    Ssh(String),
    /// The path or query of a Prometheus address is invalid, or a web address lacks `prom+`.
    #[error("{0}")]
    Query(String),
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Source, SourceError> {
        let shown = || sanitize(text).into_owned();
        if let Some(address) = text.strip_prefix("tcp://") {
            return parse_tcp(address.strip_suffix('/').unwrap_or(address), shown);
        }
        if let Some(address) = text.strip_prefix("tls://") {
            let (host, port) = parse_host(address.strip_suffix('/').unwrap_or(address), shown)?;
            return Ok(Source::Tls { host, port });
        }
        for (scheme, is_tls) in [("prom+http://", false), ("prom+https://", true)] {
            if let Some(address) = text.strip_prefix(scheme) {
                return Prometheus::parse(address, is_tls).map(|it| Source::Prometheus(it.into()));
            }
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            let message = "http:// and https:// are not sources; for Prometheus, write \
                           prom+http://HOST:PORT/?instance=REGEX";
            return Err(SourceError::Query(message.to_owned()));
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let is_path = !path.is_empty() && !path.contains(char::is_control);
            return if is_path {
                Ok(Source::Unix(path.into()))
            } else {
                Err(SourceError::Socket(shown()))
            };
        }
        if let Some(address) = text.strip_prefix("ssh://") {
            return parse_ssh_url(address.strip_suffix('/').unwrap_or(address), shown);
        }
        match text {
            "-" => Ok(Source::Stdin),
            _ if text.starts_with("file:") || text.contains('/') || is_file(text) => {
                let path = text.strip_prefix("file:").unwrap_or(text);
                if path.is_empty() { Err(SourceError::File) } else { Ok(Source::Path(path.into())) }
            }
            _ if text.contains('@') => parse_ssh(text, shown),
            _ => parse_tcp(text, shown),
        }
    }
}

/// Returns whether the path exists and is not a folder.
fn is_file(text: &str) -> bool {
    Path::new(text).metadata().is_ok_and(|metadata| !metadata.is_dir())
}

fn parse_tcp(address: &str, shown: impl Fn() -> String) -> Result<Source, SourceError> {
    let (host, port) = parse_host(address, shown)?;
    Ok(Source::Tcp { host, port })
}

/// Parses `HOST`, `HOST:PORT`, `[v6]`, `[v6]:PORT` or a bare IPv6 address.
fn parse_host(address: &str, shown: impl Fn() -> String) -> Result<(String, u16), SourceError> {
    let (host, port) = split_port(address).ok_or_else(|| SourceError::Host(shown()))?;
    if !is_name(host) {
        return Err(SourceError::Host(shown()));
    }
    Ok((host.to_owned(), parse_port(port, shown)?.unwrap_or(PORT)))
}

/// Parses `USER@HOST`.
fn parse_ssh(text: &str, shown: impl Fn() -> String) -> Result<Source, SourceError> {
    match split_port(text) {
        Some((name, None)) => parse_destination(name, None, shown),
        // ssh would take the port for a part of the name.
        Some((_, Some(_))) | None => Err(SourceError::Ssh(shown())),
    }
}

/// Parses the part after `ssh://`.
fn parse_ssh_url(address: &str, shown: impl Fn() -> String) -> Result<Source, SourceError> {
    let (user, address) = match address.rsplit_once('@') {
        Some((user, address)) => (Some(user), address),
        None => (None, address),
    };
    let (host, port) = split_port(address).ok_or_else(|| SourceError::Ssh(shown()))?;
    let port = parse_port(port, &shown)?;
    let name = user.map_or_else(|| host.to_owned(), |user| format!("{user}@{host}"));
    parse_destination(&name, port, shown)
}

fn parse_destination(
    name: &str,
    port: Option<u16>,
    shown: impl Fn() -> String,
) -> Result<Source, SourceError> {
    let (user, host) = match name.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, name),
    };
    if !is_name(host) || !user.is_none_or(is_name) {
        return Err(SourceError::Ssh(shown()));
    }
    let (user, host) = (user.map(str::to_owned), host.to_owned());
    Ok(Source::Ssh(Destination { user, host, port }))
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

fn parse_port(port: Option<&str>, shown: impl Fn() -> String) -> Result<Option<u16>, SourceError> {
    let Some(port) = port else { return Ok(None) };
    match port.parse() {
        Ok(port @ 1..) => Ok(Some(port)),
        Ok(0) | Err(_) => Err(SourceError::Port(shown())),
    }
}

impl fmt::Display for Source {
    /// Writes the name under which the source is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Localhost => f.write_str("localhost"),
            Source::Stdin => f.write_str("stdin"),
            Source::Path(path) => f.write_str(&sanitize(&path.to_string_lossy())),
            Source::Tcp { host, port } => {
                let host = sanitize(host);
                if host.contains(':') {
                    write!(f, "[{host}]:{port}")
                } else {
                    write!(f, "{host}:{port}")
                }
            }
            Source::Tls { host, port } => {
                write!(f, "tls://{}", Source::Tcp { host: host.clone(), port: *port })
            }
            Source::Prometheus(server) => server.fmt(f),
            Source::Unix(path) => write!(f, "unix:{}", sanitize(&path.to_string_lossy())),
            Source::Ssh(to) if to.user.is_some() && to.port.is_none() => {
                f.write_str(&sanitize(&to.name()))
            }
            Source::Ssh(to) => {
                let user = to.user.as_ref().map_or_else(String::new, |user| format!("{user}@"));
                let host = Source::Tcp { host: to.host.clone(), port: 0 }.to_string();
                let host = host.strip_suffix(":0").unwrap_or_default();
                write!(f, "ssh://{}{host}", sanitize(&user))?;
                to.port.map_or(Ok(()), |port| write!(f, ":{port}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(&str, u16), &str>) {
        let found = text.parse::<Source>().map_err(|error| error.to_string());
        match expected {
            Ok((host, port)) => {
                assert_eq!(found, Ok(Source::Tcp { host: host.to_owned(), port }), "{text:?}");
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
        let tls = |host: &str, port| Ok(Source::Tls { host: host.to_owned(), port });
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
            Ok(Source::Ssh(to)) => assert_eq!((to.name().as_str(), to.port()), (name, port)),
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
        assert_eq!("file:".parse::<Source>(), Err(SourceError::File));
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

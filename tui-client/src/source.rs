//! What was typed as SOURCE, and what it means.

mod prometheus;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use loadline_protocol::sanitize;
use thiserror::Error;

pub use prometheus::{Prometheus, Secret};

/// The port of an agent if none is given.
pub const PORT: u16 = 1027;

/// Where samples come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// This machine: the agent on 127.0.0.1:1027 if one answers, else an agent in this process.
    Localhost,
    /// An agent, or any program that writes rows, behind a TCP port.
    Tcp {
        /// A name or an address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// The same over TLS.
    Tls {
        /// A name or an address, without brackets: the certificate has to be for it.
        host: String,
        /// The port.
        port: u16,
    },
    /// Standard input.
    Stdin,
    /// A recording, or what comes out of a pipe or a device.
    Path(PathBuf),
    /// The same behind a Unix socket.
    Unix(PathBuf),
    /// An agent that ssh starts on the other side.
    Ssh(Destination),
    /// Machines that a server of Prometheus' kind knows, each of which becomes a source of its own.
    Prometheus(Box<Prometheus>),
}

/// Where ssh leads.
///
/// **Invariant:** neither user nor host begins with a dash, which ssh would take for an option, or has
/// a blank or control character in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    user: Option<String>,
    host: String,
    port: Option<u16>,
}

impl Destination {
    /// `USER@HOST` or `HOST`, as ssh takes it.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.user {
            Some(user) => format!("{user}@{}", self.host),
            None => self.host.clone(),
        }
    }

    /// The port, if it is not left to ssh.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

/// Why a SOURCE cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SourceError {
    /// The host is missing or starts with a dash.
    #[error("{0:?} names no host; write HOST or HOST:PORT")]
    Host(String),
    /// The port is not a number from 1 to 65535.
    #[error("{0:?} has no usable port; write HOST:PORT with a port from 1 to 65535")]
    Port(String),
    /// There is no path behind `file:`.
    #[error("\"file:\" names no file; write file:PATH")]
    File,
    /// The path is missing.
    #[error("{0:?} names no socket; write unix:PATH")]
    Socket(String),
    /// The user or the host of a way by ssh is missing, starts with a dash, or has a port behind it.
    #[error("{0:?} is nothing for ssh; write USER@HOST or ssh://USER@HOST:PORT")]
    Ssh(String),
    /// What is asked of a server of Prometheus' kind is nothing that it could be asked.
    #[error("{0}; write prom+http://HOST:PORT/?instance=REGEX")]
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
            return Err(SourceError::Query("a web address is none of an agent".to_owned()));
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

/// Whether there is something of this name that can be read.
fn is_file(text: &str) -> bool {
    Path::new(text).metadata().is_ok_and(|metadata| !metadata.is_dir())
}

fn parse_tcp(address: &str, shown: impl Fn() -> String) -> Result<Source, SourceError> {
    let (host, port) = parse_host(address, shown)?;
    Ok(Source::Tcp { host, port })
}

/// Reads `HOST`, `HOST:PORT`, `[v6]`, `[v6]:PORT` or a bare IPv6 address.
fn parse_host(address: &str, shown: impl Fn() -> String) -> Result<(String, u16), SourceError> {
    let (host, port) = split_port(address).ok_or_else(|| SourceError::Host(shown()))?;
    if !is_name(host) {
        return Err(SourceError::Host(shown()));
    }
    Ok((host.to_owned(), parse_port(port, shown)?.unwrap_or(PORT)))
}

/// Reads `USER@HOST`, as it is given to ssh itself.
fn parse_ssh(text: &str, shown: impl Fn() -> String) -> Result<Source, SourceError> {
    match split_port(text) {
        Some((name, None)) => parse_destination(name, None, shown),
        // To ssh that would be part of the name.
        Some((_, Some(_))) | None => Err(SourceError::Ssh(shown())),
    }
}

/// Reads what stands behind `ssh://`.
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

/// A host, without brackets, and what stands behind its colon.
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
    /// The name under which the source is shown.
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
    fn a_host_is_reached_over_tls_when_it_says_so() {
        let tls = |host: &str, port| Ok(Source::Tls { host: host.to_owned(), port });
        assert_eq!("tls://web-1".parse(), tls("web-1", 1027));
        assert_eq!("tls://web-1:2000/".parse(), tls("web-1", 2000));
        assert_eq!("tls://[::1]:2000".parse(), tls("::1", 2000));
        check("tls://", Err("names no host"));
        check("tls://web-1:0", Err("no usable port"));
    }

    #[test]
    fn a_source_without_a_usable_host_or_port_is_rejected() {
        check("", Err("names no host"));
        check(":1027", Err("names no host"));
        check("-oProxyCommand=x", Err("names no host"));
        check("web 1", Err("names no host"));
        check("[::1", Err("names no host"));
        check("web-1:", Err("no usable port"));
        check("web-1:0", Err("no usable port"));
        check("web-1:70000", Err("no usable port"));
        check("[::1]x", Err("no usable port"));
        check("\x1b[2J:1", Ok(("\x1b[2J", 1)).and(Err("names no host")));
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
    fn nothing_that_ssh_would_take_for_an_option_is_given_to_it() {
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
        check("ssh://web-1:0", Err("no usable port"));
    }

    #[test]
    fn a_unix_socket_has_a_path() {
        assert_eq!("unix:/run/x".parse(), Ok(Source::Unix("/run/x".into())));
        check("unix:", Err("names no socket"));
        check("unix:/run/\x1b[2J", Err("names no socket"));
    }

    #[test]
    fn a_path_is_a_recording_and_a_dash_standard_input() {
        let path = |path: &str| Ok(Source::Path(path.into()));
        assert_eq!("-".parse(), Ok(Source::Stdin));
        assert_eq!("./today.load".parse(), path("./today.load"));
        assert_eq!("file:today".parse(), path("today"));
        assert_eq!("Cargo.toml".parse(), path("Cargo.toml"), "it is there");
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

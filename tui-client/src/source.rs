//! What was typed as SOURCE, and what it means.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use loadline_protocol::sanitize;
use thiserror::Error;

/// The port of an agent if none is given.
pub const PORT: u16 = 1027;

/// Where samples come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// This machine: the agent on 127.0.0.1:1027 if one answers, else an agent in this process.
    Here,
    /// An agent, or any program that writes rows, behind a TCP port.
    Tcp {
        /// A name or an address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// Standard input.
    Stdin,
    /// A recording, or what comes out of a pipe or a device.
    Path(PathBuf),
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
    Path,
    /// A kind of source that this version does not have.
    #[error("{0:?}: {1}")]
    Unsupported(String, &'static str),
}

const NO_SSH: &str = "this version has no ssh sources; open a tunnel with \
                      `ssh -L 1027:127.0.0.1:1027 USER@HOST` and give 127.0.0.1:1027";
const NO_UNIX: &str = "this version has no Unix sockets; give HOST:PORT";

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Source, SourceError> {
        let shown = || sanitize(text).into_owned();
        let unsupported = |why| Err(SourceError::Unsupported(shown(), why));
        if let Some(address) = text.strip_prefix("tcp://") {
            return parse_tcp(address.strip_suffix('/').unwrap_or(address), shown);
        }
        match text {
            "-" => Ok(Source::Stdin),
            _ if text.starts_with("unix:") => unsupported(NO_UNIX),
            _ if text.starts_with("ssh://") => unsupported(NO_SSH),
            _ if text.starts_with("file:") || text.contains('/') || is_file(text) => {
                let path = text.strip_prefix("file:").unwrap_or(text);
                if path.is_empty() { Err(SourceError::Path) } else { Ok(Source::Path(path.into())) }
            }
            _ if text.contains('@') => unsupported(NO_SSH),
            _ => parse_tcp(text, shown),
        }
    }
}

/// Whether there is something of this name that can be read.
fn is_file(text: &str) -> bool {
    Path::new(text).metadata().is_ok_and(|metadata| !metadata.is_dir())
}

/// Reads `HOST`, `HOST:PORT`, `[v6]`, `[v6]:PORT` or a bare IPv6 address.
fn parse_tcp(address: &str, shown: impl Fn() -> String) -> Result<Source, SourceError> {
    let (host, port) = if let Some(bracketed) = address.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').ok_or_else(|| SourceError::Host(shown()))?;
        (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').unwrap_or("")) })
    } else if address.matches(':').count() > 1 {
        (address, None)
    } else {
        address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port)))
    };
    let unusable = |c: char| c.is_whitespace() || c.is_control();
    if host.is_empty() || host.starts_with('-') || host.contains(unusable) {
        return Err(SourceError::Host(shown()));
    }
    let port = match port {
        None => PORT,
        Some(port) => {
            port.parse().ok().filter(|port| *port > 0).ok_or_else(|| SourceError::Port(shown()))?
        }
    };
    Ok(Source::Tcp { host: host.to_owned(), port })
}

impl fmt::Display for Source {
    /// The name under which the source is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Here => f.write_str("localhost"),
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
    fn what_names_no_host_or_port_is_refused() {
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
    fn kinds_that_come_later_say_what_to_do_meanwhile() {
        check("deploy@web-1", Err("ssh -L"));
        check("ssh://web-1", Err("ssh -L"));
        check("unix:/run/loadline", Err("HOST:PORT"));
    }

    #[test]
    fn a_path_is_a_recording_and_a_dash_standard_input() {
        let path = |path: &str| Ok(Source::Path(path.into()));
        assert_eq!("-".parse(), Ok(Source::Stdin));
        assert_eq!("./today.load".parse(), path("./today.load"));
        assert_eq!("file:today".parse(), path("today"));
        assert_eq!("Cargo.toml".parse(), path("Cargo.toml"), "it is there");
        assert_eq!("file:".parse::<Source>(), Err(SourceError::Path));
    }

    #[test]
    fn a_source_is_shown_as_it_can_be_typed() {
        for text in ["web-1:1027", "[::1]:2000"] {
            assert_eq!(text.parse::<Source>().map(|source| source.to_string()), Ok(text.into()));
        }
    }
}

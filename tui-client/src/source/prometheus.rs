//! Prometheus sources: a server and a selection of its machines.

use std::fmt;
use std::time::Duration;

use loadline_protocol::{DurationText, parse_duration, sanitize};

use super::{Address, SourceError, parse_address, split_user};

/// Default port of Prometheus.
const PORT: u16 = 9090;

/// Default port with TLS: Prometheus usually runs behind an HTTPS proxy.
const TLS_PORT: u16 = 443;

/// Shortest step: 200 ms, to limit the queries per second.
const STEP_MIN: Duration = Duration::from_millis(200);

/// Size limit of an expression: longer than any typed one, short enough for a query.
const REGEX_BYTES_MAX: usize = 1024;

/// Environment variables with secrets: the password of a user, and the token for servers without a user. No child
/// process gets them.
pub(crate) const SECRET_VARIABLES: [&str; 2] = ["LOADLINE_PROM_PASSWORD", "LOADLINE_PROM_TOKEN"];

/// Parsed `prom+http://HOST[:PORT]/[PREFIX]?instance=REGEX`.
///
/// **Invariant:** the host is a valid name; prefix and expressions contain no control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prometheus {
    pub(crate) is_tls: bool,
    pub(crate) address: Address,
    /// Path in front of `/api/v1`: empty, or with `/` at the start and not at the end.
    pub(crate) prefix: String,
    /// User and password for basic authentication.
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    /// Regular expressions for instances and jobs, matched with `=~`. `None` selects all.
    pub(crate) instance: Option<String>,
    pub(crate) job: Option<String>,
    /// Interval of rows. `None` detects the scrape interval.
    pub(crate) step: Option<Duration>,
}

/// Password or token, hidden from `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a password or token.
    pub(crate) fn new(word: String) -> Secret {
        Secret(word)
    }

    /// Returns the password or token, to send it to its server only.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Prometheus {
    /// Parses the part after `prom+http://` or `prom+https://`. Errors contain `shown`.
    pub(super) fn parse(
        address: &str,
        is_tls: bool,
        shown: &str,
    ) -> Result<Prometheus, SourceError> {
        let (location, query) = address.split_once('?').unwrap_or((address, ""));
        let (authority, prefix) = location.split_at(location.find('/').unwrap_or(location.len()));
        let (userinfo, authority) = split_user(authority);
        let default_port = if is_tls { TLS_PORT } else { PORT };
        if prefix.contains('@') || query.split('=').next().is_some_and(|key| key.contains('@')) {
            let message = format!(
                "an @ in the path of {shown:?}; percent-encode / and ? of a password, or set {}",
                SECRET_VARIABLES[0]
            );
            return Err(SourceError(message));
        }
        // A part of a password may look like a port.
        let is_complete = userinfo.is_some() || !location.contains('@') && !query.contains('@');
        let shown = if is_complete { &*sanitize(authority) } else { shown };
        let address = parse_address(authority, default_port, shown)?;
        let userinfo = userinfo.unwrap_or("");
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        let given = |text: &str| (!text.is_empty()).then(|| decode(text));
        let prefix = prefix.trim_end_matches('/').to_owned();
        if prefix.contains(|c: char| c.is_control() || c.is_whitespace()) {
            let message = "the path has a blank or control character; percent-encode it";
            return Err(SourceError(message.to_owned()));
        }
        let mut found = Prometheus {
            is_tls,
            address,
            prefix,
            user: given(user),
            password: given(password).map(Secret),
            instance: None,
            job: None,
            step: None,
        };
        // A plus in an expression is meant literally, not as an encoded space.
        let query = query.replace('+', "%2B");
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            found.set(&key, &value).map_err(SourceError)?;
        }
        Ok(found)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "instance" => self.instance = Some(parse_regex(key, value)?),
            "job" => self.job = Some(parse_regex(key, value)?),
            "step" => {
                let step = parse_duration(value).map_err(|why| format!("step: {why}"))?;
                if step < STEP_MIN {
                    return Err(format!("step must be at least {}", DurationText(STEP_MIN)));
                }
                self.step = Some(step);
            }
            _ => {
                let key = sanitize(key);
                return Err(format!("unknown parameter {key:?}; available: instance, job, step"));
            }
        }
        Ok(())
    }
}

/// Checks that an expression fits in a query.
fn parse_regex(key: &str, value: &str) -> Result<String, String> {
    if value.is_empty() {
        return Err(format!("{key} is empty; leave it out to select all"));
    }
    if value.len() > REGEX_BYTES_MAX || value.contains(char::is_control) {
        return Err(format!(
            "{key} has control characters or is longer than {REGEX_BYTES_MAX} bytes; shorten it"
        ));
    }
    Ok(value.to_owned())
}

/// Decodes the percent-encoding of a part of an address.
fn decode(text: &str) -> String {
    let pair = format!("={}", text.replace('+', "%2B").replace('&', "%26"));
    form_urlencoded::parse(pair.as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

impl fmt::Display for Prometheus {
    /// Writes the address without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_ref().map_or_else(String::new, |user| format!("{user}@"));
        let scheme = if self.is_tls { "prom+https" } else { "prom+http" };
        let (user, prefix) = (sanitize(&user), sanitize(&self.prefix));
        write!(f, "{scheme}://{user}{}{prefix}/", self.address)?;
        let mut before = '?';
        for (key, value) in [("instance", &self.instance), ("job", &self.job)] {
            if let Some(value) = value {
                write!(f, "{before}{key}={}", sanitize(value))?;
                before = '&';
            }
        }
        self.step.map_or(Ok(()), |step| write!(f, "{before}step={}", DurationText(step)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::*;

    fn parse(text: &str) -> Result<Prometheus, String> {
        match text.parse::<Source>() {
            Ok(Source::Prometheus(found)) => Ok(*found),
            Ok(other) => panic!("{text}: {other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_server_may_have_a_port_a_prefix_and_an_expression() {
        let found = parse("prom+http://prom.example.org/?instance=web-.+&job=node").unwrap();
        assert_eq!((found.address.host.as_str(), found.address.port), ("prom.example.org", 9090));
        assert_eq!(
            (found.instance.as_deref(), found.job.as_deref()),
            (Some("web-.+"), Some("node"))
        );
        let found = parse("prom+https://[::1]/a/prometheus/?step=5s&instance=a%26b").unwrap();
        assert_eq!(
            (found.address.to_string().as_str(), found.prefix.as_str()),
            ("[::1]:443", "/a/prometheus")
        );
        assert_eq!(
            (found.instance.as_deref(), found.step),
            (Some("a&b"), Some(Duration::from_secs(5)))
        );
        assert_eq!(parse("prom+http://a:1").unwrap().address.port, 1);
    }

    #[test]
    fn a_password_is_never_shown() {
        let found = parse("prom+http://me:p%40ss:+@w@a/").unwrap();
        assert_eq!(found.user.as_deref(), Some("me"));
        assert_eq!(found.password.as_ref().map(Secret::reveal), Some("p@ss:+@w"));
        for shown in [found.to_string(), format!("{found:?}")] {
            assert!(!shown.contains("p@ss") && !shown.contains("p%40"), "{shown}");
        }
        assert_eq!(found.to_string(), "prom+http://me@a:9090/");
        let wrong = parse("prom+http://me:secret@:9090/").unwrap_err();
        assert!(!wrong.contains("secret"), "{wrong}");
    }

    #[test]
    fn an_invalid_query_is_rejected() {
        for (text, part) in [
            ("prom+http://", "invalid host"),
            ("prom+http:///?instance=a", "invalid host"),
            ("prom+http://-a/", "invalid host"),
            ("prom+http://a:0/", "invalid port"),
            ("prom+http://a/?host=b", "available: instance, job, step"),
            ("prom+http://a/?instance=", "leave it out"),
            ("prom+http://a/?step=1", "step"),
            ("prom+http://a/?step=1ms", "at least"),
            ("prom+http://a/?instance=%0a", "control characters"),
            ("prom+http://a/x y/", "a blank"),
            ("http://a:9090/", "prom+http"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_server_is_shown_as_it_can_be_typed() {
        for text in [
            "prom+http://a:9090/",
            "prom+https://me@[::1]:443/x/?instance=web-.*&job=node&step=15s",
            "prom+http://a:1/?step=1s",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
    }
}

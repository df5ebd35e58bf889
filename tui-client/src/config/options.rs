//! Defaults for options, in the syntax of the command line.

use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::text::{Fault, Text};
use super::values::{Entry, entries, unknown};

/// An option that can be set in the file, under its long name.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    kind: Kind,
    /// What it is if nothing is said, as it stands in the file; nothing if that depends on other things.
    pub(super) usual: Option<&'static str>,
    /// An example, where nothing is usual.
    pub(super) example: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    /// Text, or several with commas between them.
    List,
    /// A path; one that is not absolute begins at the folder of the file.
    Path,
    /// On or off, and the value for which the command line has a flag.
    Switch(bool),
}

const fn known(
    name: &'static str,
    kind: Kind,
    usual: Option<&'static str>,
    example: &'static str,
) -> Known {
    Known { name, kind, usual, example }
}

/// All of them, in the order of the help.
pub(super) const KNOWN: &[Known] = &[
    known("output", Kind::Text, None, "\"csv\""),
    known("interval", Kind::Text, None, "\"2s\""),
    known("history", Kind::Text, None, "\"1h\""),
    known("window", Kind::Text, None, "\"15m\""),
    known("keep", Kind::Text, None, "\"7d\""),
    known("columns", Kind::List, None, "[\"cpu\", \"mem\"]"),
    known("fullscreen", Kind::Switch(true), Some("false"), ""),
    known("agent-command", Kind::Text, Some("\"loadline-agent\""), ""),
    known("ssh", Kind::Text, Some("\"ssh\""), ""),
    known("tls-ca", Kind::Path, None, "\"ca.pem\""),
    known("tls-cert", Kind::Path, None, "\"me.pem\""),
    known("tls-key", Kind::Path, None, "\"me.key\""),
    known("theme", Kind::Text, Some("\"dark\""), ""),
    known("fill", Kind::Switch(true), Some("false"), ""),
    known("mouse", Kind::Switch(false), Some("true"), ""),
];

/// Those that a source can have for itself, and the source.
pub(super) const OF_SOURCE: [&str; 7] =
    ["source", "columns", "agent-command", "ssh", "tls-ca", "tls-cert", "tls-key"];

/// The names of all of them.
pub(super) fn names() -> Vec<&'static str> {
    KNOWN.iter().map(|option| option.name).collect()
}

/// An option that the file sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name in the file.
    pub name: &'static str,
    /// Where its value stands there.
    pub place: Range<usize>,
    kind: Kind,
    /// The value, as the command line takes it.
    value: OsString,
}

impl Setting {
    /// The option of the command line that does the same; `None` if that is leaving it out.
    #[must_use]
    pub fn argument(&self) -> Option<OsString> {
        match self.kind {
            Kind::Text | Kind::List | Kind::Path => {
                let mut argument = OsString::from(format!("--{}=", self.name));
                argument.push(&self.value);
                Some(argument)
            }
            Kind::Switch(flag) => (self.value == *flag.to_string())
                .then(|| format!("--{}{}", if flag { "" } else { "no-" }, self.name).into()),
        }
    }

    /// The names by which the command line knows whether it was given.
    pub fn ids(&self) -> impl Iterator<Item = String> {
        let name = self.name.replace('-', "_");
        let not = matches!(self.kind, Kind::Switch(_)).then(|| format!("no_{name}"));
        std::iter::once(name).chain(not)
    }
}

/// Reads a table of options, of which these are allowed.
pub(super) fn read(
    text: &Text,
    folder: Option<&Path>,
    table: &DeTable,
    allowed: &[&str],
) -> Result<Vec<Setting>, Fault> {
    entries(table).iter().map(|entry| setting(text, folder, entry, allowed)).collect()
}

pub(super) fn setting(
    text: &Text,
    folder: Option<&Path>,
    entry: &Entry,
    allowed: &[&str],
) -> Result<Setting, Fault> {
    let is_allowed = allowed.contains(&entry.name());
    let known = KNOWN.iter().find(|option| is_allowed && option.name == entry.name());
    let Some(known) = known else {
        return Err(
            entry.fault_at_key(text, unknown("option", entry.name(), allowed.iter().copied()))
        );
    };
    let value: OsString = match known.kind {
        Kind::Text => {
            entry.string(text, &format!("text in quotes, as in {}", known.shown()))?.into()
        }
        Kind::List => {
            let all = entry.strings(text, &format!("names in quotes, as in {}", known.shown()))?;
            all.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(",").into()
        }
        Kind::Path => {
            let path = entry.string(text, &format!("a path in quotes, as in {}", known.shown()))?;
            let path: PathBuf = folder.map_or_else(|| path.into(), |folder| folder.join(path));
            path.into_os_string()
        }
        Kind::Switch(_) => match entry.value() {
            DeValue::Boolean(value) => value.to_string().into(),
            _ => return Err(entry.not(text, "true or false without quotes")),
        },
    };
    Ok(Setting { name: known.name, place: entry.place(), kind: known.kind, value })
}

impl Known {
    /// A value as it may stand in the file.
    fn shown(&self) -> &'static str {
        self.usual.unwrap_or(self.example)
    }
}

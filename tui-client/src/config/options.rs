//! Defaults for options, in command-line syntax.

use std::ffi::OsString;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::values::{ConfigEntry, ValueError, entries};

/// Option that the file can set, under its long name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KnownOption {
    pub(crate) name: &'static str,
    kind: OptionKind,
    /// Default in TOML, or an example if there is no fixed default.
    pub(super) sample: &'static str,
    pub(super) has_default: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OptionKind {
    Text,
    /// One string, or an array of strings.
    List,
    /// Path, relative to the folder of the file.
    Path,
    /// Boolean with one flag, for this value: `--NAME` or `--no-NAME`.
    Switch(bool),
}

impl KnownOption {
    /// Returns whether the option takes no value on the command line.
    pub(crate) fn is_switch(&self) -> bool {
        matches!(self.kind, OptionKind::Switch(_))
    }

    /// Returns the id that clap has for the option, or for the flag of a switch.
    pub(crate) fn id(&self) -> String {
        let negation = if self.kind == OptionKind::Switch(false) { "no_" } else { "" };
        format!("{negation}{}", self.name.replace('-', "_"))
    }
}

const fn option(
    name: &'static str,
    kind: OptionKind,
    sample: &'static str,
    has_default: bool,
) -> KnownOption {
    KnownOption { name, kind, sample, has_default }
}

/// All options of the file, in the order of the help.
pub(super) const OPTIONS: &[KnownOption] = &[
    option("output", OptionKind::Text, "\"csv\"", false),
    option("interval", OptionKind::Text, "\"2s\"", false),
    option("history", OptionKind::Text, "\"1h\"", false),
    option("window", OptionKind::Text, "\"15m\"", false),
    option("keep", OptionKind::Text, "\"7d\"", false),
    option("columns", OptionKind::List, "[\"cpu\", \"mem\"]", false),
    option("fullscreen", OptionKind::Switch(true), "false", true),
    option("agent-command", OptionKind::Text, "\"loadline-agent\"", true),
    option("ssh", OptionKind::Text, "\"ssh\"", true),
    option("tls-ca", OptionKind::Path, "\"ca.pem\"", false),
    option("tls-cert", OptionKind::Path, "\"me.pem\"", false),
    option("tls-key", OptionKind::Path, "\"me.key\"", false),
    option("theme", OptionKind::Text, "\"dark\"", true),
    option("fill", OptionKind::Switch(true), "false", true),
    option("mouse", OptionKind::Switch(false), "true", true),
];

/// Returns whether a word is the name of an option.
pub(super) fn is_option(name: &str) -> bool {
    OPTIONS.iter().any(|option| option.name == name)
}

/// Keys of a table in `[sources]`: the source, and its own options.
pub(super) const SOURCE_OPTIONS: [&str; 7] =
    ["source", "columns", "agent-command", "ssh", "tls-ca", "tls-cert", "tls-key"];

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) option: &'static KnownOption,
    /// Byte range of the value in the file.
    pub(crate) span: Range<usize>,
    /// Value in command-line syntax; for a switch, whether its flag is given.
    pub(crate) value: OsString,
}

impl fmt::Debug for Setting {
    /// Writes the name only: the value may have secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Setting({})", self.option.name)
    }
}

pub(super) fn read(folder: Option<&Path>, table: &DeTable) -> Result<Vec<Setting>, ValueError> {
    let all: Vec<&str> = OPTIONS.iter().map(|option| option.name).collect();
    entries(table).iter().map(|entry| setting(folder, entry, &all)).collect()
}

/// Reads an option. An option outside `allowed` is an error.
pub(super) fn setting(
    folder: Option<&Path>,
    entry: &ConfigEntry,
    allowed: &[&str],
) -> Result<Setting, ValueError> {
    let is_meant = |it: &&KnownOption| it.name == entry.name() && allowed.contains(&it.name);
    let option = OPTIONS.iter().find(is_meant);
    let option = option.ok_or_else(|| entry.unknown("option", allowed.iter().copied()))?;
    let sample = option.sample;
    let value: OsString = match option.kind {
        OptionKind::Text => entry.string(&format!("a string in quotes, as in {sample}"))?.into(),
        OptionKind::List => {
            let words = entry.strings(&format!("strings in brackets, as in {sample}"))?;
            words.into_iter().map(Spanned::into_inner).collect::<Vec<_>>().join(",").into()
        }
        OptionKind::Path => {
            let path = entry.string(&format!("a path in quotes, as in {sample}"))?;
            folder.unwrap_or(Path::new("")).join(path).into()
        }
        OptionKind::Switch(flag) => match entry.value.get_ref() {
            DeValue::Boolean(value) => (*value == flag).to_string().into(),
            _ => return Err(entry.type_error("true or false without quotes")),
        },
    };
    Ok(Setting { option, span: entry.value.span(), value })
}

//! Defaults for options, in command-line syntax.

use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::text::{ConfigError, ConfigText};
use super::values::{ConfigEntry, entries, unknown_name};

/// Option that the file can set, under its long name.
#[derive(Debug)]
pub(super) struct KnownOption {
    pub(super) name: &'static str,
    kind: OptionKind,
    /// Default in TOML. `None` if there is no fixed default.
    pub(super) default: Option<&'static str>,
    /// Example in TOML, for an option without a fixed default.
    pub(super) example: &'static str,
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

const fn option(
    name: &'static str,
    kind: OptionKind,
    default: Option<&'static str>,
    example: &'static str,
) -> KnownOption {
    KnownOption { name, kind, default, example }
}

/// All options of the file, in the order of the help.
pub(super) const OPTIONS: &[KnownOption] = &[
    option("output", OptionKind::Text, None, "\"csv\""),
    option("interval", OptionKind::Text, None, "\"2s\""),
    option("history", OptionKind::Text, None, "\"1h\""),
    option("window", OptionKind::Text, None, "\"15m\""),
    option("keep", OptionKind::Text, None, "\"7d\""),
    option("columns", OptionKind::List, None, "[\"cpu\", \"mem\"]"),
    option("fullscreen", OptionKind::Switch(true), Some("false"), ""),
    option("agent-command", OptionKind::Text, Some("\"loadline-agent\""), ""),
    option("ssh", OptionKind::Text, Some("\"ssh\""), ""),
    option("tls-ca", OptionKind::Path, None, "\"ca.pem\""),
    option("tls-cert", OptionKind::Path, None, "\"me.pem\""),
    option("tls-key", OptionKind::Path, None, "\"me.key\""),
    option("theme", OptionKind::Text, Some("\"dark\""), ""),
    option("fill", OptionKind::Switch(true), Some("false"), ""),
    option("mouse", OptionKind::Switch(false), Some("true"), ""),
];

/// Keys of a table in `[sources]`: the source, and its own options.
pub(super) const SOURCE_OPTIONS: [&str; 7] =
    ["source", "columns", "agent-command", "ssh", "tls-ca", "tls-cert", "tls-key"];

/// Returns the names of all options.
pub(super) fn names() -> Vec<&'static str> {
    OPTIONS.iter().map(|option| option.name).collect()
}

/// An option set in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Name of the option.
    pub name: &'static str,
    /// Byte range of the value in the file.
    pub span: Range<usize>,
    kind: OptionKind,
    /// Value in command-line syntax.
    value: OsString,
}

impl Setting {
    /// Returns the equivalent argument. `None` for the default of a switch.
    #[must_use]
    pub fn argument(&self) -> Option<OsString> {
        match self.kind {
            OptionKind::Text | OptionKind::List | OptionKind::Path => {
                let mut argument = OsString::from(format!("--{}=", self.name));
                argument.push(&self.value);
                Some(argument)
            }
            OptionKind::Switch(flag) => (self.value == *flag.to_string())
                .then(|| format!("--{}{}", if flag { "" } else { "no-" }, self.name).into()),
        }
    }

    /// Returns the clap ids of the option and of its `--no-` form.
    pub fn ids(&self) -> impl Iterator<Item = String> {
        let name = self.name.replace('-', "_");
        let not = matches!(self.kind, OptionKind::Switch(_)).then(|| format!("no_{name}"));
        std::iter::once(name).chain(not)
    }
}

/// Reads a table of options. An option outside `allowed` is an error.
pub(super) fn read(
    text: &ConfigText,
    folder: Option<&Path>,
    table: &DeTable,
    allowed: &[&str],
) -> Result<Vec<Setting>, ConfigError> {
    entries(table).iter().map(|entry| setting(text, folder, entry, allowed)).collect()
}

pub(super) fn setting(
    text: &ConfigText,
    folder: Option<&Path>,
    entry: &ConfigEntry,
    allowed: &[&str],
) -> Result<Setting, ConfigError> {
    let is_allowed = allowed.contains(&entry.name());
    let option = OPTIONS.iter().find(|option| is_allowed && option.name == entry.name());
    let Some(option) = option else {
        return Err(
            entry.key_error(text, unknown_name("option", entry.name(), allowed.iter().copied()))
        );
    };
    let value: OsString = match option.kind {
        OptionKind::Text => entry
            .string(text, &format!("a string in quotes, as in {}", option.sample_value()))?
            .into(),
        OptionKind::List => {
            let all = entry
                .strings(text, &format!("strings in brackets, as in {}", option.sample_value()))?;
            all.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(",").into()
        }
        OptionKind::Path => {
            let path = entry
                .string(text, &format!("a path in quotes, as in {}", option.sample_value()))?;
            let path: PathBuf = folder.map_or_else(|| path.into(), |folder| folder.join(path));
            path.into_os_string()
        }
        OptionKind::Switch(_) => match entry.value() {
            DeValue::Boolean(value) => value.to_string().into(),
            _ => return Err(entry.type_error(text, "true or false without quotes")),
        },
    };
    Ok(Setting { name: option.name, span: entry.value_span(), kind: option.kind, value })
}

impl KnownOption {
    /// Returns a valid value in TOML, for messages.
    fn sample_value(&self) -> &'static str {
        self.default.unwrap_or(self.example)
    }
}

//! Defaults for options, in command-line syntax.

use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::values::{ConfigEntry, ValueError, entries};

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

/// An option set in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// Name of the option.
    pub(crate) name: &'static str,
    /// Byte range of the value in the file.
    pub(crate) span: Range<usize>,
    kind: OptionKind,
    /// Value in command-line syntax.
    value: OsString,
}

impl Setting {
    /// Returns the equivalent argument. `None` for the default of a switch.
    pub(crate) fn argument(&self) -> Option<OsString> {
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
    pub(crate) fn ids(&self) -> impl Iterator<Item = String> {
        let name = self.name.replace('-', "_");
        let not = matches!(self.kind, OptionKind::Switch(_)).then(|| format!("no_{name}"));
        std::iter::once(name).chain(not)
    }
}

/// Reads `[options]`.
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
    let sample = option.default.unwrap_or(option.example);
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
        OptionKind::Switch(_) => match entry.value.get_ref() {
            DeValue::Boolean(value) => value.to_string().into(),
            _ => return Err(entry.type_error("true or false without quotes")),
        },
    };
    Ok(Setting { name: option.name, span: entry.value.span(), kind: option.kind, value })
}

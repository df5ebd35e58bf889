//! Names of sources and groups.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use loadline_protocol::sanitize;
use toml::de::DeTable;

use super::options::{SOURCE_OPTIONS, Setting, setting};
use super::text::{ConfigError, ConfigText};
use super::values::{ConfigEntry, entries, unknown_name};
use crate::source::Source;

/// Nesting limit of groups: 16. Deeper nesting is taken for a mistake.
const GROUP_DEPTH_MAX: usize = 16;

/// Limit of sources: 256. Some systems permit a process no more connections.
pub const SOURCES_MAX: usize = 256;

/// Length limit of a name, in characters: more is hard to type.
const NAME_MAX: usize = 64;

/// Prefix of a group name on the command line and in groups.
const GROUP_PREFIX: char = '@';

/// Syntax of a source, for messages.
const SOURCE: &str = "a source in quotes, as in \"web-1:1027\", or a table, as in { source = \"me@web-1\", ssh = \"ssh -4\" }";

/// Syntax of a group, for messages.
const MEMBERS: &str = "sources in brackets, as in [\"web-1\", \"@test\", \"tcp://10.0.0.7\"]";

/// Named sources and groups of the configuration.
#[derive(Debug, Clone, Default)]
pub struct SourceNames {
    named: BTreeMap<String, NamedSource>,
    groups: BTreeMap<String, Vec<GroupMember>>,
}

#[derive(Debug, Clone)]
struct NamedSource {
    source: Source,
    settings: Vec<Setting>,
}

/// Member of a group, with its byte range in the file.
#[derive(Debug, Clone)]
struct GroupMember {
    word: String,
    span: Range<usize>,
}

/// Source that a word on the command line resolves to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedSource {
    /// Name in the file.
    pub name: Option<String>,
    /// Parsed source.
    pub source: Source,
    /// Options that apply to this source only.
    pub settings: Vec<Setting>,
}

impl SourceNames {
    pub(super) fn add_sources(
        &mut self,
        text: &ConfigText,
        folder: Option<&Path>,
        table: &DeTable,
    ) -> Result<(), ConfigError> {
        for entry in entries(table) {
            check_name(text, &entry)?;
            let named = read_source(text, folder, &entry)?;
            self.named.insert(entry.name().to_owned(), named);
        }
        Ok(())
    }

    pub(super) fn add_groups(
        &mut self,
        text: &ConfigText,
        table: &DeTable,
    ) -> Result<(), ConfigError> {
        for entry in entries(table) {
            check_name(text, &entry)?;
            let members = entry.strings(text, MEMBERS)?;
            let member = |(word, span): (&str, _)| GroupMember { word: word.to_owned(), span };
            self.groups.insert(entry.name().to_owned(), members.into_iter().map(member).collect());
        }
        Ok(())
    }

    /// Returns the options of all named sources.
    pub fn source_settings(&self) -> impl Iterator<Item = &Setting> {
        self.named.values().flat_map(|named| &named.settings)
    }

    /// Checks the members of all groups.
    ///
    /// # Errors
    /// A member that is unknown, or a group that contains itself or nests too deeply.
    pub(super) fn check(&self, text: &ConfigText) -> Result<(), ConfigError> {
        for member in self.groups.values().flatten() {
            if let Err(why) = self.lookup(&member.word) {
                return Err(text.error_at(member.span.clone(), why));
            }
        }
        let mut checked = BTreeSet::new();
        for name in self.groups.keys() {
            self.check_group(text, name, &mut Vec::new(), &mut checked)?;
        }
        Ok(())
    }

    fn check_group<'a>(
        &'a self,
        text: &ConfigText,
        name: &'a str,
        above: &mut Vec<&'a str>,
        checked: &mut BTreeSet<(&'a str, usize)>,
    ) -> Result<(), ConfigError> {
        // Each group is visited once per depth, so that a group with many paths is checked quickly.
        if !checked.insert((name, above.len())) {
            return Ok(());
        }
        above.push(name);
        for GroupMember { word, span } in self.groups.get(name).into_iter().flatten() {
            let Some(inner) = word.strip_prefix(GROUP_PREFIX) else { continue };
            if let Some(first) = above.iter().position(|it| *it == inner) {
                let path = [&above[first..], &[inner]].concat().join(" > ");
                let message = format!("a group cannot contain itself: {path}; remove {word:?}");
                return Err(text.error_at(span.clone(), message));
            }
            if above.len() >= GROUP_DEPTH_MAX {
                let message =
                    format!("groups are nested too deeply; nest at most {GROUP_DEPTH_MAX} groups");
                return Err(text.error_at(span.clone(), message));
            }
            self.check_group(text, inner, above, checked)?;
        }
        above.pop();
        Ok(())
    }

    /// Resolves a group, a name in the file, or a source in command-line syntax, to distinct sources.
    /// Stops soon after [`SOURCES_MAX`] sources are exceeded.
    pub fn resolve(&self, word: &str) -> Result<Vec<ResolvedSource>, String> {
        let mut found: Vec<ResolvedSource> = Vec::new();
        let (mut pending, mut visited) = (vec![word], BTreeSet::new());
        while let Some(word) = pending.pop() {
            if !visited.insert(word) {
                continue;
            }
            if found.len() > SOURCES_MAX {
                break;
            }
            match self.lookup(word)? {
                SourceOrGroup::Source(one) if found.iter().any(|it| it.source == one.source) => {}
                SourceOrGroup::Source(one) => found.push(one),
                SourceOrGroup::Group(members) => {
                    pending.extend(members.iter().rev().map(|member| member.word.as_str()));
                }
            }
        }
        Ok(found)
    }

    fn lookup(&self, word: &str) -> Result<SourceOrGroup<'_>, String> {
        if let Some(name) = word.strip_prefix(GROUP_PREFIX) {
            let group = self.groups.get(name);
            let all = self.groups.keys().map(String::as_str);
            return group
                .map(|it| SourceOrGroup::Group(it))
                .ok_or_else(|| unknown_name("group", name, all));
        }
        let (name, source, settings) = match self.named.get(word) {
            Some(named) => (Some(word.to_owned()), named.source.clone(), named.settings.clone()),
            None => (None, word.parse().map_err(|error| format!("{error}"))?, Vec::new()),
        };
        Ok(SourceOrGroup::Source(ResolvedSource { name, source, settings }))
    }
}

/// Meaning of a word: one source, or the members of a group.
enum SourceOrGroup<'a> {
    Source(ResolvedSource),
    Group(&'a [GroupMember]),
}

/// Checks that a name needs no quotes in a shell and is not like an option, a group or a path.
fn check_name(text: &ConfigText, entry: &ConfigEntry) -> Result<(), ConfigError> {
    let name = entry.name();
    let is_name = !name.is_empty()
        && !name.starts_with(['-', GROUP_PREFIX])
        && !name.contains([' ', '/'])
        && name.chars().count() <= NAME_MAX
        && sanitize(name) == name;
    if is_name {
        return Ok(());
    }
    let message = format!(
        "invalid name; use at most {NAME_MAX} characters, no blanks or slashes, and no - or @ in front"
    );
    Err(entry.key_error(text, message))
}

fn read_source(
    text: &ConfigText,
    folder: Option<&Path>,
    entry: &ConfigEntry,
) -> Result<NamedSource, ConfigError> {
    let source = |entry: &ConfigEntry| {
        let typed = entry.string(text, SOURCE)?;
        typed.parse::<Source>().map_err(|error| entry.error(text, error.to_string()))
    };
    let Some(table) = entry.value().as_table() else {
        return Ok(NamedSource { source: source(entry)?, settings: Vec::new() });
    };
    let (mut given, mut settings) = (None, Vec::new());
    for inner in entries(table) {
        if inner.name() == "source" {
            given = Some(source(&inner)?);
        } else {
            settings.push(setting(text, folder, &inner, &SOURCE_OPTIONS)?);
        }
    }
    match given {
        Some(source) => Ok(NamedSource { source, settings }),
        None => {
            Err(entry.key_error(text, format!("{} has no source; write {SOURCE}", entry.name())))
        }
    }
}

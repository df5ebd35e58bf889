//! Names that stand for sources, and groups of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use loadline_protocol::sanitize;
use toml::de::DeTable;

use super::options::{SOURCE_OPTIONS, Setting, setting};
use super::text::{ConfigError, ConfigText};
use super::values::{ConfigEntry, entries, unknown_name};
use crate::source::Source;

/// Groups within groups within groups; more is not meant.
const GROUP_DEPTH_MAX: usize = 16;

/// More sources than anybody can watch, and than a process may have connections on some systems.
pub const SOURCES_MAX: usize = 256;

/// Characters of a name; more can hardly be typed.
const NAME_MAX: usize = 64;

/// In front of the name of a group.
const GROUP_PREFIX: char = '@';

/// What is written for a source.
const SOURCE: &str = "a SOURCE in quotes, as in \"web-1:1027\", or a table, as in { source = \"me@web-1\", ssh = \"ssh -4\" }";

/// What is written for a group.
const MEMBERS: &str = "sources in brackets, as in [\"web-1\", \"@test\", \"tcp://10.0.0.7\"]";

/// The sources that have names, and the groups.
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

/// A source or a group in a group, and where it stands.
#[derive(Debug, Clone)]
struct GroupMember {
    word: String,
    span: Range<usize>,
}

/// What a word on the command line stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedSource {
    /// The name that it has in the file.
    pub name: Option<String>,
    /// The source.
    pub source: Source,
    /// Options of its own.
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

    /// The options that sources have for themselves.
    pub fn source_settings(&self) -> impl Iterator<Item = &Setting> {
        self.named.values().flat_map(|named| &named.settings)
    }

    /// Finds what no member of a group may be: unknown, or its own group again.
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
        // Each group is looked into once for each depth: what is many-armed stays quick.
        if !checked.insert((name, above.len())) {
            return Ok(());
        }
        above.push(name);
        for GroupMember { word, span } in self.groups.get(name).into_iter().flatten() {
            let Some(inner) = word.strip_prefix(GROUP_PREFIX) else { continue };
            if let Some(first) = above.iter().position(|it| *it == inner) {
                let way = [&above[first..], &[inner]].concat().join(" > ");
                let what = format!("a group cannot contain itself: {way}; leave out {word:?}");
                return Err(text.error_at(span.clone(), what));
            }
            if above.len() >= GROUP_DEPTH_MAX {
                let what =
                    format!("groups within groups are too deep; {GROUP_DEPTH_MAX} are the most");
                return Err(text.error_at(span.clone(), what));
            }
            self.check_group(text, inner, above, checked)?;
        }
        above.pop();
        Ok(())
    }

    /// What a word stands for: a group, a name in the file, or a source as it can be typed. No source is
    /// there twice, though it may be in several groups. Those of a group that has more than
    /// [`SOURCES_MAX`] are not all of them, but more than that.
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

/// What a word may stand for.
enum SourceOrGroup<'a> {
    Source(ResolvedSource),
    Group(&'a [GroupMember]),
}

/// A name can be typed, and is none of the other things that can be.
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
    let what = format!(
        "this cannot be a name; write one of {NAME_MAX} characters at most, without blanks, slashes, \
         and - or @ in front"
    );
    Err(entry.key_error(text, what))
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

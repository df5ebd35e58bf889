//! Names of sources and groups.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use loadline_common::nearest;
use loadline_protocol::sanitize;
use toml::Spanned;
use toml::de::DeTable;

use super::options::{SOURCE_OPTIONS, Setting, setting};
use super::values::{ConfigEntry, ValueError, entries, error_at, unknown_name};
use crate::scope::{SourceScope, scope_of};
use crate::source::Source;

/// Nesting limit of groups: 16. Deeper nesting is taken for a mistake.
const GROUP_DEPTH_MAX: usize = 16;

/// Limit of sources: 256. Some systems permit a process no more connections.
pub(crate) const SOURCES_MAX: usize = 256;

/// Length limit of a name, in characters: more is hard to type.
const NAME_MAX: usize = 64;

/// Prefix of a group name on the command line and in groups.
pub(crate) const GROUP_PREFIX: char = '@';

const SOURCE: &str = "a source in quotes, as in \"web-1:1027\", or a table, as in { source = \"me@web-1\", ssh = \"ssh -4\" }";

const MEMBERS: &str = "sources in brackets, as in [\"web-1\", \"@test\", \"tcp://10.0.0.7\"]";

#[derive(Clone, Default)]
pub(crate) struct SourceNames {
    named: BTreeMap<String, ResolvedSource>,
    groups: BTreeMap<String, Vec<Spanned<String>>>,
}

/// Source in the file, or that a word on the command line resolves to.
#[derive(Debug, Clone)]
pub(crate) struct ResolvedSource {
    /// Name in the file.
    pub(crate) name: Option<String>,
    pub(crate) source: Source,
    /// Options that apply to this source only.
    pub(crate) settings: Vec<Setting>,
    /// Name or group in the file that a host name is similar to.
    pub(crate) suggestion: Option<String>,
}

impl ResolvedSource {
    pub(crate) fn unnamed(source: Source) -> ResolvedSource {
        ResolvedSource { name: None, source, settings: Vec::new(), suggestion: None }
    }
}

impl fmt::Debug for SourceNames {
    /// Writes the names only: sources may have passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.named.keys().chain(self.groups.keys())).finish()
    }
}

impl SourceNames {
    pub(super) fn add_sources(
        &mut self,
        folder: Option<&Path>,
        table: &DeTable,
    ) -> Result<(), ValueError> {
        for entry in entries(table) {
            check_name(&entry)?;
            self.named.insert(entry.name().to_owned(), read_source(folder, &entry)?);
        }
        Ok(())
    }

    pub(super) fn add_groups(&mut self, table: &DeTable) -> Result<(), ValueError> {
        for entry in entries(table) {
            check_name(&entry)?;
            let members = entry.strings(MEMBERS)?.into_iter();
            let members = members.map(|it| Spanned::new(it.span(), it.into_inner().to_owned()));
            self.groups.insert(entry.name().to_owned(), members.collect());
        }
        Ok(())
    }

    pub(crate) fn source_settings(&self) -> impl Iterator<Item = &Setting> {
        self.named.values().flat_map(|named| &named.settings)
    }

    /// Checks the members of all groups.
    ///
    /// # Errors
    /// A member that is unknown, or a group that contains itself or nests too deeply.
    pub(super) fn check(&self) -> Result<(), ValueError> {
        for member in self.groups.values().flatten() {
            let found = match member.get_ref().strip_prefix(GROUP_PREFIX) {
                Some(name) => self.group(name).map(drop),
                None => self.source(member.get_ref()).map(drop),
            };
            found.map_err(|why| error_at(member.span(), why))?;
        }
        let mut checked = BTreeSet::new();
        for name in self.groups.keys() {
            self.check_group(name, &mut Vec::new(), &mut checked)?;
        }
        Ok(())
    }

    fn check_group<'a>(
        &'a self,
        name: &'a str,
        above: &mut Vec<&'a str>,
        checked: &mut BTreeSet<(&'a str, usize)>,
    ) -> Result<(), ValueError> {
        // Each group is visited once per depth, so that a group with many paths is checked quickly.
        if !checked.insert((name, above.len())) {
            return Ok(());
        }
        above.push(name);
        for member in self.groups.get(name).into_iter().flatten() {
            let word = member.get_ref();
            let Some(inner) = word.strip_prefix(GROUP_PREFIX) else { continue };
            if let Some(first) = above.iter().position(|it| *it == inner) {
                let path = [&above[first..], &[inner]].concat().join(" > ");
                let message = format!("a group cannot contain itself: {path}; remove {word:?}");
                return Err(error_at(member.span(), message));
            }
            if above.len() >= GROUP_DEPTH_MAX {
                let message =
                    format!("groups are nested too deeply; nest at most {GROUP_DEPTH_MAX} groups");
                return Err(error_at(member.span(), message));
            }
            self.check_group(inner, above, checked)?;
        }
        above.pop();
        Ok(())
    }

    /// Resolves a group, a name in the file, or a source in command-line syntax, to distinct sources.
    /// Stops soon after [`SOURCES_MAX`] sources are exceeded.
    pub(crate) fn resolve(&self, word: &str) -> Result<Vec<ResolvedSource>, String> {
        let mut found: Vec<ResolvedSource> = Vec::new();
        let (mut pending, mut visited) = (vec![word], BTreeSet::new());
        while let Some(word) = pending.pop().filter(|_| found.len() <= SOURCES_MAX) {
            if !visited.insert(word) {
                continue;
            }
            if let Some(name) = word.strip_prefix(GROUP_PREFIX) {
                let members = self.group(name)?.iter().rev();
                pending.extend(members.map(|member| member.get_ref().as_str()));
                continue;
            }
            let one = self.source(word)?;
            if !found.iter().any(|it| it.source == one.source) {
                found.push(one);
            }
        }
        Ok(found)
    }

    fn group(&self, name: &str) -> Result<&[Spanned<String>], String> {
        let all = self.groups.keys().map(String::as_str);
        self.groups.get(name).map(Vec::as_slice).ok_or_else(|| unknown_name("group", name, all))
    }

    /// Returns the source with a name in the file, or in command-line syntax.
    fn source(&self, word: &str) -> Result<ResolvedSource, String> {
        if let Some(named) = self.named.get(word) {
            return Ok(named.clone());
        }
        let source = word.parse().map_err(|error| format!("{error}"))?;
        let suggestion = match &source {
            Source::Tcp(address) => self.similar_name(&address.host),
            _ => None,
        };
        Ok(ResolvedSource { suggestion, ..ResolvedSource::unnamed(source) })
    }

    /// Returns the name or group in the file that was probably meant by `host`.
    fn similar_name(&self, host: &str) -> Option<String> {
        if let Some((group, _)) = self.groups.get_key_value(host) {
            return Some(format!("{GROUP_PREFIX}{group}"));
        }
        let groups = self.groups.keys().map(|group| format!("{GROUP_PREFIX}{group}"));
        let names: Vec<String> = self.named.keys().cloned().chain(groups).collect();
        nearest(host, names.iter().map(String::as_str)).map(str::to_owned)
    }
}

/// Checks that a name can be typed in a shell, and cannot be taken for an option, a group or a path.
fn check_name(entry: &ConfigEntry) -> Result<(), ValueError> {
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
    Err(error_at(entry.key.span(), message))
}

fn read_source(folder: Option<&Path>, entry: &ConfigEntry) -> Result<ResolvedSource, ValueError> {
    let name = Some(entry.name().to_owned());
    let source = |entry: &ConfigEntry| {
        let source = entry.string(SOURCE)?.parse::<Source>();
        source.map_err(|error| error_at(entry.value.span(), error.to_string()))
    };
    let Some(table) = entry.value.get_ref().as_table() else {
        return Ok(ResolvedSource { name, ..ResolvedSource::unnamed(source(entry)?) });
    };
    let (mut given, mut settings) = (None, Vec::new());
    for inner in entries(table) {
        if inner.name() == "source" {
            given = Some(source(&inner)?);
        } else {
            settings.push(setting(folder, &inner, &SOURCE_OPTIONS)?);
        }
    }
    let missing = || format!("{} has no source; write {SOURCE}", entry.name());
    let source = given.ok_or_else(|| error_at(entry.key.span(), missing()))?;
    for Setting { option, span, .. } in &settings {
        let scope = scope_of(&option.id()).map_or(SourceScope::Any, |scope| scope.sources);
        if let Some(why) = scope.reason().filter(|_| !scope.includes(&source)) {
            return Err(error_at(span.clone(), format!("{} {why}", option.name)));
        }
    }
    Ok(ResolvedSource { name, settings, ..ResolvedSource::unnamed(source) })
}

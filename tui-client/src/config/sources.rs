//! Names that stand for sources, and groups of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use loadline_protocol::sanitize;
use toml::de::DeTable;

use super::options::{OF_SOURCE, Setting, setting};
use super::text::{Fault, Text};
use super::values::{Entry, entries, unknown};
use crate::source::Source;

/// Groups within groups within groups; more is not meant.
const DEEP_MAX: usize = 16;

/// More sources than anybody can watch, and than a process may have connections on some systems.
pub const SOURCES_MAX: usize = 256;

/// Characters of a name; more can hardly be typed.
const NAME_MAX: usize = 64;

/// In front of the name of a group.
const GROUP: char = '@';

/// What is written for a source.
const SOURCE: &str = "a SOURCE in quotes, as in \"web-1:1027\", or a table, as in { source = \"me@web-1\", ssh = \"ssh -4\" }";

/// What is written for a group.
const MEMBERS: &str = "sources in brackets, as in [\"web-1\", \"@test\", \"tcp://10.0.0.7\"]";

/// The sources that have names, and the groups.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    named: BTreeMap<String, Named>,
    groups: BTreeMap<String, Vec<Member>>,
}

#[derive(Debug, Clone)]
struct Named {
    source: Source,
    own: Vec<Setting>,
}

/// A source or a group in a group, and where it stands.
#[derive(Debug, Clone)]
struct Member {
    word: String,
    place: Range<usize>,
}

/// What a word on the command line stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The name that it has in the file.
    pub name: Option<String>,
    /// The source.
    pub source: Source,
    /// Options of its own.
    pub own: Vec<Setting>,
}

impl Sources {
    pub(super) fn take_sources(
        &mut self,
        text: &Text,
        folder: Option<&Path>,
        table: &DeTable,
    ) -> Result<(), Fault> {
        for entry in entries(table) {
            check_name(text, &entry)?;
            let named = named(text, folder, &entry)?;
            self.named.insert(entry.name().to_owned(), named);
        }
        Ok(())
    }

    pub(super) fn take_groups(&mut self, text: &Text, table: &DeTable) -> Result<(), Fault> {
        for entry in entries(table) {
            check_name(text, &entry)?;
            let members = entry.strings(text, MEMBERS)?;
            let member = |(word, place): (&str, _)| Member { word: word.to_owned(), place };
            self.groups.insert(entry.name().to_owned(), members.into_iter().map(member).collect());
        }
        Ok(())
    }

    /// The options that sources have for themselves.
    pub fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.named.values().flat_map(|named| &named.own)
    }

    /// Finds what no member of a group may be: unknown, or its own group again.
    pub(super) fn check(&self, text: &Text) -> Result<(), Fault> {
        for member in self.groups.values().flatten() {
            if let Err(why) = self.one(&member.word) {
                return Err(text.fault(member.place.clone(), why));
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
        text: &Text,
        name: &'a str,
        above: &mut Vec<&'a str>,
        checked: &mut BTreeSet<(&'a str, usize)>,
    ) -> Result<(), Fault> {
        // Each group is looked into once for each depth: what is many-armed stays quick.
        if !checked.insert((name, above.len())) {
            return Ok(());
        }
        above.push(name);
        for Member { word, place } in self.groups.get(name).into_iter().flatten() {
            let Some(inner) = word.strip_prefix(GROUP) else { continue };
            if let Some(first) = above.iter().position(|it| *it == inner) {
                let way = [&above[first..], &[inner]].concat().join(" > ");
                let what = format!("a group cannot contain itself: {way}; leave out {word:?}");
                return Err(text.fault(place.clone(), what));
            }
            if above.len() >= DEEP_MAX {
                let what = format!("groups within groups are too deep; {DEEP_MAX} are the most");
                return Err(text.fault(place.clone(), what));
            }
            self.check_group(text, inner, above, checked)?;
        }
        above.pop();
        Ok(())
    }

    /// What a word stands for: a group, a name in the file, or a source as it can be typed. No source is
    /// there twice, though it may be in several groups. Those of a group that has more than
    /// [`SOURCES_MAX`] are not all of them, but more than that.
    pub fn resolve(&self, word: &str) -> Result<Vec<Resolved>, String> {
        let mut found: Vec<Resolved> = Vec::new();
        let (mut waiting, mut seen) = (vec![word], BTreeSet::new());
        while let Some(word) = waiting.pop() {
            if !seen.insert(word) {
                continue;
            }
            if found.len() > SOURCES_MAX {
                break;
            }
            match self.one(word)? {
                Meaning::Source(one) if found.iter().any(|it| it.source == one.source) => {}
                Meaning::Source(one) => found.push(one),
                Meaning::Group(members) => {
                    waiting.extend(members.iter().rev().map(|member| member.word.as_str()));
                }
            }
        }
        Ok(found)
    }

    fn one(&self, word: &str) -> Result<Meaning<'_>, String> {
        if let Some(name) = word.strip_prefix(GROUP) {
            let group = self.groups.get(name);
            let all = self.groups.keys().map(String::as_str);
            return group.map(|it| Meaning::Group(it)).ok_or_else(|| unknown("group", name, all));
        }
        let (name, source, own) = match self.named.get(word) {
            Some(named) => (Some(word.to_owned()), named.source.clone(), named.own.clone()),
            None => (None, word.parse().map_err(|error| format!("{error}"))?, Vec::new()),
        };
        Ok(Meaning::Source(Resolved { name, source, own }))
    }
}

/// What a word may stand for.
enum Meaning<'a> {
    Source(Resolved),
    Group(&'a [Member]),
}

/// A name can be typed, and is none of the other things that can be.
fn check_name(text: &Text, entry: &Entry) -> Result<(), Fault> {
    let name = entry.name();
    let is_name = !name.is_empty()
        && !name.starts_with(['-', GROUP])
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
    Err(entry.fault_at_key(text, what))
}

fn named(text: &Text, folder: Option<&Path>, entry: &Entry) -> Result<Named, Fault> {
    let source = |entry: &Entry| {
        let typed = entry.string(text, SOURCE)?;
        typed.parse::<Source>().map_err(|error| entry.fault(text, error.to_string()))
    };
    let Some(table) = entry.value().as_table() else {
        return Ok(Named { source: source(entry)?, own: Vec::new() });
    };
    let (mut given, mut own) = (None, Vec::new());
    for inner in entries(table) {
        if inner.name() == "source" {
            given = Some(source(&inner)?);
        } else {
            own.push(setting(text, folder, &inner, &OF_SOURCE)?);
        }
    }
    match given {
        Some(source) => Ok(Named { source, own }),
        None => {
            Err(entry.fault_at_key(text, format!("{} has no source; write {SOURCE}", entry.name())))
        }
    }
}

//! Colours, keys and thresholds.

use std::ops::Range;

use ratatui::style::Color;
use toml::de::{DeTable, DeValue};

use super::text::{Fault, Text};
use super::values::{Entry, entries, unknown};
use crate::keys::{Action, Conflict, Key, Keys, action_named, bindable};
use crate::theme::{LINES, Own};
use crate::thresholds::{Limits, Thresholds};

/// What has a colour.
pub(super) const ROLES: [&str; 5] = ["lines", "faint", "good", "warning", "alarm"];

/// What is written for a colour.
const COLOUR: &str =
    "a name like \"cyan\" or \"light-red\", \"#4fc3d9\", or a number from 0 to 255";

pub(super) fn colours(text: &Text, table: &DeTable) -> Result<Own, Fault> {
    let mut own = Own::NONE;
    for entry in entries(table) {
        match entry.name() {
            "lines" => own.lines = lines(text, &entry)?,
            "faint" => own.faint = Some(colour(text, entry.value(), entry.place())?),
            "good" => own.good = Some(colour(text, entry.value(), entry.place())?),
            "warning" => own.warning = Some(colour(text, entry.value(), entry.place())?),
            "alarm" => own.alarm = Some(colour(text, entry.value(), entry.place())?),
            name => return Err(entry.fault_at_key(text, unknown("colour", name, ROLES))),
        }
    }
    Ok(own)
}

fn lines(text: &Text, entry: &Entry) -> Result<[Option<Color>; LINES], Fault> {
    let given = entry.value().as_array();
    let given =
        given.ok_or_else(|| entry.not(text, "colours in brackets, as in [\"cyan\", \"red\"]"))?;
    if let Some(more) = given.get(LINES) {
        let what = format!("a chart has {LINES} colours; leave out what is more");
        return Err(text.fault(more.span(), what));
    }
    let mut lines = [None; LINES];
    for (line, given) in lines.iter_mut().zip(given.iter()) {
        *line = Some(colour(text, given.get_ref(), given.span())?);
    }
    Ok(lines)
}

fn colour(text: &Text, value: &DeValue, place: Range<usize>) -> Result<Color, Fault> {
    let found = match value {
        DeValue::String(name) => name.parse().ok(),
        DeValue::Integer(_) => {
            let index = number(value).filter(|it| (0.0..=255.0).contains(it));
            index.map(|index| Color::Indexed(index as u8))
        }
        _ => None,
    };
    found.ok_or_else(|| text.fault(place, format!("this is no colour; write {COLOUR}")))
}

/// More keys for one action than anybody remembers.
const KEYS_MAX: usize = 16;

/// The keys of an action, as they are written.
struct Change {
    action: Action,
    keys: Vec<Key>,
    places: Vec<Range<usize>>,
}

pub(super) fn keys(text: &Text, table: &DeTable) -> Result<Keys, Fault> {
    let mut changes = Vec::new();
    for entry in entries(table) {
        changes.push(change(text, &entry)?);
    }
    let wanted: Vec<(Action, Vec<Key>)> =
        changes.iter().map(|change| (change.action, change.keys.clone())).collect();
    Keys::changed(&wanted).map_err(|conflict| {
        let place = changes[conflict.change].places[conflict.at].clone();
        text.fault(place, told(&conflict))
    })
}

fn change(text: &Text, entry: &Entry) -> Result<Change, Fault> {
    let name = entry.name();
    let Some(action) = action_named(name) else {
        let all = bindable().map(|it| it.name);
        return Err(entry.fault_at_key(text, unknown("action", name, all)));
    };
    let written = entry.strings(text, "keys in quotes, as in [\"q\", \"ctrl-x\", \"F10\"]")?;
    if action == Action::Quit && written.is_empty() {
        return Err(entry.fault(text, "quit needs a key; write one, as in [\"q\"]"));
    }
    if let Some((_, place)) = written.get(KEYS_MAX) {
        let what = format!("an action has {KEYS_MAX} keys at most; leave out what is more");
        return Err(text.fault(place.clone(), what));
    }
    let (mut keys, mut places) = (Vec::new(), Vec::new());
    for (key, place) in written {
        let key =
            key.parse::<Key>().map_err(|error| text.fault(place.clone(), error.to_string()))?;
        keys.push(key);
        places.push(place);
    }
    Ok(Change { action, keys, places })
}

fn told(conflict: &Conflict) -> String {
    let Conflict { key, wants, has, by_default, .. } = conflict;
    if *key == Key::CTRL_C && wants != has {
        return format!("ctrl-c always quits; give {wants} another key");
    }
    let key = key.to_string();
    if wants == has {
        return format!("{key:?} stands here twice; leave one out");
    }
    if *by_default {
        return format!(
            "{key:?} cannot be the key of {wants}: {has} has it by default; give {has} another key, or \
             none by {has} = []"
        );
    }
    format!("{key:?} cannot be the key of both {has} and {wants}; take it from one of them")
}

/// What is written for a threshold.
const LIMITS: &str = "{ warn = 80, critical = 95 }, or one of the two";

pub(super) fn thresholds(text: &Text, table: &DeTable) -> Result<Thresholds, Fault> {
    let mut thresholds = Thresholds::default();
    for column in entries(table) {
        let mut limits = Limits::default();
        for entry in entries(column.table(text, LIMITS)?) {
            let limit = match entry.name() {
                "warn" => &mut limits.warn,
                "critical" => &mut limits.critical,
                name => {
                    let all = ["warn", "critical"];
                    return Err(entry.fault_at_key(text, unknown("threshold", name, all)));
                }
            };
            let value = number(entry.value()).filter(|value| value.is_finite());
            *limit = Some(value.ok_or_else(|| entry.not(text, "a number, as in 80 or 1.5"))?);
        }
        if limits.warn.zip(limits.critical).is_some_and(|(warn, critical)| critical < warn) {
            let what = "critical is less than warn; write the greater of the two as critical";
            return Err(column.fault(text, what));
        }
        thresholds.0.insert(column.name().to_owned(), limits);
    }
    Ok(thresholds)
}

fn number(value: &DeValue) -> Option<f64> {
    match value {
        DeValue::Integer(it) => {
            i64::from_str_radix(it.as_str(), it.radix()).ok().map(|it| it as f64)
        }
        DeValue::Float(it) => it.as_str().parse().ok(),
        _ => None,
    }
}

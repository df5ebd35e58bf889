//! Colours, keys and thresholds.

use std::ops::Range;

use ratatui::style::Color;
use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::values::{ConfigEntry, ValueError, entries, error_at};
use crate::keys::{Action, Conflict, Key, Keys, action_named, bindable_actions};
use crate::theme::{Colours, LINE_COLOURS};
use crate::thresholds::{ThresholdLevels, Thresholds};

pub(super) const ROLES: [&str; 5] = ["lines", "faint", "good", "warning", "alarm"];

const COLOUR: &str =
    "a name like \"cyan\" or \"light-red\", \"#4fc3d9\", or a number from 0 to 255";

pub(super) fn colours(table: &DeTable) -> Result<Colours, ValueError> {
    let mut colours = Colours::NONE;
    for entry in entries(table) {
        let role = match entry.name() {
            "lines" => {
                colours.lines = lines(&entry)?;
                continue;
            }
            "faint" => &mut colours.faint,
            "good" => &mut colours.good,
            "warning" => &mut colours.warning,
            "alarm" => &mut colours.alarm,
            _ => return Err(entry.unknown("colour", ROLES)),
        };
        *role = Some(colour(entry.value)?);
    }
    Ok(colours)
}

fn lines(entry: &ConfigEntry) -> Result<[Option<Color>; LINE_COLOURS], ValueError> {
    let allowed = "colours in brackets, as in [\"cyan\", \"red\"]";
    let given = entry.value.get_ref().as_array().ok_or_else(|| entry.type_error(allowed))?;
    if let Some(more) = given.get(LINE_COLOURS) {
        let message = format!("a chart has at most {LINE_COLOURS} colours; remove the others");
        return Err(error_at(more.span(), message));
    }
    let mut lines = [None; LINE_COLOURS];
    for (line, given) in lines.iter_mut().zip(given.iter()) {
        *line = Some(colour(given)?);
    }
    Ok(lines)
}

fn colour(value: &Spanned<DeValue>) -> Result<Color, ValueError> {
    let found = match value.get_ref() {
        DeValue::String(name) => name.parse().ok(),
        _ => number(value).map(Color::Indexed),
    };
    found.ok_or_else(|| error_at(value.span(), format!("invalid colour; write {COLOUR}")))
}

/// Limit of keys for one action: 16. Nobody remembers more.
const KEYS_MAX: usize = 16;

pub(super) fn keys(table: &DeTable) -> Result<Keys, ValueError> {
    let (mut changes, mut spans) = (Vec::new(), Vec::new());
    for entry in entries(table) {
        let action = action_named(entry.name());
        let all = bindable_actions().map(|it| it.name);
        let action = action.ok_or_else(|| entry.unknown("action", all))?;
        let (keys, at): (Vec<_>, Vec<_>) = keys_of(action, &entry)?.into_iter().unzip();
        changes.push((action, keys));
        spans.push(at);
    }
    Keys::with_changes(&changes).map_err(|conflict| {
        let span = spans[conflict.change_index][conflict.key_index].clone();
        error_at(span, conflict_text(&conflict))
    })
}

/// Returns the keys that the file binds to an action, each with its byte range.
fn keys_of(action: Action, entry: &ConfigEntry) -> Result<Vec<(Key, Range<usize>)>, ValueError> {
    let written = entry.strings("keys in quotes, as in [\"q\", \"ctrl-x\", \"F10\"]")?;
    if action == Action::Quit && written.is_empty() {
        return Err(error_at(entry.value.span(), "quit needs a key; write one, as in [\"q\"]"));
    }
    if let Some(more) = written.get(KEYS_MAX) {
        let message = format!("an action has at most {KEYS_MAX} keys; remove the others");
        return Err(error_at(more.span(), message));
    }
    let key = |word: Spanned<&str>| match word.get_ref().parse::<Key>() {
        Ok(key) => Ok((key, word.span())),
        Err(error) => Err(error_at(word.span(), error.to_string())),
    };
    written.into_iter().map(key).collect()
}

fn conflict_text(conflict: &Conflict) -> String {
    let Conflict { key, wanted_by: wants, bound_to: has, by_default, .. } = conflict;
    if *key == Key::CTRL_C && wants != has {
        return format!("ctrl-c always quits; give {wants} another key");
    }
    let key = key.to_string();
    if wants == has {
        return format!("{key:?} is listed twice; remove one");
    }
    if *by_default {
        return format!(
            "cannot bind {key:?} to {wants}: {key:?} is a default key of {has}; give {has} another key, or \
             none with {has} = []"
        );
    }
    format!("cannot bind {key:?} to both {has} and {wants}; remove it from one of them")
}

const THRESHOLD_SYNTAX: &str = "{ warn = 80, critical = 95 }, or one of the two";

pub(super) fn thresholds(table: &DeTable) -> Result<Thresholds, ValueError> {
    let mut thresholds = Thresholds::default();
    for column in entries(table) {
        let mut levels = ThresholdLevels::default();
        for entry in entries(column.table(THRESHOLD_SYNTAX)?) {
            let limit = match entry.name() {
                "warn" => &mut levels.warn,
                "critical" => &mut levels.critical,
                _ => return Err(entry.unknown("threshold", ["warn", "critical"])),
            };
            let value = number(entry.value).filter(|value: &f64| value.is_finite());
            *limit = Some(value.ok_or_else(|| entry.type_error("a number, as in 80 or 1.5"))?);
        }
        if levels == ThresholdLevels::default() {
            let message = format!("{} has no threshold; write {THRESHOLD_SYNTAX}", column.name());
            return Err(error_at(column.value.span(), message));
        }
        if column.name().trim_end_matches("/core").is_empty() {
            return Err(error_at(
                column.key.span(),
                "missing name of a column; write one, as in cpu",
            ));
        }
        if levels.warn.zip(levels.critical).is_some_and(|(warn, critical)| critical < warn) {
            let message = "critical is below warn; swap the two values";
            return Err(error_at(column.value.span(), message));
        }
        thresholds.0.insert(column.name().to_owned(), levels);
    }
    Ok(thresholds)
}

/// Returns a number that fits in its type.
fn number<'de, T: Deserialize<'de>>(value: &Spanned<DeValue<'de>>) -> Option<T> {
    T::deserialize(value.clone().into_deserializer()).ok()
}

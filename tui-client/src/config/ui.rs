//! Colours, keys and thresholds.

use std::ops::Range;

use ratatui::style::Color;
use toml::de::{DeTable, DeValue};

use super::text::{ConfigError, ConfigText};
use super::values::{ConfigEntry, entries, unknown_name};
use crate::keys::{Action, Conflict, Key, Keys, action_named, bindable_actions};
use crate::theme::{ColourOverrides, LINE_COLOURS};
use crate::thresholds::{ThresholdLevels, Thresholds};

/// Names in `[theme]`.
pub(super) const ROLES: [&str; 5] = ["lines", "faint", "good", "warning", "alarm"];

/// Syntax of a colour, for messages.
const COLOUR: &str =
    "a name like \"cyan\" or \"light-red\", \"#4fc3d9\", or a number from 0 to 255";

pub(super) fn colours(text: &ConfigText, table: &DeTable) -> Result<ColourOverrides, ConfigError> {
    let mut colours = ColourOverrides::NONE;
    for entry in entries(table) {
        match entry.name() {
            "lines" => colours.lines = lines(text, &entry)?,
            "faint" => colours.faint = Some(colour(text, entry.value(), entry.value_span())?),
            "good" => colours.good = Some(colour(text, entry.value(), entry.value_span())?),
            "warning" => colours.warning = Some(colour(text, entry.value(), entry.value_span())?),
            "alarm" => colours.alarm = Some(colour(text, entry.value(), entry.value_span())?),
            name => return Err(entry.key_error(text, unknown_name("colour", name, ROLES))),
        }
    }
    Ok(colours)
}

fn lines(
    text: &ConfigText,
    entry: &ConfigEntry,
) -> Result<[Option<Color>; LINE_COLOURS], ConfigError> {
    let given = entry.value().as_array();
    let given = given
        .ok_or_else(|| entry.type_error(text, "colours in brackets, as in [\"cyan\", \"red\"]"))?;
    if let Some(more) = given.get(LINE_COLOURS) {
        let message = format!("a chart has at most {LINE_COLOURS} colours; remove the others");
        return Err(text.error_at(more.span(), message));
    }
    let mut lines = [None; LINE_COLOURS];
    for (line, given) in lines.iter_mut().zip(given.iter()) {
        *line = Some(colour(text, given.get_ref(), given.span())?);
    }
    Ok(lines)
}

fn colour(text: &ConfigText, value: &DeValue, span: Range<usize>) -> Result<Color, ConfigError> {
    let found = match value {
        DeValue::String(name) => name.parse().ok(),
        DeValue::Integer(_) => {
            let index = number(value).filter(|it| (0.0..=255.0).contains(it));
            index.map(|index| Color::Indexed(index as u8))
        }
        _ => None,
    };
    found.ok_or_else(|| text.error_at(span, format!("invalid colour; write {COLOUR}")))
}

/// Limit of keys for one action: 16. Nobody remembers more.
const KEYS_MAX: usize = 16;

/// Keys that the file binds to an action, with their byte ranges.
struct KeyChange {
    action: Action,
    keys: Vec<Key>,
    spans: Vec<Range<usize>>,
}

pub(super) fn keys(text: &ConfigText, table: &DeTable) -> Result<Keys, ConfigError> {
    let mut changes = Vec::new();
    for entry in entries(table) {
        changes.push(change(text, &entry)?);
    }
    let wanted: Vec<(Action, Vec<Key>)> =
        changes.iter().map(|change| (change.action, change.keys.clone())).collect();
    Keys::with_changes(&wanted).map_err(|conflict| {
        let span = changes[conflict.change_index].spans[conflict.key_index].clone();
        text.error_at(span, conflict_text(&conflict))
    })
}

fn change(text: &ConfigText, entry: &ConfigEntry) -> Result<KeyChange, ConfigError> {
    let name = entry.name();
    let Some(action) = action_named(name) else {
        let all = bindable_actions().map(|it| it.name);
        return Err(entry.key_error(text, unknown_name("action", name, all)));
    };
    let written = entry.strings(text, "keys in quotes, as in [\"q\", \"ctrl-x\", \"F10\"]")?;
    if action == Action::Quit && written.is_empty() {
        return Err(entry.error(text, "quit needs a key; write one, as in [\"q\"]"));
    }
    if let Some((_, span)) = written.get(KEYS_MAX) {
        let message = format!("an action has at most {KEYS_MAX} keys; remove the others");
        return Err(text.error_at(span.clone(), message));
    }
    let (mut keys, mut spans) = (Vec::new(), Vec::new());
    for (key, span) in written {
        let key =
            key.parse::<Key>().map_err(|error| text.error_at(span.clone(), error.to_string()))?;
        keys.push(key);
        spans.push(span);
    }
    Ok(KeyChange { action, keys, spans })
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

/// Syntax of a threshold, for messages.
const THRESHOLD_SYNTAX: &str = "{ warn = 80, critical = 95 }, or one of the two";

pub(super) fn thresholds(text: &ConfigText, table: &DeTable) -> Result<Thresholds, ConfigError> {
    let mut thresholds = Thresholds::default();
    for column in entries(table) {
        let mut levels = ThresholdLevels::default();
        for entry in entries(column.table(text, THRESHOLD_SYNTAX)?) {
            let limit = match entry.name() {
                "warn" => &mut levels.warn,
                "critical" => &mut levels.critical,
                name => {
                    let all = ["warn", "critical"];
                    return Err(entry.key_error(text, unknown_name("threshold", name, all)));
                }
            };
            let value = number(entry.value()).filter(|value| value.is_finite());
            *limit =
                Some(value.ok_or_else(|| entry.type_error(text, "a number, as in 80 or 1.5"))?);
        }
        if levels.warn.zip(levels.critical).is_some_and(|(warn, critical)| critical < warn) {
            return Err(column.error(text, "critical is below warn; swap the two values"));
        }
        thresholds.0.insert(column.name().to_owned(), levels);
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

//! Key bindings: the one table for event loop, help, footer and configuration.

mod bindings;
mod help;
mod key;

use crossterm::event::KeyEvent;

pub(crate) use bindings::SECTIONS;
pub use bindings::{BindableAction, bindable_actions};
pub(crate) use help::{HELP_WIDTH, HELP_WIDTHS, HelpLine, MOUSE_HELP, spell_arrows};
pub use key::{Key, KeyError};

/// Action that a key triggers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "SECTIONS describes each action")]
pub enum Action {
    Quit,
    Help,
    Back,
    Redraw,
    Suspend,
    Fullscreen,
    Cycle,
    NextChart,
    PreviousChart,
    /// Selects a chart by index from 0.
    Chart(usize),
    Table,
    Processes,
    Units,
    Theme,
    Fill,
    ZoomIn,
    ZoomOut,
    ValueIn,
    ValueOut,
    Reset,
    GoTo,
    Pause,
    Left,
    Right,
    ScreenLeft,
    ScreenRight,
    Oldest,
    Live,
    Crosshair,
    Mark,
    SeriesUp,
    SeriesDown,
    SampleForward,
    SampleBack,
    /// Moves one row up in the table, or one line up in the help.
    Up,
    Down,
    ColumnsLeft,
    ColumnsRight,
    Faster,
    Slower,
    /// Connects at once, in the plain terminal, where ssh can ask for a password.
    AskAgain,
    NextSource,
    PreviousSource,
    Compare,
    Order,
}

/// Returns the action with this name in the configuration.
pub(crate) fn action_named(name: &str) -> Option<Action> {
    bindable_actions().find(|it| it.name == name).map(|it| it.action)
}

fn action_name(action: Action) -> &'static str {
    bindable_actions().find(|it| it.action == action).map_or("", |it| it.name)
}

/// Map of keys to actions.
///
/// **Invariant:** each key has at most one action, and Ctrl-C quits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Each action with its keys. Hints show the first key.
    bindings: Vec<(Action, Vec<Key>)>,
}

impl Default for Keys {
    fn default() -> Keys {
        Keys { bindings: bindable_actions().map(|it| (it.action, it.keys().collect())).collect() }
    }
}

/// Conflict of two actions over one key, or a key listed twice for one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict {
    /// Index of the change at fault.
    pub(crate) change_index: usize,
    /// Index of the key in that change.
    pub(crate) key_index: usize,
    pub(crate) key: Key,
    /// Name of the action in the change.
    pub(crate) wanted_by: &'static str,
    /// Name of the action that has the key already.
    pub(crate) bound_to: &'static str,
    /// True if `bound_to` has the key by default.
    pub(crate) by_default: bool,
}

impl Keys {
    /// Returns the default bindings with `changes`: a changed action has only the given keys.
    /// Ctrl-C still quits.
    ///
    /// # Errors
    /// Two actions for one key, or a key listed twice.
    pub fn with_changes(changes: &[(Action, Vec<Key>)]) -> Result<Keys, Conflict> {
        let mut keys = Keys::default();
        let of = |action| changes.iter().position(|(changed, _)| *changed == action);
        for (action, bound) in &mut keys.bindings {
            if let Some(at) = of(*action) {
                bound.clone_from(&changes[at].1);
            }
            if *action == Action::Quit && !bound.contains(&Key::CTRL_C) {
                bound.push(Key::CTRL_C);
            }
        }
        for (change_index, (action, wanted)) in changes.iter().enumerate() {
            for (key_index, key) in wanted.iter().enumerate() {
                let holds = |(_, keys): &&(Action, Vec<Key>)| keys.contains(key);
                let is_repeated = wanted[..key_index].contains(key);
                // The later of two conflicting changes is at fault.
                let earlier = changes[..change_index].iter().find(holds).map(|(other, _)| *other);
                let unchanged = keys.bindings.iter().filter(|(other, _)| of(*other).is_none());
                let default = unchanged.clone().find(holds).map(|(other, _)| *other);
                let must_quit = *key == Key::CTRL_C && *action != Action::Quit;
                let listed = is_repeated.then_some(*action).or(earlier);
                let default = default.or(must_quit.then_some(Action::Quit));
                if let Some(has) = listed.or(default) {
                    return Err(Conflict {
                        change_index,
                        key_index,
                        key: *key,
                        wanted_by: action_name(*action),
                        bound_to: action_name(has),
                        by_default: listed.is_none(),
                    });
                }
            }
        }
        Ok(keys)
    }

    pub(crate) fn action(&self, event: KeyEvent) -> Option<Action> {
        let key = Key::from_event(event);
        let bound = self.bindings.iter().find(|(_, keys)| keys.contains(&key));
        bound.map(|(action, _)| *action)
    }

    /// Returns the labels of an action's keys. Hints show the first.
    pub(crate) fn labels(&self, action: Action) -> Vec<String> {
        let bound = self.bindings.iter().find(|(bound, _)| *bound == action);
        bound.map_or_else(Vec::new, |(_, keys)| keys.iter().map(|key| key.label()).collect())
    }

    /// Returns the label of an action's first key. Empty if it has none.
    pub(crate) fn label(&self, action: Action) -> String {
        self.labels(action).into_iter().next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyModifiers};

    use super::*;

    fn key(c: char) -> Key {
        Key::from_event(KeyCode::Char(c).into())
    }

    #[test]
    fn default_keys_are_unique_and_parse() {
        let all: Vec<Key> = bindable_actions().flat_map(BindableAction::keys).collect();
        for (at, key) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(key), "{key:?} is bound twice");
            assert_eq!(key.to_string().parse(), Ok(*key));
        }
        let written = bindable_actions().flat_map(|it| it.keys.split(' '));
        assert_eq!(written.count(), all.len());
    }

    #[test]
    fn each_action_has_a_unique_name_and_a_key() {
        let names: Vec<&str> = bindable_actions().map(|it| it.name).collect();
        for (at, name) in names.iter().enumerate() {
            assert!(!names[at + 1..].contains(name), "{name} is not unique");
            let action = action_named(name).unwrap();
            assert!(action_name(action) == *name && !Keys::default().label(action).is_empty());
        }
        assert_eq!(Keys::with_changes(&[]), Ok(Keys::default()));
    }

    #[test]
    fn modifiers_distinguish_keys() {
        let press = |code, held| Keys::default().action(KeyEvent::new(code, held));
        assert_eq!(press(KeyCode::Char('q'), KeyModifiers::NONE), Some(Action::Quit));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Action::Quit));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::NONE), Some(Action::Crosshair));
        assert_eq!(press(KeyCode::Char('q'), KeyModifiers::ALT), None);
        assert_eq!(press(KeyCode::Char('?'), KeyModifiers::SHIFT), Some(Action::Help));
        assert_eq!(press(KeyCode::Char('Y'), KeyModifiers::SHIFT), Some(Action::ValueOut));
        assert_eq!(press(KeyCode::BackTab, KeyModifiers::SHIFT), Some(Action::PreviousChart));
        assert_eq!(press(KeyCode::Char('3'), KeyModifiers::NONE), Some(Action::Chart(2)));
        assert_eq!(press(KeyCode::Char('0'), KeyModifiers::NONE), Some(Action::Reset));
        assert_eq!(press(KeyCode::Left, KeyModifiers::NONE), Some(Action::Left));
        assert_eq!(press(KeyCode::Left, KeyModifiers::SHIFT), Some(Action::ScreenLeft));
        assert_eq!(press(KeyCode::Left, KeyModifiers::CONTROL), None);
    }

    #[test]
    fn a_rebound_action_loses_its_default_keys_but_ctrl_c_still_quits() {
        let changes = [(Action::Quit, vec![key('Q')]), (Action::Help, vec![])];
        let keys = Keys::with_changes(&changes).unwrap();
        let press = |key: Key| keys.bindings.iter().find(|it| it.1.contains(&key)).map(|it| it.0);
        assert_eq!(press(key('Q')), Some(Action::Quit));
        assert_eq!(press(Key::CTRL_C), Some(Action::Quit));
        assert_eq!([press(key('q')), press(key('?'))], [None, None]);
        assert_eq!(
            (keys.label(Action::Quit).as_str(), keys.label(Action::Help).as_str()),
            ("Q", "")
        );
    }

    #[test]
    fn a_key_bound_twice_is_a_conflict() {
        let check = |changes: &[(Action, Vec<Key>)], expected: Option<(&str, bool)>| {
            let conflict = Keys::with_changes(changes).err();
            assert_eq!(conflict.map(|it| (it.bound_to, it.by_default)), expected, "{changes:?}");
        };
        check(&[(Action::Help, vec![key('f')])], Some(("fullscreen", true)));
        check(&[(Action::Help, vec![key('f')]), (Action::Fullscreen, vec![])], None);
        check(&[(Action::Help, vec![key('q')]), (Action::Quit, vec![key('?')])], None);
        check(
            &[(Action::Help, vec![key('z')]), (Action::Mark, vec![key('z')])],
            Some(("help", false)),
        );
        check(&[(Action::Mark, vec![key('m'), key('m')])], Some(("mark", false)));
        let free = (Action::Quit, vec![key('q')]);
        check(&[free, (Action::Help, vec![Key::CTRL_C])], Some(("quit", true)));
    }
}

//! Key bindings: the one table for event loop, help, footer and configuration.

mod bindings;
mod help;
mod key;

use crossterm::event::KeyEvent;

pub use bindings::{BindableAction, bindable_actions};
pub(crate) use help::{HELP_WIDTH, HELP_WIDTHS, HelpLine};
pub(crate) use help::{MOUSE_HELP, spell_arrows};
pub use key::{Key, KeyError};

/// Action that a key triggers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Quit the program.
    Quit,
    /// Show or hide the help.
    Help,
    /// Go one step back.
    Back,
    /// Redraw the whole screen.
    Redraw,
    /// Restore the terminal, and stop until SIGCONT.
    Suspend,
    /// Toggle between fullscreen and dashboard.
    Fullscreen,
    /// Cycle through the charts in fullscreen, automatically.
    Cycle,
    /// Select the next chart.
    NextChart,
    /// Select the previous chart.
    PreviousChart,
    /// Select a chart by index from 0.
    Chart(usize),
    /// Show the data table below the charts, alone, or not.
    Table,
    /// Switch units.
    Units,
    /// Switch the theme.
    Theme,
    /// Fill the areas below lines, or not.
    Fill,
    /// Shorten the time window.
    ZoomIn,
    /// Lengthen the time window.
    ZoomOut,
    /// Zoom in on the value axis of the selected chart.
    ValueIn,
    /// Zoom out of the value axis of the selected chart.
    ValueOut,
    /// Reset all zoom, and go live.
    Reset,
    /// Ask for a time, and move the time window there.
    GoTo,
    /// Pause or resume.
    Pause,
    /// Move back in time.
    Left,
    /// Move forward in time.
    Right,
    /// Move back by one time window.
    ScreenLeft,
    /// Move forward by one time window.
    ScreenRight,
    /// Go to the oldest samples.
    Oldest,
    /// Go to the newest samples, live.
    Live,
    /// Toggle the crosshair.
    Crosshair,
    /// Set or remove the mark, the other end of the statistics.
    Mark,
    /// Scroll the statistics up.
    SeriesUp,
    /// Scroll the statistics down.
    SeriesDown,
    /// Move one sample forward.
    SampleForward,
    /// Move one sample back.
    SampleBack,
    /// Move one row up in the table, or one line up in the help.
    Up,
    /// Move one row or line down.
    Down,
    /// Scroll the table to the left.
    ColumnsLeft,
    /// Scroll the table to the right.
    ColumnsRight,
    /// Request a shorter interval.
    Faster,
    /// Request a longer interval.
    Slower,
    /// Connect at once, in the plain terminal, where ssh can ask for a password.
    AskAgain,
    /// Select the next source.
    NextSource,
    /// Select the previous source.
    PreviousSource,
    /// Compare one metric of all sources: in one chart, in a chart each, or not.
    Compare,
    /// Switch the order of the sources.
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
/// **Invariant:** each key has at most one action, and [`Key::CTRL_C`] quits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Each action with its keys. Hints show the first key.
    bindings: Vec<(Action, Vec<Key>)>,
}

impl Default for Keys {
    fn default() -> Keys {
        Keys { bindings: bindable_actions().map(|it| (it.action, it.keys.to_vec())).collect() }
    }
}

/// Conflict of two actions over one key, or a key listed twice for one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict {
    /// Index of the change at fault, from 0.
    pub(crate) change_index: usize,
    /// Index of the key in that change, from 0.
    pub(crate) key_index: usize,
    /// Key in conflict.
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
    /// [`Key::CTRL_C`] still quits.
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
                let conflict = |has, by_default| Conflict {
                    change_index,
                    key_index,
                    key: *key,
                    wanted_by: action_name(*action),
                    bound_to: action_name(has),
                    by_default,
                };
                if wanted[..key_index].contains(key) {
                    return Err(conflict(*action, false));
                }
                let holds = |(_, keys): &&(Action, Vec<Key>)| keys.contains(key);
                // The later of two conflicting changes is at fault.
                if let Some((other, _)) = changes[..change_index].iter().find(holds) {
                    return Err(conflict(*other, false));
                }
                let others = keys.bindings.iter().filter(|(other, _)| of(*other).is_none());
                if let Some((other, _)) = others.clone().find(holds) {
                    return Err(conflict(*other, true));
                }
                if *key == Key::CTRL_C && *action != Action::Quit {
                    return Err(conflict(Action::Quit, true));
                }
            }
        }
        Ok(keys)
    }

    /// Returns the action of a pressed key.
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

    #[test]
    fn default_keys_are_unique_and_parse() {
        let all: Vec<Key> = bindable_actions().flat_map(|it| it.keys).copied().collect();
        for (at, key) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(key), "{key:?} is bound twice");
            assert_eq!(key.to_string().parse(), Ok(*key));
        }
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
        let changes = [(Action::Quit, vec![Key::char('Q')]), (Action::Help, vec![])];
        let keys = Keys::with_changes(&changes).unwrap();
        let press = |key: Key| keys.bindings.iter().find(|it| it.1.contains(&key)).map(|it| it.0);
        assert_eq!(press(Key::char('Q')), Some(Action::Quit));
        assert_eq!(press(Key::CTRL_C), Some(Action::Quit));
        assert_eq!([press(Key::char('q')), press(Key::char('?'))], [None, None]);
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
        let key = Key::char;
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

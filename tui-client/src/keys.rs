//! The keys, and what they do. The one table that the loop, the help, the footer and the
//! configuration read.

mod bindings;
mod help;
mod key;

use crossterm::event::KeyEvent;

pub use bindings::{BindableAction, bindable_actions};
pub use help::{HELP_WIDTH, HELP_WIDTHS, HelpLine};
pub(crate) use help::{MOUSE_HELP, spell_arrows};
pub use key::{Key, KeyError};

/// What a user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// End the program.
    Quit,
    /// Show or leave the help.
    Help,
    /// One step back.
    Back,
    /// Draw everything anew.
    Redraw,
    /// Give the terminal back, and stop until the shell says to go on.
    Suspend,
    /// One chart over the whole screen, and back.
    Fullscreen,
    /// One chart after the other over the whole screen, by itself.
    Cycle,
    /// Choose the next chart.
    NextChart,
    /// Choose the chart before.
    PreviousChart,
    /// Choose a chart by its number, the first at 0.
    Chart(usize),
    /// The data table: below the charts, alone, off.
    Table,
    /// Other units.
    Units,
    /// Other colours.
    Theme,
    /// The areas below lines: filled or not.
    Fill,
    /// A shorter time span.
    ZoomIn,
    /// A longer time span.
    ZoomOut,
    /// Fewer values on the axis of the chosen chart.
    ValueIn,
    /// More values on it.
    ValueOut,
    /// The time span of the start, and live.
    Reset,
    /// Ask for a time, and go there.
    GoTo,
    /// Pause and resume.
    Pause,
    /// Back in time.
    Left,
    /// Forward in time.
    Right,
    /// A screen back in time.
    ScreenLeft,
    /// A screen forward in time.
    ScreenRight,
    /// The oldest samples.
    Oldest,
    /// The newest ones.
    Live,
    /// A line through all charts at one sample.
    Crosshair,
    /// The other end of a span that is measured.
    Mark,
    /// The statistics of a span, further up.
    SeriesUp,
    /// The statistics, further down.
    SeriesDown,
    /// One sample forward.
    SampleForward,
    /// One sample back.
    SampleBack,
    /// A row up in the table, or a line up in the help.
    Up,
    /// A row down.
    Down,
    /// Columns of the table further left.
    ColumnsLeft,
    /// Columns of the table further right.
    ColumnsRight,
    /// Ask the agent for a shorter interval.
    Faster,
    /// Ask it for a longer one.
    Slower,
    /// Try to connect at once, in the plain terminal.
    AskAgain,
    /// The next source.
    NextSource,
    /// The source before.
    PreviousSource,
    /// One metric of all sources: in one chart, in one for each, and back.
    Compare,
    /// The order of the sources.
    Order,
}

/// The action that is called so in a configuration.
#[must_use]
pub fn action_named(name: &str) -> Option<Action> {
    bindable_actions().find(|it| it.name == name).map(|it| it.action)
}

fn action_name(action: Action) -> &'static str {
    bindable_actions().find(|it| it.action == action).map_or("", |it| it.name)
}

/// Which key does what.
///
/// **Invariant:** each key does one thing, and [`Key::CTRL_C`] quits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Each action with its keys, the one to teach first.
    bindings: Vec<(Action, Vec<Key>)>,
}

impl Default for Keys {
    fn default() -> Keys {
        Keys { bindings: bindable_actions().map(|it| (it.action, it.keys.to_vec())).collect() }
    }
}

/// Two actions that want the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conflict {
    /// Which of the changes wants it, the first at 0.
    pub change_index: usize,
    /// Which of its keys it is.
    pub key_index: usize,
    /// The key.
    pub key: Key,
    /// The name of the action that wants it.
    pub wanted_by: &'static str,
    /// The name of the one that has it.
    pub bound_to: &'static str,
    /// Whether that one has it because nothing else was said.
    pub by_default: bool,
}

impl Keys {
    /// The usual keys, but for these actions, which have those that stand beside them and no others.
    /// [`Key::CTRL_C`] still quits.
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
                // Of two changes, the later one is at fault.
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

    /// What a key does, if anything.
    #[must_use]
    pub fn action(&self, event: KeyEvent) -> Option<Action> {
        let key = Key::from_event(event);
        let bound = self.bindings.iter().find(|(_, keys)| keys.contains(&key));
        bound.map(|(action, _)| *action)
    }

    /// The keys of an action, as people call them; the first is the one to teach.
    #[must_use]
    pub fn labels(&self, action: Action) -> Vec<String> {
        let bound = self.bindings.iter().find(|(bound, _)| *bound == action);
        bound.map_or_else(Vec::new, |(_, keys)| keys.iter().map(|key| key.label()).collect())
    }

    /// The key to teach for an action; nothing if it has none.
    #[must_use]
    pub fn label(&self, action: Action) -> String {
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
            assert!(!names[at + 1..].contains(name), "{name} stands for two");
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

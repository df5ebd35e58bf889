//! All actions and their usual keys: the one table that everything else is made from.

use crossterm::event::KeyCode;

use super::{Action, Key};

/// Keys that do one thing.
#[derive(Debug)]
pub(super) struct Binding {
    /// What the keys do; for those that choose a chart, what the first of them does.
    pub(super) action: Action,
    /// What that is called in a configuration.
    pub(super) name: &'static str,
    /// The keys, if nothing else is said; the first is the one to teach.
    pub(super) keys: &'static [Key],
    /// What they do, for the help; in braces the name of an action whose key stands there.
    pub(super) description: &'static str,
}

/// Keys that belong together in the help.
#[derive(Debug)]
pub(super) struct Section {
    /// What they are about.
    pub(super) title: &'static str,
    /// In the order of the help.
    pub(super) bindings: &'static [Binding],
}

const fn bind(
    action: Action,
    name: &'static str,
    keys: &'static [Key],
    description: &'static str,
) -> Binding {
    Binding { action, name, keys, description }
}

/// Those that choose a chart, each one.
const CHART_KEYS: &[Key] = &[
    Key::char('1'),
    Key::char('2'),
    Key::char('3'),
    Key::char('4'),
    Key::char('5'),
    Key::char('6'),
    Key::char('7'),
    Key::char('8'),
    Key::char('9'),
];

/// What choosing each of the charts is called in a configuration.
const CHART_ACTION_NAMES: [&str; CHART_KEYS.len()] = [
    "chart-1", "chart-2", "chart-3", "chart-4", "chart-5", "chart-6", "chart-7", "chart-8",
    "chart-9",
];

/// All bindings, in the order of the help.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "Program",
        bindings: &[
            bind(Action::Quit, "quit", &[Key::char('q'), Key::ctrl('c')], "quit"),
            bind(Action::Help, "help", &[Key::char('?'), Key::code(KeyCode::F(1))], "this help"),
            bind(Action::Back, "back", &[Key::code(KeyCode::Esc)], "one step back; never quits"),
            bind(Action::Redraw, "redraw", &[Key::ctrl('l')], "draw the screen anew"),
            bind(Action::Suspend, "suspend", &[Key::ctrl('z')], "suspend; fg comes back"),
        ],
    },
    Section {
        title: "Charts",
        bindings: &[
            bind(
                Action::Fullscreen,
                "fullscreen",
                &[Key::char('f'), Key::code(KeyCode::Enter), Key::code(KeyCode::F(11))],
                "one chart over the whole screen",
            ),
            bind(Action::Cycle, "cycle", &[Key::char('a')], "one after the other, by itself"),
            bind(Action::NextChart, "next-chart", &[Key::code(KeyCode::Tab)], "next chart"),
            bind(
                Action::PreviousChart,
                "previous-chart",
                &[Key::code(KeyCode::BackTab)],
                "chart before",
            ),
            bind(Action::Chart(0), "chart", CHART_KEYS, "choose a chart"),
            bind(Action::ValueIn, "value-in", &[Key::char('y')], "zoom in on values"),
            bind(Action::ValueOut, "value-out", &[Key::char('Y')], "zoom out"),
            bind(
                Action::Units,
                "units",
                &[Key::char('u')],
                "%, GHz, load; GiB, MHz, load per core",
            ),
            bind(Action::Theme, "theme", &[Key::char('C')], "colours: dark, light, mono"),
            bind(Action::Fill, "fill", &[Key::char('F')], "fill the area below lines, or not"),
        ],
    },
    Section {
        title: "Time",
        bindings: &[
            bind(Action::Pause, "pause", &[Key::char(' '), Key::char('p')], "pause, and go on"),
            bind(
                Action::ZoomIn,
                "zoom-in",
                &[Key::char('+'), Key::char('='), Key::char('x')],
                "shorter time span",
            ),
            bind(
                Action::ZoomOut,
                "zoom-out",
                &[Key::char('-'), Key::char('X')],
                "longer time span",
            ),
            bind(Action::Left, "left", &[Key::code(KeyCode::Left)], "back in time"),
            bind(Action::Right, "right", &[Key::code(KeyCode::Right)], "forward in time"),
            bind(
                Action::ScreenLeft,
                "screen-left",
                &[Key::code(KeyCode::PageUp), Key::shift(KeyCode::Left)],
                "a screen back",
            ),
            bind(
                Action::ScreenRight,
                "screen-right",
                &[Key::code(KeyCode::PageDown), Key::shift(KeyCode::Right)],
                "a screen forward",
            ),
            bind(Action::Oldest, "oldest", &[Key::code(KeyCode::Home)], "oldest samples"),
            bind(Action::Live, "live", &[Key::code(KeyCode::End)], "newest samples, live"),
            bind(Action::GoTo, "go-to", &[Key::char('g')], "go to a time that is typed: 03:12"),
            bind(Action::Reset, "reset", &[Key::char('0')], "reset zoom, go live"),
        ],
    },
    Section {
        title: "Cursor",
        bindings: &[
            bind(
                Action::Crosshair,
                "cursor",
                &[Key::char('c')],
                "on and off; {left} {right} move it",
            ),
            bind(Action::Mark, "mark", &[Key::char('m')], "mark; measures from here to the cursor"),
            bind(
                Action::SeriesUp,
                "series-up",
                &[Key::char('K'), Key::shift(KeyCode::Up)],
                "scroll what is measured up",
            ),
            bind(
                Action::SeriesDown,
                "series-down",
                &[Key::char('J'), Key::shift(KeyCode::Down)],
                "scroll it down",
            ),
            bind(Action::SampleForward, "sample-forward", &[Key::char('t')], "one sample forward"),
            bind(Action::SampleBack, "sample-back", &[Key::char('T')], "one sample back"),
        ],
    },
    Section {
        title: "Table",
        bindings: &[
            bind(Action::Table, "table", &[Key::char('d')], "below the charts, alone, off"),
            bind(Action::Up, "up", &[Key::code(KeyCode::Up), Key::char('k')], "earlier rows"),
            bind(Action::Down, "down", &[Key::code(KeyCode::Down), Key::char('j')], "later rows"),
            bind(
                Action::ColumnsLeft,
                "columns-left",
                &[Key::char('<'), Key::char('h')],
                "columns to the left",
            ),
            bind(
                Action::ColumnsRight,
                "columns-right",
                &[Key::char('>'), Key::char('l')],
                "columns to the right",
            ),
        ],
    },
    Section {
        title: "Source",
        bindings: &[
            bind(Action::Faster, "faster", &[Key::char('[')], "ask for a shorter interval"),
            bind(Action::Slower, "slower", &[Key::char(']')], "ask for a longer one"),
            bind(Action::AskAgain, "ask-again", &[Key::char('r')], "let ssh ask for a password"),
            bind(Action::NextSource, "next-source", &[Key::char('n')], "next source"),
            bind(Action::PreviousSource, "previous-source", &[Key::char('N')], "source before"),
        ],
    },
];

/// The bindings that take several sources: they do nothing with one, and its help is without them.
pub(super) const SEVERAL_SOURCES: Section = Section {
    title: "Several sources",
    bindings: &[
        bind(
            Action::Compare,
            "compare",
            &[Key::char('v')],
            "one metric of all: in one chart, apart",
        ),
        bind(Action::Order, "order", &[Key::char('o')], "as given, or the hottest first"),
    ],
};

/// An action that keys can be bound to.
#[derive(Debug, Clone, Copy)]
pub struct BindableAction {
    /// What it is.
    pub action: Action,
    /// What it is called in a configuration.
    pub name: &'static str,
    /// The keys that it has if nothing else is said.
    pub keys: &'static [Key],
    /// The section of the help in which it stands.
    pub section: &'static str,
    /// What it does, as the help says it.
    pub description: &'static str,
}

/// All that keys can be bound to, in the order of the help.
pub fn bindable_actions() -> impl Iterator<Item = BindableAction> {
    SECTIONS.iter().chain([&SEVERAL_SOURCES]).flat_map(|section| {
        section.bindings.iter().flat_map(|binding| {
            let Binding { action, name, keys, description: does } = *binding;
            let whole =
                BindableAction { action, name, keys, section: section.title, description: does };
            let is_chart = matches!(action, Action::Chart(_));
            (0..if is_chart { CHART_ACTION_NAMES.len() } else { 1 }).map(move |at| match action {
                Action::Chart(_) => BindableAction {
                    action: Action::Chart(at),
                    name: CHART_ACTION_NAMES[at],
                    keys: &keys[at..=at],
                    ..whole
                },
                _ => whole,
            })
        })
    })
}

//! Table of all actions with their default keys and descriptions.

use crossterm::event::KeyCode;

use super::{Action, Key};

/// Action with its default keys.
#[derive(Debug)]
pub(super) struct Binding {
    /// Action of the keys. `Chart(0)` means all charts.
    pub(super) action: Action,
    /// Name in the configuration.
    pub(super) name: &'static str,
    /// Default keys. Hints show the first.
    pub(super) keys: &'static [Key],
    /// Description for the help. `{NAME}` is replaced with the key of that action.
    pub(super) description: &'static str,
}

/// Section of the help.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: &'static str,
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

/// Default keys to select a chart, one for each chart.
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

/// Names in the configuration of the actions that select a chart.
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
            bind(Action::Back, "back", &[Key::code(KeyCode::Esc)], "go back; never quits"),
            bind(Action::Redraw, "redraw", &[Key::ctrl('l')], "redraw the screen"),
            bind(Action::Suspend, "suspend", &[Key::ctrl('z')], "suspend; resume with fg"),
        ],
    },
    Section {
        title: "Charts",
        bindings: &[
            bind(
                Action::Fullscreen,
                "fullscreen",
                &[Key::char('f'), Key::code(KeyCode::Enter), Key::code(KeyCode::F(11))],
                "fullscreen chart on or off",
            ),
            bind(Action::Cycle, "cycle", &[Key::char('a')], "cycle through the charts"),
            bind(Action::NextChart, "next-chart", &[Key::code(KeyCode::Tab)], "next chart"),
            bind(
                Action::PreviousChart,
                "previous-chart",
                &[Key::code(KeyCode::BackTab)],
                "previous chart",
            ),
            bind(Action::Chart(0), "chart", CHART_KEYS, "select a chart"),
            bind(Action::ValueIn, "value-in", &[Key::char('y')], "zoom the value axis in"),
            bind(Action::ValueOut, "value-out", &[Key::char('Y')], "zoom the value axis out"),
            bind(
                Action::Units,
                "units",
                &[Key::char('u')],
                "switch units: GiB, MHz, load per core",
            ),
            bind(Action::Theme, "theme", &[Key::char('C')], "switch theme: dark, light, mono"),
            bind(Action::Fill, "fill", &[Key::char('F')], "fill below lines on or off"),
        ],
    },
    Section {
        title: "Time",
        bindings: &[
            bind(Action::Pause, "pause", &[Key::char(' '), Key::char('p')], "pause or resume"),
            bind(
                Action::ZoomIn,
                "zoom-in",
                &[Key::char('+'), Key::char('='), Key::char('x')],
                "shorter time window",
            ),
            bind(
                Action::ZoomOut,
                "zoom-out",
                &[Key::char('-'), Key::char('X')],
                "longer time window",
            ),
            bind(Action::Left, "left", &[Key::code(KeyCode::Left)], "back in time"),
            bind(Action::Right, "right", &[Key::code(KeyCode::Right)], "forward in time"),
            bind(
                Action::ScreenLeft,
                "screen-left",
                &[Key::code(KeyCode::PageUp), Key::shift(KeyCode::Left)],
                "one screen back",
            ),
            bind(
                Action::ScreenRight,
                "screen-right",
                &[Key::code(KeyCode::PageDown), Key::shift(KeyCode::Right)],
                "one screen forward",
            ),
            bind(Action::Oldest, "oldest", &[Key::code(KeyCode::Home)], "oldest samples"),
            bind(Action::Live, "live", &[Key::code(KeyCode::End)], "newest samples, live"),
            bind(Action::GoTo, "go-to", &[Key::char('g')], "go to a time, for example 03:12"),
            bind(Action::Reset, "reset", &[Key::char('0')], "reset zoom and go live"),
        ],
    },
    Section {
        title: "Crosshair",
        bindings: &[
            bind(
                Action::Crosshair,
                "cursor",
                &[Key::char('c')],
                "show or hide; {left} {right} move it",
            ),
            bind(Action::Mark, "mark", &[Key::char('m')], "mark; statistics up to the crosshair"),
            bind(
                Action::SeriesUp,
                "series-up",
                &[Key::char('K'), Key::shift(KeyCode::Up)],
                "scroll the statistics up",
            ),
            bind(
                Action::SeriesDown,
                "series-down",
                &[Key::char('J'), Key::shift(KeyCode::Down)],
                "scroll the statistics down",
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
                "scroll columns left",
            ),
            bind(
                Action::ColumnsRight,
                "columns-right",
                &[Key::char('>'), Key::char('l')],
                "scroll columns right",
            ),
        ],
    },
    Section {
        title: "Source",
        bindings: &[
            bind(Action::Faster, "faster", &[Key::char('[')], "request a shorter interval"),
            bind(Action::Slower, "slower", &[Key::char(']')], "request a longer interval"),
            bind(Action::AskAgain, "ask-again", &[Key::char('r')], "let ssh ask for a password"),
            bind(Action::NextSource, "next-source", &[Key::char('n')], "next source"),
            bind(Action::PreviousSource, "previous-source", &[Key::char('N')], "previous source"),
        ],
    },
];

/// Bindings for several sources. With one source, they do nothing and the help omits them.
pub(super) const SEVERAL_SOURCES: Section = Section {
    title: "Several sources",
    bindings: &[
        bind(Action::Compare, "compare", &[Key::char('v')], "compare one metric of all sources"),
        bind(Action::Order, "order", &[Key::char('o')], "sort as given, or hottest first"),
    ],
};

/// Action that keys can be bound to.
#[derive(Debug, Clone, Copy)]
pub struct BindableAction {
    /// Action.
    pub(crate) action: Action,
    /// Name in the configuration.
    pub name: &'static str,
    /// Default keys.
    pub keys: &'static [Key],
    /// Title of its section in the help.
    pub(crate) section: &'static str,
    /// Description for the help.
    pub description: &'static str,
}

/// Returns all actions that keys can be bound to, in the order of the help.
pub fn bindable_actions() -> impl Iterator<Item = BindableAction> {
    SECTIONS.iter().chain([&SEVERAL_SOURCES]).flat_map(|section| {
        section.bindings.iter().flat_map(|binding| {
            let Binding { action, name, keys, description } = *binding;
            let whole = BindableAction { action, name, keys, section: section.title, description };
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

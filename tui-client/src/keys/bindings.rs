//! Table of all actions with their default keys and descriptions.

use super::{Action, Key};

/// Action that keys can be bound to.
#[derive(Debug, Clone, Copy)]
pub struct BindableAction {
    pub(crate) action: Action,
    /// Name in the configuration.
    pub name: &'static str,
    /// Default keys as in the configuration, with spaces between them.
    pub(super) keys: &'static str,
    /// Description for the help. `{NAME}` is replaced with the key of that action.
    pub description: &'static str,
}

/// Section of the help.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) actions: &'static [BindableAction],
}

const fn bind(
    action: Action,
    name: &'static str,
    keys: &'static str,
    description: &'static str,
) -> BindableAction {
    BindableAction { action, name, keys, description }
}

/// All actions, in the order of the help.
pub(crate) const SECTIONS: &[Section] = &[
    Section {
        title: "Program",
        actions: &[
            bind(Action::Quit, "quit", "q ctrl-c", "quit"),
            bind(Action::Help, "help", "? f1", "this help"),
            bind(Action::Back, "back", "esc", "go back; never quits"),
            bind(Action::Redraw, "redraw", "ctrl-l", "redraw the screen"),
            bind(Action::Suspend, "suspend", "ctrl-z", "suspend; resume with fg"),
        ],
    },
    Section {
        title: "Charts",
        actions: &[
            bind(Action::Fullscreen, "fullscreen", "f enter f11", "fullscreen chart on or off"),
            bind(Action::Cycle, "cycle", "a", "cycle through the charts"),
            bind(Action::NextChart, "next-chart", "tab", "next chart"),
            bind(Action::PreviousChart, "previous-chart", "shift-tab", "previous chart"),
            bind(Action::Chart(0), "chart-1", "1", CHART),
            bind(Action::Chart(1), "chart-2", "2", CHART),
            bind(Action::Chart(2), "chart-3", "3", CHART),
            bind(Action::Chart(3), "chart-4", "4", CHART),
            bind(Action::Chart(4), "chart-5", "5", CHART),
            bind(Action::Chart(5), "chart-6", "6", CHART),
            bind(Action::Chart(6), "chart-7", "7", CHART),
            bind(Action::Chart(7), "chart-8", "8", CHART),
            bind(Action::Chart(8), "chart-9", "9", CHART),
            bind(Action::ValueIn, "value-in", "y", "zoom the value axis in"),
            bind(Action::ValueOut, "value-out", "Y", "zoom the value axis out"),
            bind(Action::Units, "units", "u", "switch units: GiB, MHz, load per core"),
            bind(Action::Theme, "theme", "C", "switch theme: dark, light, mono"),
            bind(Action::Fill, "fill", "F", "fill below lines on or off"),
        ],
    },
    Section {
        title: "Time",
        actions: &[
            bind(Action::Pause, "pause", "space p", "pause or resume"),
            bind(Action::ZoomIn, "zoom-in", "+ = x", "shorter time window"),
            bind(Action::ZoomOut, "zoom-out", "- X", "longer time window"),
            bind(Action::Left, "left", "left", "back in time"),
            bind(Action::Right, "right", "right", "forward in time"),
            bind(Action::ScreenLeft, "screen-left", "pgup shift-left", "one screen back"),
            bind(Action::ScreenRight, "screen-right", "pgdn shift-right", "one screen forward"),
            bind(Action::Oldest, "oldest", "home", "oldest samples"),
            bind(Action::Live, "live", "end", "newest samples, live"),
            bind(Action::GoTo, "go-to", "g", "go to a time, for example 03:12"),
            bind(Action::Reset, "reset", "0", "reset zoom and go live"),
        ],
    },
    Section {
        title: "Crosshair",
        actions: &[
            bind(Action::Crosshair, "cursor", "c", "show or hide; {left} {right} move it"),
            bind(Action::Mark, "mark", "m", "mark; statistics up to the crosshair"),
            bind(Action::SeriesUp, "series-up", "K shift-up", "scroll the statistics up"),
            bind(Action::SeriesDown, "series-down", "J shift-down", "scroll the statistics down"),
            bind(Action::SampleForward, "sample-forward", "t", "one sample forward"),
            bind(Action::SampleBack, "sample-back", "T", "one sample back"),
        ],
    },
    Section {
        title: "Table",
        actions: &[
            bind(Action::Table, "table", "d", "below the charts, alone, off"),
            bind(Action::Processes, "processes", "w", "processes, or the samples again"),
            bind(Action::Order, "order", "o", "sort processes; sources: hottest first"),
            bind(Action::Up, "up", "up k", "earlier rows"),
            bind(Action::Down, "down", "down j", "later rows"),
            bind(Action::ColumnsLeft, "columns-left", "< h", "scroll columns left"),
            bind(Action::ColumnsRight, "columns-right", "> l", "scroll columns right"),
        ],
    },
    Section {
        title: "Source",
        actions: &[
            bind(Action::Faster, "faster", "[", "request a shorter interval"),
            bind(Action::Slower, "slower", "]", "request a longer interval"),
            bind(Action::AskAgain, "ask-again", "r", "let ssh ask for a password"),
            bind(Action::NextSource, "next-source", "n", "next source"),
            bind(Action::PreviousSource, "previous-source", "N", "previous source"),
        ],
    },
    // With one source, these actions do nothing and the help omits them.
    Section {
        title: SEVERAL_SOURCES,
        actions: &[bind(Action::Compare, "compare", "v", "compare one metric of all sources")],
    },
];

pub(super) const SEVERAL_SOURCES: &str = "Several sources";

/// Description of the actions that select a chart. The help lists their keys on one line.
const CHART: &str = "select a chart";

/// Returns all actions that keys can be bound to, in the order of the help.
pub fn bindable_actions() -> impl Iterator<Item = &'static BindableAction> {
    SECTIONS.iter().flat_map(|section| section.actions)
}

impl BindableAction {
    /// Returns the default keys. Hints show the first.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        // A test checks that all of them are valid.
        self.keys.split(' ').filter_map(|key| key.parse().ok())
    }
}

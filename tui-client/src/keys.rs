//! The keys, and what they do. The one table that the loop, the help and the footer read.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

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
    Cursor,
    /// The other end of a span that is measured.
    Mark,
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

/// A key, as a binding names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Char(char),
    Ctrl(char),
    Shift(KeyCode),
    Code(KeyCode),
    /// `1` to `9`.
    Digit,
}

/// Keys that do one thing.
#[derive(Debug)]
pub struct Binding {
    keys: &'static [Key],
    /// What the keys do; for the digits, what the first of them does.
    pub action: Action,
    /// The keys as people call them; the first is the one to teach.
    pub names: &'static [&'static str],
    /// What they do, for the help.
    pub does: &'static str,
}

/// Keys that belong together in the help.
#[derive(Debug)]
pub struct Section {
    /// What they are about.
    pub title: &'static str,
    /// In the order of the help.
    pub bindings: &'static [Binding],
}

const fn bind(
    action: Action,
    keys: &'static [Key],
    names: &'static [&'static str],
    does: &'static str,
) -> Binding {
    Binding { keys, action, names, does }
}

use Key::{Char, Code, Ctrl, Digit, Shift};

/// All bindings, in the order of the help.
pub const SECTIONS: &[Section] = &[
    Section {
        title: "Program",
        bindings: &[
            bind(Action::Quit, &[Char('q'), Ctrl('c')], &["q", "Ctrl-C"], "quit"),
            bind(Action::Help, &[Char('?'), Code(KeyCode::F(1))], &["?", "F1"], "this help"),
            bind(Action::Back, &[Code(KeyCode::Esc)], &["Esc"], "one step back; never quits"),
            bind(Action::Redraw, &[Ctrl('l')], &["Ctrl-L"], "draw the screen anew"),
            bind(Action::Suspend, &[Ctrl('z')], &["Ctrl-Z"], "suspend; fg comes back"),
        ],
    },
    Section {
        title: "Charts",
        bindings: &[
            bind(
                Action::Fullscreen,
                &[Char('f'), Code(KeyCode::Enter), Code(KeyCode::F(11))],
                &["f", "Enter", "F11"],
                "one chart over the whole screen",
            ),
            bind(Action::Cycle, &[Char('a')], &["a"], "one after the other, by itself"),
            bind(Action::NextChart, &[Code(KeyCode::Tab)], &["Tab"], "next chart"),
            bind(Action::PreviousChart, &[Code(KeyCode::BackTab)], &["Shift-Tab"], "chart before"),
            bind(Action::Chart(0), &[Digit], &["1-9"], "choose a chart"),
            bind(Action::ValueIn, &[Char('y')], &["y"], "zoom in on values"),
            bind(Action::ValueOut, &[Char('Y')], &["Y"], "zoom out"),
            bind(Action::Units, &[Char('u')], &["u"], "%, GHz, load; GiB, MHz, load per core"),
            bind(Action::Theme, &[Char('C')], &["C"], "colours: dark, light, mono"),
        ],
    },
    Section {
        title: "Time",
        bindings: &[
            bind(Action::Pause, &[Char(' '), Char('p')], &["Space", "p"], "pause, and go on"),
            bind(
                Action::ZoomIn,
                &[Char('+'), Char('='), Char('x')],
                &["+", "=", "x"],
                "shorter time span",
            ),
            bind(Action::ZoomOut, &[Char('-'), Char('X')], &["-", "X"], "longer time span"),
            bind(Action::Left, &[Code(KeyCode::Left)], &["←"], "back in time"),
            bind(Action::Right, &[Code(KeyCode::Right)], &["→"], "forward in time"),
            bind(
                Action::ScreenLeft,
                &[Code(KeyCode::PageUp), Shift(KeyCode::Left)],
                &["PgUp", "Shift-←"],
                "a screen back",
            ),
            bind(
                Action::ScreenRight,
                &[Code(KeyCode::PageDown), Shift(KeyCode::Right)],
                &["PgDn", "Shift-→"],
                "a screen forward",
            ),
            bind(Action::Oldest, &[Code(KeyCode::Home)], &["Home"], "oldest samples"),
            bind(Action::Live, &[Code(KeyCode::End)], &["End"], "newest samples, live"),
            bind(Action::Reset, &[Char('0')], &["0"], "reset zoom, go live"),
        ],
    },
    Section {
        title: "Cursor",
        bindings: &[
            bind(Action::Cursor, &[Char('c')], &["c"], "on and off; ← → move it"),
            bind(Action::Mark, &[Char('m')], &["m"], "mark; measures from here to the cursor"),
            bind(Action::SampleForward, &[Char('t')], &["t"], "one sample forward"),
            bind(Action::SampleBack, &[Char('T')], &["T"], "one sample back"),
        ],
    },
    Section {
        title: "Table",
        bindings: &[
            bind(Action::Table, &[Char('d')], &["d"], "below the charts, alone, off"),
            bind(Action::Up, &[Code(KeyCode::Up), Char('k')], &["↑", "k"], "earlier rows"),
            bind(Action::Down, &[Code(KeyCode::Down), Char('j')], &["↓", "j"], "later rows"),
            bind(Action::ColumnsLeft, &[Char('<'), Char('h')], &["<", "h"], "columns to the left"),
            bind(
                Action::ColumnsRight,
                &[Char('>'), Char('l')],
                &[">", "l"],
                "columns to the right",
            ),
        ],
    },
    Section {
        title: "Source",
        bindings: &[
            bind(Action::Faster, &[Char('[')], &["["], "ask for a shorter interval"),
            bind(Action::Slower, &[Char(']')], &["]"], "ask for a longer one"),
            bind(Action::AskAgain, &[Char('r')], &["r"], "let ssh ask for a password"),
            bind(Action::NextSource, &[Char('n')], &["n"], "next source"),
            bind(Action::PreviousSource, &[Char('N')], &["N"], "source before"),
        ],
    },
];

/// The bindings that take several sources: they do nothing with one, and its help is without them.
pub const SEVERAL: Section = Section {
    title: "Several sources",
    bindings: &[
        bind(Action::Compare, &[Char('v')], &["v"], "one metric of all: in one chart, apart"),
        bind(Action::Order, &[Char('o')], &["o"], "as given, or the hottest first"),
    ],
};

/// What other keys do where there is a line for each source, for the help.
const LINES: &[(&str, &str)] =
    &[("↑ ↓, k j", "choose one; PgUp PgDn a page"), ("Enter, f", "open it; Esc leads back")];

/// What the mouse does, for the help.
pub const MOUSE: &[(&str, &str)] = &[
    ("click", "choose a chart, set the cursor"),
    ("wheel", "zoom time; scroll the table"),
    ("drag", "pan"),
    ("right drag", "zoom to the span"),
];

/// Sections in the left one of two columns: about half of the lines.
const LEFT: usize = 3;

/// A line of the help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelpLine {
    /// Nothing.
    Blank,
    /// What the keys below are about.
    Title(&'static str),
    /// The keys, and what they do.
    Keys(String, &'static str),
}

/// Columns of the screen that the keys take in the help, and what they do.
pub const HELP_WIDTHS: (usize, usize) = (13, 38);

/// Columns that a column of the help takes, its margins included.
pub const HELP_WIDTH: u16 = (HELP_WIDTHS.0 + HELP_WIDTHS.1) as u16 + 4;

/// The help, in one column, or in two where they have room side by side; for one source or for
/// several.
#[must_use]
pub fn help(width: u16, several: bool) -> Vec<Vec<HelpLine>> {
    let keys = |binding: &Binding| HelpLine::Keys(binding.names.join(", "), binding.does);
    let mut sections: Vec<Vec<HelpLine>> = SECTIONS
        .iter()
        .map(|section| {
            let bindings = section.bindings.iter().map(keys);
            std::iter::once(HelpLine::Title(section.title)).chain(bindings).collect()
        })
        .collect();
    if several {
        let lines = LINES.iter().map(|(keys, does)| HelpLine::Keys((*keys).to_owned(), does));
        let bindings = SEVERAL.bindings.iter().map(keys);
        let title = std::iter::once(HelpLine::Title(SEVERAL.title));
        sections.push(title.chain(lines).chain(bindings).collect());
    }
    let mouse = MOUSE.iter().map(|(what, does)| HelpLine::Keys((*what).to_owned(), does));
    sections.push(std::iter::once(HelpLine::Title("Mouse")).chain(mouse).collect());
    let right = if width >= 2 * HELP_WIDTH + 2 { sections.split_off(LEFT) } else { Vec::new() };
    let columns = [sections, right].into_iter().filter(|column| !column.is_empty());
    columns.map(|column| column.join(&HelpLine::Blank)).collect()
}

fn bindings() -> impl Iterator<Item = &'static Binding> {
    SECTIONS.iter().chain([&SEVERAL]).flat_map(|section| section.bindings)
}

/// What a key does, if anything.
#[must_use]
pub fn action(event: KeyEvent) -> Option<Action> {
    bindings().find_map(|binding| {
        let key = binding.keys.iter().find(|key| key.matches(event))?;
        match (key, event.code) {
            (Key::Digit, KeyCode::Char(digit)) => {
                Some(Action::Chart(digit as usize - '1' as usize))
            }
            _ => Some(binding.action),
        }
    })
}

/// The key to teach for an action.
#[must_use]
pub fn name(action: Action) -> &'static str {
    let binding = bindings().find(|binding| binding.action == action);
    binding.and_then(|binding| binding.names.first()).copied().unwrap_or("")
}

impl Key {
    fn matches(self, event: KeyEvent) -> bool {
        let held = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
        let is_shifted = event.modifiers.contains(KeyModifiers::SHIFT);
        match (self, event.code) {
            (Key::Ctrl(key), KeyCode::Char(c)) => {
                held == KeyModifiers::CONTROL && key == c.to_ascii_lowercase()
            }
            _ if !held.is_empty() => false,
            (Key::Char(key), KeyCode::Char(c)) => key == c,
            (Key::Digit, KeyCode::Char(c)) => ('1'..='9').contains(&c),
            (Key::Shift(key), code) => is_shifted && key == code,
            // Terminals tell BackTab with and without the shift.
            (Key::Code(key), code) => key == code && (!is_shifted || key == KeyCode::BackTab),
            (Key::Char(_) | Key::Ctrl(_) | Key::Digit, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_does_one_thing() {
        let all: Vec<Key> = bindings().flat_map(|binding| binding.keys).copied().collect();
        for (at, key) in all.iter().enumerate() {
            assert!(!all[at + 1..].contains(key), "{key:?} is bound twice");
        }
    }

    #[test]
    fn each_binding_names_its_keys() {
        for binding in bindings() {
            assert_eq!(binding.keys.len(), binding.names.len().max(1), "{:?}", binding.action);
            assert!(!name(binding.action).is_empty());
        }
    }

    #[test]
    fn keys_are_told_apart_by_what_is_held_with_them() {
        let press = |code, held| action(KeyEvent::new(code, held));
        assert_eq!(press(KeyCode::Char('q'), KeyModifiers::NONE), Some(Action::Quit));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Action::Quit));
        assert_eq!(press(KeyCode::Char('c'), KeyModifiers::NONE), Some(Action::Cursor));
        assert_eq!(press(KeyCode::Char('q'), KeyModifiers::ALT), None);
        assert_eq!(press(KeyCode::Char('?'), KeyModifiers::SHIFT), Some(Action::Help));
        assert_eq!(press(KeyCode::Char('Y'), KeyModifiers::SHIFT), Some(Action::ValueOut));
        assert_eq!(press(KeyCode::BackTab, KeyModifiers::SHIFT), Some(Action::PreviousChart));
        assert_eq!(press(KeyCode::Char('3'), KeyModifiers::NONE), Some(Action::Chart(2)));
        assert_eq!(press(KeyCode::Char('0'), KeyModifiers::NONE), Some(Action::Reset));
        assert_eq!(press(KeyCode::Left, KeyModifiers::NONE), Some(Action::Left));
        assert_eq!(press(KeyCode::Left, KeyModifiers::SHIFT), Some(Action::ScreenLeft));
    }

    #[test]
    fn the_help_has_room_for_every_key() {
        for column in help(0, true).into_iter().chain(help(200, true)) {
            for line in column {
                let HelpLine::Keys(names, does) = line else { continue };
                assert!(names.chars().count() <= HELP_WIDTHS.0, "{names}");
                assert!(does.chars().count() <= HELP_WIDTHS.1, "{does}");
            }
        }
        let lines = |width| help(width, true).iter().map(Vec::len).collect::<Vec<_>>();
        let (narrow, wide) = (lines(80), lines(120));
        assert_eq!((narrow.len(), wide.len()), (1, 2));
        assert!(wide[0].max(wide[1]) <= 34, "all of it stands on a screen of 120x36: {wide:?}");
    }
}

//! Colours and signs. Never a background: what is behind the text is the terminal's own.

mod own;

use malevich::{Charset, Color as Ink};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

use crate::thresholds::Level;
pub use own::{LINES, Own};

/// How the screen looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// The colours.
    pub palette: Palette,
    /// How many of them the terminal has.
    pub depth: Depth,
    /// Whether there may be colours at all.
    pub colour: bool,
    /// Whether only ASCII may be drawn.
    pub ascii: bool,
    /// Colours in place of those of a palette.
    pub own: Own,
}

/// A set of colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Palette {
    /// For a dark background.
    #[default]
    Dark,
    /// For a light background.
    Light,
    /// None: bold, faint, reverse and broken lines instead.
    Mono,
}

/// How many colours a terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The sixteen of its own theme.
    Sixteen,
    /// Any that can be named.
    Truecolor,
}

/// What colours are for.
#[derive(Debug, Clone, Copy)]
struct Colours {
    /// The lines of a chart, in their order.
    lines: [Color; LINES],
    faint: Color,
    good: Color,
    /// `None` where the sixteen have none that can be read there: reverse alone says it.
    warning: Option<Color>,
    alarm: Color,
}

const DARK_16: Colours = Colours {
    lines: [
        Color::Cyan,
        Color::Yellow,
        Color::Magenta,
        Color::Green,
        Color::LightBlue,
        Color::LightRed,
    ],
    faint: Color::DarkGray,
    good: Color::Green,
    warning: Some(Color::Yellow),
    alarm: Color::Red,
};

const LIGHT_16: Colours = Colours {
    lines: [Color::Blue, Color::Magenta, Color::Green, Color::Red, Color::Cyan, Color::DarkGray],
    faint: Color::DarkGray,
    good: Color::Green,
    warning: None,
    alarm: Color::Red,
};

const DARK: Colours = Colours {
    lines: [
        Color::Rgb(0x4f, 0xc3, 0xd9),
        Color::Rgb(0xe3, 0xb3, 0x41),
        Color::Rgb(0xc7, 0x8d, 0xea),
        Color::Rgb(0x7f, 0xc9, 0x6b),
        Color::Rgb(0x6c, 0xa4, 0xf8),
        Color::Rgb(0xef, 0x7a, 0x6d),
    ],
    faint: Color::Rgb(0x80, 0x88, 0x92),
    good: Color::Rgb(0x7f, 0xc9, 0x6b),
    warning: Some(Color::Rgb(0xe3, 0xb3, 0x41)),
    alarm: Color::Rgb(0xef, 0x6b, 0x6b),
};

const LIGHT: Colours = Colours {
    lines: [
        Color::Rgb(0x0b, 0x6e, 0x99),
        Color::Rgb(0xa8, 0x5a, 0x00),
        Color::Rgb(0x8a, 0x2f, 0xc0),
        Color::Rgb(0x2c, 0x7a, 0x2c),
        Color::Rgb(0x1d, 0x55, 0xc9),
        Color::Rgb(0xc0, 0x32, 0x2b),
    ],
    faint: Color::Rgb(0x6e, 0x75, 0x7d),
    good: Color::Rgb(0x2c, 0x7a, 0x2c),
    warning: Some(Color::Rgb(0xa8, 0x5a, 0x00)),
    alarm: Color::Rgb(0xc0, 0x32, 0x2b),
};

/// How many levels of heat are told apart.
pub const HEAT_LEVELS: usize = 5;

impl Colours {
    fn of(palette: Palette, depth: Depth) -> Option<&'static Colours> {
        match (palette, depth) {
            (Palette::Mono, _) => None,
            (Palette::Dark, Depth::Sixteen) => Some(&DARK_16),
            (Palette::Dark, Depth::Truecolor) => Some(&DARK),
            (Palette::Light, Depth::Sixteen) => Some(&LIGHT_16),
            (Palette::Light, Depth::Truecolor) => Some(&LIGHT),
        }
    }
}

/// The signs of axes and rules.
#[derive(Debug, Clone, Copy)]
pub struct Signs {
    pub(crate) horizontal: char,
    pub(crate) vertical: char,
    pub(crate) corner: char,
    pub(crate) tick_left: char,
    pub(crate) tick_down: char,
    /// A value that others are compared with.
    pub(crate) reference: char,
    /// A line at a time that was pointed out.
    pub(crate) upright: char,
    /// A value that lies above the chart.
    pub(crate) above: char,
    /// A value that lies below the chart.
    pub(crate) below: char,
    /// A pixel of a large digit.
    pub(crate) block: char,
}

impl Theme {
    /// Finds out what the terminal can show. `colour` is whether there may be colours, if the user said
    /// so, and `palette` what the user asked for; `variable` gives the variables of the environment.
    #[must_use]
    pub fn detect(
        colour: Option<bool>,
        palette: Option<Palette>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Theme {
        let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
        // Without a word about it, a terminal of today understands UTF-8.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set);
        let utf8 = locale.is_none_or(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        let term = variable("TERM").unwrap_or_default();
        let is_true = set(&"COLORTERM").is_some_and(|it| it == "truecolor" || it == "24bit");
        Theme {
            palette: palette.unwrap_or_default(),
            depth: if is_true { Depth::Truecolor } else { Depth::Sixteen },
            colour: colour.unwrap_or(term != "dumb"),
            ascii: !utf8 || matches!(term.as_str(), "linux" | "dumb"),
            own: Own::NONE,
        }
    }

    /// The next palette; without colours there is but one.
    #[must_use]
    pub fn next(self) -> Theme {
        let palette = match self.palette {
            Palette::Dark => Palette::Light,
            Palette::Light => Palette::Mono,
            Palette::Mono => Palette::Dark,
        };
        Theme { palette, ..self }
    }

    fn colours(self) -> Option<Colours> {
        let colours = Colours::of(self.palette, self.depth).filter(|_| self.colour)?;
        Some(self.own.instead_of(self.palette, colours))
    }

    /// Whether nothing is told by colour.
    #[must_use]
    pub fn is_mono(self) -> bool {
        self.colours().is_none()
    }

    /// The colour of a line of a chart, for the chart; grey if what it shows is not fresh.
    #[must_use]
    pub fn ink(self, line: usize, fresh: bool) -> Ink {
        self.colours().map_or(Ink::Default, |colours| {
            let colour =
                if fresh { colours.lines[line % colours.lines.len()] } else { colours.faint };
            ink(colour)
        })
    }

    /// The style of what is written of a line of a chart.
    #[must_use]
    pub fn line(self, line: usize, fresh: bool) -> Style {
        if !fresh {
            return self.faint();
        }
        self.fg(|colours| Some(colours.lines[line % colours.lines.len()]))
    }

    /// The style of a level of heat, the coldest at 0; its sign alone tells it, too.
    #[must_use]
    pub fn heat(self, level: usize, fresh: bool) -> Style {
        match level {
            _ if !fresh => self.faint(),
            0 => self.faint(),
            1 => self.fg(|colours| Some(colours.good)),
            2 => self.fg(|colours| Some(colours.lines[0])),
            3 => self.fg(|colours| Some(colours.warning.unwrap_or(colours.lines[1]))),
            _ => self.fg(|colours| Some(colours.alarm)),
        }
    }

    /// What frames and explains.
    #[must_use]
    pub fn faint(self) -> Style {
        match self.colours() {
            Some(colours) => Style::new().fg(colours.faint),
            None => Style::new().add_modifier(Modifier::DIM),
        }
    }

    /// What catches the eye.
    #[must_use]
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is pointed at.
    #[must_use]
    pub fn pointed(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// All is well.
    #[must_use]
    pub fn good(self) -> Style {
        self.fg(|colours| Some(colours.good)).add_modifier(Modifier::BOLD)
    }

    /// Something is not as it should be.
    #[must_use]
    pub fn warning(self) -> Style {
        self.fg(|colours| colours.warning).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    /// Something is broken.
    #[must_use]
    pub fn alarm(self) -> Style {
        self.fg(|colours| Some(colours.alarm)).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    /// What is written of a value that is worth a look, instead of `calm`.
    #[must_use]
    pub fn level(self, level: Level, calm: Style) -> Style {
        match (level, self.colours().and_then(|colours| colours.warning)) {
            (Level::Calm, _) => calm,
            (Level::Warn, Some(colour)) => Style::new().fg(colour).add_modifier(Modifier::BOLD),
            (Level::Warn, None) => calm.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            (Level::Critical, _) => self.alarm(),
        }
    }

    fn fg(self, colour: impl Fn(&Colours) -> Option<Color>) -> Style {
        self.colours()
            .and_then(|colours| colour(&colours))
            .map_or(Style::new(), |colour| Style::new().fg(colour))
    }

    /// The dots of a chart.
    #[must_use]
    pub fn charset(self) -> Charset {
        if self.ascii { Charset::Ascii } else { Charset::Braille }
    }

    /// The signs of axes and rules.
    #[must_use]
    pub fn signs(self) -> Signs {
        if self.ascii {
            Signs {
                horizontal: '-',
                vertical: '|',
                corner: '+',
                tick_left: '+',
                tick_down: '+',
                reference: '-',
                upright: '|',
                above: '^',
                below: 'v',
                block: '#',
            }
        } else {
            Signs {
                horizontal: '─',
                vertical: '│',
                corner: '└',
                tick_left: '┤',
                tick_down: '┬',
                reference: '╌',
                upright: '│',
                above: '▲',
                below: '▼',
                block: '█',
            }
        }
    }

    /// The frame of a box.
    #[must_use]
    pub fn border(self) -> border::Set<'static> {
        if !self.ascii {
            return border::ROUNDED;
        }
        border::Set {
            top_left: "+",
            top_right: "+",
            bottom_left: "+",
            bottom_right: "+",
            vertical_left: "|",
            vertical_right: "|",
            horizontal_top: "-",
            horizontal_bottom: "-",
        }
    }
}

/// The same colour for the charts.
fn ink(colour: Color) -> Ink {
    match colour {
        Color::Rgb(red, green, blue) => Ink::Rgb(red, green, blue),
        Color::Red => Ink::Red,
        Color::Green => Ink::Green,
        Color::Yellow => Ink::Yellow,
        Color::Blue => Ink::Blue,
        Color::Magenta => Ink::Magenta,
        Color::Cyan => Ink::Cyan,
        Color::Indexed(index) => Ink::Ansi256(index),
        Color::Reset => Ink::Default,
        Color::Black => Ink::Black,
        Color::Gray => Ink::White,
        Color::DarkGray => Ink::BrightBlack,
        Color::LightRed => Ink::BrightRed,
        Color::LightGreen => Ink::BrightGreen,
        Color::LightYellow => Ink::BrightYellow,
        Color::LightBlue => Ink::BrightBlue,
        Color::LightMagenta => Ink::BrightMagenta,
        Color::LightCyan => Ink::BrightCyan,
        Color::White => Ink::BrightWhite,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(variables: &[(&str, &str)]) -> Theme {
        Theme::detect(None, None, |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_the_environment_says_about_the_terminal_is_believed() {
        let usual = Theme {
            palette: Palette::Dark,
            depth: Depth::Sixteen,
            colour: true,
            ascii: false,
            own: Own::NONE,
        };
        assert_eq!(detect(&[]), usual);
        assert_eq!(detect(&[("LANG", "de_DE.UTF-8"), ("TERM", "xterm")]), usual);
        assert_eq!(detect(&[("LC_ALL", ""), ("LANG", "C.utf8")]), usual);
        assert!(detect(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]).ascii);
        assert!(detect(&[("LANG", "en_US.UTF-8"), ("TERM", "linux")]).ascii);
        assert!(!detect(&[("TERM", "dumb")]).colour);
        assert_eq!(detect(&[("COLORTERM", "truecolor")]).depth, Depth::Truecolor);
        assert_eq!(detect(&[("COLORTERM", "yes")]).depth, Depth::Sixteen);
    }

    #[test]
    fn what_the_user_says_about_colours_comes_before_what_the_terminal_is() {
        let dumb = |_: &str| Some("dumb".to_owned());
        assert!(Theme::detect(Some(true), None, dumb).colour);
        assert!(!Theme::detect(Some(false), None, |_| None).colour);
    }

    #[test]
    fn colours_of_ones_own_take_the_place_of_those_of_one_palette() {
        let mut own = Own { alarm: Some(Color::Indexed(9)), ..Own::NONE };
        own.lines[1] = Some(Color::Rgb(1, 2, 3));
        let theme = Theme { own, ..detect(&[]) };
        assert_eq!(theme.alarm().fg, Some(Color::Indexed(9)));
        assert_eq!((theme.ink(1, true), theme.ink(0, true)), (Ink::Rgb(1, 2, 3), Ink::Cyan));
        assert_eq!(theme.next().alarm(), detect(&[]).next().alarm());
        assert!(Theme { colour: false, ..theme }.is_mono());
        let all = Theme { own: Own::all_of(Palette::Dark), ..detect(&[]) };
        assert_eq!(
            (all.warning(), all.line(5, true)),
            (usual_of(all).warning(), usual_of(all).line(5, true))
        );
    }

    fn usual_of(theme: Theme) -> Theme {
        Theme { own: Own::NONE, ..theme }
    }

    #[test]
    fn a_value_that_is_worth_a_look_differs_also_without_colours() {
        for palette in [Palette::Dark, Palette::Light, Palette::Mono] {
            let theme = Theme { palette, ..detect(&[]) };
            let calm = theme.line(0, true).add_modifier(Modifier::BOLD);
            let [warn, critical] = [Level::Warn, Level::Critical].map(|it| theme.level(it, calm));
            assert!(calm != warn && warn != critical && calm != critical, "{palette:?}");
        }
    }

    #[test]
    fn every_colour_of_text_is_one_of_a_chart_too() {
        for colours in [&DARK_16, &LIGHT_16, &DARK, &LIGHT] {
            for colour in colours.lines.iter().chain([&colours.faint]) {
                assert_ne!(ink(*colour), Ink::Default, "{colour}");
            }
            for (at, colour) in colours.lines.iter().enumerate() {
                assert!(!colours.lines[at + 1..].contains(colour), "{colour} stands for two lines");
            }
        }
    }

    #[test]
    fn a_theme_without_colours_has_none() {
        for theme in [
            Theme { palette: Palette::Mono, ..detect(&[]) },
            Theme { colour: false, ..detect(&[]) },
        ] {
            let styles = [theme.good(), theme.warning(), theme.alarm(), theme.line(1, true)];
            assert!(styles.iter().all(|style| style.fg.is_none() && style.bg.is_none()));
            assert!(theme.is_mono() && theme.ink(0, true) == Ink::Default);
            assert_eq!(theme.next().next().next(), theme);
        }
    }
}

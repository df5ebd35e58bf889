//! Colours and symbols. There are no background colours: the terminal keeps its own.

mod colours;

use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;

use crate::thresholds::Level;
pub use colours::Colours;
pub(crate) use colours::LINE_COLOURS;

/// Colours, symbols and capabilities of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is independent of the others")]
pub struct Theme {
    /// Palette; without colour support, all look like [`Palette::Mono`].
    pub palette: Palette,
    /// Number of colours that the terminal supports.
    pub depth: ColourDepth,
    /// True if colours are allowed.
    pub has_colour: bool,
    /// True if charts and signs are drawn in ASCII.
    pub ascii: bool,
    /// True if the terminal decodes UTF-8. Otherwise, all other text is drawn in ASCII, too.
    pub utf8: bool,
    /// Colours that replace those of a palette.
    pub overrides: Colours,
    /// True if the area below a line is filled.
    pub fill: bool,
}

/// Colours for one kind of background, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Palette {
    /// For a dark background.
    #[default]
    Dark,
    /// For a light background.
    Light,
    /// No colours: bold, faint, reverse and dashed lines instead.
    Mono,
}

/// Number of colours that a terminal supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColourDepth {
    /// The sixteen colours of the terminal's own theme.
    Sixteen,
    /// 24-bit colours.
    Truecolor,
}

/// Number of heat levels: each has a symbol.
pub(crate) const HEAT_LEVELS: usize = 5;

/// Number of height levels in the area below a line.
pub(crate) const AREA_LEVELS: usize = 3;

/// Strength of the colour at each height of an area, in percent. The line itself has 100 %.
const AREA_PERCENT: [u16; AREA_LEVELS] = [55, 68, 80];

/// Maximum spread of the RGB channels of a colour that looks grey when mixed with black or white.
const GREY_SPREAD_MAX: u8 = 24;

/// Strength of the colour at each heat level, in percent.
const HEAT_PERCENT: [u16; HEAT_LEVELS] = [60, 70, 80, 90, 100];

/// Characters of the lines of a chart in ASCII.
const ASCII_LINE_SYMBOLS: [char; LINE_COLOURS] = ['*', 'o', 'x', '+', '@', '&'];

/// Legend symbols of lines in Unicode. Without colours, each represents a pattern of dots.
const PATTERN_SYMBOLS: [char; 3] = ['━', '╍', '┅'];

/// First parts of `TERM` on terminals without glyphs for braille and blocks.
const CONSOLES: [&str; 7] = ["linux", "cons25", "wsvt25", "pccon", "sun", "ansi", "pcansi"];

/// First parts of `TERM` on terminals that cannot move their cursor, or not as ANSI terminals do.
const TEXT_TERMINALS: [&str; 22] = [
    "", "unknown", "dumb", "dialup", "network", "lpr", "glasstty", "vanilla", "9term", "tty33",
    "tty37", "tty43", "vt50", "vt52", "adm3", "adm3a", "adm5", "h19", "tvi910", "tvi925", "wy50",
    "wy60",
];

/// `TERM` of terminals without colours whose name does not say so.
const MONOCHROME_TERMINALS: [&str; 8] =
    ["sun", "mach", "eterm", "wsvt25m", "rxvt-basic", "xterm-old", "xterm-r5", "xterm-r6"];

/// Characters of axes and rules.
pub(crate) struct Symbols {
    pub(crate) horizontal: char,
    pub(crate) vertical: char,
    pub(crate) corner: char,
    pub(crate) tick_left: char,
    pub(crate) tick_down: char,
    pub(crate) reference: char,
    pub(crate) crosshair: char,
    /// Marker of a value above the chart.
    pub(crate) above: char,
    /// Marker of a value below the chart.
    pub(crate) below: char,
    /// Pixel of a large digit.
    pub(crate) block: char,
    /// Area below a line, the lowest level first.
    pub(crate) area: [char; AREA_LEVELS],
}

/// Style of emphasized text.
pub(crate) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);

/// Style of the selected item.
pub(crate) const HIGHLIGHT: Style = Style::new().add_modifier(Modifier::REVERSED);

impl Theme {
    /// Detects the capabilities of the terminal. `colour` and `palette` are the user's choices, if
    /// any; `variable` returns an environment variable.
    pub fn detect(
        colour: Option<bool>,
        palette: Option<Palette>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Theme {
        let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
        // Without a locale, POSIX has ASCII.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set);
        let utf8 = locale.is_some_and(|locale| is_utf8(&locale));
        let term = variable("TERM").unwrap_or_default();
        let is_true = set(&"COLORTERM").is_some_and(|it| it == "truecolor" || it == "24bit");
        Theme {
            palette: palette.unwrap_or_default(),
            depth: if is_true { ColourDepth::Truecolor } else { ColourDepth::Sixteen },
            has_colour: colour.unwrap_or(!lacks_colour(&term)),
            ascii: !utf8 || lacks_braille(&term),
            utf8,
            overrides: Colours::NONE,
            fill: false,
        }
    }

    /// Returns the theme with the next palette. Without colours, all palettes look alike.
    pub(crate) fn next_palette(self) -> Theme {
        let palette = match self.palette {
            Palette::Dark => Palette::Light,
            Palette::Light => Palette::Mono,
            Palette::Mono => Palette::Dark,
        };
        Theme { palette, ..self }
    }

    fn colours(self) -> Colours {
        let palette = if self.is_mono() { Palette::Mono } else { self.palette };
        Colours::of(palette, self.depth).overridden_by(self.overrides)
    }

    pub(crate) fn is_mono(self) -> bool {
        !self.has_colour || self.palette == Palette::Mono
    }

    /// Returns the style of a line in a chart and of its values: grey if not fresh.
    pub fn line(self, line: usize, fresh: bool) -> Style {
        if fresh { fg(self.colours().lines[line % LINE_COLOURS]) } else { self.faint() }
    }

    /// Returns the styles of the area below a line, the lowest level first.
    pub(crate) fn area(self, line: usize, fresh: bool) -> [Style; AREA_LEVELS] {
        AREA_PERCENT.map(|percent| self.shade(line, percent, fresh))
    }

    /// Returns the style of a heat level; 0 is the lowest. Symbols also distinguish the levels.
    pub(crate) fn heat(self, level: usize, fresh: bool) -> Style {
        self.shade(0, HEAT_PERCENT[level.min(HEAT_LEVELS - 1)], fresh)
    }

    /// Mixes `percent` of a line's colour into the background. Colours that cannot be mixed, or
    /// would look grey like stale values, stay unchanged. Without colours, returns the faint style.
    fn shade(self, line: usize, percent: u16, fresh: bool) -> Style {
        let style = self.line(line, fresh);
        let background = if self.palette == Palette::Light { 0xff } else { 0 };
        let mix =
            |part: u8| ((u16::from(part) * percent + background * (100 - percent)) / 100) as u8;
        match style.fg {
            Some(Color::Rgb(red, green, blue))
                if red.max(green).max(blue) - red.min(green).min(blue) > GREY_SPREAD_MAX =>
            {
                style.fg(Color::Rgb(mix(red), mix(green), mix(blue)))
            }
            Some(_) => style,
            None => self.faint(),
        }
    }

    /// Returns the symbol of a line in legends, and in ASCII also in the chart.
    pub fn line_symbol(self, line: usize) -> char {
        if self.ascii {
            ASCII_LINE_SYMBOLS[line % ASCII_LINE_SYMBOLS.len()]
        } else if self.is_mono() {
            PATTERN_SYMBOLS[line % PATTERN_SYMBOLS.len()]
        } else {
            PATTERN_SYMBOLS[0]
        }
    }

    /// Returns whether symbols, besides colours, distinguish the lines.
    pub fn has_line_symbols(self) -> bool {
        self.ascii || self.is_mono()
    }

    /// Returns the style of borders and hints.
    pub fn faint(self) -> Style {
        match self.colours().faint {
            Some(colour) => Style::new().fg(colour),
            None => Style::new().add_modifier(Modifier::DIM),
        }
    }

    pub(crate) fn good(self) -> Style {
        fg(self.colours().good).add_modifier(Modifier::BOLD)
    }

    pub(crate) fn warning(self) -> Style {
        fg(self.colours().warning).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    pub(crate) fn alarm(self) -> Style {
        fg(self.colours().alarm).add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }

    /// Returns the style of a value at a level. `normal` is its style below the warning level.
    pub(crate) fn level(self, level: Level, normal: Style) -> Style {
        match (level, self.colours().warning) {
            (Level::Normal, _) => normal,
            (Level::Warning, Some(colour)) => Style::new().fg(colour).add_modifier(Modifier::BOLD),
            (Level::Warning, None) => normal.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            (Level::Critical, _) => self.alarm(),
        }
    }

    /// Returns the style of the threshold of a level, or of a reference line at `Level::Normal`.
    pub(crate) fn threshold(self, level: Level) -> Style {
        match level {
            Level::Normal => self.faint(),
            Level::Warning => fg(self.colours().warning),
            Level::Critical => fg(self.colours().alarm),
        }
    }

    /// Returns the number of dot columns in a cell.
    pub(crate) fn dot_columns(self) -> usize {
        if self.ascii { 1 } else { 2 }
    }

    /// Returns the number of dot rows in a cell.
    pub(crate) fn dot_rows(self) -> i64 {
        if self.ascii { 1 } else { 4 }
    }

    pub(crate) fn symbols(self) -> Symbols {
        if self.ascii {
            Symbols {
                horizontal: '-',
                vertical: '|',
                corner: '+',
                tick_left: '+',
                tick_down: '+',
                reference: '-',
                crosshair: '|',
                above: '^',
                below: 'v',
                block: '#',
                area: ['.', ':', '='],
            }
        } else {
            Symbols {
                horizontal: '─',
                vertical: '│',
                corner: '└',
                tick_left: '┤',
                tick_down: '┬',
                reference: '╌',
                crosshair: '│',
                above: '▲',
                below: '▼',
                block: '█',
                area: ['⠡', '⢕', '⣞'],
            }
        }
    }

    /// Returns the border of a box.
    pub(crate) fn border(self) -> border::Set<'static> {
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

/// Returns whether a locale, such as `de_DE.UTF-8@euro`, has the encoding UTF-8. macOS also has the
/// encoding alone.
fn is_utf8(locale: &str) -> bool {
    let name = locale.split('@').next().unwrap_or_default();
    let encoding = name.split_once('.').map_or(name, |(_, encoding)| encoding);
    encoding.to_ascii_lowercase().replace('-', "") == "utf8"
}

/// Returns whether a terminal of the type `TERM` has no glyphs for braille and blocks: the consoles of
/// Linux (also as `screen.linux`) and of the BSDs, and terminals older than UTF-8.
fn lacks_braille(term: &str) -> bool {
    let name = term.strip_prefix("screen.").unwrap_or(term);
    CONSOLES.iter().any(|console| name.starts_with(console)) || is_vt(name)
}

/// Returns whether a terminal of the type `TERM` has no colours. The terminals of DEC have none, but
/// `vt220-color` is a program with such keys.
fn lacks_colour(term: &str) -> bool {
    let name = term.strip_prefix("screen.").unwrap_or(term);
    let is_named_mono = name.ends_with("-m") || name.ends_with("-mono");
    is_named_mono
        || MONOCHROME_TERMINALS.contains(&name)
        || (is_vt(name) && !name.contains("color"))
}

/// Returns whether a name is a type of DEC, such as `vt220`, but not `vte`.
fn is_vt(name: &str) -> bool {
    let model = name.strip_prefix("vt").unwrap_or_default();
    model.starts_with(|first: char| first.is_ascii_digit())
}

/// Returns whether a terminal of the type `TERM` cannot show a screen, or is not known.
pub(crate) fn is_text_only(term: &str) -> bool {
    let name = term.split('-').next().unwrap_or_default();
    TEXT_TERMINALS.contains(&name)
}

fn fg(colour: Option<Color>) -> Style {
    Style { fg: colour, ..Style::new() }
}

#[cfg(test)]
mod tests {
    use super::colours::{DARK, DARK_16, LIGHT, LIGHT_16};
    use super::*;

    fn detect(variables: &[(&str, &str)]) -> Theme {
        Theme::detect(None, None, |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn environment_describes_the_terminal() {
        let default_theme = Theme {
            palette: Palette::Dark,
            depth: ColourDepth::Sixteen,
            has_colour: true,
            ascii: false,
            utf8: true,
            overrides: Colours::NONE,
            fill: false,
        };
        assert_eq!(detect(&[("LANG", "de_DE.UTF-8"), ("TERM", "xterm")]), default_theme);
        assert_eq!(detect(&[("COLORTERM", "truecolor")]).depth, ColourDepth::Truecolor);
        assert_eq!(detect(&[("COLORTERM", "yes")]).depth, ColourDepth::Sixteen);
    }

    #[test]
    fn charts_are_ascii_unless_the_locale_is_utf8() {
        for (variables, utf8) in [
            (&[("LC_ALL", "C"), ("LC_CTYPE", "C.UTF-8"), ("LANG", "en_US.UTF-8")][..], false),
            (&[("LC_ALL", "C.UTF-8"), ("LC_CTYPE", "C"), ("LANG", "C")], true),
            (&[("LC_ALL", ""), ("LC_CTYPE", "POSIX"), ("LANG", "en_US.UTF-8")], false),
            (&[("LC_ALL", ""), ("LC_CTYPE", "UTF-8"), ("LANG", "C")], true),
            (&[("LC_ALL", ""), ("LC_CTYPE", ""), ("LANG", "C.utf8")], true),
            (&[("LANG", "de_DE.UTF-8@euro")], true),
            (&[("LANG", "de_DE@euro")], false),
            (&[("LANG", "de_DE")], false),
            (&[("LANG", "en_US.ISO-8859-1")], false),
            (&[("LANG", "")], false),
            (&[], false),
        ] {
            let theme = detect(variables);
            assert_eq!((theme.utf8, theme.ascii), (utf8, !utf8), "{variables:?}");
        }
    }

    #[test]
    fn charts_are_ascii_on_terminals_without_braille() {
        for (term, ascii) in [
            ("linux", true),
            ("linux-16color", true),
            ("screen.linux", true),
            ("vt100", true),
            ("vt220", true),
            ("ansi", true),
            ("cons25", true),
            ("vte-256color", false),
            ("screen", false),
            ("screen.xterm-256color", false),
            ("tmux-256color", false),
            ("xterm-kitty", false),
        ] {
            let theme = detect(&[("LANG", "C.UTF-8"), ("TERM", term)]);
            assert_eq!((theme.ascii, theme.utf8), (ascii, true), "{term}");
        }
    }

    #[test]
    fn a_terminal_of_a_missing_or_dumb_type_shows_text_only() {
        for term in
            ["", "dumb", "dumb-emacs-ansi", "unknown", "network", "vt52", "wy60-25", "adm3a"]
        {
            assert!(is_text_only(term), "{term}");
        }
        for term in
            ["linux", "vt220", "xterm-256color", "screen", "tmux", "foot", "eterm-color", "vt520"]
        {
            assert!(!is_text_only(term), "{term}");
        }
    }

    #[test]
    fn a_monochrome_terminal_has_no_colours_unless_they_are_forced() {
        for (term, has_colour) in [
            ("vt100", false),
            ("vt220-w", false),
            ("screen.vt220", false),
            ("xterm-mono", false),
            ("rxvt-m", false),
            ("linux-m", false),
            ("sun", false),
            ("vt220-color", true),
            ("linux", true),
            ("xterm", true),
            ("sun-color", true),
            ("screen.xterm-256color", true),
            ("", true),
        ] {
            let variable = |name: &str| (name == "TERM").then(|| term.to_owned());
            assert_eq!(Theme::detect(None, None, variable).has_colour, has_colour, "{term}");
            assert!(Theme::detect(Some(true), None, variable).has_colour, "{term}");
        }
    }

    #[test]
    fn colour_choice_of_the_user_overrides_the_terminal() {
        assert!(detect(&[]).has_colour);
        assert!(Theme::detect(Some(true), None, |_| None).has_colour);
        assert!(!Theme::detect(Some(false), None, |_| None).has_colour);
    }

    #[test]
    fn overrides_replace_the_colours_of_one_palette() {
        let mut overrides = Colours { alarm: Some(Color::Indexed(9)), ..Colours::NONE };
        overrides.lines[1] = Some(Color::Rgb(1, 2, 3));
        let theme = Theme { overrides, ..detect(&[]) };
        assert_eq!(theme.alarm().fg, Some(Color::Indexed(9)));
        let lines = [1, 0].map(|line| theme.line(line, true).fg);
        assert_eq!(lines, [Some(Color::Rgb(1, 2, 3)), Some(Color::Cyan)]);
        assert_eq!(theme.next_palette().alarm(), detect(&[]).next_palette().alarm());
        assert!(Theme { has_colour: false, ..theme }.is_mono());
        let all = Theme { overrides: DARK_16, ..detect(&[]) };
        assert_eq!(
            (all.warning(), all.line(5, true)),
            (without_overrides(all).warning(), without_overrides(all).line(5, true))
        );
    }

    fn without_overrides(theme: Theme) -> Theme {
        Theme { overrides: Colours::NONE, ..theme }
    }

    #[test]
    fn warning_and_critical_values_differ_without_colours() {
        for palette in [Palette::Dark, Palette::Light, Palette::Mono] {
            let theme = Theme { palette, ..detect(&[]) };
            let normal = theme.line(0, true).add_modifier(Modifier::BOLD);
            let [warn, critical] =
                [Level::Warning, Level::Critical].map(|it| theme.level(it, normal));
            assert!(normal != warn && warn != critical && normal != critical, "{palette:?}");
        }
    }

    /// Minimum CIELAB difference: colours that differ by less look alike in dots.
    const DIFFERENCE_MIN: f64 = 25.0;

    fn difference(one: Color, other: Color) -> f64 {
        let (Color::Rgb(..), Color::Rgb(..)) = (one, other) else {
            return if one == other { 0.0 } else { f64::MAX };
        };
        let [one, other] = [one, other].map(lab);
        one.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    fn lab(colour: Color) -> [f64; 3] {
        let Color::Rgb(red, green, blue) = colour else { panic!("{colour} is not RGB") };
        let [red, green, blue] = [red, green, blue].map(|part| (f64::from(part) / 255.0).powf(2.2));
        let x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505;
        let y = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        let z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089;
        let [x, y, z] = [x, y, z].map(f64::cbrt);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn line_colours_are_distinct_and_never_reserved() {
        const RESERVED: [Color; 7] = [
            Color::Reset,
            Color::Red,
            Color::LightRed,
            Color::Yellow,
            Color::LightYellow,
            Color::Gray,
            Color::DarkGray,
        ];
        for colours in [&DARK_16, &LIGHT_16, &DARK, &LIGHT] {
            let others = [colours.alarm, colours.warning, colours.faint].into_iter().flatten();
            let lines = colours.lines.map(|line| line.unwrap());
            for (at, line) in lines.into_iter().enumerate() {
                assert!(!RESERVED.contains(&line), "{line}");
                for other in lines[at + 1..].iter().copied().chain(others.clone()) {
                    let differs = difference(line, other);
                    assert!(differs >= DIFFERENCE_MIN, "{line} and {other}: {differs:.0}");
                }
            }
            assert!(difference(colours.alarm.unwrap(), colours.faint.unwrap()) >= DIFFERENCE_MIN);
        }
    }

    #[test]
    fn heat_and_areas_are_grey_only_when_stale() {
        for (palette, depth) in [
            (Palette::Dark, ColourDepth::Sixteen),
            (Palette::Light, ColourDepth::Sixteen),
            (Palette::Dark, ColourDepth::Truecolor),
            (Palette::Light, ColourDepth::Truecolor),
            (Palette::Mono, ColourDepth::Sixteen),
        ] {
            let theme = Theme { palette, depth, ..detect(&[]) };
            let shades = |fresh| {
                let heat = (0..HEAT_LEVELS).map(|level| theme.heat(level, fresh));
                heat.chain(theme.area(0, fresh)).collect::<Vec<_>>()
            };
            let is_faint = |style: &Style| style.fg == theme.faint().fg;
            assert!(shades(true).iter().all(|style| theme.is_mono() || !is_faint(style)));
            assert!(
                shades(true).iter().all(|style| style.fg != theme.alarm().fg || theme.is_mono())
            );
            if !theme.is_mono() {
                assert_eq!(theme.area(1, true), [theme.line(1, true); AREA_LEVELS], "white");
            }
            let stale = theme.line(0, false);
            assert!(depth == ColourDepth::Truecolor || shades(false).iter().all(|it| *it == stale));
        }
    }

    #[test]
    fn a_mono_theme_sets_no_colours() {
        for theme in [
            Theme { palette: Palette::Mono, ..detect(&[]) },
            Theme { has_colour: false, ..detect(&[]) },
        ] {
            let styles = [theme.good(), theme.warning(), theme.alarm(), theme.line(1, true)];
            assert!(styles.iter().all(|style| style.fg.is_none() && style.bg.is_none()));
            assert!(theme.is_mono());
            assert_eq!(theme.next_palette().next_palette().next_palette(), theme);
        }
    }
}

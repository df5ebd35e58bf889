//! The help: all keys in lines.

use unicode_width::UnicodeWidthStr as _;

use super::bindings::{Binding, SECTIONS, SEVERAL_SOURCES};
use super::{Action, Keys};

/// What other keys do where there is a line for each source.
const OVERVIEW_HELP: [&str; 2] =
    ["choose one; {screen-left} {screen-right} a page", "open it; {back} leads back"];

/// What the mouse does.
pub(crate) const MOUSE_HELP: &[(&str, &str)] = &[
    ("click", "choose a chart, set the cursor"),
    ("wheel", "zoom time; scroll the table"),
    ("drag", "pan"),
    ("right drag", "zoom to the span"),
];

/// Sections in the left one of two columns: about half of the lines.
const LEFT_SECTIONS: usize = 3;

/// A line of the help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelpLine {
    /// Nothing.
    Blank,
    /// What the keys below are about.
    Title(&'static str),
    /// The keys, and what they do.
    Keys(String, String),
    /// More of what they do, indented.
    Continuation(String),
}

/// Columns of the screen that the keys take in the help, and what they do.
pub const HELP_WIDTHS: (usize, usize) = (13, 38);

/// Columns that a column of the help takes, its margins included.
pub const HELP_WIDTH: u16 = (HELP_WIDTHS.0 + HELP_WIDTHS.1) as u16 + 4;

/// Columns in front of what keys do, the keys themselves included; and where there are fewer than so many
/// for what they do, it stands below the keys.
const BESIDE_INDENT: usize = HELP_WIDTHS.0 + 3;
const BESIDE_WIDTH_MIN: usize = 12;

/// Columns in front of what stands below its keys.
const BELOW_INDENT: usize = 3;

impl Keys {
    /// The help on a screen of so many columns, in one column, or in two where they have room side by
    /// side; for one source or for several. Arrows are words where it has to be ASCII.
    #[must_use]
    pub fn help(&self, width: u16, several: bool, ascii: bool) -> Vec<Vec<HelpLine>> {
        let inside = width.saturating_sub(2).min(HELP_WIDTH);
        let titled = |title, lines: Vec<HelpLine>| -> Vec<HelpLine> {
            std::iter::once(HelpLine::Title(title)).chain(lines).collect()
        };
        let bindings = |all: &[Binding]| -> Vec<HelpLine> {
            all.iter().filter_map(|binding| self.binding_line(binding, ascii)).collect()
        };
        let mut sections: Vec<Vec<HelpLine>> =
            SECTIONS.iter().map(|it| titled(it.title, bindings(it.bindings))).collect();
        if several {
            let lines =
                self.overview_lines(ascii).into_iter().chain(bindings(SEVERAL_SOURCES.bindings));
            sections.push(titled(SEVERAL_SOURCES.title, lines.collect()));
        }
        let mouse = MOUSE_HELP
            .iter()
            .map(|(gesture, effect)| HelpLine::Keys((*gesture).to_owned(), (*effect).to_owned()));
        sections.push(titled("Mouse", mouse.collect()));
        let right = if width >= 2 * HELP_WIDTH + 2 {
            sections.split_off(LEFT_SECTIONS)
        } else {
            Vec::new()
        };
        let columns = [sections, right].into_iter().filter(|column| !column.is_empty());
        let wrapped = |column: Vec<Vec<HelpLine>>| {
            let lines = column.join(&HelpLine::Blank).into_iter();
            lines.flat_map(|line| line.wrap(usize::from(inside))).collect()
        };
        columns.map(wrapped).collect()
    }

    /// What a binding does; nothing if no key does it.
    fn binding_line(&self, binding: &Binding, ascii: bool) -> Option<HelpLine> {
        let names = match binding.action {
            Action::Chart(_) => self.chart_labels(binding.keys.len()),
            action => self.labels(action),
        };
        let keys = || HelpLine::keys(&names, &self.expand_keys(binding.description), ascii);
        (!names.is_empty()).then(keys)
    }

    /// Those that choose a chart, in short where digits follow each other.
    fn chart_labels(&self, charts: usize) -> Vec<String> {
        let names: Vec<String> =
            (0..charts).flat_map(|at| self.labels(Action::Chart(at))).collect();
        let digit = |name: &String| name.parse::<u8>().ok();
        let follows = |a: &String, b: &String| digit(a).is_some_and(|a| digit(b) == Some(a + 1));
        let runs = names.chunk_by(follows);
        runs.flat_map(|run| match run {
            [first, _, .., last] => vec![format!("{first}-{last}")],
            few => few.to_vec(),
        })
        .collect()
    }

    /// What else they do where there is a line for each source.
    fn overview_lines(&self, ascii: bool) -> Vec<HelpLine> {
        let (up, down) = (self.labels(Action::Up), self.labels(Action::Down));
        let pairs: Vec<String> =
            up.iter().zip(&down).map(|(up, down)| format!("{up} {down}")).collect();
        let keys = [pairs, self.labels(Action::Fullscreen)];
        let lines = keys.iter().zip(OVERVIEW_HELP);
        let bound = lines.filter(|(keys, _)| !keys.is_empty());
        bound
            .map(|(keys, description)| HelpLine::keys(keys, &self.expand_keys(description), ascii))
            .collect()
    }

    /// The text with the key to teach in place of the name of an action in braces.
    pub(crate) fn expand_keys(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((front, behind)) = rest.split_once('{') {
            filled.push_str(front);
            let (name, behind) = behind.split_once('}').unwrap_or((behind, ""));
            filled.push_str(&super::action_named(name).map_or(String::new(), |it| self.label(it)));
            rest = behind;
        }
        filled + rest
    }
}

impl HelpLine {
    fn keys(names: &[String], description: &str, ascii: bool) -> HelpLine {
        let names: Vec<String> = names.iter().map(|name| spell_arrows(name, ascii)).collect();
        HelpLine::Keys(join_fitting(&names), spell_arrows(description, ascii))
    }

    /// The same in lines of so many columns.
    fn wrap(self, columns: usize) -> Vec<HelpLine> {
        let HelpLine::Keys(names, description) = self else { return vec![self] };
        let beside = columns.saturating_sub(BESIDE_INDENT);
        let (indent, mut texts) = if beside >= BESIDE_WIDTH_MIN.min(description.width()) {
            (BESIDE_INDENT, wrap(&description, beside))
        } else {
            let mut below = wrap(&description, columns.saturating_sub(BELOW_INDENT));
            below.insert(0, String::new());
            (BELOW_INDENT, below)
        };
        let more = texts.split_off(1).into_iter();
        let more = more.map(|text| HelpLine::Continuation(" ".repeat(indent) + &text));
        std::iter::once(HelpLine::Keys(names, texts.concat())).chain(more).collect()
    }
}

/// The words of a text in lines of so many columns; a longer word has a line of its own.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.width() + 1 + word.width() > columns {
            lines.push(word.to_owned());
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines
}

/// The arrows in words where only ASCII may be drawn.
pub(crate) fn spell_arrows(text: &str, ascii: bool) -> String {
    if !ascii {
        return text.to_owned();
    }
    let arrows = [("←", "Left"), ("→", "Right"), ("↑", "Up"), ("↓", "Down")];
    arrows.iter().fold(text.to_owned(), |text, (arrow, word)| text.replace(arrow, word))
}

/// The first of these keys, and as many others as there is room for.
fn join_fitting(names: &[String]) -> String {
    let mut text = String::new();
    for name in names {
        let more = if text.is_empty() { name.clone() } else { format!("{text}, {name}") };
        if !text.is_empty() && more.width() > HELP_WIDTHS.0 {
            break;
        }
        text = more;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_fits_in_the_help() {
        let keys = Keys::default();
        for (width, ascii) in [(80, false), (200, false), (80, true), (200, true)] {
            for line in keys.help(width, true, ascii).into_iter().flatten() {
                let HelpLine::Keys(names, does) = line else { continue };
                assert!(names.width() <= HELP_WIDTHS.0 && !names.is_empty(), "{names}");
                assert!(does.width() <= HELP_WIDTHS.1, "{does}");
                assert!(!does.contains("  ") && !does.contains('{'), "{does}");
            }
        }
        let help = |width| keys.help(width, true, false);
        let lines = |width| help(width).iter().map(Vec::len).collect::<Vec<_>>();
        let (narrow, wide) = (lines(80), lines(120));
        assert_eq!((narrow.len(), wide.len()), (1, 2));
        assert!(wide[0].max(wide[1]) <= 34, "all of it stands on a screen of 120x36: {wide:?}");
    }

    #[test]
    fn on_a_narrow_screen_the_help_wraps_and_loses_nothing() {
        let words = |width: u16, ascii| -> Vec<String> {
            let lines = Keys::default().help(width, true, ascii).into_iter().flatten();
            let texts = lines.map(|line| match line {
                HelpLine::Blank => String::new(),
                HelpLine::Title(title) => format!(" {title}"),
                HelpLine::Keys(names, does) => {
                    format!(" {names:wide$}  {does}", wide = HELP_WIDTHS.0)
                }
                HelpLine::Continuation(text) => text,
            });
            let texts: Vec<String> = texts.collect();
            for text in &texts {
                assert!(text.trim_end().width() <= usize::from(width) - 2, "{width}: {text:?}");
            }
            texts.iter().flat_map(|it| it.split_whitespace().map(str::to_owned)).collect()
        };
        for ascii in [false, true] {
            for width in 24..80 {
                assert_eq!(words(width, ascii), words(80, ascii), "{width}");
            }
        }
    }
}

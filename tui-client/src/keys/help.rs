//! The help: all keys in lines.

use unicode_width::UnicodeWidthStr as _;

use super::table::{Binding, SECTIONS, SEVERAL};
use super::{Action, Keys};

/// What other keys do where there is a line for each source.
const LINES: [&str; 2] =
    ["choose one; {screen-left} {screen-right} a page", "open it; {back} leads back"];

/// What the mouse does.
pub(crate) const MOUSE: &[(&str, &str)] = &[
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
    Keys(String, String),
}

/// Columns of the screen that the keys take in the help, and what they do.
pub const HELP_WIDTHS: (usize, usize) = (13, 38);

/// Columns that a column of the help takes, its margins included.
pub const HELP_WIDTH: u16 = (HELP_WIDTHS.0 + HELP_WIDTHS.1) as u16 + 4;

impl Keys {
    /// The help, in one column, or in two where they have room side by side; for one source or for
    /// several.
    #[must_use]
    pub fn help(&self, width: u16, several: bool) -> Vec<Vec<HelpLine>> {
        let titled = |title, lines: Vec<HelpLine>| -> Vec<HelpLine> {
            std::iter::once(HelpLine::Title(title)).chain(lines).collect()
        };
        let bindings = |all: &[Binding]| -> Vec<HelpLine> {
            all.iter().filter_map(|binding| self.line(binding)).collect()
        };
        let mut sections: Vec<Vec<HelpLine>> =
            SECTIONS.iter().map(|it| titled(it.title, bindings(it.bindings))).collect();
        if several {
            let lines = self.lines().into_iter().chain(bindings(SEVERAL.bindings));
            sections.push(titled(SEVERAL.title, lines.collect()));
        }
        let mouse =
            MOUSE.iter().map(|(what, does)| HelpLine::Keys((*what).to_owned(), (*does).to_owned()));
        sections.push(titled("Mouse", mouse.collect()));
        let right = if width >= 2 * HELP_WIDTH + 2 { sections.split_off(LEFT) } else { Vec::new() };
        let columns = [sections, right].into_iter().filter(|column| !column.is_empty());
        columns.map(|column| column.join(&HelpLine::Blank)).collect()
    }

    /// What a binding does; nothing if no key does it.
    fn line(&self, binding: &Binding) -> Option<HelpLine> {
        let names = match binding.action {
            Action::Chart(_) => self.chart_names(binding.keys.len()),
            action => self.names(action),
        };
        (!names.is_empty()).then(|| HelpLine::Keys(fitting(&names), self.filled(binding.does)))
    }

    /// Those that choose a chart, in short where digits follow each other.
    fn chart_names(&self, charts: usize) -> Vec<String> {
        let names: Vec<String> = (0..charts).flat_map(|at| self.names(Action::Chart(at))).collect();
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
    fn lines(&self) -> Vec<HelpLine> {
        let (up, down) = (self.names(Action::Up), self.names(Action::Down));
        let pairs: Vec<String> =
            up.iter().zip(&down).map(|(up, down)| format!("{up} {down}")).collect();
        let keys = [pairs, self.names(Action::Fullscreen)];
        let lines = keys.iter().zip(LINES);
        let bound = lines.filter(|(keys, _)| !keys.is_empty());
        bound.map(|(keys, does)| HelpLine::Keys(fitting(keys), self.filled(does))).collect()
    }

    /// The text with the key to teach in place of the name of an action in braces.
    pub(crate) fn filled(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((front, behind)) = rest.split_once('{') {
            filled.push_str(front);
            let (name, behind) = behind.split_once('}').unwrap_or((behind, ""));
            filled.push_str(&super::action_named(name).map_or(String::new(), |it| self.name(it)));
            rest = behind;
        }
        filled + rest
    }
}

/// The first of these keys, and as many others as there is room for.
fn fitting(names: &[String]) -> String {
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
    fn the_help_has_room_for_every_key() {
        let keys = Keys::default();
        for column in keys.help(0, true).into_iter().chain(keys.help(200, true)) {
            for line in column {
                let HelpLine::Keys(names, does) = line else { continue };
                assert!(names.width() <= HELP_WIDTHS.0 && !names.is_empty(), "{names}");
                assert!(does.width() <= HELP_WIDTHS.1, "{does}");
                assert!(!does.contains("  ") && !does.contains('{'), "{does}");
            }
        }
        let lines = |width| keys.help(width, true).iter().map(Vec::len).collect::<Vec<_>>();
        let (narrow, wide) = (lines(80), lines(120));
        assert_eq!((narrow.len(), wide.len()), (1, 2));
        assert!(wide[0].max(wide[1]) <= 34, "all of it stands on a screen of 120x36: {wide:?}");
    }
}

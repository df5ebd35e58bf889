//! Lines of the help.

use unicode_width::UnicodeWidthStr as _;

use super::bindings::{BindableAction, SECTIONS, SEVERAL_SOURCES, Section};
use super::{Action, Keys};

/// Mouse gestures with their descriptions.
pub(crate) const MOUSE_HELP: &[(&str, &str)] = &[
    ("click", "select a chart, set the crosshair"),
    ("wheel", "zoom time; scroll the table"),
    ("drag", "pan"),
    ("right drag", "zoom to the selected time"),
];

/// Number of sections in the left of two columns: about half of the lines.
const LEFT_SECTIONS: usize = 3;

/// Line of the help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HelpLine {
    Blank,
    Title(&'static str),
    /// Keys and their description.
    Keys(String, String),
    /// Next line of a wrapped description, indented.
    Continuation(String),
}

/// Widths of the keys and of their description, in columns of the screen.
pub(crate) const HELP_WIDTHS: (usize, usize) = (13, 38);

/// Width of the help in one column, with margins.
pub(crate) const HELP_WIDTH: u16 = (HELP_WIDTHS.0 + HELP_WIDTHS.1) as u16 + 4;

/// Indent of a description beside its keys.
const BESIDE_INDENT: usize = HELP_WIDTHS.0 + 3;
/// Minimum width of a description beside its keys. With less room, it goes below the keys.
const BESIDE_WIDTH_MIN: usize = 12;

/// Indent of a description below its keys.
const BELOW_INDENT: usize = 3;

impl Keys {
    /// Returns the lines of the help, in two columns if `width` has room for them, else in one.
    /// `several` adds the keys for several sources; `ascii` replaces arrows with words.
    pub(crate) fn help(&self, width: u16, several: bool, ascii: bool) -> Vec<Vec<HelpLine>> {
        let inside = width.saturating_sub(2).min(HELP_WIDTH);
        let shown = SECTIONS.iter().filter(|it| several || it.title != SEVERAL_SOURCES);
        let mut sections: Vec<Vec<HelpLine>> =
            shown.map(|section| self.section_lines(section, ascii)).collect();
        let mouse = MOUSE_HELP
            .iter()
            .map(|(gesture, effect)| HelpLine::Keys((*gesture).to_owned(), (*effect).to_owned()));
        sections.push([HelpLine::Title("Mouse")].into_iter().chain(mouse).collect());
        let is_wide = width >= 2 * HELP_WIDTH + 2;
        let right = sections.split_off(if is_wide { LEFT_SECTIONS } else { sections.len() });
        let columns = [sections, right].into_iter().filter(|column| !column.is_empty());
        let wrapped = |column: Vec<Vec<HelpLine>>| {
            let lines = column.join(&HelpLine::Blank).into_iter();
            lines.flat_map(|line| line.wrap(usize::from(inside))).collect()
        };
        columns.map(wrapped).collect()
    }

    /// Returns the title of a section and the lines of its actions that have keys.
    fn section_lines(&self, section: &Section, ascii: bool) -> Vec<HelpLine> {
        let mut entries = Vec::new();
        if section.title == SEVERAL_SOURCES {
            // These keys act differently in the overview.
            let (up, down) = (self.labels(Action::Up), self.labels(Action::Down));
            let pairs = up.iter().zip(&down).map(|(up, down)| format!("{up} {down}"));
            entries.push((pairs.collect(), "select; {screen-left} {screen-right} by page"));
            let fullscreen = self.labels(Action::Fullscreen);
            entries.push((fullscreen, "open a source; {back} goes back"));
        }
        let same_line = |a: &BindableAction, b: &BindableAction| a.description == b.description;
        entries.extend(section.actions.chunk_by(same_line).map(|same| {
            let labels: Vec<String> = same.iter().flat_map(|it| self.labels(it.action)).collect();
            let labels = if same.len() > 1 { join_digits(&labels) } else { labels };
            (labels, same[0].description)
        }));
        let lines = entries.iter().filter(|(labels, _)| !labels.is_empty());
        let lines =
            lines.map(|(labels, text)| HelpLine::keys(labels, &self.expand_keys(text), ascii));
        [HelpLine::Title(section.title)].into_iter().chain(lines).collect()
    }

    /// Replaces each action name in braces with the label of its first key.
    pub(crate) fn expand_keys(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((front, after)) = rest.split_once('{') {
            filled.push_str(front);
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            filled.push_str(&super::action_named(name).map_or(String::new(), |it| self.label(it)));
            rest = after;
        }
        filled + rest
    }
}

impl HelpLine {
    fn keys(names: &[String], description: &str, ascii: bool) -> HelpLine {
        let names: Vec<String> = names.iter().map(|name| spell_arrows(name, ascii)).collect();
        HelpLine::Keys(join_fitting(&names), spell_arrows(description, ascii))
    }

    /// Wraps the line to `columns`.
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

/// Writes three and more consecutive digits as a range: `1-9`.
fn join_digits(labels: &[String]) -> Vec<String> {
    let digit = |label: &String| label.parse::<u8>().ok();
    let follows = |a: &String, b: &String| digit(a).is_some_and(|a| digit(b) == Some(a + 1));
    let runs = labels.chunk_by(follows);
    runs.flat_map(|run| match run {
        [first, _, .., last] => vec![format!("{first}-{last}")],
        few => few.to_vec(),
    })
    .collect()
}

/// Wraps a text to `columns`. A longer word gets its own line.
fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always one line");
        if !line.is_empty() && line.width() + 1 + word.width() > columns {
            lines.push(word.to_owned());
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines
}

/// Replaces arrows with words if only ASCII may be drawn.
pub(crate) fn spell_arrows(text: &str, ascii: bool) -> String {
    if !ascii {
        return text.to_owned();
    }
    let arrows = [("←", "Left"), ("→", "Right"), ("↑", "Up"), ("↓", "Down")];
    arrows.iter().fold(text.to_owned(), |text, (arrow, word)| text.replace(arrow, word))
}

/// Joins the first key and as many others as fit.
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
                let HelpLine::Keys(names, description) = line else { continue };
                assert!(names.width() <= HELP_WIDTHS.0 && !names.is_empty(), "{names}");
                assert!(description.width() <= HELP_WIDTHS.1, "{description}");
                assert!(!description.contains("  ") && !description.contains('{'), "{description}");
            }
        }
        let help = |width| keys.help(width, true, false);
        let lines = |width| help(width).iter().map(Vec::len).collect::<Vec<_>>();
        let (narrow, wide) = (lines(80), lines(120));
        assert_eq!((narrow.len(), wide.len()), (1, 2));
        assert!(wide[0].max(wide[1]) <= 34, "the help does not fit on 120x36: {wide:?}");
    }

    #[test]
    fn on_a_narrow_screen_the_help_wraps_and_loses_nothing() {
        let words = |width: u16, ascii| -> Vec<String> {
            let lines = Keys::default().help(width, true, ascii).into_iter().flatten();
            let texts = lines.map(|line| match line {
                HelpLine::Blank => String::new(),
                HelpLine::Title(title) => format!(" {title}"),
                HelpLine::Keys(names, description) => {
                    format!(" {names:wide$}  {description}", wide = HELP_WIDTHS.0)
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

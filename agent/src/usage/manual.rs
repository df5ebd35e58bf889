//! Manual pages, from clap's options and our own texts.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

/// Entry of a manual section.
#[derive(Debug, Clone)]
pub enum ManualEntry {
    /// A paragraph.
    Text(String),
    /// A term and its meaning.
    Term(String, String),
    /// A heading within the section.
    Heading(String),
}

impl ManualEntry {
    /// Creates a [`ManualEntry::Term`].
    #[must_use]
    pub fn term(word: &str, meaning: &str) -> ManualEntry {
        ManualEntry::Term(word.to_owned(), meaning.to_owned())
    }
}

/// Texts of a manual page that clap does not know.
#[derive(Debug, Clone, Default)]
pub struct Manual {
    /// Sections before `EXIT STATUS`, such as `KEYS`.
    pub before: Vec<(&'static str, Vec<ManualEntry>)>,
    /// Environment variables, without those of options.
    pub environment: Vec<ManualEntry>,
    /// Sections after `ENVIRONMENT`, such as `FILES`.
    pub after: Vec<(&'static str, Vec<ManualEntry>)>,
}

impl Manual {
    /// Renders the page as roff.
    #[must_use]
    pub(super) fn render(&self, command: Command) -> String {
        let variables = variables(&command);
        let name = command.get_name().to_owned();
        let title = name.to_uppercase();
        let source = format!("{name} {}", command.get_version().unwrap_or_default());
        let man = Man::new(command)
            .title(title)
            .source(source)
            .date(option_env!("LOADLINE_COMMIT_DATE").unwrap_or_default())
            .manual("User Commands");
        let mut bytes = Vec::new();
        // Writing to memory cannot fail.
        let _ = man.render_title(&mut bytes);
        let _ = man.render_name_section(&mut bytes);
        let _ = man.render_synopsis_section(&mut bytes);
        let _ = man.render_description_section(&mut bytes);
        let _ = man.render_options_section(&mut bytes);
        let status = exit_status();
        let environment = [variables, self.environment.clone()].concat();
        let sections = self.before.iter().map(|(title, entries)| (*title, &entries[..]));
        let sections = sections
            .chain([("EXIT STATUS", &status[..]), ("ENVIRONMENT", &environment[..])])
            .chain(self.after.iter().map(|(title, entries)| (*title, &entries[..])));
        let mut roff = Roff::new();
        for (title, entries) in sections {
            write_section(&mut roff, title, entries);
        }
        let _ = roff.to_writer(&mut bytes);
        tidy(&String::from_utf8_lossy(&bytes))
    }
}

/// Replaces an empty line between two breaks by one skip, which all viewers show alike, and removes
/// the backquotes of the help.
fn tidy(page: &str) -> String {
    page.replace("\n.br\n\n.br\n", "\n.sp\n").replace('`', "")
}

/// Exit status of both programs.
fn exit_status() -> [ManualEntry; 3] {
    [
        ManualEntry::term("0", "Success. A standard output that is closed early is no failure."),
        ManualEntry::term("1", "Failure at run time. The reason is on standard error."),
        ManualEntry::term("2", "Usage error. The reason is on standard error."),
    ]
}

/// Environment variables of the options.
fn variables(command: &Command) -> Vec<ManualEntry> {
    let of = |arg: &clap::Arg| {
        let variable = arg.get_env()?.to_string_lossy().into_owned();
        let option = arg.get_long()?;
        let does = arg.get_help().map(ToString::to_string).unwrap_or_default();
        Some(ManualEntry::Term(variable, format!("{does}. Overridden by --{option}.")))
    };
    command.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(of).collect()
}

fn write_section(roff: &mut Roff, title: &str, entries: &[ManualEntry]) {
    roff.control("SH", [title]);
    let mut is_first = true;
    for entry in entries {
        match entry {
            ManualEntry::Text(text) => {
                // The first paragraph after a heading needs no request.
                if !is_first {
                    roff.control("PP", []);
                }
                roff.text(mark_options(text));
            }
            ManualEntry::Term(word, meaning) => {
                roff.control("TP", []);
                roff.text([bold(word.as_str())]);
                roff.text(mark_options(meaning));
            }
            ManualEntry::Heading(text) => {
                roff.control("SS", [text.as_str()]);
            }
        }
        is_first = matches!(entry, ManualEntry::Heading(_));
    }
}

/// Returns the text with its options in bold.
fn mark_options(text: &str) -> Vec<Inline> {
    let mark = |word: &str| if word.starts_with('-') { bold(word) } else { roman(word) };
    text.split_inclusive(' ').map(mark).collect()
}

//! Manual page, from clap's options and texts of the program.

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

/// Manual page. Starts with the options; each method adds the next part of the page.
pub struct Manual {
    command: Command,
    roff: Roff,
    /// The last part is a heading. The first paragraph after it needs no request.
    is_after_heading: bool,
}

impl Manual {
    pub(crate) fn new(command: Command) -> Manual {
        Manual { command, roff: Roff::new(), is_after_heading: false }
    }

    /// Adds the title of a section, for example `FILES`.
    pub fn section(&mut self, title: &str) -> &mut Manual {
        self.heading("SH", title)
    }

    /// Adds a heading within a section.
    pub fn subsection(&mut self, title: &str) -> &mut Manual {
        self.heading("SS", title)
    }

    fn heading(&mut self, request: &str, title: &str) -> &mut Manual {
        self.roff.control(request, [title]);
        self.is_after_heading = true;
        self
    }

    /// Adds a paragraph.
    pub fn text(&mut self, text: &str) -> &mut Manual {
        if !self.is_after_heading {
            self.roff.control("PP", []);
        }
        self.body(text)
    }

    /// Adds a term and its meaning.
    pub fn term(&mut self, word: &str, meaning: &str) -> &mut Manual {
        self.roff.control("TP", []).text([bold(word)]);
        self.body(meaning)
    }

    /// Adds text, with its options in bold.
    fn body(&mut self, text: &str) -> &mut Manual {
        let mark = |word: &str| if word.starts_with('-') { bold(word) } else { roman(word) };
        self.roff.text(text.split_inclusive(' ').map(mark).collect::<Vec<_>>());
        self.is_after_heading = false;
        self
    }

    /// Adds the sections `EXIT STATUS` and `ENVIRONMENT`, the latter with the variables of the options.
    pub fn exit_status_and_environment(&mut self) -> &mut Manual {
        self.section("EXIT STATUS")
            .term("0", "Success. A standard output that is closed early is no failure.")
            .term("1", "Failure at run time. The reason is on standard error.")
            .term("2", "Usage error. The reason is on standard error.")
            .section("ENVIRONMENT");
        let variables: Vec<_> = self.command.get_arguments().filter_map(variable).collect();
        for (name, meaning) in variables {
            self.term(&name, &meaning);
        }
        self
    }

    /// Renders the page as roff.
    pub(crate) fn render(self) -> String {
        let title = self.command.get_name().to_uppercase();
        let man = Man::new(self.command)
            .title(title)
            .date(option_env!("LOADLINE_COMMIT_DATE").unwrap_or_default())
            .manual("User Commands");
        let mut page = Vec::new();
        // Writing to memory cannot fail.
        let _ = man.render_title(&mut page);
        let _ = man.render_name_section(&mut page);
        let _ = man.render_synopsis_section(&mut page);
        let _ = man.render_description_section(&mut page);
        let _ = man.render_options_section(&mut page);
        let _ = self.roff.to_writer(&mut page);
        // All viewers show a skip alike, but not an empty line between two breaks. The backquotes
        // are those of the help.
        String::from_utf8_lossy(&page).replace("\n.br\n\n.br\n", "\n.sp\n").replace('`', "")
    }
}

/// Returns the environment variable of an option, and its meaning.
fn variable(arg: &Arg) -> Option<(String, String)> {
    let (name, option) = (arg.get_env()?.to_string_lossy(), arg.get_long()?);
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let is_shown = !arg.is_hide_set();
    is_shown.then(|| (name.into_owned(), format!("{help}. Overridden by --{option}.")))
}

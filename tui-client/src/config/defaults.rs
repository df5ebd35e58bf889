//! The configuration with all defaults, made from the tables that are read by.

use std::fmt::Write as _;

use ratatui::style::Color;

use super::options::{OPTIONS, SOURCE_OPTIONS};
use crate::keys::{Key, Keys, bindable_actions};
use crate::theme::{ColourOverrides, Palette};

const HEAD: &str = r#"# The configuration of loadline, with all defaults.
#
# loadline reads $XDG_CONFIG_HOME/loadline/config.toml (~/.config/loadline/config.toml), or the file that
# --config or LOADLINE_CONFIG names, and never writes it. Options that are typed come before
# variables of the environment (LOADLINE_WINDOW=15m), these before this file.
#
# A line like #name = value is what holds if it is left out; without its # it changes nothing.

[sources]
# Names for sources: typed as a SOURCE, a name stands for what is written here, and is shown instead.
#   web-1 = "deploy@10.0.0.7"
#   db = { source = "tls://db.example.org", tls-ca = "db-ca.pem" }
"#;

const GROUPS: &str = r#"
[groups]
# Several sources under one name: `loadline @prod` watches all of them. A group can have other groups in it.
#   prod = ["web-1", "db", "tcp://10.0.0.7"]
#   all = ["@prod", "me@laptop"]

[options]
# Defaults for options, under their long names and in their syntax.
#
"#;

const THEME: &str = r##"
[theme]
# Colours in place of those of the theme that is chosen above: a name of the sixteen (black, red, green,
# yellow, blue, magenta, cyan, gray, dark-gray, light-red to light-cyan, white), "#4fc3d9", or a
# number from 0 to 255. These are the ones of the theme dark; where a terminal has more than sixteen, the
# theme has finer ones. A theme without colours, mono, stays without.
# The lines of a chart, the first first:
"##;

const KEYS: &str = r"
[keys]
# Each action with its keys, the first of which is shown where there is room for one. A key is a
# character, f1 to f24, space, tab, enter, esc, backspace, left, right, up, down, home, end, pgup,
# pgdn, insert or delete, with ctrl-, alt- or shift- in front. A key does one thing: to give it to
# another action, take it from the one that has it. [] is no key. Ctrl-C always quits.
";

const THRESHOLDS: &str = r#"
[thresholds]
# From where on the values of a column are worth a look: they are shown in the colours of warning and
# alarm. In the unit of the column; NAME/core is for each core. None has any by default.
#   cpu = { warn = 80, critical = 95 }
#   "load1/core" = { warn = 1.0, critical = 2.0 }
"#;

/// The file, commented. `help` says what an option does.
#[must_use]
pub fn default_config(help: impl Fn(&str) -> String) -> String {
    let mut text = HEAD.to_owned();
    let _ = writeln!(text, "# For itself a source can have {}.", SOURCE_OPTIONS[1..].join(", "));
    text.push_str(GROUPS);
    for option in OPTIONS {
        let _ = writeln!(text, "# {}", help(option.name));
        let _ = match option.default {
            Some(usual) => writeln!(text, "#{} = {usual}", option.name),
            None => writeln!(text, "#   {} = {}", option.name, option.example),
        };
    }
    text.push_str(THEME);
    let colours = ColourOverrides::from_palette(Palette::Dark);
    let lines: Vec<String> = colours.lines.into_iter().flatten().map(colour).collect();
    let _ = writeln!(text, "#lines = [{}]", lines.join(", "));
    for (name, does, given) in [
        ("faint", "What frames and explains:", colours.faint),
        ("good", "All is well:", colours.good),
        ("warning", "Something is not as it should be:", colours.warning),
        ("alarm", "Something is broken:", colours.alarm),
    ] {
        let _ = writeln!(text, "# {does}");
        let _ = writeln!(text, "#{name} = {}", given.map_or_else(String::new, colour));
    }
    text.push_str(KEYS);
    let keys = Keys::default();
    let mut section = "";
    for action in bindable_actions() {
        if action.section != section {
            section = action.section;
            let _ = writeln!(text, "#\n# {section}");
        }
        let bound: Vec<String> = action.keys.iter().map(Key::to_string).map(quoted).collect();
        let line = format!("#{} = [{}]", action.name, bound.join(", "));
        let _ = writeln!(text, "{line:<44} # {}", keys.expand_keys(action.description));
    }
    text + THRESHOLDS
}

/// As ratatui reads it: `light-blue`.
fn colour(colour: Color) -> String {
    let mut name = String::new();
    for c in colour.to_string().chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    quoted(name)
}

fn quoted(text: impl AsRef<str>) -> String {
    format!("\"{}\"", text.as_ref().replace('\\', "\\\\").replace('"', "\\\""))
}

//! Commented configuration with all defaults, generated from the tables of the parser.

use std::fmt::Write as _;

use ratatui::style::Color;

use super::options::{OPTIONS, SOURCE_OPTIONS};
use crate::keys::{Keys, SECTIONS};
use crate::theme::{ColourDepth, Colours, Palette};

const HEAD: &str = r#"# Configuration of loadline, with all defaults.
#
# loadline reads $XDG_CONFIG_HOME/loadline/config.toml (~/.config/loadline/config.toml), or the file given
# by --config or LOADLINE_CONFIG, and never writes it. The command line overrides environment
# variables (LOADLINE_WINDOW=15m), which override this file.
#
# A line like #name = value is a default: to change it, remove the # and edit the value.

[sources]
# Names for sources. Use a name as SOURCE on the command line; it is also shown on the screen.
#   web-1 = "deploy@10.0.0.7"
#   db = { source = "tls://db.example.org", tls-ca = "db-ca.pem" }
"#;

const GROUPS: &str = r#"
[groups]
# Groups of sources: `loadline @prod` watches all members. A group may contain other groups.
#   prod = ["web-1", "db", "tcp://10.0.0.7"]
#   all = ["@prod", "me@laptop"]

[options]
# Defaults for options: long names and values as on the command line.
#
"#;

const THEME: &str = r##"
[theme]
# Colours that replace colours of the theme chosen above: one of sixteen names (black, red, green, yellow,
# blue, magenta, cyan, gray, dark-gray, light-red to light-cyan, white), "#4fc3d9", or a number from
# 0 to 255. The defaults below belong to the theme dark; in a terminal with more than sixteen colours,
# the theme uses 24-bit colours. The mono theme has no colours.
# Lines of a chart, in order:
"##;

const KEYS: &str = r"
[keys]
# Keys of each action; hints on the screen show the first key. A key is a character, f1 to f24, space,
# tab, enter, esc, backspace, left, right, up, down, home, end, pgup, pgdn, insert or delete,
# optionally with ctrl-, alt- or shift- in front. A key has one action: to bind it to another action,
# remove it from its present one. [] means no key. Ctrl-C always quits.
";

const THRESHOLDS: &str = r#"
[thresholds]
# Levels from which a value is shown in the colour warning or alarm, in the unit of the column;
# NAME/core is per core. There are no thresholds by default.
#   cpu = { warn = 80, critical = 95 }
#   "load1/core" = { warn = 1.0, critical = 2.0 }
"#;

/// Returns the commented file. `help` returns the help of an option.
pub(crate) fn default_config(help: impl Fn(&str) -> String) -> String {
    let mut text = HEAD.to_owned();
    let _ = writeln!(text, "# A source may have its own {}.", SOURCE_OPTIONS[1..].join(", "));
    text.push_str(GROUPS);
    for option in OPTIONS {
        let _ = writeln!(text, "# {}", help(option.name));
        let indent = if option.has_default { "" } else { "   " };
        let _ = writeln!(text, "#{indent}{} = {}", option.name, option.sample);
    }
    text.push_str(THEME);
    let colours = Colours::of(Palette::Dark, ColourDepth::Sixteen);
    let lines: Vec<String> = colours.lines.into_iter().flatten().map(colour).collect();
    let _ = writeln!(text, "#lines = [{}]", lines.join(", "));
    for (name, description, given) in [
        ("faint", "Frames and labels:", colours.faint),
        ("good", "Normal state:", colours.good),
        ("warning", "Warnings:", colours.warning),
        ("alarm", "Failures and critical values:", colours.alarm),
    ] {
        let _ = writeln!(text, "# {description}");
        let _ = writeln!(text, "#{name} = {}", given.map_or_else(String::new, colour));
    }
    text.push_str(KEYS);
    let keys = Keys::default();
    for section in SECTIONS {
        let _ = writeln!(text, "#\n# {}", section.title);
        for action in section.actions {
            let bound: Vec<String> = action.keys().map(|key| key.to_string()).collect();
            let line = format!("#{} = {bound:?}", action.name);
            let _ = writeln!(text, "{line:<44} # {}", keys.expand_keys(action.description));
        }
    }
    text + THRESHOLDS
}

/// Returns the name of a colour in ratatui's syntax, such as `light-blue`.
fn colour(colour: Color) -> String {
    let mut name = String::new();
    for c in colour.to_string().chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    format!("{name:?}")
}

use std::path::Path;

use proptest::prelude::*;
use ratatui::style::Color::{Indexed, LightRed, Rgb};

use super::*;
use crate::keys::{Action, Key};
use crate::thresholds::ThresholdLevels;

fn parse(text: &str) -> Result<Config, String> {
    let folder = Some(Path::new("/home/me/.config/loadline"));
    Config::parse("c.toml".to_owned(), folder, text.as_bytes())
}

fn check(text: &str, expected: &str) {
    let fault = parse(text).expect_err(text);
    assert_eq!(fault, expected.trim_start_matches('\n').trim_end(), "\n{fault}\n");
}

#[test]
fn an_unknown_name_is_shown_with_its_line_and_what_is_allowed() {
    check(
        "[options]\ntheme = \"light\"\n  windw = \"5m\"\n",
        r#"
c.toml:3:3: unknown option "windw"; did you mean window? available: output, interval, history, window, keep, columns, fullscreen, agent-command, ssh, tls-ca, tls-cert, tls-key, theme, fill, mouse
   3 |   windw = "5m"
     |   ^^^^^"#,
    );
    check(
        "colour = 1",
        r#"
c.toml:1:1: unknown section "colour"; available: sources, groups, options, theme, keys, thresholds
   1 | colour = 1
     | ^^^^^^"#,
    );
    check(
        "theme = \"blue\"",
        r#"
c.toml:1:1: option theme is outside of a section; write it under [options]
   1 | theme = "blue"
     | ^^^^^"#,
    );
    check(
        "[theme]\nwarn = 3",
        r#"
c.toml:2:1: unknown colour "warn"; did you mean warning? available: lines, faint, good, warning, alarm
   2 | warn = 3
     | ^^^^"#,
    );
    check(
        "[sources]\ndb = { source = \"db\", window = \"1m\" }",
        r#"
c.toml:2:23: unknown option "window"; available: source, columns, agent-command, ssh, tls-ca, tls-cert, tls-key
   2 | db = { source = "db", window = "1m" }
     |                       ^^^^^^"#,
    );
}

#[test]
fn invalid_toml_is_shown_with_its_line() {
    check(
        "[options]\nwindow = 5m\n",
        r"
c.toml:2:10: string values must be quoted, expected literal string; see https://toml.io for the syntax
   2 | window = 5m
     |          ^^",
    );
    let twice = parse("[keys]\nhelp = \"x\"\nhelp = \"y\"").unwrap_err();
    assert!(twice.starts_with("c.toml:3:1: duplicate key") && twice.ends_with("^^^^"), "{twice}");
    let deep = parse(&format!("x = {}", "[".repeat(100_000))).unwrap_err();
    assert!(deep.contains("c.toml:1:") && deep.lines().count() == 3, "{deep}");
}

#[test]
fn a_value_of_the_wrong_type_is_explained_with_an_example() {
    check(
        "[options]\nwindow = 5",
        r#"
c.toml:2:10: window cannot be a number; write a string in quotes, as in "15m"
   2 | window = 5
     |          ^"#,
    );
    check(
        "[options]\nmouse = \"no\"",
        r#"
c.toml:2:9: mouse cannot be a string; write true or false without quotes
   2 | mouse = "no"
     |         ^^^^"#,
    );
    check(
        "[groups]\nprod = [\"a\", 7]",
        r#"
c.toml:2:14: prod cannot be a number; write sources in brackets, as in ["web-1", "@test", "tcp://10.0.0.7"]
   2 | prod = ["a", 7]
     |              ^"#,
    );
}

#[test]
fn a_key_that_cannot_be_bound_is_explained_with_its_action() {
    check(
        "[keys]\nhelp = [\"?\", \"f\"]",
        r#"
c.toml:2:14: cannot bind "f" to help: "f" is a default key of fullscreen; give fullscreen another key, or none with fullscreen = []
   2 | help = ["?", "f"]
     |              ^^^"#,
    );
    check(
        "[keys]\nmark = \"z\"\nhelp = \"z\"",
        r#"
c.toml:3:8: cannot bind "z" to both mark and help; remove it from one of them
   3 | help = "z"
     |        ^^^"#,
    );
    check(
        "[keys]\nquit = []",
        r#"
c.toml:2:8: quit needs a key; write one, as in ["q"]
   2 | quit = []
     |        ^^"#,
    );
    check(
        "[keys]\nquit = \"Q\"\nhelp = \"ctrl-c\"",
        r#"
c.toml:3:8: ctrl-c always quits; give help another key
   3 | help = "ctrl-c"
     |        ^^^^^^^^"#,
    );
    check(
        "[keys]\nhepl = \"F2\"",
        r#"
c.toml:2:1: unknown action "hepl"; did you mean help? available: quit, help, back, redraw, suspend, fullscreen, cycle, next-chart, previous-chart, chart-1, chart-2, chart-3, chart-4, chart-5, chart-6, chart-7, chart-8, chart-9, value-in, value-out, units, theme, fill, pause and 29 more, see loadline --print-config
   2 | hepl = "F2"
     | ^^^^"#,
    );
    let many = parse(&format!("[keys]\nhelp = [{}]", "\"F2\", ".repeat(17))).unwrap_err();
    assert!(many.contains("c.toml:2:105: an action has at most 16 keys"), "{many}");
    let long = parse(&format!("[keys]\n{} = 1", "k".repeat(70_000))).unwrap_err();
    assert!(long.contains("kkk\"...; available: quit, help") && long.len() < 1000, "{long}");
    let key = parse("[keys]\nhelp = \"hyper-x\"").unwrap_err();
    assert!(
        key.starts_with("c.toml:2:8: unknown key \"hyper-x\"; write a character, f1 to f24"),
        "{key}"
    );
}

#[test]
fn an_unknown_colour_is_an_error() {
    check(
        "[theme]\nlines = [\"cyan\", \"reddish\"]",
        r##"
c.toml:2:18: invalid colour; write a name like "cyan" or "light-red", "#4fc3d9", or a number from 0 to 255
   2 | lines = ["cyan", "reddish"]
     |                  ^^^^^^^^^"##,
    );
    for wrong in ["256", "-1", "1.5", "\"#12345\"", "true", "\"#ÿÿÿ\""] {
        let fault = parse(&format!("[theme]\ngood = {wrong}")).expect_err(wrong);
        assert!(fault.starts_with("c.toml:2:8: invalid colour; write"), "{fault}");
    }
    let seven = parse("[theme]\nlines = [1, 2, 3, 4, 5, 6, 7]").unwrap_err();
    assert!(seven.starts_with("c.toml:2:28: a chart has at most 6 colours; remove"), "{seven}");
}

#[test]
fn a_threshold_is_a_number_and_critical_is_not_below_warn() {
    check(
        "[thresholds]\ncpu = { warn = 95, critical = 80 }",
        r"
c.toml:2:7: critical is below warn; swap the two values
   2 | cpu = { warn = 95, critical = 80 }
     |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
    );
    for wrong in ["80", "{ warn = \"80\" }", "{ warn = nan }", "{ warning = 3 }"] {
        let fault = parse(&format!("[thresholds]\ncpu = {wrong}")).expect_err(wrong);
        assert!(fault.starts_with("c.toml:2:") && fault.contains(';'), "{fault}");
    }
}

#[test]
fn a_group_contains_neither_unknown_members_nor_itself() {
    check(
        "[groups]\nall = [\"@prod\"]\nprod = [\"web-1\", \"@test\"]\ntest = [\"@all\"]",
        r#"
c.toml:4:9: a group cannot contain itself: all > prod > test > all; remove "@all"
   4 | test = ["@all"]
     |         ^^^^^^"#,
    );
    check(
        "[groups]\nall = [\"@pord\"]\nprod = []",
        r#"
c.toml:2:8: unknown group "pord"; did you mean prod? available: all, prod
   2 | all = ["@pord"]
     |        ^^^^^^^"#,
    );
    check(
        "[groups]\nall = [\"web-1:x\"]",
        r#"
c.toml:2:8: invalid port in "web-1:x"; write HOST:PORT with a port from 1 to 65535
   2 | all = ["web-1:x"]
     |        ^^^^^^^^^"#,
    );
    let chain: Vec<String> = (0..5000).map(|at| format!("g{at} = [\"@g{}\"]", at + 1)).collect();
    let deep = parse(&format!("[groups]\n{}\ng5000 = []", chain.join("\n"))).unwrap_err();
    assert!(deep.contains("groups are nested too deeply; nest at most 16 groups"), "{deep}");
    let wide: Vec<String> = (0..14)
        .map(|at| format!("g{at} = [{}]", format!("\"@g{}\", ", at + 1).repeat(50)))
        .collect();
    assert!(parse(&format!("[groups]\n{}\ng14 = [\"a\"]", wide.join("\n"))).is_ok());
}

#[test]
fn a_name_that_cannot_be_typed_is_refused() {
    for name in [
        "\"\"",
        "\"a b\"",
        "\"@a\"",
        "\"-a\"",
        "\"a/b\"",
        "\"\\u001b[2J\"",
        "\"\\u202e\"",
        &"n".repeat(65),
    ] {
        let fault = parse(&format!("[sources]\n{name} = \"a\"")).expect_err(name);
        assert!(
            fault.starts_with("c.toml:2:1: ") && fault.contains("invalid name; use at most 64"),
            "{fault}"
        );
    }
    check(
        "[sources]\ndb = { ssh = \"ssh -4\" }",
        r#"
c.toml:2:1: db has no source; write a source in quotes, as in "web-1:1027", or a table, as in { source = "me@web-1", ssh = "ssh -4" }
   2 | db = { ssh = "ssh -4" }
     | ^^"#,
    );
}

#[test]
fn names_and_groups_stand_for_sources_in_their_order() {
    let config = parse(
        "[sources]\nweb = \"me@10.0.0.1\"\ndb = { source = \"tls://db\", tls-ca = \"ca.pem\" }\n\
         [groups]\nprod = [\"db\", \"web\"]\nall = [\"x\", \"@prod\", \"@prod\", \"tls://db\"]",
    )
    .unwrap();
    let shown = |word: &str| -> Vec<String> {
        let found = config.sources.resolve(word).unwrap();
        found.iter().map(|it| it.name.clone().unwrap_or_else(|| it.source.to_string())).collect()
    };
    assert_eq!(shown("@all"), ["x:1027", "db", "web"]);
    assert_eq!(shown("web"), ["web"], "and not a host of that name");
    let own = &config.sources.resolve("db").unwrap()[0].settings;
    assert_eq!(own[0].option.name, "tls-ca");
    assert_eq!(own[0].value, "/home/me/.config/loadline/ca.pem");
    let unknown = config.sources.resolve("@prdo").unwrap_err();
    assert_eq!(unknown, "unknown group \"prdo\"; did you mean prod? available: all, prod");
}

#[test]
fn colours_keys_and_thresholds_are_applied() {
    let config = parse(
        "[theme]\nlines = [12, \"#010203\"]\nalarm = \"light-red\"\n[keys]\nhelp = [\"F2\", \"H\"]\n\
         [thresholds]\ncpu = { warn = 80 }\n\"load1/core\" = { critical = 1.5 }",
    )
    .unwrap();
    assert_eq!(config.keys.labels(Action::Help), ["F2", "H"]);
    let limits = ThresholdLevels { warn: None, critical: Some(6.0) };
    assert_eq!(config.thresholds.of("load1", Some(4.0)), limits);
    let colours = (config.colours.lines[0], config.colours.lines[1], config.colours.alarm);
    assert_eq!(colours, (Some(Indexed(12)), Some(Rgb(1, 2, 3)), Some(LightRed)));
    assert!(Key::CTRL_C.to_string() == "ctrl-c" && config.options.is_empty());
}

#[test]
fn the_default_configuration_reads_with_and_without_its_comments() {
    let text = default_config(|name| format!("help of {name}"));
    let holds = |config: &Config| (config.keys.clone(), config.thresholds.clone());
    let parsed = parse(&text).unwrap();
    assert_eq!(holds(&parsed), holds(&Config::default()));
    assert!(parsed.options.is_empty() && parsed.colours == Colours::NONE);
    let bare: String =
        text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    assert_eq!(holds(&parse(&bare).unwrap()), holds(&Config::default()));
    // A line like `#name = value` is a default: without its `#`, it changes nothing.
    let all = uncommented(&text);
    let all = parse(&all).unwrap();
    assert_eq!(holds(&all), holds(&Config::default()));
    assert_eq!(
        all.colours,
        Colours::of(crate::theme::Palette::Dark, crate::theme::ColourDepth::Sixteen)
    );
    assert_eq!(all.options.len(), 6);
    // Each example is valid as printed.
    let examples: Vec<String> =
        text.lines().map(|line| line.strip_prefix("#   ").unwrap_or(line).to_owned()).collect();
    let examples = parse(&examples.join("\n")).unwrap();
    assert_eq!(examples.sources.resolve("@all").unwrap().len(), 4);
    assert_eq!(examples.options.len(), 9);
}

/// Returns `text` with its default lines uncommented.
pub(crate) fn uncommented(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => rest.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_file_is_shown_without_control_characters() {
    let fault = parse("[options]\n\u{202e}\u{1b}[2J = 1").unwrap_err();
    assert!(!fault.contains(['\u{1b}', '\u{202e}']), "{fault:?}");
    let fault = parse("[sources]\n\"\\u001b[2J\" = 1 # \u{202e}").unwrap_err();
    assert!(!fault.contains(['\u{1b}', '\u{202e}']), "{fault:?}");
    let tab = parse("[options]\n\tx = 1").unwrap_err();
    assert!(tab.ends_with("   2 |  x = 1\n     |  ^"), "{tab}");
    let long = format!("x = \"{}\" y", "ü".repeat(5000));
    let fault = parse(&long).unwrap_err();
    assert!(fault.lines().all(|line| line.chars().count() < 200), "{fault}");
    let bytes = Config::parse("c.toml".to_owned(), None, b"[keys]\nhelp = \"\xff\"");
    let fault = bytes.unwrap_err();
    assert!(fault.starts_with("c.toml:2:9: invalid UTF-8; save the file as UTF-8\n"), "{fault}");
}

#[test]
fn a_chosen_file_has_to_exist_and_not_be_huge() {
    let load = |path: &str| Config::load(Some(OsStr::new(path)));
    assert!(load("").is_ok());
    let missing = load("/nowhere/c.toml").unwrap_err();
    assert_eq!(
        missing,
        "cannot read configuration /nowhere/c.toml: no such file; choose another with --config, or \
         none with --config ''"
    );
    let folder = load("/").unwrap_err();
    assert!(folder.starts_with("cannot read configuration /: is a directory"), "{folder}");
    let endless = load("/dev/zero").unwrap_err();
    assert!(endless.contains("/dev/zero: not a regular file; choose another"), "{endless}");
    assert!(load("/dev/null").is_ok());
}

proptest! {
    #[test]
    fn any_file_is_a_configuration_or_an_error_in_it(
        text in "(\\[(sources|groups|options|theme|keys|thresholds)\\]\n)?([a-z\"]{0,6} ?= ?[\\[\\]{}\"@a-z0-9,=. ]{0,12}\n?|\\PC{0,8}){0,4}",
    ) {
        if let Err(fault) = parse(&text) {
            prop_assert!(fault.starts_with("c.toml:") && fault.lines().count() == 3, "{}", fault);
        }
    }
}

use super::*;
use crate::theme::Palette;

fn settings(line: &str, is_terminal: bool) -> Result<CliSettings, String> {
    parse_with_config("", line, is_terminal).map_err(|instead| match instead {
        EarlyExit::Error(text) => text,
        EarlyExit::Print(text) => panic!("{line}: {text}"),
    })
}

/// Parses `line` with `file` as the configuration.
fn parse_with_config(file: &str, line: &str, is_terminal: bool) -> Result<CliSettings, EarlyExit> {
    let output = if is_terminal { OutputDevice::Screen } else { OutputDevice::Redirected };
    read_with(file, line, Terminals { input: is_terminal, output })
}

fn read_with(file: &str, line: &str, terminals: Terminals) -> Result<CliSettings, EarlyExit> {
    let words: Vec<OsString> =
        line.split(' ').filter(|word| !word.is_empty()).map(OsString::from).collect();
    let folder = std::path::Path::new("/etc/loadline");
    read(&words, terminals, |_| Config::parse("c.toml".to_owned(), Some(folder), file.as_bytes()))
}

/// Returns the name under which a source is shown.
fn shown_name(chosen: &SourceSpec) -> String {
    chosen.name.clone().unwrap_or_else(|| chosen.source.to_string())
}

#[test]
fn the_default_format_depends_on_the_terminal_and_the_default_history_on_the_format() {
    let here = settings("loadline", true).unwrap();
    assert_eq!((&here.sources[0].source, here.format), (&Source::Localhost, OutputFormat::Tui));
    assert_eq!(here.history, History::Last(Duration::from_mins(10)));
    let piped = settings("loadline web-1", false).unwrap();
    assert_eq!((piped.format, piped.history), (OutputFormat::Table, History::None));
    assert!(settings("loadline -o csv --history all", true).is_ok());
}

#[test]
fn a_terminal_that_shows_text_only_gets_a_table_and_the_reason() {
    let kind = |term| OutputDevice::detect(true, term);
    let read = |line, file| {
        read_with(file, line, Terminals { input: true, output: kind("dumb") })
            .map(|settings| (settings.format, !settings.warnings.is_empty()))
    };
    let tui = "[options]\noutput = \"tui\"\n";
    assert_eq!(read("loadline", ""), Ok((OutputFormat::Table, true)));
    assert_eq!(read("loadline -n 3", tui), Ok((OutputFormat::Table, true)));
    assert_eq!(read("loadline -o table", ""), Ok((OutputFormat::Table, false)));
    assert_eq!(read("loadline -o csv", ""), Ok((OutputFormat::Csv, false)));
    assert_eq!(read("loadline --check", ""), Ok((OutputFormat::Table, false)));
    let Err(EarlyExit::Error(text)) = read("loadline -o tui", "") else { panic!("accepted") };
    assert!(text.starts_with("no charts, because TERM"), "{text}");
    assert_eq!(kind("xterm"), OutputDevice::Screen);
    assert_eq!(OutputDevice::detect(false, "dumb"), OutputDevice::Redirected);
    assert_eq!(settings("loadline", false).unwrap().warnings, Vec::<String>::new());
}

#[test]
fn a_recording_is_kept_and_shown_whole_by_default() {
    let retentions = |settings: &CliSettings| -> Vec<Duration> {
        settings.sources.iter().map(|chosen| settings.retention_of(&chosen.source)).collect()
    };
    let file = settings("loadline ./a.load", true).unwrap();
    assert_eq!((retentions(&file), file.args.window), (vec![Duration::MAX], None));
    let part = settings("loadline ./a.load --keep 1h -w 1m", true).unwrap();
    let minute = Some(Duration::from_mins(1));
    assert_eq!((retentions(&part), part.args.window), (vec![Duration::from_hours(1)], minute));
    let both = settings("loadline web-1 ./a.load", true).unwrap();
    assert_eq!(retentions(&both), [Duration::from_hours(25), Duration::MAX]);
}

#[test]
fn a_time_range_sets_the_window_and_the_history() {
    let minutes = |minutes: u64| Duration::from_mins(minutes);
    let at = |minute: i64| Time::from_millis(1_763_836_800_000 + 60_000 * minute);
    let last = |minutes: u64| History::Last(Duration::from_mins(minutes));
    let now = at(0);
    for (line, from, to, recorded, window, history) in [
        ("loadline --from -3h", Some(-180), None, None, 180, last(181)),
        ("loadline --from -3h --to -2h", Some(-180), Some(-120), None, 60, last(181)),
        ("loadline --to -2h", None, Some(-120), None, 5, last(126)),
        ("loadline --to -2h -w 30m", None, Some(-120), None, 30, last(151)),
        ("loadline --from -2m", Some(-2), None, None, 2, last(10)),
        ("loadline --from -2m --history 1h", Some(-2), None, None, 2, last(60)),
        ("loadline -o csv --from -2m", Some(-2), None, None, 2, last(3)),
        ("loadline -o csv --to -2m", None, Some(-2), None, 5, History::All),
        ("loadline ./a.load --from -1h", Some(-160), None, Some((-300, -100)), 60, last(161)),
        ("loadline ./a.load --to -1h", None, Some(-160), Some((-300, -100)), 140, last(301)),
    ] {
        let mut found = settings(line, true).unwrap();
        let bounds = TimeBounds { from: from.map(at), to: to.map(at) };
        found.apply_bounds(bounds, recorded.map(|(oldest, newest)| (at(oldest), at(newest))), now);
        assert_eq!((found.args.window, found.history), (Some(minutes(window)), history), "{line}");
    }
    let mut days = settings("loadline web-1 --from -2d", true).unwrap();
    days.apply_bounds(TimeBounds { from: Some(at(-2880)), to: Some(at(-2870)) }, None, now);
    assert!(days.retention_of(&days.sources[0].source) >= minutes(2880), "and all of it is kept");
}

#[test]
fn several_sources_keep_the_order_of_the_command_line() {
    let names: Vec<String> = (0..256).rev().map(|at| format!("web-{at}:1027")).collect();
    let found = settings(&format!("loadline {} -o csv", names.join(" ")), true).unwrap();
    let found: Vec<String> = found.sources.iter().map(shown_name).collect();
    assert_eq!(found, names);
}

#[test]
fn ssh_is_a_program_with_options() {
    let args = ["loadline", "me@web-1", "--ssh", "ssh -o 'ProxyCommand=nc %h 22'"];
    let args = args.map(OsString::from);
    let terminals = Terminals { input: true, output: OutputDevice::Redirected };
    let read = read(&args, terminals, |_| Ok(Config::default())).unwrap();
    assert_eq!(read.sources[0].ssh.options, ["-o", "ProxyCommand=nc %h 22"]);
    let default = settings("loadline me@web-1", false).unwrap();
    assert_eq!(default.sources[0].ssh, SshCommand::default());
}

#[test]
fn debug_output_has_no_secrets() {
    let line = "loadline prom+http://me:Hunter2@a/ me@b --agent-command TOKEN=Hunter2";
    let shown = format!("{:?}", settings(line, false).unwrap());
    assert!(
        shown.contains("me") && !shown.contains("TOKEN=") && !shown.contains(":Hunter2"),
        "{shown}"
    );
    let text = "[options]\nssh = \"sshpass -p Hunter2 ssh\"\n[groups]\na = [\"prom+http://me:Hunter2@a/\"]\n";
    let config = Config::parse("c.toml".to_owned(), None, text.as_bytes()).unwrap();
    assert!(!format!("{config:?}").contains("Hunter2"), "{config:?}");
}

#[test]
fn a_wrong_command_line_is_explained_in_one_line() {
    for (line, part) in [
        ("loadline -o tui", "not a terminal"),
        ("loadline -i fast", "invalid duration"),
        ("loadline -i 0s", "must be greater than 0"),
        ("loadline -w 10ms", "at least 1s"),
        ("loadline -n 0", "must be a whole number from 1"),
        ("loadline -n x", "must be a whole number from 1"),
        ("loadline -n 18446744073709551616", "must be a whole number from 1"),
        ("loadline -c a,,b", "separated by commas"),
        ("loadline -o pie", "possible values: tui, table, csv, json, raw"),
        ("loadline -o tabel", "did you mean 'table'?"),
        ("loadline --intervall 1s", "did you mean '--interval'?"),
        ("loadline --theme lihgt", "did you mean 'light'?"),
        ("loadline web-1:x", "invalid port in \"web-1:x\""),
        ("loadline me@web-1:22", "ssh://USER@HOST:PORT"),
        ("loadline --ssh=' me@web-1", "unclosed quote"),
        ("loadline --agent-command= me@web-1", "must name a program"),
        ("loadline --color", "unexpected argument"),
        ("loadline a b a:1027", "a:1027 is given twice"),
        ("loadline --from 25:00", "invalid time \"25:00\"; write it like 03:12, yesterday 03:12"),
        ("loadline --from -2h -w 5m", "remove --window"),
        ("loadline --check --to 03:12", "remove --to"),
        ("loadline a b -o raw", "-o raw takes one source, not 2; choose -o csv"),
        ("loadline tls://a --tls-cert a.pem", "give --tls-key"),
        ("loadline prom+http://me:secret@a:0/", "invalid port in \"a:0\""),
        ("loadline prom+http://a/ --tls-ca a.pem", "write tls://HOST or prom+https://HOST"),
        ("loadline http://a:9090/", "write prom+http://HOST:PORT/?instance=REGEX"),
        ("loadline tls://a --tls-key a.pem", "give --tls-cert"),
        ("loadline a --tls-ca a.pem", "write tls://HOST or prom+https://HOST"),
        ("loadline --tls-cert a.pem --tls-key a.pem", "write tls://HOST or prom+https://HOST"),
    ] {
        let error = settings(line, false).expect_err(line);
        assert!(error.contains(part) && !error.contains('\n'), "{line}: {error}");
        assert!(!error.contains("secret"), "{line}: {error}");
    }
    for (line, part) in [
        ("loadline -n 3", "--count does not work with tui"),
        ("loadline -", "standard input is a terminal"),
        ("loadline web-1 -", "standard input is a terminal"),
        ("loadline web-1 --follow", "takes recordings only"),
        (
            "loadline web-1 web-2 --record both.load",
            "--record takes one source, not 2; give one source",
        ),
        ("loadline web-1 web-2 --check", "--check takes one source"),
        ("loadline ./a.load ./b.load --follow", "--follow takes one source"),
    ] {
        let error = settings(line, true).expect_err(line);
        assert!(error.contains(part) && !error.contains('\n'), "{line}: {error}");
    }
    let many: Vec<String> = (0..257).map(|at| format!("web-{at}")).collect();
    let error = settings(&format!("loadline {}", many.join(" ")), true).unwrap_err();
    assert!(error.contains("257") && error.contains("256"), "{error}");
}

fn error_text(file: &str, line: &str) -> String {
    match parse_with_config(file, line, false) {
        Err(EarlyExit::Error(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_command_line_overrides_the_configuration() {
    let file = "[options]\nwindow = \"1h\"\nkeep = \"2d\"\ncolumns = [\"a\", \"b\"]\n\
                fullscreen = true\nfill = true\nmouse = false\ntheme = \"mono\"\ntls-ca = \"ca.pem\"\n\
                history = \"all\"\ninterval = \"2s\"\n";
    let found = parse_with_config(file, "loadline web-1 -w 1m --theme light", true).unwrap();
    assert_eq!(found.args.window, Some(Duration::from_mins(1)));
    assert_eq!(found.args.keep, Some(Duration::from_hours(48)));
    assert_eq!((found.history, found.args.interval), (History::All, Some(Duration::from_secs(2))));
    assert_eq!(found.sources[0].columns, Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!((found.args.theme, found.colours.palette), (Some(Palette::Light), Palette::Light));
    assert_eq!((found.args.fullscreen, found.args.fill, found.args.mouse), (true, true, false));
    assert_eq!(found.sources[0].tls.ca, Some("/etc/loadline/ca.pem".into()));
    let other =
        parse_with_config(file, "loadline --no-fullscreen --no-fill --mouse -c x", true).unwrap();
    assert_eq!(
        (other.args.fullscreen, other.args.fill, other.args.mouse, other.args.window),
        (false, false, true, Some(Duration::from_hours(1)))
    );
    assert_eq!(other.sources[0].columns, Some(vec!["x".to_owned()]));
}

#[test]
fn configured_defaults_do_not_contradict_typed_options() {
    let file = "[options]\noutput = \"tui\"\nfullscreen = true\n";
    assert_eq!(parse_with_config(file, "loadline a", false).unwrap().format, OutputFormat::Table);
    assert!(parse_with_config(file, "loadline a --check", true).unwrap().args.check);
    let csv = "[options]\noutput = \"csv\"\n";
    assert_eq!(parse_with_config(csv, "loadline a", true).unwrap().format, OutputFormat::Csv);
    assert_eq!(
        parse_with_config(csv, "loadline a -o tui", true).unwrap().format,
        OutputFormat::Tui
    );
    assert_eq!(
        settings("loadline a --check -o csv", true).unwrap_err(),
        "--output cannot be used with --check; remove --output"
    );
}

#[test]
fn a_configured_value_is_read_like_a_typed_one() {
    assert_eq!(
        error_text("[options]\nwindow = \"fast\"", "loadline"),
        "c.toml:2:10: window: invalid duration \"fast\"; write it like 250ms, 1s, 10m or 1h30m\n   \
         2 | window = \"fast\"\n     |          ^^^^^^"
    );
    assert_eq!(
        error_text("[options]\ntheme = \"drak\"", "loadline -w 1m"),
        "c.toml:2:9: invalid theme; possible values: dark, light, mono\n   \
         2 | theme = \"drak\"\n     |         ^^^^^^"
    );
    assert_eq!(
        error_text("[sources]\na = { source = \"b@c\", ssh = \"ssh '\" }", "loadline"),
        "c.toml:2:29: ssh: unclosed quote\n   \
         2 | a = { source = \"b@c\", ssh = \"ssh '\" }\n     |                             ^^^^^^^"
    );
}

#[test]
fn a_group_is_all_of_its_sources_each_with_its_own_options() {
    let file = "[sources]\nweb = { source = \"me@10.0.0.1\", ssh = \"ssh -4\", columns = \"a,b\" }\n\
                [groups]\nprod = [\"web\", \"db:2000\"]\nnone = []\n[options]\nssh = \"ssh -6\"";
    let shown = |line: &str| -> Vec<String> {
        let found = parse_with_config(file, line, true).unwrap();
        found.sources.iter().map(shown_name).collect()
    };
    assert_eq!(shown("loadline @prod x web"), ["web", "db:2000", "x:1027"]);
    let found = parse_with_config(file, "loadline @prod", true).unwrap();
    assert_eq!(found.sources[0].ssh.options, ["-4"]);
    assert_eq!(found.sources[0].columns, Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(
        (&found.sources[1].ssh.options[0], &found.sources[1].columns),
        (&"-6".to_owned(), &None)
    );
    let typed = parse_with_config(file, "loadline web --ssh=x", true).unwrap();
    assert_eq!(typed.sources[0].ssh.program, "x");
    assert_eq!(
        error_text(file, "loadline @pord"),
        "unknown group \"pord\"; did you mean prod? available: none, prod"
    );
    assert_eq!(
        error_text(file, "loadline web web"),
        "me@10.0.0.1 is given twice; give each source once"
    );
    assert!(error_text(file, "loadline @none").contains("no source in @none; add one"));
    assert!(error_text("", "loadline @prod").contains("the configuration has no groups"));
    let many: Vec<String> = (0..9000).map(|at| format!("\"web-{at}\"")).collect();
    let many = format!("[groups]\nmany = [{}]", many.join(", "));
    assert_eq!(error_text(&many, "loadline @many"), "too many sources: 257; give at most 256");
}

#[test]
fn the_printed_configuration_changes_nothing_when_it_is_used() {
    let Err(EarlyExit::Print(text)) = parse_with_config("", "loadline --print-config", false)
    else {
        panic!("not printed");
    };
    assert!(
        text.lines().any(|line| line
            == "# Colours for a dark or light background, or mono for none [default: dark]: dark, light, mono"),
        "{text}"
    );
    for line in ["loadline", "loadline a b -o csv", "loadline ./a.load"] {
        let default = parse_with_config("", line, true).unwrap();
        let same =
            parse_with_config(&crate::config::tests::uncommented(&text), line, true).unwrap();
        let colours = same.colours;
        let args = Args { theme: Some(Palette::Dark), ..default.args.clone() };
        let expected = CliSettings { args, colours, ..default };
        assert_eq!(same, expected, "{line}");
    }
}

#[test]
fn every_option_of_the_configuration_is_one_of_the_command_line() {
    Args::command().debug_assert();
    for option in Args::command().get_arguments() {
        let name = option.get_id().as_str();
        let has_none = ["sources", "print_config", "generate", "mouse", "no_fullscreen", "no_fill"]
            .contains(&name);
        let expected = format!("LOADLINE_{}", name.to_uppercase());
        let found = option.get_env().map(|it| it.to_string_lossy().into_owned());
        assert_eq!(found, (!has_none).then_some(expected), "{name}");
    }
}

#[test]
fn each_option_has_a_scope() {
    let ids: Vec<String> =
        Args::command().get_arguments().map(|option| option.get_id().to_string()).collect();
    assert_eq!(ids, crate::scope::OPTION_SCOPES.each_ref().map(|option| option.id));
}

#[test]
fn a_typed_option_without_an_effect_is_an_error_or_a_warning() {
    for (line, part) in [
        ("loadline /dev/null --follow -o csv", "--follow takes recordings only"),
        ("loadline web-1 -c cpu,mem,cpu:%", "column \"cpu\" is given twice"),
        ("loadline --print-config web-1", "SOURCE cannot be used with --print-config"),
        ("loadline --generate man -w 1m", "--window cannot be used with --generate"),
        ("loadline web-1 --check --keep 1h", "--keep cannot be used with --check; remove --keep"),
        ("loadline -i -5s", "invalid duration \"-5s\""),
        ("loadline -w 1.5", "invalid duration \"1.5\""),
        ("loadline --keep 10000years", "at most 100 years"),
        ("loadline --record=", "a value is required"),
    ] {
        let error = settings(line, false).expect_err(line);
        assert!(error.contains(part), "{line}: {error}");
    }
    for (line, expected) in [
        ("loadline web-1 -o csv -w 5m", &["--window has no effect without a screen"][..]),
        (
            "loadline web-1 -o csv --ssh x",
            &["--ssh needs an ssh source; write USER@HOST or ssh://HOST"],
        ),
        ("loadline web-1 -o csv --no-mouse", &["--no-mouse has no effect without a screen"]),
        (
            "loadline ./a.load -o csv --history 1h",
            &["--history has no effect: files and pipes are read from their beginning"],
        ),
        (
            "loadline - -o csv -i 1s",
            &[
                "--interval has no effect: rows of pipes and standard input arrive at their own pace",
            ],
        ),
        (
            "loadline web-1 --keep 1m -w 1h",
            &["--keep 1m has no effect, because --window is 1h; give at least --keep 1h"],
        ),
        (
            "loadline web-1 --keep 1h --history 2h",
            &["--keep 1h keeps less than --history 2h; give at least --keep 2h"],
        ),
        ("loadline ./a.load web-1 -o csv --history 1h -n 3 -i 1s", &[]),
        ("loadline web-1 -w 5m --keep 1h --fill --mouse --theme light", &[]),
    ] {
        assert_eq!(settings(line, true).unwrap().warnings, expected, "{line}");
    }
    let file = "[options]\nwindow = \"1h\"\nssh = \"ssh -4\"\nhistory = \"1h\"\n";
    assert!(parse_with_config(file, "loadline - -o csv", false).unwrap().warnings.is_empty());
    let keep = "[options]\nkeep = \"1m\"\n";
    assert!(parse_with_config(keep, "loadline -w 1h", true).unwrap().warnings.is_empty());
    let names = ["LOADLINE_WINDW", "LOADLINE_PROM_TOKEN", "LOADLINE_AGENT_LISTEN", "HOME"];
    let unknown = variable_warnings(names.into_iter().map(OsString::from));
    assert!(unknown.len() == 1 && unknown[0].contains("mean LOADLINE_WINDOW?"), "{unknown:?}");
    let own = "[sources]\na = { source = \"b\", tls-ca = \"ca.pem\" }";
    assert!(error_text(own, "loadline").contains(": tls-ca needs a TLS source"));
    let empty = "[thresholds]\ncpu = {}";
    assert!(error_text(empty, "loadline").contains("c.toml:2:7: cpu has no threshold"));
    let twice = "[options]\ncolumns = [\"a\", \"a\"]";
    assert!(error_text(twice, "loadline").contains("c.toml:2:11: column \"a\" is given twice"));
}

#[test]
fn top_takes_the_options_of_rows_but_no_columns() {
    for (line, expected) in [
        ("loadline web-1 -o top -c cpu", "--columns cannot be used with -o top; remove --columns"),
        ("loadline a.csv -o top --time-column a", "--time-column cannot be used with -o top"),
        ("loadline prom+http://a/ -o top", "Prometheus has no processes; give an agent"),
    ] {
        let error = settings(line, false).expect_err(line);
        assert!(error.contains(expected), "{line}: {error}");
    }
    for (line, expected) in [
        ("loadline web-1 -o top --fill", &["--fill has no effect without a screen"][..]),
        ("loadline web-1 prom+http://a/ -o top -n 3 --history 1h --from -2h", &[]),
    ] {
        assert_eq!(settings(line, true).unwrap().warnings, expected, "{line}");
    }
    let uses_looks = |line: &str| settings(line, true).unwrap().uses_looks();
    for line in ["loadline", "loadline -o top", "loadline -o raw", "loadline --check"] {
        assert!(uses_looks(line), "{line}");
    }
    assert!(uses_looks("loadline -o csv --record a.load"));
    assert!(!["csv", "json", "table"].iter().any(|it| uses_looks(&format!("loadline -o {it}"))));
}

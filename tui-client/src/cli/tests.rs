use super::*;

fn settings(line: &str, is_terminal: bool) -> Result<Settings, String> {
    configured("", line, is_terminal).map_err(|instead| match instead {
        Instead::Usage(text) => text,
        other => panic!("{line}: {other:?}"),
    })
}

/// The same with this configuration.
fn configured(file: &str, line: &str, is_terminal: bool) -> Result<Settings, Instead> {
    let words: Vec<OsString> =
        line.split(' ').filter(|word| !word.is_empty()).map(OsString::from).collect();
    let terminals = Terminals { input: is_terminal, output: is_terminal };
    let folder = std::path::Path::new("/etc/loadline");
    read(&words, terminals, |_| Config::parse("c.toml".to_owned(), Some(folder), file.into()))
}

#[test]
fn the_output_follows_the_terminal_and_the_history_the_output() {
    let here = settings("loadline", true).unwrap();
    assert_eq!((&here.sources[0].source, here.form), (&Source::Here, Form::Tui));
    assert_eq!(here.history, History::Last(Duration::from_mins(10)));
    let piped = settings("loadline web-1", false).unwrap();
    assert_eq!((piped.form, piped.history), (Form::Table, History::None));
    assert!(settings("loadline -o csv --history all", true).is_ok());
}

#[test]
fn a_recording_is_kept_and_seen_whole_unless_something_else_is_said() {
    let kept = |settings: &Settings| -> Vec<Duration> {
        settings.sources.iter().map(|chosen| settings.keep_of(&chosen.source)).collect()
    };
    let file = settings("loadline ./a.load", true).unwrap();
    assert_eq!((kept(&file), file.window), (vec![Duration::MAX], None));
    let part = settings("loadline ./a.load --keep 1h -w 1m", true).unwrap();
    let minute = Some(Duration::from_mins(1));
    assert_eq!((kept(&part), part.window), (vec![Duration::from_hours(1)], minute));
    let both = settings("loadline web-1 ./a.load", true).unwrap();
    assert_eq!(kept(&both), [Duration::from_hours(24), Duration::MAX]);
}

#[test]
fn a_range_of_times_is_what_the_charts_span_and_the_history_reaches_back_to_it() {
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
        let bounds = Bounds { from: from.map(at), to: to.map(at) };
        found.look_at(bounds, recorded.map(|(oldest, newest)| (at(oldest), at(newest))), now);
        assert_eq!((found.window, found.history), (Some(minutes(window)), history), "{line}");
    }
    let mut days = settings("loadline web-1 --from -2d", true).unwrap();
    days.look_at(Bounds { from: Some(at(-2880)), to: Some(at(-2870)) }, None, now);
    assert!(days.keep_of(&days.sources[0].source) >= minutes(2880), "and all of it is kept");
}

#[test]
fn several_sources_stand_in_the_order_in_which_they_are_given() {
    let names: Vec<String> = (0..256).rev().map(|at| format!("web-{at}:1027")).collect();
    let found = settings(&format!("loadline {} -o csv", names.join(" ")), true).unwrap();
    let found: Vec<String> = found.sources.iter().map(ToString::to_string).collect();
    assert_eq!(found, names);
}

#[test]
fn ssh_is_a_program_with_options() {
    let args = ["loadline", "me@web-1", "--ssh", "ssh -o 'ProxyCommand=nc %h 22'"];
    let args = args.map(OsString::from);
    let terminals = Terminals { input: true, output: false };
    let read = read(&args, terminals, |_| Ok(Config::default())).unwrap();
    assert_eq!(read.sources[0].ssh.program, ["ssh", "-o", "ProxyCommand=nc %h 22"]);
    let usual = settings("loadline me@web-1", false).unwrap();
    assert_eq!(usual.sources[0].ssh, SshCommand::default());
}

#[test]
fn a_wrong_command_line_is_told_in_one_line() {
    for (line, part) in [
        ("loadline -o tui", "no terminal"),
        ("loadline -i fast", "no duration"),
        ("loadline -i 0s", "longer than nothing"),
        ("loadline -w 10ms", "at least 1s"),
        ("loadline -n 0", "0 is not in"),
        ("loadline -c a,,b", "commas between"),
        ("loadline -o pie", "possible values: tui, table, csv, json, raw"),
        ("loadline -o tabel", "did you mean 'table'?"),
        ("loadline --intervall 1s", "did you mean '--interval'?"),
        ("loadline --theme lihgt", "did you mean 'light'?"),
        ("loadline web-1:x", "no usable port"),
        ("loadline me@web-1:22", "ssh://USER@HOST:PORT"),
        ("loadline --ssh=' me@web-1", "not closed"),
        ("loadline --agent-command= me@web-1", "name a program"),
        ("loadline --color", "unexpected argument"),
        ("loadline a b a:1027", "a:1027 is given twice"),
        ("loadline --from 25:00", "\"25:00\" is no time; write it like 03:12, yesterday 03:12"),
        ("loadline --from -2h -w 5m", "leave out --window"),
        ("loadline --check --to 03:12", "leave out --to"),
        ("loadline a b -o raw", "one source"),
        ("loadline tls://a --tls-cert a.pem", "give --tls-key"),
        ("loadline prom+http://me:secret@a:0/", "\"a:0\" has no usable port"),
        ("loadline prom+http://a/ --tls-ca a.pem", "write it as tls://HOST"),
        ("loadline http://a:9090/", "write prom+http://HOST:PORT/?instance=REGEX"),
        ("loadline tls://a --tls-key a.pem", "give --tls-cert"),
        ("loadline a --tls-ca a.pem", "write it as tls://HOST"),
        ("loadline --tls-cert a.pem --tls-key a.pem", "write it as tls://HOST"),
    ] {
        let error = settings(line, false).expect_err(line);
        assert!(error.contains(part) && !error.contains('\n'), "{line}: {error}");
        assert!(!error.contains("secret"), "{line}: {error}");
    }
    for (line, part) in [
        ("loadline -n 3", "--count"),
        ("loadline -", "standard input is the terminal"),
        ("loadline web-1 -", "standard input is the terminal"),
        ("loadline web-1 --follow", "for recordings"),
        ("loadline web-1 web-2 --record both.load", "--record keeps one source"),
        ("loadline web-1 web-2 --check", "--check looks at one source"),
        ("loadline ./a.load ./b.load --follow", "--follow reads on in one source"),
    ] {
        let error = settings(line, true).expect_err(line);
        assert!(error.contains(part) && !error.contains('\n'), "{line}: {error}");
    }
    let many: Vec<String> = (0..257).map(|at| format!("web-{at}")).collect();
    let error = settings(&format!("loadline {}", many.join(" ")), true).unwrap_err();
    assert!(error.contains("257") && error.contains("256"), "{error}");
}

fn told(file: &str, line: &str) -> String {
    match configured(file, line, false) {
        Err(Instead::Config(text) | Instead::Usage(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn what_is_typed_comes_before_what_is_configured() {
    let file = "[options]\nwindow = \"1h\"\nkeep = \"2d\"\ncolumns = [\"a\", \"b\"]\n\
                fullscreen = true\nfill = true\nmouse = false\ntheme = \"mono\"\ntls-ca = \"ca.pem\"\n\
                history = \"all\"\ninterval = \"2s\"\n";
    let found = configured(file, "loadline web-1 -w 1m --theme light", true).unwrap();
    assert_eq!(found.window, Some(Duration::from_mins(1)));
    assert_eq!(found.keep, Some(Duration::from_hours(48)));
    assert_eq!((found.history, found.interval), (History::All, Some(Duration::from_secs(2))));
    assert_eq!(found.sources[0].columns, Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!((found.theme, found.colours.of), (Some(Palette::Light), Palette::Light));
    assert_eq!((found.fullscreen, found.fill, found.mouse), (true, true, false));
    assert_eq!(found.sources[0].tls.ca, Some("/etc/loadline/ca.pem".into()));
    let other = configured(file, "loadline --no-fullscreen --no-fill --mouse -c x", true).unwrap();
    assert_eq!(
        (other.fullscreen, other.fill, other.mouse, other.window),
        (false, false, true, Some(Duration::from_hours(1)))
    );
    assert_eq!(other.sources[0].columns, Some(vec!["x".to_owned()]));
}

#[test]
fn what_is_configured_for_all_is_no_contradiction_to_what_is_done_once() {
    let file = "[options]\noutput = \"tui\"\nfullscreen = true\n";
    assert_eq!(configured(file, "loadline a", false).unwrap().form, Form::Table);
    assert!(configured(file, "loadline a --check", true).unwrap().check);
    let csv = "[options]\noutput = \"csv\"\n";
    assert_eq!(configured(csv, "loadline a", true).unwrap().form, Form::Csv);
    assert_eq!(configured(csv, "loadline a -o tui", true).unwrap().form, Form::Tui);
    assert_eq!(
        settings("loadline a --check -o csv", true).unwrap_err(),
        "--check ends by itself and shows no rows; leave out --output"
    );
}

#[test]
fn a_value_of_the_configuration_is_read_as_if_it_were_typed() {
    assert_eq!(
        told("[options]\nwindow = \"fast\"", "loadline"),
        "c.toml:2:10: window: \"fast\" is no duration; write it like 250ms, 1s, 10m or 1h30m\n   \
         2 | window = \"fast\"\n     |          ^^^^^^"
    );
    assert_eq!(
        told("[options]\ntheme = \"drak\"", "loadline -w 1m"),
        "c.toml:2:9: this is no theme; choose from dark, light, mono\n   \
         2 | theme = \"drak\"\n     |         ^^^^^^"
    );
    assert_eq!(
        told("[sources]\na = { source = \"b\", ssh = \"ssh '\" }", "loadline"),
        "c.toml:2:27: ssh: a quote is not closed\n   \
         2 | a = { source = \"b\", ssh = \"ssh '\" }\n     |                           ^^^^^^^"
    );
}

#[test]
fn a_group_is_all_of_its_sources_each_with_what_is_its_own() {
    let file = "[sources]\nweb = { source = \"me@10.0.0.1\", ssh = \"ssh -4\", columns = \"a,b\" }\n\
                [groups]\nprod = [\"web\", \"db:2000\"]\nnone = []\n[options]\nssh = \"ssh -6\"";
    let shown = |line: &str| -> Vec<String> {
        let found = configured(file, line, true).unwrap();
        found.sources.iter().map(ToString::to_string).collect()
    };
    assert_eq!(shown("loadline @prod x web"), ["web", "db:2000", "x:1027"]);
    let found = configured(file, "loadline @prod", true).unwrap();
    assert_eq!(found.sources[0].ssh.program, ["ssh", "-4"]);
    assert_eq!(found.sources[0].columns, Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(
        (&found.sources[1].ssh.program[1], &found.sources[1].columns),
        (&"-6".to_owned(), &None)
    );
    let typed = configured(file, "loadline web --ssh=x", true).unwrap();
    assert_eq!(typed.sources[0].ssh.program, ["x"]);
    assert_eq!(
        told(file, "loadline @pord"),
        "there is no group \"pord\"; did you mean prod? There are none, prod"
    );
    assert_eq!(told(file, "loadline web web"), "me@10.0.0.1 is given twice; give each source once");
    assert!(told(file, "loadline @none").contains("no source is in this group"));
    assert!(told("", "loadline @prod").contains("the configuration names none"));
    let many: Vec<String> = (0..9000).map(|at| format!("\"web-{at}\"")).collect();
    let many = format!("[groups]\nmany = [{}]", many.join(", "));
    assert_eq!(told(&many, "loadline @many"), "257 sources are too many; give 256 at most");
}

#[test]
fn the_printed_configuration_changes_nothing_when_it_is_written_down() {
    let Err(Instead::Print(text)) = configured("", "loadline --print-config", false) else {
        panic!("it is printed");
    };
    assert!(
        text.lines().any(|line| line
            == "# Colours for this background, or none [default: dark]: dark, light, mono"),
        "{text}"
    );
    for line in ["loadline", "loadline a b -o csv", "loadline ./a.load"] {
        let usual = configured("", line, true).unwrap();
        let same = configured(&crate::config::tests::uncommented(&text), line, true).unwrap();
        let colours = same.colours;
        let expected = Settings { theme: Some(Palette::Dark), colours, ..usual };
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

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
    assert_eq!((kept(&file), file.whole), (vec![Duration::MAX], true));
    let part = settings("loadline ./a.load --keep 1h -w 1m", true).unwrap();
    assert_eq!((kept(&part), part.whole), (vec![Duration::from_hours(1)], false));
    let both = settings("loadline web-1 ./a.load", true).unwrap();
    assert_eq!(kept(&both), [Duration::from_hours(24), Duration::MAX]);
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
        ("loadline -o pie", "csv"),
        ("loadline web-1:x", "no usable port"),
        ("loadline me@web-1:22", "ssh://USER@HOST:PORT"),
        ("loadline --ssh=' me@web-1", "not closed"),
        ("loadline --agent-command= me@web-1", "name a program"),
        ("loadline --color", "unexpected argument"),
        ("loadline a b a:1027", "a:1027 is given twice"),
        ("loadline a b -o raw", "one source"),
        ("loadline tls://a --tls-cert a.pem", "give --tls-key"),
        ("loadline tls://a --tls-key a.pem", "give --tls-cert"),
        ("loadline a --tls-ca a.pem", "write it as tls://HOST"),
        ("loadline --tls-cert a.pem --tls-key a.pem", "write it as tls://HOST"),
    ] {
        let error = settings(line, false).expect_err(line);
        assert!(error.contains(part) && !error.contains('\n'), "{line}: {error}");
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

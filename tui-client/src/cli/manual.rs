//! Sections of the manual page other than the options.

use loadline_agent::{Manual, ManualEntry};

use crate::keys::{BindableAction, Keys, MOUSE_HELP, bindable_actions};

pub(super) fn manual() -> Manual {
    Manual {
        before: vec![("SOURCES", sources()), ("KEYS", keys())],
        environment: environment(),
        after: vec![("FILES", files()), ("EXAMPLES", examples()), ("SEE ALSO", see_also())],
    }
}

fn text(text: &str) -> ManualEntry {
    ManualEntry::Text(text.to_owned())
}

fn sources() -> Vec<ManualEntry> {
    vec![
        ManualEntry::term(
            "(none)",
            "This machine: the agent on 127.0.0.1:1027, or samples of this process if none answers.",
        ),
        ManualEntry::term(
            "HOST, HOST:PORT, tcp://HOST:PORT",
            "An agent, or any program that writes rows, over TCP. The default port is 1027.",
        ),
        ManualEntry::term("tls://HOST[:PORT]", "An agent over TLS; see --tls-ca and --tls-cert."),
        ManualEntry::term(
            "USER@HOST, ssh://[USER@]HOST[:PORT]",
            "An agent that ssh starts there, with your ssh keys and configuration; see --ssh and \
             --agent-command.",
        ),
        ManualEntry::term("unix:PATH", "An agent at a Unix socket."),
        ManualEntry::term(
            "prom+http://[USER@]HOST[:PORT]/[PATH]?instance=REGEX, prom+https://...",
            "The machines in Prometheus or a compatible server, each as a source. job=REGEX selects \
             jobs, step=DURATION sets the interval.",
        ),
        ManualEntry::term(
            "NAME, @GROUP",
            "A source, or all sources of a group, in the configuration.",
        ),
        ManualEntry::term("-", "Standard input: rows of numbers, a CSV file or a recording."),
        ManualEntry::term(
            "PATH, file:PATH",
            "A recording or a CSV file. A PATH contains a / or is an existing file.",
        ),
        text(
            "With several sources, an overview shows one line for each; Enter opens a source. If a \
             connection ends, loadline reconnects after a pause of at most ten seconds, and fetches the \
             missed samples that the agent still holds.",
        ),
    ]
}

/// Returns the default keys, as the help on the screen lists them.
fn keys() -> Vec<ManualEntry> {
    let keys = Keys::default();
    let all: Vec<BindableAction> = bindable_actions().collect();
    let sections = all.chunk_by(|a, b| a.section == b.section).flat_map(|section| {
        let title =
            section.iter().take(1).map(|first| ManualEntry::Heading(first.section.to_owned()));
        let line = |same: &[BindableAction]| {
            let names: Vec<String> =
                same.iter().flat_map(|it| it.keys).map(|key| key.label()).collect();
            let does = same.first().map_or("", |it| it.description);
            ManualEntry::term(&names.join(", "), &keys.expand_keys(does))
        };
        // One entry for the keys of all charts, which share a description.
        let lines = section.chunk_by(|a, b| a.description == b.description).map(line);
        title.chain(lines.collect::<Vec<_>>())
    });
    let mouse = MOUSE_HELP.iter().map(|(what, does)| ManualEntry::term(what, does));
    sections.chain([ManualEntry::Heading("Mouse".to_owned())]).chain(mouse).collect()
}

fn environment() -> Vec<ManualEntry> {
    vec![
        ManualEntry::term(
            "NO_COLOR, CLICOLOR, CLICOLOR_FORCE",
            "No colours if NO_COLOR is set or CLICOLOR is 0. Always colours if CLICOLOR_FORCE is set \
             and NO_COLOR is not.",
        ),
        ManualEntry::term("COLORTERM", "truecolor or 24bit: use more than 16 colours."),
        ManualEntry::term(
            "TERM",
            "linux: draw dots and frames in ASCII. dumb: as linux, without colours.",
        ),
        ManualEntry::term(
            "LC_ALL, LC_CTYPE, LANG",
            "Character set of the terminal; the first that is set counts. Without UTF-8, draw in ASCII.",
        ),
        ManualEntry::term(
            "LOADLINE_PROM_PASSWORD, LOADLINE_PROM_TOKEN",
            "Password for the USER in a Prometheus address, or bearer token for an address without \
             USER.",
        ),
        ManualEntry::term("TZ", "Time zone of the time axis and the table."),
    ]
}

fn files() -> Vec<ManualEntry> {
    vec![
        ManualEntry::term(
            "~/.config/loadline/config.toml",
            "Names for sources and groups, defaults for options, colours, keys and thresholds; see \
             --print-config. XDG_CONFIG_HOME replaces ~/.config, --config names another file.",
        ),
        ManualEntry::term("*.load", "Recordings by --record: the lines of the stream, unchanged."),
        ManualEntry::term("~/.ssh/config, ~/.ssh/known_hosts", "Read by ssh, for ssh sources."),
    ]
}

fn examples() -> Vec<ManualEntry> {
    vec![
        ManualEntry::term("loadline", "Show this machine."),
        ManualEntry::term("loadline me@web-1 me@web-2", "Show two servers over ssh."),
        ManualEntry::term(
            "loadline web-1 --record monday.load",
            "Show a server, and record its stream.",
        ),
        ManualEntry::term("loadline monday.load", "Show a whole recording."),
        ManualEntry::term(
            "loadline web-1 -o csv -c cpu,mem -n 60 > minute.csv",
            "Write two columns of sixty samples.",
        ),
        ManualEntry::term("vmstat -n 1 | loadline -", "Show the output of another program."),
        ManualEntry::term("loadline --check web-1", "Report on a source, and exit."),
        ManualEntry::term(
            "loadline --generate bash > ~/.local/share/bash-completion/completions/loadline",
            "Install completions for bash.",
        ),
    ]
}

fn see_also() -> Vec<ManualEntry> {
    vec![text("loadline-agent(1), ssh(1), top(1), vmstat(8)")]
}

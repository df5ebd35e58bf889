//! What the manual page says besides the options.

use loadline_agent::{Manual, ManualEntry};

use crate::keys::{BindableAction, Keys, MOUSE_HELP, bindable_actions};

/// All of it.
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
            "This machine: the agent on 127.0.0.1:1027 if one answers, else one inside this program.",
        ),
        ManualEntry::term("HOST, HOST:PORT, tcp://HOST:PORT", "TCP; port 1027 if none is given."),
        ManualEntry::term("tls://HOST[:PORT]", "The same over TLS; see --tls-ca and --tls-cert."),
        ManualEntry::term(
            "USER@HOST, ssh://[USER@]HOST[:PORT]",
            "An agent that ssh starts there, with your own keys and configuration; see --ssh and \
             --agent-command.",
        ),
        ManualEntry::term("unix:PATH", "A Unix socket."),
        ManualEntry::term(
            "prom+http://[USER@]HOST[:PORT]/[PATH]?instance=REGEX, prom+https://...",
            "The machines that a Prometheus, or a server that answers as it does, knows of, each a \
             source of its own; job=REGEX and step=DURATION narrow them and space their rows.",
        ),
        ManualEntry::term(
            "NAME, @GROUP",
            "What the configuration has under this name, and all that is in this group.",
        ),
        ManualEntry::term(
            "-",
            "Standard input: rows of numbers, a CSV file, or what a recording has.",
        ),
        ManualEntry::term(
            "PATH, file:PATH",
            "A recording or a CSV file: what has a / in it, or is a file here.",
        ),
        text(
            "With several sources, each has a line of an overview; Enter opens it. A server that is \
             away is tried again, at last every ten seconds, and no sample that its agent still holds \
             is lost.",
        ),
    ]
}

/// The table that the help of the screen shows as well, with the keys of the start.
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
        // The keys of the charts do the same, each for its own.
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
            "The screen has no colours if the first is set, or the second is 0; it has them in any case \
             if CLICOLOR_FORCE is set and NO_COLOR is not.",
        ),
        ManualEntry::term(
            "COLORTERM",
            "truecolor or 24bit: the terminal has more than 16 colours.",
        ),
        ManualEntry::term("TERM", "linux: plain ASCII dots and frames. dumb: no colours either."),
        ManualEntry::term(
            "LC_ALL, LC_CTYPE, LANG",
            "The first that is set says whether the terminal understands UTF-8; without, plain ASCII.",
        ),
        ManualEntry::term(
            "LOADLINE_PROM_PASSWORD, LOADLINE_PROM_TOKEN",
            "What a Prometheus is shown: the password of the USER in its address, or a bearer token \
             where there is none.",
        ),
        ManualEntry::term("TZ", "The time zone of the axis and of the table."),
    ]
}

fn files() -> Vec<ManualEntry> {
    vec![
        ManualEntry::term(
            "~/.config/loadline/config.toml",
            "Names for sources and groups, defaults for options, colours, keys, thresholds; \
             --print-config shows all of it. XDG_CONFIG_HOME leads to another folder, --config to \
             another file.",
        ),
        ManualEntry::term(
            "*.load",
            "Recordings, as --record writes them: the lines of the stream itself.",
        ),
        ManualEntry::term(
            "~/.ssh/config, ~/.ssh/known_hosts",
            "Read by ssh, for sources that it leads to.",
        ),
    ]
}

fn examples() -> Vec<ManualEntry> {
    vec![
        ManualEntry::term("loadline", "Shows this machine."),
        ManualEntry::term("loadline me@web-1 me@web-2", "Shows two servers, by ssh."),
        ManualEntry::term("loadline web-1 --record monday.load", "Shows an agent, and records it."),
        ManualEntry::term("loadline monday.load", "Shows a recording as a whole."),
        ManualEntry::term(
            "loadline web-1 -o csv -c cpu,mem -n 60 > minute.csv",
            "Writes two columns of sixty samples.",
        ),
        ManualEntry::term("vmstat -n 1 | loadline -", "Shows what another program writes."),
        ManualEntry::term("loadline --check web-1", "Says what is there, and whether rows come."),
        ManualEntry::term(
            "loadline --generate bash > ~/.local/share/bash-completion/completions/loadline",
            "Has bash complete the options.",
        ),
    ]
}

fn see_also() -> Vec<ManualEntry> {
    vec![text("loadline-agent(1), ssh(1), top(1), vmstat(8)")]
}

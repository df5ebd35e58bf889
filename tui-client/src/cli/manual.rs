//! Sections of the manual page other than the options.

use loadline_common::Manual;

use crate::keys::{BindableAction, Key, Keys, MOUSE_HELP, SECTIONS};

pub(super) fn write_manual(page: &mut Manual) {
    write_sources(page);
    write_keys(page);
    page.exit_status_and_environment();
    write_environment(page);
    write_files_and_examples(page);
    page.section("SEE ALSO").text("loadline-agent(1), ssh(1), top(1), vmstat(8)");
}

fn write_sources(page: &mut Manual) {
    page.section("SOURCES")
        .term(
            "(none)",
            "This machine: the agent at /run/loadline/agent.sock or 127.0.0.1:1027 if it belongs to \
             root, to the same user or to the service, else an agent inside this program.",
        )
        .term(
            "HOST, HOST:PORT, tcp://HOST:PORT",
            "An agent, or any program that writes rows, over TCP. The default port is 1027.",
        )
        .term("tls://HOST[:PORT]", "An agent over TLS; see --tls-ca and --tls-cert.")
        .term(
            "USER@HOST, ssh://[USER@]HOST[:PORT]",
            "An agent that ssh starts there, with your ssh keys and configuration; see --ssh and \
             --agent-command.",
        )
        .term("unix:PATH", "An agent at a Unix socket.")
        .term(
            "prom+http://[USER@]HOST[:PORT]/[PATH]?instance=REGEX, prom+https://...",
            "The machines in Prometheus or a compatible server, each as a source. job=REGEX \
             selects jobs, step=DURATION sets the interval.",
        )
        .term(
            "NAME, @GROUP",
            "A source, or all sources of a group, in the configuration.",
        )
        .term("-", "Standard input: rows of numbers, a CSV file or a recording.")
        .term(
            "PATH, file:PATH",
            "A recording or a CSV file. A PATH contains a / or is an existing file.",
        )
        .text(
            "With several sources, an overview shows one line for each; Enter opens a source. If a \
             connection ends, loadline reconnects after a pause of at most ten seconds, and fetches \
             the missed samples that the agent still holds.",
        );
}

/// Writes the default keys, as the help on the screen lists them.
fn write_keys(page: &mut Manual) {
    page.section("KEYS");
    let keys = Keys::default();
    for section in SECTIONS {
        page.subsection(section.title);
        // One entry for the keys of all charts, which share a description.
        for same in section.actions.chunk_by(|a, b| a.description == b.description) {
            let names: Vec<String> =
                same.iter().flat_map(BindableAction::keys).map(Key::label).collect();
            page.term(&names.join(", "), &keys.expand_keys(same[0].description));
        }
    }
    page.subsection("Mouse");
    for (what, does) in MOUSE_HELP {
        page.term(what, does);
    }
}

/// Writes the environment variables without those of options.
fn write_environment(page: &mut Manual) {
    page.term(
        "NO_COLOR, CLICOLOR, CLICOLOR_FORCE",
        "No colours if NO_COLOR is set or CLICOLOR is 0. Colours in any case if CLICOLOR_FORCE \
             is set and NO_COLOR is not.",
    )
    .term("COLORTERM", "truecolor or 24bit: use more than 16 colours.")
    .term("TERM", "linux: draw dots and frames in ASCII. dumb: as linux, without colours.")
    .term(
        "LC_ALL, LC_CTYPE, LANG",
        "Character set of the terminal; the first that is set counts. Without UTF-8, \
             draw in ASCII.",
    )
    .term(
        "LOADLINE_PROM_PASSWORD, LOADLINE_PROM_TOKEN",
        "Password for the USER in a Prometheus address, or bearer token for an address \
             without USER.",
    )
    .term("TZ", "Time zone of the time axis and the table.");
}

fn write_files_and_examples(page: &mut Manual) {
    page.section("FILES")
        .term(
            "~/.config/loadline/config.toml",
            "Names for sources and groups, defaults for options, colours, keys and thresholds; see \
             --print-config. XDG_CONFIG_HOME replaces ~/.config, --config names another file.",
        )
        .term("*.load", "Recordings by --record: the lines of the stream, unchanged.")
        .term("~/.ssh/config, ~/.ssh/known_hosts", "Read by ssh, for ssh sources.")
        .section("EXAMPLES")
        .term("loadline", "Show this machine.")
        .term("loadline me@web-1 me@web-2", "Show two servers over ssh.")
        .term("loadline web-1 --record monday.load", "Show a server, and record its stream.")
        .term("loadline monday.load", "Show a whole recording.")
        .term(
            "loadline web-1 -o csv -c cpu,mem -n 60 > minute.csv",
            "Write two columns of sixty samples.",
        )
        .term("vmstat -n 1 | loadline -", "Show the output of another program.")
        .term("loadline --check web-1", "Report on a source, and exit.")
        .term(
            "loadline --generate bash > ~/.local/share/bash-completion/completions/loadline",
            "Install completions for bash.",
        );
}

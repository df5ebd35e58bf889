//! Text of the agent's manual page besides the options.

use loadline_agent::{Manual, ManualEntry};

pub(crate) fn manual() -> Manual {
    Manual {
        before: vec![("STREAM", stream()), ("SIGNALS", signals())],
        environment: vec![
            ManualEntry::term(
                "NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS, LISTEN_PID",
                "Set by systemd: for readiness and watchdog messages, and sockets to listen on.",
            ),
            ManualEntry::term(
                "NO_COLOR, CLICOLOR",
                "The log on a terminal has no colours if NO_COLOR is set, or if CLICOLOR is 0.",
            ),
        ],
        after: vec![("FILES", files()), ("EXAMPLES", examples()), ("SEE ALSO", see_also())],
    }
}

fn stream() -> Vec<ManualEntry> {
    let text = |text: &str| ManualEntry::Text(text.to_owned());
    vec![
        text(
            "A client that sends nothing gets a plain stream: six numbers for each sample, \
             cpu (%), freq (MHz), mem (%), load1, load5 and load15. The first line comes at \
             once. A value that is not known is nan.",
        ),
        text(
            "A client that sends the line loadline/1 gets a subscribed stream: a header with the \
             names of all columns, and lines that begin with time and number of the sample. The \
             request may add interval=2s, history=10m, columns=cpu,mem and resume=RUN:SEQ.",
        ),
        text(
            "Addresses that other machines can reach need TLS or --allow-plaintext. Without \
             either, clients connect by ssh: loadline USER@HOST.",
        ),
    ]
}

fn signals() -> Vec<ManualEntry> {
    vec![
        ManualEntry::term(
            "SIGTERM, SIGINT",
            "Ends within two seconds, after a note to subscribed clients.",
        ),
        ManualEntry::term(
            "SIGHUP",
            "Reloads the files of --tls-cert, --tls-key and --tls-client-ca.",
        ),
    ]
}

fn files() -> Vec<ManualEntry> {
    vec![
        ManualEntry::term(
            "/etc/default/loadline-agent",
            "Environment of the service: options, such as LOADLINE_AGENT_INTERVAL=2s.",
        ),
        ManualEntry::term(
            "/var/lib/loadline-agent",
            "Samples of the service, kept across restarts.",
        ),
    ]
}

fn examples() -> Vec<ManualEntry> {
    vec![
        ManualEntry::term(
            "loadline-agent",
            "Samples this machine, and serves the samples on 127.0.0.1:1027.",
        ),
        ManualEntry::term(
            "loadline-agent --interval 250ms --history 10m",
            "Takes four samples a second, and keeps the last ten minutes for clients.",
        ),
        ManualEntry::term(
            "loadline-agent --listen unix:/run/user/1000/loadline",
            "Serves on a Unix socket.",
        ),
        ManualEntry::term(
            "loadline-agent --listen 0.0.0.0:1027 --tls-cert cert.pem --tls-key key.pem",
            "Serves other machines over TLS.",
        ),
        ManualEntry::term("nc 127.0.0.1 1027", "Prints six numbers a second, without a client."),
    ]
}

fn see_also() -> Vec<ManualEntry> {
    let pages = "loadline(1), ssh(1), systemd.service(5), systemd.socket(5)";
    vec![ManualEntry::Text(pages.to_owned())]
}

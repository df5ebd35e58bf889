//! What the manual page of the agent says besides its options.

use loadline_agent::{Manual, ManualEntry};

/// All of it.
pub(crate) fn manual() -> Manual {
    Manual {
        before: vec![("STREAM", stream()), ("SIGNALS", signals())],
        environment: vec![
            ManualEntry::term(
                "NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS, LISTEN_PID",
                "How systemd is told that the agent runs, and how it hands over sockets.",
            ),
            ManualEntry::term(
                "NO_COLOR, CLICOLOR",
                "The log on a terminal has no colours if the first is set, or the second is 0.",
            ),
        ],
        after: vec![("FILES", files()), ("EXAMPLES", examples()), ("SEE ALSO", see_also())],
    }
}

fn stream() -> Vec<ManualEntry> {
    let text = |text: &str| ManualEntry::Text(text.to_owned());
    vec![
        text(
            "A client that says nothing gets a line of six numbers a sample, from the moment of \
             connecting: cpu (%), freq (MHz), mem (%), load1, load5 and load15. The first line comes at \
             once; nan is a value that is not known.",
        ),
        text(
            "A client that sends the line loadline/1 gets a header with the names of all columns, and \
             lines that begin with the time and the number of the sample. It may add interval=2s, \
             history=10m, columns=cpu,mem and resume=RUN:SEQ.",
        ),
        text(
            "Addresses that other machines can reach need TLS, or --allow-plaintext. Without either, \
             clients come by ssh: loadline USER@HOST.",
        ),
    ]
}

fn signals() -> Vec<ManualEntry> {
    vec![
        ManualEntry::term(
            "SIGTERM, SIGINT",
            "Says goodbye to the clients, and ends within two seconds.",
        ),
        ManualEntry::term(
            "SIGHUP",
            "Has the files of --tls-cert, --tls-key and --tls-client-ca read anew.",
        ),
    ]
}

fn files() -> Vec<ManualEntry> {
    vec![
        ManualEntry::term(
            "/etc/default/loadline-agent",
            "The environment of the service: options, as in LOADLINE_AGENT_INTERVAL=2s.",
        ),
        ManualEntry::term(
            "/var/lib/loadline-agent",
            "Where the service keeps its samples, so that they survive a restart.",
        ),
    ]
}

fn examples() -> Vec<ManualEntry> {
    vec![
        ManualEntry::term(
            "loadline-agent",
            "Samples this machine, and serves it on 127.0.0.1:1027.",
        ),
        ManualEntry::term(
            "loadline-agent --interval 250ms --history 10m",
            "Four samples a second; clients can ask for those of the last ten minutes.",
        ),
        ManualEntry::term(
            "loadline-agent --listen unix:/run/user/1000/loadline",
            "Serves on a Unix socket.",
        ),
        ManualEntry::term(
            "loadline-agent --listen 0.0.0.0:1027 --tls-cert cert.pem --tls-key key.pem",
            "Serves other machines, over TLS.",
        ),
        ManualEntry::term("nc 127.0.0.1 1027", "Six numbers a second, without any client."),
    ]
}

fn see_also() -> Vec<ManualEntry> {
    let pages = "loadline(1), ssh(1), systemd.service(5), systemd.socket(5)";
    vec![ManualEntry::Text(pages.to_owned())]
}

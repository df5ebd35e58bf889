//! Text of the agent's manual page besides the options.

use loadline_common::Manual;

pub(crate) fn write_manual(page: &mut Manual) {
    page.section("STREAM")
        .text(
            "A client that sends nothing gets a plain stream: six numbers for each sample, \
             cpu (%), freq (MHz), mem (%), load1, load5 and load15. The first line comes at \
             once. A value that is not known is nan.",
        )
        .text(
            "A client that sends the line loadline/1 gets a subscribed stream: a header with the \
             names of all columns, and lines that begin with time and number of the sample. The \
             request may add interval=2s, history=10m, columns=cpu,mem and resume=RUN:SEQ.",
        )
        .text(
            "Addresses that other machines can reach need TLS or --allow-plaintext. Without \
             either, clients connect by ssh: loadline USER@HOST.",
        )
        .section("SIGNALS")
        .term("SIGTERM, SIGINT", "Ends within two seconds, after a note to subscribed clients.")
        .term("SIGHUP", "Reloads the files of --tls-cert, --tls-key and --tls-client-ca.")
        .exit_status_and_environment()
        .term(
            "NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS, LISTEN_PID",
            "Set by systemd: for readiness and watchdog messages, and sockets to listen on.",
        )
        .term(
            "NO_COLOR, CLICOLOR",
            "The log on a terminal has no colours if NO_COLOR is set, or if CLICOLOR is 0.",
        )
        .section("FILES")
        .term(
            "/etc/default/loadline-agent",
            "Environment of the service: options, such as LOADLINE_AGENT_INTERVAL=2s.",
        )
        .term("/var/lib/loadline-agent", "Samples of the service, kept across restarts.")
        .term(
            "/run/loadline/agent.sock",
            "Socket of the service, which loadline and --stdio on this machine try first.",
        )
        .section("EXAMPLES")
        .term("loadline-agent", "Samples this machine, and serves the samples on 127.0.0.1:1027.")
        .term(
            "loadline-agent --interval 250ms --history 10m",
            "Takes four samples a second, and keeps the last ten minutes for clients.",
        )
        .term("loadline-agent --listen unix:/run/user/1000/loadline", "Serves on a Unix socket.")
        .term(
            "loadline-agent --listen 0.0.0.0:1027 --tls-cert cert.pem --tls-key key.pem",
            "Serves other machines over TLS.",
        )
        .term("nc 127.0.0.1 1027", "Prints six numbers a second, without a client.")
        .section("SEE ALSO")
        .text("loadline(1), ssh(1), systemd.service(5), systemd.socket(5)");
}

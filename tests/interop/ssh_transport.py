"""Sources over ssh: a real sshd with keys and a configuration of its own."""

import contextlib
import csv
import io
import os
import pwd
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from stage import DEADLINE, agent, free_port, is_error, output, running, wait_until
from terminal import screen

# Time limit in seconds for the end of an agent whose client is gone.
AGENT_END_TIMEOUT = 2.0

# Time limit in seconds for the first row over ssh without a terminal.
SILENCE_TIMEOUT = 30.0

PASSPHRASE = "open sesame"

ME = pwd.getpwuid(os.getuid()).pw_name


class SshServer:
    """An sshd on a free port for one user, and an ssh configuration with several hosts that lead to it:
    directly, through a jump host, and with errors."""

    def __init__(self, programs, folder: str, address: str = "127.0.0.1"):
        self.folder, self.client, self.address = Path(folder), programs.client, address
        # Whether the server would accept a password.
        self.asks = False
        self.port, self.unused_port = free_port(), free_port()
        for name, passphrase in [("host", ""), ("user", ""), ("other", ""), ("locked", PASSPHRASE)]:
            self.make_key(name, passphrase)
        public = [self.path(name + ".pub").read_text() for name in ("user", "locked")]
        self.path("authorized").write_text("".join(public))
        host = self.path("host.pub").read_text()
        self.path("known").write_text(f"[{address}]:{self.port} {host}")
        self.path("nobody-known").write_text("")
        # Puts the agent on the PATH, as an installed one is.
        tools = self.path("bin")
        tools.mkdir()
        self.agent = tools / "loadline-agent"
        self.agent.symlink_to(programs.agent)
        self.path("sshd_config").write_text(self.sshd_config())
        self.path("ssh_config").write_text(self.ssh_config())
        self.sshd = None

    def path(self, name: str) -> Path:
        return self.folder / name

    def make_key(self, name: str, passphrase: str):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name]
        subprocess.run([*command, "-f", str(self.path(name))], check=True, timeout=DEADLINE)

    def sshd_config(self) -> str:
        return f"""
            ListenAddress {self.address}
            Port {self.port}
            HostKey {self.path("host")}
            AuthorizedKeysFile {self.path("authorized")}
            PasswordAuthentication {"yes" if self.asks else "no"}
            KbdInteractiveAuthentication no
            StrictModes no
            UsePAM no
            PidFile none
            SetEnv PATH={self.path("bin")}:/usr/bin:/bin LOADLINE_AGENT_RESIDENT=127.0.0.1:{self.unused_port}
        """

    def ssh_config(self) -> str:
        def host(name: str, port: int = self.port, key: str = "user", known: str = "known", more=""):
            return f"""
                Host {name}
                    HostName {self.address}
                    Port {port}
                    IdentityFile {self.path(key)}
                    UserKnownHostsFile {self.path(known)}
                    {more}
            """

        return "".join(
            [
                host("web-1"),
                host("through-jump-host", more="ProxyJump web-1"),
                host("other-key", key="other"),
                host("unknown-host-key", known="nobody-known"),
                host("closed-port", port=self.unused_port),
                host("silent", more="ProxyCommand sleep 300 <&- & sleep 300\n ConnectTimeout 300"),
                host("locked", key="locked"),
                host("through-locked-jump-host", more="ProxyJump locked"),
                # Ignores the user's configuration and key agent.
                f"""
                Host *
                    User {ME}
                    IdentitiesOnly yes
                    IdentityAgent none
                    GlobalKnownHostsFile /dev/null
                    StrictHostKeyChecking yes
                """,
            ]
        )

    def sshd_command(self) -> list[str]:
        # sshd refuses to start as root without this folder, which only its service creates.
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.environ["PATH"])
        return [program, "-D", "-e", "-f", str(self.path("sshd_config"))]

    def start(self):
        command = self.sshd_command()
        with self.path("sshd.log").open("ab") as log:
            self.sshd = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE) as client:
                    assert client.recv(4) == b"SSH-"
                    return
            assert self.sshd.poll() is None, self.path("sshd.log").read_text()
            time.sleep(0.02)
        raise AssertionError("sshd does not answer")

    def stop(self):
        """Kills sshd and all its connections, like a shutdown of the machine."""
        if self.sshd is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.sshd.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if process.name() == "sshd":
                        process.kill()
        self.sshd.kill()
        self.sshd.wait()
        self.sshd = None

    def agents(self) -> list[psutil.Process]:
        """Returns the agents that this sshd has started."""
        ours = f"127.0.0.1:{self.unused_port}"
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                is_agent = process.name() == "loadline-agent" and "--stdio" in process.cmdline()
                if is_agent and process.environ().get("LOADLINE_AGENT_RESIDENT") == ours:
                    found.append(process)
        return found

    def command(self, host: str, *options: str) -> list[str]:
        ssh = shlex.join(["ssh", "-F", str(self.path("ssh_config"))])
        return [self.client, f"{ME}@{host}", "--ssh", ssh, *options]


@contextlib.contextmanager
def ssh_server(programs):
    with tempfile.TemporaryDirectory() as folder:
        server = SshServer(programs, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def listeners() -> set:
    """Returns the listening addresses of this process's children. Other programs do not count."""
    ours = {process.pid for process in psutil.Process().children(recursive=True)}
    return {
        connection.laddr
        for connection in psutil.net_connections(kind="inet")
        if connection.pid in ours and connection.status == psutil.CONN_LISTEN
    }


def assert_rows(text: str, count: int):
    head, *rows = csv.reader(io.StringIO(text))
    assert head[:5] == ["timestamp", "received", "source", "seq", "cpu"], f"the header is {head}"
    assert len(rows) == count, f"{len(rows)} rows came"
    numbers = [int(row[3]) for row in rows]
    assert numbers == list(range(numbers[0], numbers[0] + count)), f"the rows are {numbers}"


def a_host_of_the_ssh_configuration_is_a_source(programs):
    with ssh_server(programs) as server:
        assert_rows(output(*server.command("web-1", "-o", "csv", "-n", "3")), 3)


def a_host_is_reached_through_a_jump_host(programs):
    with ssh_server(programs) as server:
        assert_rows(output(*server.command("through-jump-host", "-o", "csv", "-n", "3")), 3)


def an_ssh_source_opens_no_listener(programs):
    with ssh_server(programs) as server:
        before = listeners()
        assert before, "sshd listens"
        with running(*server.command("web-1", "-o", "csv")) as client:
            client.out.line()
            client.out.line()
            assert listeners() == before, f"new listeners: {listeners() - before}"


def a_client_that_is_killed_leaves_no_agent(programs):
    with ssh_server(programs) as server:
        for host in ["web-1", "through-jump-host"]:
            with running(*server.command(host, "-o", "csv")) as client:
                client.out.line()
                client.out.line()
                assert len(server.agents()) == 1, f"{server.agents()} run"
                client.child.kill()
                begin = time.monotonic()
                wait_until("the end of the agent", lambda: not server.agents(), AGENT_END_TIMEOUT)
        return f"{(time.monotonic() - begin) * 1000:.0f} ms later"


def a_client_that_ends_leaves_no_agent(programs):
    with ssh_server(programs) as server:
        with running(*server.command("web-1", "-o", "csv")) as client:
            client.out.line()
            client.out.line()
            assert client.end() == 0
            wait_until("the end of the agent", lambda: not server.agents(), AGENT_END_TIMEOUT)


def each_failure_is_reported_in_a_line(programs):
    def fails(expected: str, *command: str):
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE
        )
        errors = result.stderr
        assert result.returncode == 1, f"exit code {result.returncode}: {errors}"
        assert is_error(errors) and expected in errors, f"expected {expected!r}, got {errors!r}"
        assert result.stdout == "", f"unexpected output: {result.stdout!r}"

    with ssh_server(programs) as server:
        def csv_of(host: str, *more: str):
            return server.command(host, "-o", "csv", "-n", "1", *more)

        fails("Permission denied (publickey)", *csv_of("other-key"))
        fails("Host key verification failed", *csv_of("unknown-host-key"))
        fails("Connection refused", *csv_of("closed-port"))
        fails("no-such-agent not found on the server", *csv_of("web-1", "--agent-command", "no-such-agent"))
        server.path("bin/loadline-agent").unlink()
        fails("loadline-agent not found on the server", *csv_of("web-1"))


def an_outage_loses_no_rows_that_the_agent_holds(programs):
    with ssh_server(programs) as server, agent(programs, "--interval", "250ms") as port:
        command = f"env LOADLINE_AGENT_RESIDENT=127.0.0.1:{port} {server.agent}"
        csv_of = server.command("web-1", "-o", "csv", "--agent-command", command)
        with running(*csv_of) as client:
            text = [client.out.line() for _ in range(5)]
            server.stop()
            wait_until("the report of the outage", lambda: "reconnecting" in client.stderr())
            server.start()
            text += [client.out.line() for _ in range(20)]
            assert_rows("\n".join(text), 24)
            outage, recovery = client.stderr().strip().split("\n")
            assert re.fullmatch(r"warning: .*: connection lost, reconnecting: .*closed.*", outage), outage
            assert recovery.endswith(": rows arrive again"), recovery
            return outage.removeprefix("warning: ")


def the_screen_shows_the_error_of_ssh_and_reconnects(programs):
    with ssh_server(programs) as server, screen(*server.command("web-1")) as terminal:
        terminal.wait_for(" LIVE ", f"{ME}@web-1")
        server.stop()
        terminal.wait_for("RECONNECTING", "Connection refused")
        server.start()
        terminal.wait_for(" LIVE ")
        terminal.quit()


def ssh_asks_for_a_passphrase_in_the_plain_terminal_only(programs):
    with ssh_server(programs) as server:
        for host in ["locked", "through-locked-jump-host"]:
            enter_passphrase(server, host)


def each_output_ends_with_the_sentence_of_a_forced_command(programs):
    sentence = "Please log in on web-2."
    with ssh_server(programs) as server:
        key = server.path("user.pub").read_text()
        server.path("authorized").write_text(f'command="echo {sentence}; exit 142" {key}')
        for options in [["-o", "csv"], ["-o", "json"], ["-o", "table"], ["-o", "raw"], ["--check"]]:
            result = subprocess.run(
                server.command("web-1", *options),
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE,
            )
            assert result.returncode == 1 and result.stdout == "", f"{options}: {result}"
            expected = f"error: cannot connect to {ME}@web-1: {sentence.rstrip('.')}\n"
            assert result.stderr == expected, f"{options}: {result.stderr!r}"


def a_login_that_asks_is_attempted_three_times_and_waits_for_a_key(programs):
    with ssh_server(programs) as server, screen(*server.command("locked")) as terminal:
        terminal.wait_for("Enter passphrase for key")
        terminal.type(PASSPHRASE + "\n")
        terminal.wait_for(" LIVE ")
        server.stop()
        server.asks = True
        server.path("sshd_config").write_text(server.sshd_config())
        server.path("sshd.log").write_text("")
        server.start()
        terminal.wait_for("Permission denied (publickey,password)", "no more attempts, press r")
        # The next attempt would have come within ten seconds.
        time.sleep(11)
        log = server.path("sshd.log").read_text()
        logins = log.count("Connection closed by authenticating user")
        assert logins == 3, f"{logins} logins: {log}"
        terminal.type("r")
        terminal.wait_for("Enter passphrase for key")
        terminal.type(PASSPHRASE + "\n")
        terminal.wait_for(" LIVE ")
        terminal.quit()


def a_host_that_only_ssh_knows_gets_a_hint(programs):
    with ssh_server(programs) as server:
        ssh = shlex.join(["ssh", "-F", str(server.path("ssh_config"))])
        result = subprocess.run(
            [server.client, "closed-port", "-o", "csv", "--ssh", ssh],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE,
        )
        assert result.returncode == 1, f"exit code {result.returncode}"
        assert result.stderr.endswith("\nhint: use ssh://closed-port\n"), result.stderr


def an_ssh_that_never_answers_ends_with_its_children(programs):
    """Without a terminal, as in a cron job. In a terminal, a person may be typing: a message says what it waits for."""
    times = []
    with ssh_server(programs) as server, contextlib.ExitStack() as stack:
        clients = []
        for host, *options in [
            ("silent", "-o", "csv"),
            ("silent", "--check"),
            ("web-1", "-o", "json", "--agent-command", "sleep 60; :"),
            ("web-1", "--check", "--agent-command", "sleep 60; :"),
        ]:
            clients.append(stack.enter_context(subprocess.Popen(
                server.command(host, *options), stdin=subprocess.DEVNULL, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            )))
            stack.callback(clients[-1].kill)
        terminal = stack.enter_context(screen(*server.command("silent", "-o", "csv")))
        begin, children = time.monotonic(), set()
        while any(client.poll() is None for client in clients):
            assert time.monotonic() - begin < SILENCE_TIMEOUT + DEADLINE, "a client does not end"
            for client in clients:
                with contextlib.suppress(psutil.NoSuchProcess):
                    children.update(psutil.Process(client.pid).children(recursive=True))
            time.sleep(0.2)
        for client in clients:
            out, errors = client.communicate()
            assert client.returncode == 1 and out == "", f"{client.args}: {client.returncode}, {out}"
            assert is_error(errors), errors
            times.append(errors.splitlines()[0].removeprefix("error: "))
        assert len(children) >= 6, children
        left = [child for child in children if child.is_running() and child.status() != "zombie"]
        assert not left, f"left behind: {left}"
        terminal.wait_for("ssh has sent no row yet", "hint: answer its question, or press Ctrl-C")
        assert os.waitpid(terminal.process, os.WNOHANG) == (0, 0), "a client in a terminal has ended"
    return f"{time.monotonic() - begin:.0f} s, {times[-1]}"


def enter_passphrase(server: SshServer, host: str):
    with screen(*server.command(host)) as terminal:
        terminal.wait_for("Enter passphrase for key")
        assert "CONNECTING" not in terminal.text(), "the screen is not suspended"
        terminal.type(PASSPHRASE + "\n")
        terminal.wait_for(" LIVE ")
        server.stop()
        terminal.wait_for("RECONNECTING", "Connection refused")
        server.start()
        # A reconnect cannot ask for the passphrase.
        terminal.wait_for("Permission denied (publickey)", "r ssh prompt")
        terminal.type("r")
        terminal.wait_for("Enter passphrase for key")
        assert "RECONNECTING" not in terminal.text(), "the screen is not suspended"
        terminal.type(PASSPHRASE + "\n")
        terminal.wait_for(" LIVE ")
        # The screen gets the keys again.
        terminal.type("?")
        terminal.wait_for("this help")
        terminal.quit()


CHECKS = [
    a_host_of_the_ssh_configuration_is_a_source,
    a_host_is_reached_through_a_jump_host,
    an_ssh_source_opens_no_listener,
    a_client_that_is_killed_leaves_no_agent,
    a_client_that_ends_leaves_no_agent,
    each_failure_is_reported_in_a_line,
    an_outage_loses_no_rows_that_the_agent_holds,
    the_screen_shows_the_error_of_ssh_and_reconnects,
    ssh_asks_for_a_passphrase_in_the_plain_terminal_only,
    each_output_ends_with_the_sentence_of_a_forced_command,
    a_login_that_asks_is_attempted_three_times_and_waits_for_a_key,
    a_host_that_only_ssh_knows_gets_a_hint,
    an_ssh_that_never_answers_ends_with_its_children,
]

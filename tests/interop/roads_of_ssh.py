"""The client reaches an agent through a real sshd, with keys and a configuration of its own."""

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

from stage import DEADLINE, agent, free_port, output, running, wait_until
from terminal import screen

# What has to be gone is gone by then.
GONE_WITHIN = 2.0

PASSPHRASE = "open sesame"

ME = pwd.getpwuid(os.getuid()).pw_name


class Server:
    """An sshd on a port of its own, for one user with one key, and an ssh configuration that leads
    there in many ways, some of them through itself and some of them wrong."""

    def __init__(self, programs, folder: str):
        self.folder, self.client = Path(folder), programs.client
        self.port, self.nobody = free_port(), free_port()
        for name, passphrase in [("host", ""), ("user", ""), ("other", ""), ("locked", PASSPHRASE)]:
            self.make_key(name, passphrase)
        public = [self.path(name + ".pub").read_text() for name in ("user", "locked")]
        self.path("authorized").write_text("".join(public))
        host = self.path("host.pub").read_text()
        self.path("known").write_text(f"[127.0.0.1]:{self.port} {host}")
        self.path("nobody-known").write_text("")
        # The agent is found as an installed one is.
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
            ListenAddress 127.0.0.1
            Port {self.port}
            HostKey {self.path("host")}
            AuthorizedKeysFile {self.path("authorized")}
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            StrictModes no
            UsePAM no
            PidFile none
            SetEnv PATH={self.path("bin")}:/usr/bin:/bin LOADLINE_AGENT_RESIDENT=127.0.0.1:{self.nobody}
        """

    def ssh_config(self) -> str:
        def host(name: str, port: int = self.port, key: str = "user", known: str = "known", more=""):
            return f"""
                Host {name}
                    HostName 127.0.0.1
                    Port {port}
                    IdentityFile {self.path(key)}
                    UserKnownHostsFile {self.path(known)}
                    {more}
            """

        return "".join(
            [
                host("web-1"),
                host("behind", more="ProxyJump web-1"),
                host("other-key", key="other"),
                host("stranger", known="nobody-known"),
                host("dead", port=self.nobody),
                host("locked", key="locked"),
                host("behind-locked", more="ProxyJump locked"),
                # As if there were no other configuration and no agent that holds keys.
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

    def start(self):
        # sshd refuses to start as root without this folder, which only its service makes.
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.environ["PATH"])
        command = [program, "-D", "-e", "-f", str(self.path("sshd_config"))]
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
        """Ends sshd and all of its connections, as a machine that goes down does."""
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
        """The agents that ssh has started here."""
        ours = f"127.0.0.1:{self.nobody}"
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
def server(programs):
    with tempfile.TemporaryDirectory() as folder:
        there = Server(programs, folder)
        there.start()
        try:
            yield there
        finally:
            there.stop()


def listeners() -> set:
    """Where what was started here listens; others on this machine may come and go."""
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


def a_user_at_a_host_is_watched_as_the_configuration_of_ssh_says(programs):
    with server(programs) as there:
        assert_rows(output(*there.command("web-1", "-o", "csv", "-n", "3")), 3)


def a_host_behind_another_one_is_watched_through_it(programs):
    with server(programs) as there:
        assert_rows(output(*there.command("behind", "-o", "csv", "-n", "3")), 3)


def nothing_listens_that_did_not_before(programs):
    with server(programs) as there:
        before = listeners()
        assert before, "sshd listens"
        with running(*there.command("web-1", "-o", "csv")) as client:
            client.out.line()
            client.out.line()
            assert listeners() == before, f"{listeners() - before} are new"


def a_client_that_is_killed_leaves_no_agent(programs):
    with server(programs) as there:
        for host in ["web-1", "behind"]:
            with running(*there.command(host, "-o", "csv")) as client:
                client.out.line()
                client.out.line()
                assert len(there.agents()) == 1, f"{there.agents()} run"
                client.child.kill()
                begin = time.monotonic()
                wait_until("the end of the agent", lambda: not there.agents(), GONE_WITHIN)
        return f"{(time.monotonic() - begin) * 1000:.0f} ms later"


def a_client_that_ends_leaves_no_agent(programs):
    with server(programs) as there:
        with running(*there.command("web-1", "-o", "csv")) as client:
            client.out.line()
            client.out.line()
            assert client.end() == 0
            wait_until("the end of the agent", lambda: not there.agents(), GONE_WITHIN)


def each_way_to_fail_is_told_in_a_line(programs):
    def fails(expected: str, *command: str):
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE
        )
        said = result.stderr
        assert result.returncode == 1, f"it ends with {result.returncode}: {said}"
        lines = 1 + said.count("\nhint: ")
        assert said.count("\n") == lines and expected in said, f"not {expected!r}, but {said!r}"
        assert result.stdout == "", f"it writes {result.stdout!r}"

    with server(programs) as there:
        def csv_of(host: str, *more: str):
            return there.command(host, "-o", "csv", "-n", "1", *more)

        fails("Permission denied (publickey)", *csv_of("other-key"))
        fails("Host key verification failed", *csv_of("stranger"))
        fails("Connection refused", *csv_of("dead"))
        fails("no-such-agent not found on the server", *csv_of("web-1", "--agent-command", "no-such-agent"))
        there.path("bin/loadline-agent").unlink()
        fails("loadline-agent not found on the server", *csv_of("web-1"))


def an_outage_loses_no_row_that_an_agent_there_holds(programs):
    with server(programs) as there, agent(programs, "--interval", "250ms") as port:
        command = f"env LOADLINE_AGENT_RESIDENT=127.0.0.1:{port} {there.agent}"
        csv_of = there.command("web-1", "-o", "csv", "--agent-command", command)
        with running(*csv_of) as client:
            text = [client.out.line() for _ in range(5)]
            there.stop()
            wait_until("word of the outage", lambda: "reconnecting" in client.said())
            there.start()
            text += [client.out.line() for _ in range(20)]
            assert_rows("\n".join(text), 24)
            said = client.said().strip()
            assert re.fullmatch(r"warning: .*: connection lost, reconnecting: .*closed.*", said), said
            return said.removeprefix("warning: ")


def the_screen_tells_an_outage_in_the_words_of_ssh_and_comes_back(programs):
    with server(programs) as there, screen(*there.command("web-1")) as shown:
        shown.wait_for(" LIVE ", f"{ME}@web-1")
        there.stop()
        shown.wait_for("RECONNECTING", "Connection refused")
        there.start()
        shown.wait_for(" LIVE ")
        shown.quit()


def a_passphrase_is_asked_for_in_the_plain_terminal_and_never_over_the_screen(programs):
    with server(programs) as there:
        for host in ["locked", "behind-locked"]:
            ask_for_passphrase(there, host)


def ask_for_passphrase(there: Server, host: str):
    with screen(*there.command(host)) as shown:
        shown.wait_for("Enter passphrase for key")
        assert "CONNECTING" not in shown.text(), "the screen is there"
        shown.type(PASSPHRASE + "\n")
        shown.wait_for(" LIVE ")
        there.stop()
        shown.wait_for("RECONNECTING", "Connection refused")
        there.start()
        # Nobody is there to be asked.
        shown.wait_for("Permission denied (publickey)", "r let ssh ask")
        shown.type("r")
        shown.wait_for("Enter passphrase for key")
        assert "RECONNECTING" not in shown.text(), "the screen is there"
        shown.type(PASSPHRASE + "\n")
        shown.wait_for(" LIVE ")
        # The keys are the screen's again.
        shown.type("?")
        shown.wait_for("this help")
        shown.quit()


CHECKS = [
    a_user_at_a_host_is_watched_as_the_configuration_of_ssh_says,
    a_host_behind_another_one_is_watched_through_it,
    nothing_listens_that_did_not_before,
    a_client_that_is_killed_leaves_no_agent,
    a_client_that_ends_leaves_no_agent,
    each_way_to_fail_is_told_in_a_line,
    an_outage_loses_no_row_that_an_agent_there_holds,
    the_screen_tells_an_outage_in_the_words_of_ssh_and_comes_back,
    a_passphrase_is_asked_for_in_the_plain_terminal_and_never_over_the_screen,
]

"""loadline believes an agent of this machine only if it belongs to root, to the same user or to the service.

Each check has a machine of its own: namespaces with an empty loopback network, an empty /run and a list of
users. Its users have no password and no home."""

import contextlib
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time

from stage import DEADLINE, Skip, output, retry, running, wait_until
from terminal import screen

ROOT, ALICE, MALLORY, SERVICE, DYNAMIC = 0, 1000, 1001, 998, 61184

USERS = f"""root:x:0:0:root:/:/bin/sh
alice:x:{ALICE}:{ALICE}::/:/bin/sh
mallory:x:{MALLORY}:{MALLORY}::/:/bin/sh
loadline-agent:x:{SERVICE}:{SERVICE}::/:/bin/sh
"""

# Paths of the programs that every user can reach.
CLIENT, AGENT = "/run/bin/loadline", "/run/bin/loadline-agent"

MACHINE = """set -e
mount -t tmpfs -o mode=755 run /run
install -m 644 "$1" /run/users && mount --bind /run/users /etc/passwd
mkdir /run/bin
for program in "$2" "$3"; do
    touch "/run/bin/${program##*/}" && mount --bind "$program" "/run/bin/${program##*/}"
done
ip link set lo up
echo ready
exec sleep 300
"""

# Only root may be able to reach the Python that runs this check.
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable

# Values of a server that is no agent of this machine.
INVENTED = "99.25 1.00 2.00 3.00 4.00 5.00"

# Listens on ADDRESS (an IP address or a path), and greets each client: `rows`, `silent`, `close` after a row.
SERVER = f"""
import socket, sys, threading, time
address, kind = sys.argv[1:]
if "/" in address:
    server = socket.socket(socket.AF_UNIX)
    server.bind(address)
    server.listen()
elif address == "::":
    server = socket.create_server((address, 1027), family=socket.AF_INET6, dualstack_ipv6=True)
else:
    server = socket.create_server((address, 1027), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
print("listening", flush=True)
def serve(client):
    with client:
        try:
            while kind != "silent":
                client.sendall(b"{INVENTED}\\n")
                if kind == "close":
                    return
                time.sleep(0.25)
            client.recv(1)
        except OSError:
            pass
while True:
    threading.Thread(target=serve, args=[server.accept()[0]], daemon=True).start()
"""

# Limit of a start beside a server that does not answer, in seconds. The agent's own start is part of it.
START_MAX = 3.0


class Machine:
    def __init__(self, holder):
        self.pid = str(holder.child.pid)

    def command(self, user: int, *command: str) -> list[str]:
        enter = [shutil.which("nsenter"), "--target", self.pid, "--net", "--mount"]
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        return [*enter, *become, "env", "HOME=/nonexistent", *command]

    def shell(self, script: str):
        output(*self.command(ROOT, "sh", "-ec", script))

    @contextlib.contextmanager
    def server(self, user: int, address: str = "127.0.0.1", kind: str = "rows"):
        with running(*self.command(user, PYTHON, "-c", SERVER, address, kind)) as process:
            assert process.out.line() == "listening"
            yield process

    @contextlib.contextmanager
    def agent(self, user: int, *options: str):
        with running(*self.command(user, AGENT, "-i", "250ms", *options)) as process:
            process.out.line()
            yield process

    def client(self, user: int, *options: str) -> tuple[str, str]:
        """Returns the source of the client's rows, and its standard error."""
        command = self.command(user, CLIENT, "-o", "csv", "-n", "1", *options)
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE
        )
        assert result.returncode == 0, result.stderr
        (row,) = csv.DictReader(result.stdout.splitlines())
        assert (row["cpu"] == "99.25") == (row["load1"] == "3.00"), row
        return f"invented by {row['source']}" if row["load1"] == "3.00" else row["source"], result.stderr

    def stdio(self, user: int) -> tuple[str, str]:
        """Returns the first line of `loadline-agent --stdio`, and its standard error."""
        process = subprocess.Popen(
            self.command(user, AGENT, "--stdio"), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        line = process.stdout.readline().strip()
        _, errors = process.communicate(timeout=DEADLINE)
        return line, errors

    def assert_ignores(self, user: int, reason: str):
        """Checks that both programs sample by themselves, and say why."""
        warning = f"warning: {reason}, sampling this machine instead\n" if reason else ""
        assert self.client(user) == ("localhost", warning), self.client(user)
        line, errors = self.stdio(user)
        assert len(line.split()) == 6 and line != INVENTED and errors == warning, (line, errors)

    def assert_uses(self, user: int, place: str):
        # Only a running agent has history.
        lines = self.command(user, CLIENT, "-o", "raw", "-n", "1", "--history", "all")
        assert " interval=250ms " in output(*lines)
        assert self.client(user) == (place, ""), self.client(user)
        options = ["env", "LOADLINE_AGENT_INTERVAL=1s", AGENT, "--stdio"]
        warned = subprocess.run(
            self.command(user, *options, "--interval", "7s"), capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=DEADLINE,
        )
        assert f"the stream is that of the agent on {place}" in warned.stderr, warned.stderr


@contextlib.contextmanager
def machine(programs):
    if os.geteuid() != 0:
        raise Skip("other users need root")
    with tempfile.NamedTemporaryFile("w") as users:
        users.write(USERS)
        users.flush()
        begin = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", MACHINE, "sh"]
        with running(*begin, users.name, programs.client, programs.agent) as holder:
            try:
                assert holder.out.line() == "ready"
            except AssertionError:
                why = holder.stderr().strip()
                assert "not permitted" in why or "denied" in why, why
                raise Skip(f"no namespaces: {why}") from None
            yield Machine(holder)


def another_users_port_is_not_believed(programs):
    with machine(programs) as here:
        for address in ["127.0.0.1", "::"]:
            with here.server(MALLORY, address):
                for user in (ROOT, ALICE):
                    here.assert_ignores(user, "127.0.0.1:1027 belongs to user mallory (1001)")
                # A source that is named is the user's own decision.
                assert here.client(ROOT, "127.0.0.1")[0] == "invented by 127.0.0.1:1027"
                assert here.client(MALLORY) == ("invented by 127.0.0.1:1027", "")
        with here.server(4242):
            here.assert_ignores(ROOT, "127.0.0.1:1027 belongs to user 4242")
        # The port of IPv6 is another one, where nobody looks.
        with here.server(MALLORY, "::1"):
            here.assert_ignores(ROOT, "")


def the_screen_says_why_it_samples_by_itself(programs):
    with machine(programs) as here, here.server(MALLORY):
        with screen(*here.command(ROOT, CLIENT)) as terminal:
            text = terminal.wait_for("LIVE", "127.0.0.1:1027 belongs to user mallory (1001)")
            assert "embedded agent" in text and "99.2" not in text, text
            terminal.quit()


def the_agent_that_ssh_starts_does_not_believe_them_either(programs):
    with machine(programs) as here, here.server(MALLORY):
        # Runs the command for the server on this machine.
        here.shell("printf '#!/bin/sh\\nfor command; do :; done\\nexec sh -c \"$command\"\\n' >/run/bin/ssh; chmod 755 /run/bin/ssh")
        ssh = ["deploy@web-1", "--ssh", "/run/bin/ssh", "--agent-command", AGENT]
        reason = "127.0.0.1:1027 belongs to user mallory (1001)"
        warning = f"warning: deploy@web-1: {reason}, sampling this machine instead\n"
        assert here.client(ALICE, *ssh) == ("deploy@web-1", warning), here.client(ALICE, *ssh)


def agents_of_root_of_the_user_and_of_the_service_are_used(programs):
    with machine(programs) as here:
        for owner, users in [(ROOT, [ROOT, ALICE]), (ALICE, [ALICE]), (SERVICE, [ROOT, ALICE])]:
            with here.agent(owner):
                for user in users:
                    here.assert_uses(user, "127.0.0.1:1027")
        with here.agent(ALICE):
            here.assert_ignores(ROOT, "127.0.0.1:1027 belongs to user alice (1000)")
            here.assert_ignores(MALLORY, "127.0.0.1:1027 belongs to user alice (1000)")


def the_dynamic_user_of_the_service_is_believed_while_it_runs(programs):
    with machine(programs) as here:
        with here.agent(DYNAMIC):
            here.assert_ignores(ROOT, f"127.0.0.1:1027 belongs to user {DYNAMIC}")
            # As systemd does.
            links = "/run/systemd/dynamic-uid/direct:"
            here.shell(f"mkdir -p {os.path.dirname(links)}; ln -s {DYNAMIC} {links}loadline-agent")
            for user in (ROOT, ALICE):
                here.assert_uses(user, "127.0.0.1:1027")
            # Another service has the number by now.
            here.shell(f"rm {links}loadline-agent; ln -s other {links}{DYNAMIC}")
            here.assert_ignores(ROOT, f"127.0.0.1:1027 belongs to user other ({DYNAMIC})")


def the_socket_of_the_service_comes_first(programs):
    path = "/run/loadline/agent.sock"
    with machine(programs) as here, here.server(MALLORY):
        for owner in (ROOT, SERVICE):
            here.shell(f"rm -rf /run/loadline; install -d -m 755 -o {owner} /run/loadline")
            with here.agent(owner, "--listen", f"unix:{path}"):
                here.shell(f"chmod 666 {path}")
                for user in (ROOT, ALICE):
                    here.assert_uses(user, f"unix:{path}")
                # Who may not connect is told so.
                here.shell(f"chmod 660 {path}")
                here.assert_uses(ROOT, f"unix:{path}")
                reason = "cannot be opened: Permission denied"
                port = "127.0.0.1:1027 belongs to user mallory (1001)"
                here.assert_ignores(ALICE, f"unix:{path} {reason}, {port}")


def foreign_and_stale_sockets_are_not_used(programs):
    path = "/run/loadline/agent.sock"
    with machine(programs) as here:
        def socket_in(folder: str):
            """Lets mallory listen on the socket in a folder with this owner and mode."""
            here.shell("rm -rf /run/loadline; install -d -m 777 /run/loadline")
            return here.server(MALLORY, path), f"chmod 666 {path}; {folder} /run/loadline"

        for folder, reason in [
            ("chmod 755", f"unix:{path} belongs to user mallory (1001)"),
            ("chown mallory", f"unix:{path} is in a folder of user mallory (1001)"),
            ("chmod 1777", f"unix:{path} is in a folder to which other users can write"),
            ("mv /run/loadline /run/other; ln -s other", f"unix:{path} is not in a folder"),
        ]:
            server, protect = socket_in(folder)
            with server:
                here.shell(protect)
                here.assert_ignores(ROOT, reason)
                here.assert_ignores(ALICE, reason)
                with here.agent(ROOT):
                    here.assert_uses(ALICE, "127.0.0.1:1027")
        server, _ = socket_in("")
        with server:
            pass
        here.shell("chmod 755 /run/loadline; test -S /run/loadline/agent.sock")
        here.assert_ignores(ROOT, "")


def a_silent_server_does_not_delay_the_start(programs):
    with machine(programs) as here:
        def start() -> float:
            begin = time.monotonic()
            here.stdio(ROOT)
            return time.monotonic() - begin

        alone = start()
        with here.server(MALLORY, kind="silent"):
            beside = min(start() for _ in range(3))
            assert beside < START_MAX, f"{beside:.1f} s"
            here.assert_ignores(ROOT, "127.0.0.1:1027 does not answer")
        # The listener never accepts.
        never = "import socket, time; s = socket.create_server(('127.0.0.1', 1027)); print('up', flush=True); time.sleep(60)"
        with running(*here.command(MALLORY, PYTHON, "-c", never)) as process:
            process.out.line()
            here.assert_ignores(ROOT, "127.0.0.1:1027 does not answer")
        with here.server(MALLORY, kind="close"):
            _, errors = here.stdio(ROOT)
            reasons = ("an unknown user", "user mallory (1001)")
            assert errors in [f"warning: 127.0.0.1:1027 belongs to {it}, sampling this machine instead\n" for it in reasons]
            assert here.client(ROOT)[0] == "localhost"
        return f"{alone:.2f} s alone, {beside:.2f} s beside it"


def the_port_of_an_ended_agent_is_checked_again(programs):
    with machine(programs) as here, contextlib.ExitStack() as stack:
        agent = stack.enter_context(here.agent(ROOT))
        terminal = stack.enter_context(screen(*here.command(ALICE, CLIENT)))
        terminal.wait_for("LIVE", "127.0.0.1:1027")
        agent.end()
        server = retry(lambda: stack.enter_context(here.server(MALLORY)), 50)
        text = terminal.wait_for("RECONNECTING", "belongs to user mallory (1001)")
        assert "99.2" not in text, text
        server.kill()
        with here.agent(ROOT):
            text = terminal.wait_for("LIVE")
            assert "99.2" not in text, text
            terminal.quit()


def a_user_outside_of_the_namespace_is_not_believed(programs):
    with machine(programs) as here, here.server(MALLORY):
        # In this namespace, all users have the number 65534, alice herself included.
        stdio = here.command(ALICE, "unshare", "--user", AGENT, "--stdio")
        result = subprocess.run(
            stdio, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE
        )
        assert "127.0.0.1:1027 belongs to user 65534, sampling" in result.stderr, result.stderr
        assert INVENTED not in result.stdout, result.stdout


CHECKS = [
    another_users_port_is_not_believed,
    the_screen_says_why_it_samples_by_itself,
    the_agent_that_ssh_starts_does_not_believe_them_either,
    agents_of_root_of_the_user_and_of_the_service_are_used,
    the_dynamic_user_of_the_service_is_believed_while_it_runs,
    the_socket_of_the_service_comes_first,
    foreign_and_stale_sockets_are_not_used,
    a_silent_server_does_not_delay_the_start,
    the_port_of_an_ended_agent_is_checked_again,
    a_user_outside_of_the_namespace_is_not_believed,
]

"""Networks that lose packets without a word, in network namespaces: a client, a router and a server."""

import contextlib
import json
import os
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil

from ssh_transport import SshServer
from stage import DEADLINE, Process, Programs, Skip, running, wait_until
from terminal import screen

AGENT = "10.99.2.2"
CLIENT, OTHER_CLIENT = "10.99.1.2", "10.99.1.3"

# Time limits in seconds: from the loss to RECONNECTING, and from its end to the next row.
NOTICED = 25.0
RESUMED = 5.0

# Time in seconds that a loss lasts after it was noticed.
MORE = 12.0

# A router passes packets up to this size. The header of an agent is longer, rows are shorter.
SMALL_MTU = 400


def ip(*arguments: str):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=DEADLINE)


class Network:
    """Client, router and server. The router can lose packets, and sends no word about it."""

    def __init__(self, name: str):
        prefix = f"ll{os.getpid()}-{name}"
        self.client, self.router, self.server = (f"{prefix}-{part}" for part in ("c", "r", "s"))

    def build(self):
        for namespace in (self.client, self.router, self.server):
            ip("netns", "add", namespace)
            ip("-n", namespace, "link", "set", "lo", "up")
        self.connect(self.client, "10.99.1", [CLIENT, OTHER_CLIENT])
        self.connect(self.server, "10.99.2", [AGENT])
        # Without segments of several packets, each packet has to fit.
        ip("-n", self.server, "link", "set", "eth0", "gso_max_segs", "1")
        forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
        ip("netns", "exec", self.router, "sh", "-c", forward)

    def connect(self, namespace: str, network: str, addresses: list[str]):
        peer = "to-" + namespace[-1]
        ip("-n", namespace, "link", "add", "eth0", "type", "veth", "peer", "name", peer, "netns", self.router)
        for address in addresses:
            ip("-n", namespace, "address", "add", f"{address}/24", "dev", "eth0")
        ip("-n", self.router, "address", "add", f"{network}.1/24", "dev", peer)
        ip("-n", namespace, "link", "set", "eth0", "up")
        ip("-n", self.router, "link", "set", peer, "up")
        ip("-n", namespace, "route", "add", "default", "via", f"{network}.1")

    def remove(self):
        for namespace in (self.client, self.router, self.server):
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, timeout=DEADLINE)

    def at_client(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.client, *command]

    def at_server(self, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.server, *command]

    def lose(self, *addresses: str):
        """Loses all packets to these addresses, without an ICMP message."""
        for address in addresses:
            ip("-n", self.router, "route", "add", "blackhole", f"{address}/32")

    def repair(self, *addresses: str):
        for address in addresses:
            ip("-n", self.router, "route", "delete", "blackhole", f"{address}/32")

    def set_mtu(self, size: int):
        """Loses larger packets of the server. A pair of devices with different sizes drops them."""
        ip("-n", self.router, "link", "set", "to-s", "mtu", str(size))

    def use_source(self, address: str):
        """Makes new connections of the client begin at this address."""
        ip("-n", self.client, "route", "replace", "default", "via", "10.99.1.1", "src", address)


@contextlib.contextmanager
def network(name: str):
    net = Network(name)
    try:
        try:
            net.build()
        except (OSError, subprocess.CalledProcessError) as error:
            why = getattr(error, "stderr", b"") or str(error).encode()
            raise Skip(f"no network namespaces: {why.decode().strip()}") from None
        yield net
    finally:
        net.remove()


class Rows(threading.Thread):
    """Reads the rows of a client, each with the time of its receipt."""

    def __init__(self, client: Process):
        super().__init__(daemon=True)
        self.client, self.received = client, []
        self.start()

    def run(self):
        for line in self.client.child.stdout:
            self.received.append((time.monotonic(), json.loads(line)["seq"]))

    def wait_for_more(self, within: float) -> float:
        """Waits for another row, and returns how long it took."""
        count, begin = len(self.received), time.monotonic()
        wait_until("a row", lambda: len(self.received) > count, within)
        return time.monotonic() - begin

    def check(self):
        numbers = [number for _, number in self.received]
        expected = list(range(numbers[0], numbers[0] + len(numbers)))
        assert numbers == expected, f"rows are missing or repeated: {numbers}"


@contextlib.contextmanager
def agent_of(programs: Programs, net: Network):
    listen = f"{AGENT}:1027"
    command = [programs.agent, "--listen", listen, "--allow-plaintext"]
    with running(*net.at_server(*command)) as agent:
        assert agent.out.line() == f"listening on {listen}"
        yield agent


def suffer(programs: Programs, name: str, begin, end, more: float = MORE) -> str:
    """Loses packets from `begin` to `end`, and checks what the client says and writes."""
    with network(name) as net, agent_of(programs, net):
        command = [programs.client, f"{AGENT}:1027", "-o", "json"]
        with running(*net.at_client(*command)) as client:
            rows = Rows(client)
            wait_until("rows", lambda: len(rows.received) > 3)
            begin(net)
            lost = time.monotonic()
            wait_until("a report", lambda: "reconnecting: " in client.stderr(), NOTICED)
            noticed = time.monotonic() - lost
            count = len(rows.received)
            time.sleep(more)
            assert not more or len(rows.received) == count, "the loss is none"
            end(net)
            resumed = rows.wait_for_more(RESUMED) if more else 0.0
            wait_until("newer rows", lambda: rows.received[-1][0] > lost + noticed)
            rows.wait_for_more(DEADLINE)
            rows.check()
            errors = client.stderr().strip().split("\n")
            assert len(errors) == 2 and errors[1].endswith(": rows arrive again"), errors
            reason = errors[0].split("reconnecting: ")[1]
            return f"{name}: {reason}, noticed after {noticed:.0f} s, resumed after {resumed:.1f} s"


def begin_small_packets(net: Network):
    # Rows are small. The large packets are those of the next connection.
    net.set_mtu(SMALL_MTU)
    net.lose(AGENT, CLIENT)
    threading.Timer(NOTICED - 5, net.repair, [AGENT, CLIENT]).start()


def forget_connections(net: Network):
    # As after the restart of a router that translates addresses.
    net.use_source(OTHER_CLIENT)
    net.lose(CLIENT)


LOSSES = [
    ("all", lambda net: net.lose(AGENT, CLIENT), lambda net: net.repair(AGENT, CLIENT), MORE),
    ("to-agent", lambda net: net.lose(AGENT), lambda net: net.repair(AGENT), MORE),
    ("to-client", lambda net: net.lose(CLIENT), lambda net: net.repair(CLIENT), MORE),
    ("mtu", begin_small_packets, lambda net: net.set_mtu(1500), 2 * MORE),
    ("nat", forget_connections, lambda net: None, 0.0),
]


def lost_packets_are_noticed_explained_and_survived(programs):
    with ThreadPoolExecutor(len(LOSSES)) as pool:
        attempts = [pool.submit(suffer, programs, *loss) for loss in LOSSES]
        return "; ".join(attempt.result() for attempt in attempts)


def the_screen_says_why_no_rows_arrive(programs):
    with network("screen") as net, agent_of(programs, net) as agent:
        command = ["/usr/bin/env", *net.at_client(programs.client, f"{AGENT}:1027")]
        with screen(*command) as terminal:
            terminal.wait_for(" LIVE ")
            net.lose(AGENT)
            terminal.wait_for(" STALE ", "no rows, asking the agent")
            terminal.wait_for(" RECONNECTING ", "no answer for 10 s")
            net.repair(AGENT)
            terminal.wait_for(" LIVE ")
            terminal.quit()


def a_server_without_requests_is_noticed_by_keepalive(programs):
    with network("plain") as net:
        # The tutorial's server listens on the loopback address only.
        listen = ["python3", "-c", PLAIN_SERVER, AGENT]
        with running(*net.at_server(*listen)) as server:
            assert server.out.line() == "listening"
            with running(*net.at_client(programs.client, f"{AGENT}:1028", "-o", "csv")) as client:
                for _ in range(4):
                    client.out.line()
                begin = time.monotonic()
                net.lose(AGENT, CLIENT)
                wait_until("a report", lambda: "reconnecting: timed out" in client.stderr(), NOTICED)
                noticed = time.monotonic() - begin
                net.repair(AGENT, CLIENT)
                client.out.line(within=RESUMED)
                return f"after {noticed:.0f} s"


def lost_packets_of_ssh_are_noticed_and_ssh_is_ended(programs):
    with network("ssh") as net, tempfile.TemporaryDirectory() as folder, agent_of(programs, net):
        server = SshServer(programs, folder, AGENT)
        resident = f"env LOADLINE_AGENT_RESIDENT={AGENT}:1027 {server.agent}"
        # Through a jump host: another ssh, of which loadline knows nothing.
        command = server.command("through-jump-host", "-o", "json", "--agent-command", resident)
        with running(*net.at_server(*server.sshd_command())):
            time.sleep(1)
            with running(*net.at_client(*command)) as client:
                rows = Rows(client)
                wait_until("rows", lambda: len(rows.received) > 3)
                dead = set(processes_of_ssh(folder))
                assert len(dead) == 2, f"{dead} run"
                net.lose(AGENT, CLIENT)
                lost = time.monotonic()
                wait_until("a report", lambda: "reconnecting: " in client.stderr(), NOTICED)
                noticed = time.monotonic() - lost
                wait_until("the end of ssh", lambda: not dead & set(processes_of_ssh(folder)), RESUMED)
                time.sleep(MORE)
                net.repair(AGENT, CLIENT)
                resumed = rows.wait_for_more(DEADLINE)
                wait_until("newer rows", lambda: rows.received[-1][0] > lost + noticed)
                rows.wait_for_more(DEADLINE)
                rows.check()
                return f"noticed after {noticed:.0f} s, resumed after {resumed:.1f} s"


def processes_of_ssh(folder: str) -> list[int]:
    """Returns the clients of ssh that use the configuration in a folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() == "ssh" and f"{folder}/ssh_config" in " ".join(process.cmdline()):
                found.append(process.pid)
    return found


PLAIN_SERVER = """
import socket, sys, threading, time
def serve(client):
    while True:
        client.sendall(b"1 2 3 4 5 6\\n")
        time.sleep(1)
server = socket.create_server((sys.argv[1], 1028))
print("listening", flush=True)
while True:
    threading.Thread(target=serve, args=[server.accept()[0]], daemon=True).start()
"""


CHECKS = [
    lost_packets_are_noticed_explained_and_survived,
    lost_packets_of_ssh_are_noticed_and_ssh_is_ended,
    the_screen_says_why_no_rows_arrive,
    a_server_without_requests_is_noticed_by_keepalive,
]

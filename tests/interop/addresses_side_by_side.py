"""A name with a dead address is connected to by its other ones, as RFC 8305 describes. Checked in namespaces of
its own, with addresses that nobody answers and a name server that answers for IPv4 only."""

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from stage import DEADLINE, Programs, Skip, agent, output
from tls_with_openssl import authorities

# Time limit of a connection in seconds. The next address is tried after 250 ms, and the machine may be busy.
CONNECT_TIMEOUT = 5.0

SETUP = """
set -e
ip link set lo up
ip address add 192.0.2.7/32 dev lo
ip address add 192.0.2.8/32 dev lo
ip -6 address add 2001:db8::7/128 dev lo
mount --bind hosts /etc/hosts
mount --bind resolv.conf /etc/resolv.conf
"""

HOSTS = """
127.0.0.1 localhost
2001:db8::7 broken-ipv6
127.0.0.1 broken-ipv6
192.0.2.7 broken-ipv4
192.0.2.8 broken-ipv4
127.0.0.1 broken-ipv4
::1 half-tls
127.0.0.1 half-tls
2001:db8::7 all-dead
192.0.2.7 all-dead
"""

DEAD = ["192.0.2.7", "192.0.2.8", "2001:db8::7"]

QUERY_A, NAME_POINTER, CLASS_IN = 1, 0xC00C, 1


def answer_for_ipv4(server: socket.socket):
    """Answers each query for an IPv4 address with 127.0.0.1, and no other query."""
    while True:
        query, client = server.recvfrom(512)
        end = query.index(b"\0", 12) + 5
        if struct.unpack("!H", query[end - 4 : end - 2])[0] == QUERY_A:
            header = query[:2] + struct.pack("!HHHHH", 0x8180, 1, 1, 0, 0)
            record = struct.pack("!HHHIH", NAME_POINTER, QUERY_A, CLASS_IN, 60, 4)
            server.sendto(header + query[12:end] + record + b"\x7f\0\0\1", client)


@contextlib.contextmanager
def nobody_answers(address: str, port: int):
    """Makes an address drop the packets of new connections: it has a listener whose queue is full."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as open_sockets:
        listener = open_sockets.enter_context(socket.socket(family, socket.SOCK_STREAM))
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(8):
            client = open_sockets.enter_context(socket.socket(family, socket.SOCK_STREAM))
            client.setblocking(False)
            client.connect_ex((address, port))
        yield


def inside(agent_program: str, client: str) -> str:
    """Runs in the namespaces. Returns the result of the check."""
    subprocess.run(["sh", "-c", SETUP], check=True, timeout=DEADLINE)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=answer_for_ipv4, args=(server,), daemon=True).start()
    times = []
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(agent(Programs(agent_program, client)))
        for address in DEAD:
            stack.enter_context(nobody_answers(address, port))
        for host in ("broken-ipv6", "broken-ipv4", "half-named.test"):
            began = time.monotonic()
            command = [client, f"{host}:{port}", "-o", "csv", "-n", "1"]
            found = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
            assert found.returncode == 0, f"{host}: {found.stderr}"
            times.append(time.monotonic() - began)
            assert times[-1] < CONNECT_TIMEOUT, f"{host}: {times[-1]:.1f} s"
        command = [client, f"all-dead:{port}", "-o", "csv", "-n", "1"]
        found = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
        assert "timed out (2001:db8::7, 192.0.2.7)" in found.stderr, found.stderr
    times.append(past_a_server_without_tls(agent_program, client))
    return "connected within " + ", ".join(f"{seconds:.1f} s" for seconds in times)


def answer_without_tls(listener: socket.socket):
    """Answers clients without TLS, or not at all."""
    silent = []
    while True:
        client, _ = listener.accept()
        silent.append(client)
        if len(silent) % 2:
            client.sendall(b"1 2 3 4 5 6\n")


def past_a_server_without_tls(agent_program: str, client: str) -> float:
    """Connects twice to a name whose first address accepts connections and does not speak TLS."""
    began = time.monotonic()
    with authorities() as (ours, _):
        cert, key = ours.sign("server", "half-tls")
        options = ["-i", "250ms", "--tls-cert", cert, "--tls-key", key]
        with agent(Programs(agent_program, client), *options) as port:
            listener = socket.create_server(("::1", port), family=socket.AF_INET6)
            threading.Thread(target=answer_without_tls, args=(listener,), daemon=True).start()
            for _ in range(2):
                source = f"tls://half-tls:{port}"
                output(client, source, "-o", "csv", "-n", "1", "--tls-ca", ours.cert)
    return time.monotonic() - began


def a_name_with_a_dead_address_is_connected(programs):
    tools = ["unshare", "ip", "mount"]
    if missing := [tool for tool in tools if not shutil.which(tool)]:
        raise Skip(f"{missing[0]} is not installed")
    namespaces = ["unshare", "--map-root-user", "--net", "--mount"]
    if subprocess.run([*namespaces, "true"], capture_output=True, timeout=DEADLINE).returncode:
        raise Skip("namespaces are not permitted here")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "hosts").write_text(HOSTS)
        Path(folder, "resolv.conf").write_text("nameserver 127.0.0.1\n")
        command = [*namespaces, sys.executable, "-B", os.path.abspath(__file__), programs.agent, programs.client]
        found = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=6 * DEADLINE
        )
    assert found.returncode == 0, found.stderr
    return found.stdout.strip()


CHECKS = [a_name_with_a_dead_address_is_connected]

if __name__ == "__main__":
    print(inside(*sys.argv[1:]))

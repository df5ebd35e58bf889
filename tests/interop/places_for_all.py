"""Crowds that try to keep others out: users at a Unix socket, strangers at a TLS port, and a flood of new
connections. Each honest client gets a row within a second, and those from before stay."""

import contextlib
import os
import resource
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from stage import DEADLINE, Skip, agent, retry, running, wait_until

# Time in which a new honest client gets a row, in seconds.
SERVED_WITHIN = 1.0

# Attempts to be served in time: this machine may be busy with other work.
ATTEMPTS = 3

CROWD = 1024

# Users without a name on most machines.
NEIGHBOUR, STRANGER = 64001, 64002


@contextlib.contextmanager
def many_files():
    """Allows a crowd in this process, which pays for both ends of some connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CROWD + 256
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise Skip(f"the hard limit of open files is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def time_to_row(connect) -> float:
    """Connects and returns the time until the first row of six numbers, the best of some attempts."""
    return retry(lambda: wait_for_row(connect), ATTEMPTS)


def wait_for_row(connect) -> float:
    begin = time.monotonic()
    with connect() as client, client.makefile("rb") as rows:
        row = rows.readline()
    passed = time.monotonic() - begin
    assert len(row.split()) == 6 and not row.startswith(b"#"), f"no row, but {row!r}"
    assert passed < SERVED_WITHIN, f"the first row came after {passed:.2f} s"
    return passed


def has_row(client: socket.socket) -> bool:
    """Returns whether a connection still gets rows."""
    client.settimeout(DEADLINE)
    # Older rows may come first.
    until = time.monotonic() + SERVED_WITHIN
    while time.monotonic() < until:
        if not client.recv(65536):
            return False
    return True


def connect_as(user: int, path: Path) -> socket.socket:
    """Connects to a Unix socket as a user. Needs root."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(DEADLINE)
    os.seteuid(user)
    try:
        client.connect(str(path))
    finally:
        os.seteuid(0)
    return client


def one_user_with_a_thousand_connections_keeps_no_other_user_out(programs):
    if os.geteuid() != 0:
        raise Skip("connecting as other users needs root")
    waits = []
    with many_files(), tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        os.chmod(folder, 0o755)
        path = Path(folder, "agent.sock")
        command = [programs.agent, "--listen", f"unix:{path}", "--interval", "250ms"]
        for request in (b"", b"loadline/1\n"):
            with running(*command) as process:
                process.out.line()
                os.chmod(path, 0o666)
                early = stack.enter_context(connect_as(NEIGHBOUR, path))
                for _ in range(CROWD):
                    client = stack.enter_context(connect_as(STRANGER, path))
                    with contextlib.suppress(OSError):
                        client.sendall(request)
                # The third one is the agent's own user.
                for user in (NEIGHBOUR, 64003, 0):
                    waits.append(time_to_row(lambda: connect_as(user, path)))
                if not request:
                    waits.append(time_to_row(lambda: connect_as(STRANGER, path)))
                assert has_row(early), "a client from before the crowd has lost its place"
                stack.pop_all().close()
    return f"at worst {max(waits):.2f} s"


def make_certificate(folder: str) -> list[str]:
    """Makes a self-signed certificate. Returns the agent's options."""
    cert, key = Path(folder, "cert.pem"), Path(folder, "key.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    subprocess.run([*command.split(), "-keyout", key, "-out", cert], check=True, capture_output=True)
    return ["--tls-cert", str(cert), "--tls-key", str(key)]


def connect_tls(port: int, begin: bytes | None = None) -> socket.socket:
    """Connects over TLS; with `begin`, sends only these bytes instead of a handshake."""
    tcp = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    if begin is not None:
        tcp.sendall(begin)
        return tcp
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(tcp)


def client_hello() -> bytes:
    """Returns the first message of a handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    return outgoing.read()


def strangers_with_half_a_handshake_keep_nobody_out(programs):
    waits = []
    with many_files(), tempfile.TemporaryDirectory() as folder:
        options = make_certificate(folder)
        hello = client_hello()
        for begin in (b"", hello[:1], hello[:-1], hello, b"loadline/1\n"):
            # A whole message costs a signature, which takes milliseconds in a debug build.
            crowd = CROWD // 8 if begin == hello else CROWD
            with contextlib.ExitStack() as stack, agent(programs, *options) as port:
                early = stack.enter_context(connect_tls(port))
                for _ in range(crowd):
                    stack.enter_context(connect_tls(port, begin))
                waits.append(time_to_row(lambda: connect_tls(port)))
                assert has_row(early), f"a client from before lost its place after {begin[:4]!r}"
    return f"at worst {max(waits):.2f} s"


def a_flood_of_new_connections_keeps_nobody_out(programs):
    ended = threading.Event()

    def flood(port: int):
        open_ones = []
        while not ended.is_set():
            with contextlib.suppress(OSError):
                open_ones.append(socket.create_connection(("127.0.0.1", port), timeout=1))
            if len(open_ones) > 200:
                # The older half stays.
                open_ones.pop(100).close()
        for client in open_ones:
            client.close()

    def subscribed() -> socket.socket:
        client = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
        client.sendall(b"loadline/1\n")
        return client

    waits = []
    with many_files(), agent(programs, "--interval", "250ms") as port:
        with socket.create_connection(("127.0.0.1", port)) as early:
            floods = [threading.Thread(target=flood, args=[port]) for _ in range(4)]
            for thread in floods:
                thread.start()
            try:
                time.sleep(1)
                for _ in range(5):
                    begin = time.monotonic()
                    with subscribed() as client, client.makefile("rb") as lines:
                        # The header may come after a plain row.
                        wait_until("the header", lambda: lines.readline().startswith(b"# loadline/1"))
                        waits.append(time.monotonic() - begin)
                        assert waits[-1] < SERVED_WITHIN, f"the header came after {waits[-1]:.2f} s"
                assert has_row(early), "a client from before the flood has lost its place"
            finally:
                ended.set()
                for thread in floods:
                    thread.join()
    return f"at worst {max(waits):.2f} s"


CHECKS = [
    one_user_with_a_thousand_connections_keeps_no_other_user_out,
    strangers_with_half_a_handshake_keep_nobody_out,
    a_flood_of_new_connections_keeps_nobody_out,
]

"""The examples of docs/examples read the agent, and the client reads the example server."""

import contextlib
import csv
import io
import json
import re
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from stage import (
    DEADLINE, HERE, Skip, agent, connect, output, port_of, running, some_time_or_other,
)

EXAMPLES = HERE.parent.parent / "docs" / "examples"
PYTHON = [sys.executable, "-B"]

# Enough rows on each connection that some come live, behind the history.
ROWS = 6

# What a relay takes at once.
BYTES = 64 * 1024


class Relay:
    """Passes a connection on to the agent, and cuts it when told to."""

    def __init__(self, port: int):
        self.agent = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.requests: list[bytes] = []
        self.pair: list[socket.socket] = []
        self.lock = threading.Lock()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                with client, contextlib.suppress(OSError), connect(self.agent) as server:
                    with self.lock:
                        self.pair = [client, server]
                    self.pass_on(client, server)

    def pass_on(self, client: socket.socket, server: socket.socket):
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while ready := selector.select(DEADLINE):
                for key, _ in ready:
                    passed = key.fileobj.recv(BYTES)
                    if not passed:
                        return
                    if key.fileobj is client:
                        self.requests.append(passed)
                    key.data.sendall(passed)

    def cut(self):
        with self.lock:
            for end in self.pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()
        self.cut()


def resumes(programs, *command: str) -> str:
    """Lets a reader read, cuts its connection twice, and looks for what is lost or double."""
    with agent(programs, "--interval", "250ms") as port:
        relay = Relay(port)
        try:
            with running(*command, "127.0.0.1", str(relay.port)) as reader:
                seqs = []
                for _ in range(3):
                    seqs += [seq_of(reader.out.line()) for _ in range(ROWS)]
                    relay.cut()
        finally:
            relay.close()
    expected = list(range(seqs[0], seqs[0] + len(seqs)))
    assert seqs == expected, f"rows are lost or double: {seqs}"
    resumed = [request for request in relay.requests[1:] if b" resume=" in request]
    assert b" resume=" not in relay.requests[0], f"it begins with {relay.requests[0]!r}"
    assert len(resumed) >= 2, f"it asks {relay.requests}"
    return f"{len(seqs)} rows over {len(relay.requests)} connections"


def seq_of(line: str) -> int:
    stamp, seq, cpu, mem = re.split("[ ,]", line)
    assert re.fullmatch(r"\d+\.\d{3}", stamp), f"the time is {stamp}"
    assert 0 <= float(cpu) <= 100 and 0 < float(mem) < 100, f"the row is {line!r}"
    return int(seq)


def the_reader_in_python_resumes_without_loss_or_double(programs):
    return resumes(programs, *PYTHON, str(EXAMPLES / "reader.py"))


def the_reader_in_c_resumes_without_loss_or_double(programs):
    with tempfile.TemporaryDirectory() as folder:
        return resumes(programs, compiled(folder))


def compiled(folder: str) -> str:
    """Compiles the reader in C, and gives where it is."""
    if not shutil.which("cc"):
        raise Skip("there is no C compiler")
    reader = str(Path(folder, "reader"))
    strict = ["-Wall", "-Wextra", "-Werror", "-std=c99", "-pedantic"]
    output("cc", *strict, "-o", reader, str(EXAMPLES / "reader.c"))
    return reader


def the_reader_in_python_ends_where_the_agent_refuses(programs):
    """An agent that has no such column says so; a reader that would ask again never ends."""
    with agent(programs, "--interval", "250ms") as port:
        text = (EXAMPLES / "reader.py").read_text().replace("columns=cpu,mem", "columns=none")
        command = [*PYTHON, "-c", text, "127.0.0.1", str(port)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    assert result.returncode == 1, f"it ends with {result.returncode}"
    assert "the agent refuses" in result.stderr, f"it says {result.stderr!r}"


# Lines with which something is wrong, and one that is a row.
FAULTS = b"""# loadline/1 run=00000001 host=bob's os="no end
# columns time:s seq cpu:% mem:%
1.000 1 inf 40.0
1.000 nan 10.0 40.0
1.000 inf 10.0 40.0
1.000 1 10.0
1.000
1.000 1 10.0 40.0 50.0
no number
""" + b"1" * 9000 + b"""
# skipped from=nothing
3.000 3 10.5 40.5
"""


def bears_faults(*command: str):
    """Lets a reader read lines that no agent would send; it shall take the one row among them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE)
        with running(*command, "127.0.0.1", str(listener.getsockname()[1]), "1") as reader:
            with listener.accept()[0] as client:
                client.sendall(FAULTS)
                line = reader.out.line()
                code = reader.child.wait(DEADLINE)
            assert re.fullmatch(r"3.000[ ,]3[ ,]10.5[ ,]40.5", line), f"it takes {line!r}"
            assert code == 0, f"it ends with {code}: {reader.said()}"


def the_reader_in_python_leaves_out_what_is_no_row(programs):
    bears_faults(*PYTHON, str(EXAMPLES / "reader.py"))


def the_reader_in_c_leaves_out_what_is_no_row(programs):
    with tempfile.TemporaryDirectory() as folder:
        bears_faults(compiled(folder))


def awk(program: list[str], text: str) -> list[str]:
    result = subprocess.run(
        ["awk", *program], input=text, capture_output=True, text=True, timeout=DEADLINE
    )
    assert result.returncode == 0, f"awk ends with {result.returncode}: {result.stderr}"
    return result.stdout.splitlines()


def awk_says_when_the_cpu_is_busy(programs):
    stream = "\n".join([
        "# loadline/1 run=00000001 host=x", "# columns time:s seq mem:% cpu:%",
        "1.000 1 40.0 10.0", "2.000 2 40.0 nan", "3.000 3 40.0 95.5", "# live",
        "4.000 4 40.0 99.0", "", "5.000 5 40.0 3.0", "",
    ])
    said = awk(["-v", "limit=80", "-f", str(EXAMPLES / "busy.awk")], stream)
    assert said == ["3.000 busy 95.5", "5.000 quiet 3.0"], f"awk says {said}"
    with agent(programs, "--interval", "250ms") as port:
        raw = output(programs.client, f"127.0.0.1:{port}", "-o", "raw", "-c", "cpu", "-n", "3")
    said = awk(["-v", "limit=0", "-f", str(EXAMPLES / "busy.awk")], raw)
    assert len(said) == 1 and " busy " in said[0], f"awk says {said}"


def awk_lines_of_the_page_do_what_they_say(programs):
    page = (EXAMPLES / "README.md").read_text()
    lines = re.findall(r"awk '([^']+)'", page)
    assert len(lines) >= 3, f"the page has {len(lines)} lines of awk"
    with agent(programs, "--interval", "250ms") as port:
        with connect(port) as client, client.makefile() as rows:
            plain = "".join(rows.readline() for _ in range(5))
        raw = output(programs.client, f"127.0.0.1:{port}", "-o", "raw", "-n", "5")
    for line in lines:
        for number in awk([line], raw if "#" in line else plain):
            assert re.fullmatch(r"[-\d:. a-z]+", number), f"awk '{line}' says {number!r}"


@contextlib.contextmanager
def example_server(seconds: str):
    with running(*PYTHON, str(EXAMPLES / "server.py"), "0", seconds) as process:
        yield port_of(process)


def the_client_reads_the_server_in_python_with_its_history(programs):
    with example_server("0.1") as port:
        source = f"127.0.0.1:{port}"
        output(programs.client, source, "-o", "csv", "-n", str(ROWS))
        text = output(programs.client, source, "-o", "csv", "--history", "all", "-n", "20")
    head, *rows = csv.reader(io.StringIO(text))
    assert head == ["timestamp", "received", "source", "seq", "wave", "noise"], f"it is {head}"
    seqs = [int(row[3]) for row in rows]
    assert seqs == list(range(1, 21)), f"the numbers are {seqs}"
    times = [row[0] for row in rows]
    assert times == sorted(set(times)), f"the times do not rise: {times}"
    return f"{len(rows)} rows"


def the_client_resumes_on_the_server_in_python(programs):
    with example_server("0.1") as port:
        relay = Relay(port)
        try:
            command = [programs.client, f"127.0.0.1:{relay.port}", "-o", "json"]
            with running(*command) as client:
                seqs = []
                for _ in range(3):
                    seqs += [json.loads(client.out.line())["seq"] for _ in range(ROWS)]
                    relay.cut()
        finally:
            relay.close()
    expected = list(range(seqs[0], seqs[0] + len(seqs)))
    assert seqs == expected, f"rows are lost or double: {seqs}"
    return f"{len(seqs)} rows over {len(relay.requests)} connections"


def the_server_in_python_sends_plain_rows_to_who_says_nothing(programs):
    def attempt():
        with connect(port) as client:
            for _ in range(ROWS):
                received = client.recv(BYTES)
                assert re.fullmatch(rb"[\d.]+ [\d.]+\n", received), f"one read: {received!r}"

    with example_server("0.2") as port:
        some_time_or_other(attempt, 4)


CHECKS = [
    the_reader_in_python_resumes_without_loss_or_double,
    the_reader_in_c_resumes_without_loss_or_double,
    the_reader_in_python_leaves_out_what_is_no_row,
    the_reader_in_c_leaves_out_what_is_no_row,
    the_reader_in_python_ends_where_the_agent_refuses,
    awk_says_when_the_cpu_is_busy,
    awk_lines_of_the_page_do_what_they_say,
    the_client_reads_the_server_in_python_with_its_history,
    the_client_resumes_on_the_server_in_python,
    the_server_in_python_sends_plain_rows_to_who_says_nothing,
]

"""The readers in docs/examples work with the agent, and the client with the example server."""

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
    DEADLINE, HERE, Skip, agent, connect, output, port_of, running, retry,
)

EXAMPLES = HERE.parent.parent / "docs" / "examples"
PYTHON = [sys.executable, "-B"]

# Rows of each connection: enough to include live ones after the history.
ROWS = 6

# Size of a read.
READ_BYTES = 64 * 1024


class TcpProxy:
    """TCP proxy in front of the agent, whose connection can be cut."""

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
                    self.forward(client, server)

    def forward(self, client: socket.socket, server: socket.socket):
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while ready := selector.select(DEADLINE):
                for key, _ in ready:
                    received = key.fileobj.recv(READ_BYTES)
                    if not received:
                        return
                    if key.fileobj is client:
                        self.requests.append(received)
                    key.data.sendall(received)

    def cut(self):
        with self.lock:
            for end in self.pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()
        self.cut()


def resumes(programs, *command: str) -> str:
    """Runs a reader, cuts its connection twice, and checks that no row is lost or repeated."""
    with agent(programs, "--interval", "250ms") as port:
        proxy = TcpProxy(port)
        try:
            with running(*command, "127.0.0.1", str(proxy.port)) as reader:
                seqs = []
                for _ in range(3):
                    seqs += [seq_of(reader.out.line()) for _ in range(ROWS)]
                    proxy.cut()
        finally:
            proxy.close()
    expected = list(range(seqs[0], seqs[0] + len(seqs)))
    assert seqs == expected, f"lost or repeated rows: {seqs}"
    resumed = [request for request in proxy.requests[1:] if b" resume=" in request]
    assert b" resume=" not in proxy.requests[0], f"the first request is {proxy.requests[0]!r}"
    assert len(resumed) >= 2, f"the requests are {proxy.requests}"
    return f"{len(seqs)} rows over {len(proxy.requests)} connections"


def seq_of(line: str) -> int:
    stamp, seq, cpu, mem = re.split("[ ,]", line)
    assert re.fullmatch(r"\d+\.\d{3}", stamp), f"the time is {stamp}"
    assert 0 <= float(cpu) <= 100 and 0 < float(mem) < 100, f"the row is {line!r}"
    return int(seq)


def the_python_reader_resumes_without_loss_or_repetition(programs):
    return resumes(programs, *PYTHON, str(EXAMPLES / "reader.py"))


def the_c_reader_resumes_without_loss_or_repetition(programs):
    with tempfile.TemporaryDirectory() as folder:
        return resumes(programs, compiled(folder))


def compiled(folder: str) -> str:
    """Compiles the reader in C. Returns its path."""
    if not shutil.which("cc"):
        raise Skip("this machine has no C compiler")
    reader = str(Path(folder, "reader"))
    strict = ["-Wall", "-Wextra", "-Werror", "-std=c99", "-pedantic"]
    output("cc", *strict, "-o", reader, str(EXAMPLES / "reader.c"))
    return reader


def the_python_reader_ends_if_the_agent_refuses(programs):
    """The agent refuses an unknown column. A reader that repeated the request would never end."""
    with agent(programs, "--interval", "250ms") as port:
        text = (EXAMPLES / "reader.py").read_text().replace("columns=cpu,mem", "columns=none")
        command = [*PYTHON, "-c", text, "127.0.0.1", str(port)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    assert result.returncode == 1, f"exit code {result.returncode}"
    assert "the agent refuses" in result.stderr, f"unexpected error: {result.stderr!r}"


# Invalid lines, and one valid row.
FAULTY_LINES = b"""# loadline/1 run=00000001 host=bob's os="no end
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


def skips_faulty_lines(*command: str):
    """Runs a reader on faulty lines. It must print only the valid row among them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(DEADLINE)
        with running(*command, "127.0.0.1", str(listener.getsockname()[1]), "1") as reader:
            with listener.accept()[0] as client:
                client.sendall(FAULTY_LINES)
                line = reader.out.line()
                code = reader.child.wait(DEADLINE)
            assert re.fullmatch(r"3.000[ ,]3[ ,]10.5[ ,]40.5", line), f"unexpected row {line!r}"
            assert code == 0, f"exit code {code}: {reader.stderr()}"


def the_python_reader_skips_faulty_lines(programs):
    skips_faulty_lines(*PYTHON, str(EXAMPLES / "reader.py"))


def the_c_reader_skips_faulty_lines(programs):
    with tempfile.TemporaryDirectory() as folder:
        skips_faulty_lines(compiled(folder))


def awk(program: list[str], text: str) -> list[str]:
    result = subprocess.run(
        ["awk", *program], input=text, capture_output=True, text=True, timeout=DEADLINE
    )
    assert result.returncode == 0, f"awk ends with {result.returncode}: {result.stderr}"
    return result.stdout.splitlines()


def the_awk_script_reports_a_busy_cpu(programs):
    stream = "\n".join([
        "# loadline/1 run=00000001 host=x", "# columns time:s seq mem:% cpu:%",
        "1.000 1 40.0 10.0", "2.000 2 40.0 nan", "3.000 3 40.0 95.5", "# live",
        "4.000 4 40.0 99.0", "", "5.000 5 40.0 3.0", "",
    ])
    output_lines = awk(["-v", "limit=80", "-f", str(EXAMPLES / "busy.awk")], stream)
    assert output_lines == ["3.000 busy 95.5", "5.000 quiet 3.0"], f"unexpected output of awk: {output_lines}"
    with agent(programs, "--interval", "250ms") as port:
        raw = output(programs.client, f"127.0.0.1:{port}", "-o", "raw", "-c", "cpu", "-n", "3")
    output_lines = awk(["-v", "limit=0", "-f", str(EXAMPLES / "busy.awk")], raw)
    assert len(output_lines) == 1 and " busy " in output_lines[0], f"unexpected output of awk: {output_lines}"


def the_awk_one_liners_work(programs):
    page = (EXAMPLES / "README.md").read_text()
    lines = re.findall(r"awk '([^']+)'", page)
    assert len(lines) >= 3, f"the page has only {len(lines)} awk one-liners"
    with agent(programs, "--interval", "250ms") as port:
        with connect(port) as client, client.makefile() as rows:
            plain = "".join(rows.readline() for _ in range(5))
        raw = output(programs.client, f"127.0.0.1:{port}", "-o", "raw", "-n", "5")
    for line in lines:
        for number in awk([line], raw if "#" in line else plain):
            assert re.fullmatch(r"[-\d:. a-z]+", number), f"awk '{line}' prints {number!r}"


@contextlib.contextmanager
def example_server(seconds: str):
    with running(*PYTHON, str(EXAMPLES / "server.py"), "0", seconds) as process:
        yield port_of(process)


def the_client_reads_the_history_of_the_python_server(programs):
    with example_server("0.1") as port:
        source = f"127.0.0.1:{port}"
        output(programs.client, source, "-o", "csv", "-n", str(ROWS))
        text = output(programs.client, source, "-o", "csv", "--history", "all", "-n", "20")
    head, *rows = csv.reader(io.StringIO(text))
    assert head == ["timestamp", "received", "source", "seq", "wave", "noise"], f"the header is {head}"
    seqs = [int(row[3]) for row in rows]
    assert seqs == list(range(1, 21)), f"the numbers are {seqs}"
    times = [row[0] for row in rows]
    assert times == sorted(set(times)), f"the times do not rise: {times}"
    return f"{len(rows)} rows"


def the_client_resumes_at_the_python_server(programs):
    with example_server("0.1") as port:
        proxy = TcpProxy(port)
        try:
            command = [programs.client, f"127.0.0.1:{proxy.port}", "-o", "json"]
            with running(*command) as client:
                seqs = []
                for _ in range(3):
                    seqs += [json.loads(client.out.line())["seq"] for _ in range(ROWS)]
                    proxy.cut()
        finally:
            proxy.close()
    expected = list(range(seqs[0], seqs[0] + len(seqs)))
    assert seqs == expected, f"lost or repeated rows: {seqs}"
    return f"{len(seqs)} rows over {len(proxy.requests)} connections"


def the_python_server_sends_plain_rows_without_a_request(programs):
    def attempt():
        with connect(port) as client:
            for _ in range(ROWS):
                received = client.recv(READ_BYTES)
                assert re.fullmatch(rb"[\d.]+ [\d.]+\n", received), f"one read: {received!r}"

    with example_server("0.2") as port:
        retry(attempt, 4)


CHECKS = [
    the_python_reader_resumes_without_loss_or_repetition,
    the_c_reader_resumes_without_loss_or_repetition,
    the_python_reader_skips_faulty_lines,
    the_c_reader_skips_faulty_lines,
    the_python_reader_ends_if_the_agent_refuses,
    the_awk_script_reports_a_busy_cpu,
    the_awk_one_liners_work,
    the_client_reads_the_history_of_the_python_server,
    the_client_resumes_at_the_python_server,
    the_python_server_sends_plain_rows_without_a_request,
]

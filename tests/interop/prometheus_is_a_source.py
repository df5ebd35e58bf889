"""Machines that a real Prometheus knows are sources of the client."""

import atexit
import base64
import contextlib
import csv
import io
import json
import os
import ssl
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from pathlib import Path

import psutil

from stage import DEADLINE, Process, free_port, output, running, wait_until
from terminal import screen
from tls_of_openssl import Authority

# What a Prometheus scrapes: its name, and what serves it on a port of 127.0.0.1.
TARGETS = {
    "node_exporter": lambda programs, port: [
        "prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}"
    ],
    "loadline-agent": lambda programs, port: [
        programs.agent, "--listen", "127.0.0.1:0", "--metrics-listen", f"127.0.0.1:{port}"
    ],
}

# A server starts, reads its log of writes, and scrapes twice.
STARTED_WITHIN = 60.0

ROWS = 8

# Who may ask the server that wants to know: "secret", as the server keeps it.
USER, PASSWORD = "me", "secret"
KEPT = "$2b$04$zcHAed21vSagDWjc9IAIO.4gEEzJzrJMDhKnxf9VoHxVy1EDwybKK"

# The same numbers in words of our own; the cores are all that there are.
QUERIES = {
    "cpu": "100 - 100 * sum(rate(node_cpu_seconds_total{$,mode=~'idle|iowait'}[4s]))"
    " / sum(rate(node_cpu_seconds_total{$}[4s]))",
    "mem": "100 * (node_memory_MemTotal_bytes{$} - node_memory_MemAvailable_bytes{$})"
    " / node_memory_MemTotal_bytes{$}",
    "mem_total": "node_memory_MemTotal_bytes{$}",
    "load1": "node_load1{$}",
    "load15": "node_load15{$}",
    "net_rx": "sum(rate(node_network_receive_bytes_total{$,device!~'lo|veth.*|docker.*|br-.*'}[4s]))",
}

# Half of the last decimal that is shown, in each unit.
TOLERANCE = {"net_rx": 0.51, "mem_total": 0.51}


class Server:
    """A Prometheus that scrapes each second."""

    def __init__(self, folder: str, ports: list[int], *options: str):
        self.folder, self.port, self.options = Path(folder), free_port(), options
        self.instances = [f"127.0.0.1:{port}" for port in ports]
        self.process = None
        self.url, self.headers, self.trust = f"http://127.0.0.1:{self.port}", {}, None
        targets = json.dumps(self.instances)
        Path(folder, "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            f"scrape_configs: [{{job_name: node, static_configs: [{{targets: {targets}}}]}}]\n"
        )

    def start(self):
        self.process = Process(
            "prometheus",
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/storage",
            f"--web.listen-address=127.0.0.1:{self.port}",
            *self.options,
        )

    def stop(self):
        self.process.kill()

    def asked(self, what: str, **form: str) -> list:
        query = urllib.parse.urlencode(form)
        url = f"{self.url}/api/v1/{what}?{query}"
        request = urllib.request.Request(url, headers=self.headers)
        with urllib.request.urlopen(request, timeout=DEADLINE, context=self.trust) as answer:
            return json.load(answer)["data"]["result"]

    def has_samples(self) -> bool:
        with contextlib.suppress(OSError, urllib.error.URLError):
            counts = self.asked("query", query="count_over_time(node_load1[5s])")
            return len(counts) == len(self.instances) and all(
                int(count["value"][1]) > 3 for count in counts
            )
        return False

    def value(self, query: str, instance: str, at: float) -> float:
        query = query.replace("$", f"instance='{instance}'")
        return float(self.asked("query", query=query, time=f"{at:.3f}")[0]["value"][1])

    def samples(self, instance: str, first: float, last: float) -> list[float]:
        """The seconds that have a sample which the one before did not have."""
        query = f"timestamp(node_load1{{instance='{instance}'}})"
        before = f"{first - 1:.3f}"
        values = self.asked("query_range", query=query, start=before, end=f"{last:.3f}", step="1")
        found, newest = [], None
        for at, sampled in values[0]["values"]:
            if at >= first and sampled != newest:
                found.append(float(at))
            newest = sampled
        return found


@contextlib.contextmanager
def exporters(programs, kind: str, count: int):
    """The ports, and what listens there."""
    with contextlib.ExitStack() as stack:
        ports = [free_port() for _ in range(count)]
        commands = [TARGETS[kind](programs, port) for port in ports]
        yield ports, [stack.enter_context(running(*command)) for command in commands]


@contextlib.contextmanager
def prometheus(programs, kind: str, count: int = 2):
    """A server with some samples, and what it scrapes."""
    with tempfile.TemporaryDirectory() as folder, exporters(programs, kind, count) as (ports, targets):
        server = Server(folder, ports)
        server.start()
        try:
            wait_until("a sample", server.has_samples, STARTED_WITHIN)
            yield server, targets
        finally:
            server.stop()


# Servers that are only asked, one for each kind; the last one who asks ends them.
SHARED = contextlib.ExitStack()
atexit.register(SHARED.close)
STARTED = {}


def shared(programs, kind: str) -> Server:
    """A server with two machines, which stays as it is."""
    if kind not in STARTED:
        STARTED[kind] = SHARED.enter_context(prometheus(programs, kind))[0]
    return STARTED[kind]


def source(server: Server, query: str = "") -> str:
    return f"prom+http://127.0.0.1:{server.port}/{query}"


def one_of(server: Server) -> str:
    """The first of its machines, by the end of its name."""
    return source(server, f"?instance=.*{server.instances[0][-5:]}")


def rows_of(text: str) -> list[dict]:
    return list(csv.DictReader(io.StringIO(text)))


def seconds(row: dict) -> float:
    return datetime.fromisoformat(row["timestamp"]).timestamp()


def the_numbers_are_those_that_the_server_answers(programs):
    compared = 0
    for kind in TARGETS:
        server = shared(programs, kind)
        command = [source(server), "-o", "csv", "-n", str(2 * ROWS)]
        rows = rows_of(output(programs.client, *command))
        assert {row["source"] for row in rows} == set(server.instances), rows
        for row in rows:
            for name, query in QUERIES.items():
                found, expected = float(row[name]), server.value(query, row["source"], seconds(row))
                within = TOLERANCE.get(name, 0.051)
                assert abs(found - expected) <= within, f"{kind}: {name} {found}, not {expected}"
                compared += 1
    return f"{compared} numbers"


def the_memory_and_the_load_are_those_of_psutil(programs):
    worst = {"mem": 0.0, "load1": 0.0}
    for kind in TARGETS:
        server = shared(programs, kind)
        pairs = []
        with running(programs.client, one_of(server), "-o", "csv") as client:
            head = client.out.line()
            for _ in range(ROWS):
                row = rows_of(f"{head}\n{client.out.line()}")[0]
                memory = psutil.virtual_memory()
                used = 100 * (memory.total - memory.available) / memory.total
                pairs.append((row, {"mem": used, "load1": os.getloadavg()[0]}))
        for name in worst:
            differences = [abs(float(row[name]) - numbers[name]) for row, numbers in pairs]
            worst[name] = max(worst[name], statistics.median(differences))
    # A sample is up to a second old, and the load of a busy machine moves by that much.
    assert worst["mem"] <= 2 and worst["load1"] <= 1, worst
    return f"memory within {worst['mem']:.2f} points, load within {worst['load1']:.2f}"


def an_exporter_that_dies_gets_no_more_rows(programs):
    for kind in TARGETS:
        with prometheus(programs, kind) as (server, targets):
            dead, alive = server.instances
            with running(programs.client, source(server), "-o", "csv") as client:
                head = client.out.line()
                lines = [client.out.line() for _ in range(4)]
                targets[0].child.kill()
                killed = time.time()
                while sum(f",{alive}," in line for line in lines) < 2 * ROWS:
                    lines.append(client.out.line())
            rows = rows_of("\n".join([head, *lines]))
            late = [row for row in rows if row["source"] == dead and seconds(row) > killed + 1]
            assert not late, f"{kind}: {late}"
            with screen(programs.client, source(server)) as shown:
                shown.wait_for("2 sources", " LIVE ", " STALE ", dead, alive)
                shown.quit()


def a_server_that_is_killed_and_comes_back_leaves_no_hole(programs):
    told = []
    for kind in TARGETS:
        with prometheus(programs, kind) as (server, _):
            with running(programs.client, source(server), "-o", "csv") as client:
                head = client.out.line()
                lines = [client.out.line() for _ in range(2 * ROWS)]
                server.stop()
                wait_until("word of the outage", lambda: "reconnecting" in client.said())
                server.start()
                wait_until("a sample", server.has_samples, STARTED_WITHIN)
                # It was down for some seconds, of which nobody has a sample.
                came_back = time.time()
                late = set()
                while late != set(server.instances):
                    lines.append(client.out.line())
                    row = rows_of(f"{head}\n{lines[-1]}")[0]
                    if seconds(row) > came_back + 4:
                        late.add(row["source"])
            rows = rows_of("\n".join([head, *lines]))
            for instance in server.instances:
                times = [seconds(row) for row in rows if row["source"] == instance]
                expected = server.samples(instance, times[0], times[-1])
                assert times == expected, f"{kind}: {times}, not {expected}"
                told.append(len(times))
    return f"{sum(told)} rows"


def a_history_is_what_the_server_has_and_recorded_like_any_other(programs):
    for kind in TARGETS:
        server = shared(programs, kind)
        first = server.instances[0]

        def has_history():
            now = time.time()
            return len(server.samples(first, now - 15, now)) >= ROWS

        wait_until("a history", has_history, STARTED_WITHIN)
        with tempfile.TemporaryDirectory() as folder:
            recording = str(Path(folder, "instance.load"))
            command = ["-o", "csv", "--history", "20s", "-n", str(ROWS), "--record", recording]
            rows = rows_of(output(programs.client, one_of(server), *command))
            replayed = rows_of(output(programs.client, recording, "-o", "csv"))
        times = [seconds(row) for row in rows]
        expected = server.samples(first, times[0], times[-1])
        assert times == expected, f"{kind}: {times}, not {expected}"
        same = ["timestamp", "cpu", "mem", "load1", "net_rx"]
        for one, other in zip(rows, replayed, strict=True):
            assert [one[name] for name in same] == [other[name] for name in same], (one, other)


def the_screen_shows_all_instances_and_a_regex_fewer(programs):
    for kind in TARGETS:
        server = shared(programs, kind)
        first = server.instances[0]
        with screen(programs.client, source(server, "?job=node")) as shown:
            shown.wait_for("2 sources", "2 LIVE", *server.instances)
            shown.quit()
        with screen(programs.client, one_of(server)) as shown:
            shown.wait_for(" LIVE ", first, "CPU", "Memory")
            shown.quit()
        said = fails(programs.client, source(server, "?instance=web-.*"), "-o", "csv")
        assert "no instance matches" in said and first in said, said
        said = fails(programs.client, source(server, "?instance=(web"), "-o", "csv")
        assert "missing closing" in said, said


def fails(*command: str) -> str:
    """What a program says in a line that fails."""
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE
    )
    said = result.stderr.strip()
    assert (result.returncode, result.stdout) == (1, "") and said.count("\n") <= 1, result
    return said


def a_server_behind_tls_a_path_and_a_password_is_asked(programs):
    kind = next(iter(TARGETS))
    with tempfile.TemporaryDirectory() as folder, exporters(programs, kind, 1) as (ports, _):
        ours = Authority(folder, "ours")
        cert, key = ours.sign("server")
        Path(folder, "web.yml").write_text(
            f"tls_server_config: {{cert_file: {cert}, key_file: {key}}}\n"
            f"basic_auth_users: {{{USER}: {KEPT}}}\n"
        )
        options = [f"--web.config.file={folder}/web.yml", "--web.external-url=https://localhost/a/b/"]
        server = Server(folder, ports, *options)
        server.url = f"https://localhost:{server.port}/a/b"
        who = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        server.headers = {"Authorization": f"Basic {who}"}
        server.trust = ssl.create_default_context(cafile=ours.cert)
        server.start()
        try:
            wait_until("a sample", server.has_samples, STARTED_WITHIN)
            where = f"localhost:{server.port}/a/b/"
            trust = ["--tls-ca", ours.cert, "-o", "csv", "-n", "2"]
            output(programs.client, f"prom+https://{USER}:{PASSWORD}@{where}", *trust)
            said = fails(programs.client, f"prom+https://{USER}:wrong@{where}", *trust)
            assert "401" in said and "wrong" not in said, said
            said = fails(programs.client, f"prom+https://{USER}@localhost:{server.port}/c/", *trust)
            assert "401" in said, said
            os.environ["LOADLINE_PROM_PASSWORD"] = PASSWORD
            try:
                output(programs.client, f"prom+https://{USER}@{where}", *trust)
            finally:
                del os.environ["LOADLINE_PROM_PASSWORD"]
            said = fails(programs.client, f"prom+https://{USER}:{PASSWORD}@localhost:{server.port}/c/", *trust)
            assert "404" in said and PASSWORD not in said, said
        finally:
            server.stop()


CHECKS = [
    the_numbers_are_those_that_the_server_answers,
    the_memory_and_the_load_are_those_of_psutil,
    a_history_is_what_the_server_has_and_recorded_like_any_other,
    the_screen_shows_all_instances_and_a_regex_fewer,
    an_exporter_that_dies_gets_no_more_rows,
    a_server_that_is_killed_and_comes_back_leaves_no_hole,
    a_server_behind_tls_a_path_and_a_password_is_asked,
]

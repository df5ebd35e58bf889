"""Instances of a real Prometheus as sources of the client."""

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

from stage import DEADLINE, Process, free_port, is_error, output, running, wait_until
from terminal import screen
from tls_with_openssl import Authority

# Scrape targets: name, and command that serves metrics on a port of 127.0.0.1.
TARGETS = {
    "node_exporter": lambda programs, port: [
        "prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}"
    ],
    "loadline-agent": lambda programs, port: [
        programs.agent, "--listen", "127.0.0.1:0", "--metrics-listen", f"127.0.0.1:{port}"
    ],
}

# Time limit in seconds for a server to start, to replay its write-ahead log, and to scrape twice.
START_TIMEOUT = 60.0

ROWS = 8

# User of the server with authentication. The server has a bcrypt hash of the password.
USER, PASSWORD = "me", "secret"
PASSWORD_HASH = "$2b$04$zcHAed21vSagDWjc9IAIO.4gEEzJzrJMDhKnxf9VoHxVy1EDwybKK"

# Independent queries for the same values, on a machine without a CPU limit.
QUERIES = {
    "cpu": "100 - 100 * sum(rate(node_cpu_seconds_total{$,mode=~'idle|iowait'}[4s]))"
    " / sum(rate(node_cpu_seconds_total{$}[4s]))",
    "mem": "100 * (node_memory_MemTotal_bytes{$} - node_memory_MemAvailable_bytes{$})"
    " / node_memory_MemTotal_bytes{$}",
    "mem_total": "node_memory_MemTotal_bytes{$}",
    "load1": "node_load1{$}",
    "load15": "node_load15{$}",
    # Interfaces of these drivers are hardware on the machines that run the checks.
    "net_rx": "sum(rate(node_network_receive_bytes_total{$,device=~'e(th|n).*'}[4s]))",
    "swap": "100 * (node_memory_SwapTotal_bytes{$} - node_memory_SwapFree_bytes{$})"
    " / (node_memory_SwapTotal_bytes{$} > 0) or 0 * node_memory_SwapTotal_bytes{$}",
}

# Half of the last decimal, in the unit of the column.
TOLERANCE = {"net_rx": 0.51, "mem_total": 0.51}


class PrometheusServer:
    """Prometheus with a scrape interval of one second."""

    def __init__(self, folder: str, ports: list[int], *options: str):
        self.folder, self.port, self.options = Path(folder), free_port(), options
        self.instances = [f"127.0.0.1:{port}" for port in ports]
        self.process = None
        self.url, self.headers, self.trust = f"http://127.0.0.1:{self.port}", {}, None
        targets = json.dumps(self.instances)
        Path(folder, "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
            f"scrape_configs:\n- {{job_name: node, static_configs: [{{targets: {targets}}}]}}\n"
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

    def get(self, endpoint: str, **form: str) -> list:
        query = urllib.parse.urlencode(form)
        url = f"{self.url}/api/v1/{endpoint}?{query}"
        request = urllib.request.Request(url, headers=self.headers)
        with urllib.request.urlopen(request, timeout=DEADLINE, context=self.trust) as response:
            return json.load(response)["data"]["result"]

    def has_samples(self) -> bool:
        with contextlib.suppress(OSError, urllib.error.URLError):
            counts = self.get("query", query="count_over_time(node_load1[5s])")
            return len(counts) == len(self.instances) and all(
                int(count["value"][1]) > 3 for count in counts
            )
        return False

    def value(self, query: str, instance: str, at: float) -> float:
        query = query.replace("$", f"instance='{instance}'")
        return float(self.get("query", query=query, time=f"{at:.3f}")[0]["value"][1])

    def samples(self, instance: str, first: float, last: float) -> list[float]:
        """Returns the times, in whole seconds, with a new sample."""
        query = f"timestamp(node_load1{{instance='{instance}'}})"
        before = f"{first - 1:.3f}"
        values = self.get("query_range", query=query, start=before, end=f"{last:.3f}", step="1")
        found, newest = [], None
        for at, sampled in values[0]["values"]:
            if at >= first and sampled != newest:
                found.append(float(at))
            newest = sampled
        return found


@contextlib.contextmanager
def exporters(programs, kind: str, count: int):
    """Runs exporters. Yields their ports and processes."""
    with contextlib.ExitStack() as stack:
        ports = [free_port() for _ in range(count)]
        commands = [TARGETS[kind](programs, port) for port in ports]
        yield ports, [stack.enter_context(running(*command)) for command in commands]


@contextlib.contextmanager
def prometheus(programs, kind: str, count: int = 2):
    """Runs a server until it has samples. Yields the server and its targets."""
    with tempfile.TemporaryDirectory() as folder, exporters(programs, kind, count) as (ports, targets):
        server = PrometheusServer(folder, ports)
        server.start()
        try:
            wait_until("a sample", server.has_samples, START_TIMEOUT)
            yield server, targets
        finally:
            server.stop()


# Servers that checks share because they only query them, one for each kind. Stopped at exit.
SHARED = contextlib.ExitStack()
atexit.register(SHARED.close)
STARTED = {}


def shared(programs, kind: str) -> PrometheusServer:
    """Returns a shared server with two instances."""
    if kind not in STARTED:
        STARTED[kind] = SHARED.enter_context(prometheus(programs, kind))[0]
    return STARTED[kind]


def source(server: PrometheusServer, query: str = "") -> str:
    return f"prom+http://127.0.0.1:{server.port}/{query}"


def first_instance(server: PrometheusServer) -> str:
    """Returns the source of the first instance, matched by the end of its name."""
    return source(server, f"?instance=.*{server.instances[0][-5:]}")


def rows_of(text: str) -> list[dict]:
    return list(csv.DictReader(io.StringIO(text)))


def seconds(row: dict) -> float:
    return datetime.fromisoformat(row["timestamp"]).timestamp()


def values_match_independent_queries(programs):
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


def memory_and_load_match_psutil(programs):
    worst = {"mem": 0.0, "load1": 0.0}
    for kind in TARGETS:
        server = shared(programs, kind)
        pairs = []
        with running(programs.client, first_instance(server), "-o", "csv") as client:
            head = client.out.line()
            for _ in range(ROWS):
                row = rows_of(f"{head}\n{client.out.line()}")[0]
                memory = psutil.virtual_memory()
                used = 100 * (memory.total - memory.available) / memory.total
                pairs.append((row, {"mem": used, "load1": os.getloadavg()[0]}))
        for name in worst:
            differences = [abs(float(row[name]) - numbers[name]) for row, numbers in pairs]
            worst[name] = max(worst[name], statistics.median(differences))
    # A sample is up to a second old, and the load changes meanwhile.
    assert worst["mem"] <= 2 and worst["load1"] <= 1, worst
    return f"memory within {worst['mem']:.2f} points, load within {worst['load1']:.2f}"


def a_dead_exporter_gets_no_more_rows(programs):
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
            with screen(programs.client, source(server)) as terminal:
                terminal.wait_for("2 sources", " LIVE ", " STALE ", dead, alive)
                terminal.quit()


def a_restart_of_the_server_leaves_no_gap(programs):
    row_counts = []
    for kind in TARGETS:
        with prometheus(programs, kind) as (server, _):
            with running(programs.client, source(server), "-o", "csv") as client:
                head = client.out.line()
                lines = [client.out.line() for _ in range(2 * ROWS)]
                server.stop()
                wait_until("the report of the outage", lambda: "reconnecting" in client.stderr())
                server.start()
                wait_until("a sample", server.has_samples, START_TIMEOUT)
                # There are no samples from the time of the restart.
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
                row_counts.append(len(times))
    return f"{sum(row_counts)} rows"


def the_history_of_the_server_is_complete_and_can_be_recorded(programs):
    for kind in TARGETS:
        server = shared(programs, kind)
        first = server.instances[0]

        def has_history():
            now = time.time()
            return len(server.samples(first, now - 15, now)) >= ROWS

        wait_until("a history", has_history, START_TIMEOUT)
        with tempfile.TemporaryDirectory() as folder:
            recording = str(Path(folder, "instance.load"))
            command = ["-o", "csv", "--history", "20s", "-n", str(ROWS), "--record", recording]
            rows = rows_of(output(programs.client, first_instance(server), *command))
            replayed = rows_of(output(programs.client, recording, "-o", "csv"))
        times = [seconds(row) for row in rows]
        expected = server.samples(first, times[0], times[-1])
        assert times == expected, f"{kind}: {times}, not {expected}"
        same = ["timestamp", "cpu", "mem", "load1", "net_rx"]
        for one, other in zip(rows, replayed, strict=True):
            assert [one[name] for name in same] == [other[name] for name in same], (one, other)


def the_screen_shows_all_instances_or_those_of_a_regex(programs):
    for kind in TARGETS:
        server = shared(programs, kind)
        first = server.instances[0]
        with screen(programs.client, source(server, "?job=node")) as terminal:
            terminal.wait_for("2 sources", "2 LIVE", *server.instances)
            terminal.quit()
        with screen(programs.client, first_instance(server)) as terminal:
            terminal.wait_for(" LIVE ", first, "CPU", "Memory")
            terminal.quit()
        error = fails(programs.client, source(server, "?instance=web-.*"), "-o", "csv")
        assert "no instance matches" in error and first in error, error
        error = fails(programs.client, source(server, "?instance=(web"), "-o", "csv")
        assert "missing closing" in error, error


def fails(*command: str) -> str:
    """Runs a program that fails with one error. Returns the error."""
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE
    )
    assert (result.returncode, result.stdout) == (1, "") and is_error(result.stderr), result
    return result.stderr


def a_server_with_tls_a_path_and_a_password_is_a_source(programs):
    kind = next(iter(TARGETS))
    with tempfile.TemporaryDirectory() as folder, exporters(programs, kind, 1) as (ports, _):
        ours = Authority(folder, "ours")
        cert, key = ours.sign("server")
        Path(folder, "web.yml").write_text(
            f"tls_server_config: {{cert_file: {cert}, key_file: {key}}}\n"
            f"basic_auth_users: {{{USER}: {PASSWORD_HASH}}}\n"
        )
        options = [f"--web.config.file={folder}/web.yml", "--web.external-url=https://localhost/a/b/"]
        server = PrometheusServer(folder, ports, *options)
        server.url = f"https://localhost:{server.port}/a/b"
        credentials = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        server.headers = {"Authorization": f"Basic {credentials}"}
        server.trust = ssl.create_default_context(cafile=ours.cert)
        server.start()
        try:
            wait_until("a sample", server.has_samples, START_TIMEOUT)
            where = f"localhost:{server.port}/a/b/"
            trust = ["--tls-ca", ours.cert, "-o", "csv", "-n", "2"]
            output(programs.client, f"prom+https://{USER}:{PASSWORD}@{where}", *trust)
            error = fails(programs.client, f"prom+https://{USER}:wrong@{where}", *trust)
            assert "401" in error and "wrong" not in error, error
            error = fails(programs.client, f"prom+https://{USER}@localhost:{server.port}/c/", *trust)
            assert "401" in error, error
            os.environ["LOADLINE_PROM_PASSWORD"] = PASSWORD
            try:
                output(programs.client, f"prom+https://{USER}@{where}", *trust)
            finally:
                del os.environ["LOADLINE_PROM_PASSWORD"]
            error = fails(programs.client, f"prom+https://{USER}:{PASSWORD}@localhost:{server.port}/c/", *trust)
            assert "404" in error and PASSWORD not in error, error
        finally:
            server.stop()


CHECKS = [
    values_match_independent_queries,
    memory_and_load_match_psutil,
    the_history_of_the_server_is_complete_and_can_be_recorded,
    the_screen_shows_all_instances_or_those_of_a_regex,
    a_dead_exporter_gets_no_more_rows,
    a_restart_of_the_server_leaves_no_gap,
    a_server_with_tls_a_path_and_a_password_is_a_source,
]

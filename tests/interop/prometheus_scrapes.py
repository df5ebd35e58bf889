"""Prometheus scrapes the agent and node_exporter, and their values match. VictoriaMetrics scrapes the agent.
promtool accepts the example configurations and alerts."""

import contextlib
import json
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from stage import DEADLINE, Process, running, retry
from tls_with_openssl import authorities

PACKAGING = Path(__file__).parents[2] / "packaging"

OPEN = "application/openmetrics-text; version=1.0.0"

# Observation time in seconds.
OBSERVED_SECONDS = 12

# The same collectors as the agent's. Debian excludes interfaces, but the one with traffic is needed.
COLLECTORS = [
    "--collector.disable-defaults",
    *(f"--collector.{name}" for name in "cpu cpufreq meminfo loadavg netdev diskstats".split()),
    *(f"--collector.{name}" for name in "filesystem pressure stat time uname vmstat".split()),
    "--collector.netdev.device-exclude=^$",
]

# Values to compare, each with its relative and its absolute tolerance.
LEVELS = [
    ("node_load1", 0.05, 0.1),
    ("node_memory_MemTotal_bytes", 0, 0),
    ("node_memory_MemAvailable_bytes", 0.02, 64 * 2**20),
    ('node_filesystem_size_bytes{mountpoint="/"}', 0, 0),
    ('node_filesystem_avail_bytes{mountpoint="/"}', 0.01, 64 * 2**20),
    ('node_filesystem_files{mountpoint="/"}', 0, 0),
    ("node_boot_time_seconds", 0, 1),
]

# Counters to compare by their rates, with the same tolerances. The two are scraped at different times.
RATES = [
    ('sum by (job) (node_cpu_seconds_total{mode!="idle"})', 0.1, 0.1),
    ('sum by (job) (node_cpu_seconds_total{mode="idle"})', 0.1, 0.1),
    ('node_network_receive_bytes_total{device="lo"}', 0.1, 20e3),
    ('node_network_transmit_bytes_total{device="lo"}', 0.1, 20e3),
    ('sum by (job) (node_disk_written_bytes_total{device!~"zram.*"})', 0.3, 200e3),
    ('sum by (job) (node_disk_writes_completed_total{device!~"zram.*"})', 0.3, 20),
    ("node_pressure_cpu_waiting_seconds_total", 0.1, 0.1),
    ("node_pressure_io_waiting_seconds_total", 0.1, 0.1),
    ("node_context_switches_total", 0.15, 300),
    ("node_forks_total", 0.2, 5),
]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextlib.contextmanager
def exposing(programs, *options: str):
    """Runs an agent with metrics. Yields their port."""
    command = [programs.agent, "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]
    with running(*command, *options) as process:
        process.out.line()
        found = re.fullmatch(r"listening on https?://127\.0\.0\.1:(\d+)/metrics", process.out.line())
        assert found, process.stderr()
        yield int(found[1])


@contextlib.contextmanager
def node_exporter():
    port = free_port()
    command = ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}", *COLLECTORS]
    with running(*command) as process:
        retry(lambda: answers(port, "/metrics", process), 100)
        yield port


def fetch(port: int, path: str, accept: str = "") -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=DEADLINE) as response:
        return response.read().decode()


def answers(port: int, path: str, process: Process) -> str:
    try:
        return fetch(port, path)
    except (urllib.error.URLError, ConnectionError) as error:
        time.sleep(0.1)
        raise AssertionError(f"{process.name} does not answer: {error}\n{process.stderr()}") from error


def promtool(*arguments: str, text: str = "", folder: str | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["promtool", *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        cwd=folder,
    )


def warnings(text: str) -> set[str]:
    """Returns the warnings of promtool. Fails if promtool cannot parse the text."""
    checked = promtool("check", "metrics", text=text)
    assert checked.returncode in (0, 3), checked.stderr
    return set(checked.stderr.splitlines())


def promtool_and_an_openmetrics_parser_accept_both_formats(programs):
    with exposing(programs) as port, node_exporter() as theirs:
        classic, open_metrics = fetch(port, "/metrics"), fetch(port, "/metrics", OPEN)
        # Warnings about names of node_exporter are expected.
        unexpected = warnings(classic) - warnings(fetch(theirs, "/metrics"))
        assert not unexpected, unexpected
    families = {family.name: family for family in text_string_to_metric_families(open_metrics)}
    assert families["loadline_agent_samples"].type == "counter"
    assert families["node_cpu_seconds"].type == "counter"
    typed = set(re.findall(r"^# TYPE (\S+) counter$", classic, re.MULTILINE))
    counters = {f"{name}_total" for name, family in families.items() if family.type == "counter"}
    assert typed == counters, typed ^ counters
    return f"{len(families)} families"


def promtool_accepts_the_configurations_and_alerts(programs):
    folder = str(PACKAGING / "prometheus")
    for arguments in [
        ("check", "config", "prometheus.yml"),
        ("check", "config", "victoriametrics.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ]:
        checked = promtool(*arguments, folder=folder)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    text = (PACKAGING / "prometheus" / "alerts_test.yml").read_text()
    alerts = re.findall(r"- alert: (\w+)", (PACKAGING / "prometheus" / "alerts.yml").read_text())
    untested = [alert for alert in alerts if f"alertname: {alert}" not in text]
    assert not untested, untested
    return f"{len(alerts)} alerts, each tested"


class Prometheus:
    """HTTP API of a Prometheus or VictoriaMetrics."""

    def __init__(self, port: int):
        self.port = port

    def get(self, path: str, **parameters) -> dict:
        query = urllib.parse.urlencode(parameters)
        try:
            response = json.loads(fetch(self.port, f"/api/v1/{path}?{query}"))
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error
        assert response["status"] == "success", response
        return response["data"]

    def query(self, expression: str, **parameters) -> list[dict]:
        return self.get("query", query=expression, **parameters)["result"]

    def value(self, expression: str) -> float:
        result = self.query(expression)
        assert len(result) == 1, f"{expression}: {result}"
        return float(result[0]["value"][1])

    def points(self, expression: str, end: float) -> list[tuple[float, float]]:
        """Returns the values of a single series at whole seconds."""
        end = round(end)
        result = self.get(
            "query_range", query=expression, start=end - OBSERVED_SECONDS, end=end, step=1
        )["result"]
        assert len(result) == 1, f"{expression}: {len(result)} series"
        return [(time, float(value)) for time, value in result[0]["values"]]


def configuration(ports: dict[str, int], files: dict[str, str]) -> str:
    """Returns the example configuration with all jobs enabled, on other ports and with an interval of 1 s."""
    text = (PACKAGING / "prometheus" / "prometheus.yml").read_text()
    settings, jobs = text.split("scrape_configs:\n")
    jobs = re.sub(r"(?m)^  # (?=- |  )", "  ", jobs)
    for old, new in {
        '"127.0.0.1:9127"': f'"127.0.0.1:{ports["loadline"]}"',
        '"web-1.example.org:9127", "web-2.example.org:9127"': f'"localhost:{ports["loadline-tls"]}"',
        '"web-3.example.org:9100"': f'"127.0.0.1:{ports["node"]}"',
        **files,
    }.items():
        assert old in jobs, f"the example has no {old}"
        jobs = jobs.replace(old, new)
    return f"{settings.replace('15s', '1s')}scrape_configs:\n{jobs}"


@contextlib.contextmanager
def scraping(programs):
    """Runs Prometheus, which scrapes an agent, an agent over TLS, and node_exporter."""
    with contextlib.ExitStack() as stack:
        ours, _ = stack.enter_context(authorities())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        (server, key), (client, client_key) = ours.sign("server"), ours.sign("client")
        tls = ["--tls-cert", server, "--tls-key", key, "--tls-client-ca", ours.cert]
        ports = {
            "loadline": stack.enter_context(exposing(programs)),
            "loadline-tls": stack.enter_context(exposing(programs, *tls)),
            "node": stack.enter_context(node_exporter()),
        }
        files = {
            "/etc/prometheus/loadline-ca.pem": ours.cert,
            "/etc/prometheus/loadline-client.pem": client,
            "/etc/prometheus/loadline-client.key": client_key,
        }
        config = Path(folder) / "prometheus.yml"
        config.write_text(configuration(ports, files))
        alerts = (PACKAGING / "prometheus" / "alerts.yml").read_text()
        (Path(folder) / "alerts.yml").write_text(alerts)
        port = free_port()
        process = stack.enter_context(
            running(
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={folder}/tsdb",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            )
        )
        retry(lambda: answers(port, "/-/ready", process), 200)
        yield Prometheus(port)


@contextlib.contextmanager
def busy():
    """Loads the CPU, the loopback interface and the disk."""
    stopped = threading.Event()
    threads = [threading.Thread(target=work, args=[stopped]) for work in (send, write)]
    for thread in threads:
        thread.start()
    busy_loop = Process("sh", "-c", "while :; do :; done")
    try:
        yield
    finally:
        busy_loop.kill()
        stopped.set()
        for thread in threads:
            thread.join(DEADLINE)


def send(stopped: threading.Event):
    with socket.create_server(("127.0.0.1", 0)) as server:
        out = socket.create_connection(server.getsockname())
        receiver, _ = server.accept()
        with out, receiver:
            while not stopped.wait(0.02):
                out.sendall(bytes(20_000))
                missing = 20_000
                while missing:
                    missing -= len(receiver.recv(missing))


def write(stopped: threading.Event):
    # The folder for temporary files may be in memory.
    with tempfile.NamedTemporaryFile(dir=Path(__file__).parents[2] / "target") as file:
        while not stopped.wait(0.1):
            file.seek(0)
            file.write(os.urandom(256 * 1024))
            file.flush()
            os.fsync(file.fileno())


def the_agent_and_node_exporter_have_the_same_values(programs):
    with busy(), scraping(programs) as prometheus:
        wait_until_all_are_up(prometheus)
        time.sleep(OBSERVED_SECONDS + 2)
        worst = retry(lambda: compare(prometheus), 4)
        panels = dashboard_has_data(prometheus)
        rules_are_evaluated(prometheus)
    return f"{worst}; {panels} expressions of the dashboard have data"


def wait_until_all_are_up(prometheus: Prometheus):
    until = time.monotonic() + DEADLINE
    while True:
        up = {it["metric"]["job"]: it["value"][1] for it in prometheus.query("up")}
        if up == {"loadline": "1", "loadline-tls": "1", "node": "1"}:
            return
        targets = prometheus.get("targets")["activeTargets"]
        errors = [target["lastError"] for target in targets]
        assert time.monotonic() < until, f"{up} {errors}"
        time.sleep(0.2)


def for_job(job: str, expression: str) -> str:
    """Returns the expression restricted to one job."""
    with_labels = re.sub(r"(node_\w+)\{", rf'\1{{job="{job}",', expression)
    return re.sub(r"(node_\w+)(?![\w{])", rf'\1{{job="{job}"}}', with_labels)


def compare(prometheus: Prometheus) -> str:
    """Compares all expressions of the jobs. Returns the largest difference."""
    worst, compared = (0.0, ""), set()
    # Waits for one more scrape of each job.
    end = time.time()
    time.sleep(1.5)
    for expression, relative, absolute in LEVELS + RATES:
        is_rate = (expression, relative, absolute) in RATES
        if not has_data(prometheus, expression):
            continue
        for job in ("loadline", "loadline-tls"):
            both = [for_job(job, expression), for_job("node", expression)]
            if is_rate:
                ours, theirs = (rate(prometheus.points(it, end)) for it in both)
            else:
                ours, theirs = (prometheus.value(it) for it in both)
            difference = abs(ours - theirs)
            assert difference <= relative * abs(theirs) + absolute, f"{expression}: {ours} and {theirs}"
            # Small values have no meaningful relative difference.
            if abs(theirs) > 10 * absolute:
                compared.add(expression)
                worst = max(worst, (difference / abs(theirs), expression))
    loaded = {expression for expression in compared if "_network_" in expression}
    assert loaded, f"no network load to compare: {compared}"
    return f"{len(compared)} compared, {worst[1]} differs most, by {worst[0]:.1%}"


def has_data(prometheus: Prometheus, expression: str) -> bool:
    """Returns whether node_exporter has the metric on this machine."""
    return bool(prometheus.query(for_job("node", expression)))


def rate(points: list[tuple[float, float]]) -> float:
    (begin, first), (end, last) = points[0], points[-1]
    assert end - begin >= OBSERVED_SECONDS / 2, points
    return (last - first) / (end - begin)


def dashboard_has_data(prometheus: Prometheus) -> int:
    dashboard = json.loads((PACKAGING / "grafana" / "loadline.json").read_text())
    variables = {it["name"] for it in dashboard["templating"]["list"]}
    assert variables == {"datasource", "job", "instance"}, variables
    count = 0
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for name, value in {"__rate_interval": "10s", "job": "loadline.*", "instance": ".+"}.items():
                expression = expression.replace(f"${name}", value)
            assert "$" not in expression, expression
            theirs = expression.replace("loadline.*", "node")
            if not prometheus.query(expression):
                is_of_machine = "loadline_agent" not in expression
                assert is_of_machine and not prometheus.query(theirs), f"{panel['title']}: no data"
            count += 1
    return count


def rules_are_evaluated(prometheus: Prometheus):
    until = time.monotonic() + DEADLINE
    while True:
        groups = prometheus.get("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        if rules and all(rule["health"] == "ok" for rule in rules):
            return
        assert time.monotonic() < until, [(rule["name"], rule.get("lastError")) for rule in rules]
        time.sleep(0.2)


def victoriametrics_scrapes_the_agent_and_vmalert_accepts_the_alerts(programs):
    alerts = PACKAGING / "prometheus" / "alerts.yml"
    checked = subprocess.run(
        ["vmalert", "-dryRun", f"-rule={alerts}"], capture_output=True, text=True, timeout=DEADLINE
    )
    assert checked.returncode == 0, checked.stderr
    with tempfile.TemporaryDirectory() as folder, exposing(programs) as agent_port:
        text = (PACKAGING / "prometheus" / "victoriametrics.yml").read_text()
        assert '"127.0.0.1:9127"' in text
        text = text.replace('"127.0.0.1:9127"', f'"127.0.0.1:{agent_port}"').replace("15s", "1s")
        config = Path(folder) / "victoriametrics.yml"
        config.write_text(text)
        port = free_port()
        command = [
            "victoria-metrics",
            f"-promscrape.config={config}",
            f"-storageDataPath={folder}/data",
            f"-httpListenAddr=127.0.0.1:{port}",
            # Makes new samples visible at once.
            "-search.latencyOffset=0s",
            "-search.disableCache",
        ]
        with running(*command) as process:
            retry(lambda: answers(port, "/health", process), 200)
            engine = Prometheus(port)
            return retry(lambda: has_scraped(engine), 200)


def has_scraped(engine: Prometheus) -> str:
    time.sleep(0.1)
    samples = engine.value("loadline_agent_samples_total")
    assert samples >= 1 and engine.value("up") == 1
    cores = engine.value('count(node_cpu_seconds_total{mode="idle"})')
    assert cores == os.cpu_count(), cores
    return f"{samples:.0f} samples, {cores:.0f} cores"


CHECKS = [
    promtool_and_an_openmetrics_parser_accept_both_formats,
    promtool_accepts_the_configurations_and_alerts,
    the_agent_and_node_exporter_have_the_same_values,
    victoriametrics_scrapes_the_agent_and_vmalert_accepts_the_alerts,
]

"""Prometheus scrapes the agent beside node_exporter, and both say the same; so does VictoriaMetrics. promtool
accepts what we hand out for them."""

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

from stage import DEADLINE, Process, running, some_time_or_other
from tls_of_openssl import authorities

PACKAGING = Path(__file__).parents[2] / "packaging"

OPEN = "application/openmetrics-text; version=1.0.0"

# How long both are watched, seconds.
WATCHED = 12

# The same group of collectors as ours; the interface that Debian's leaves out is the one with traffic.
COLLECTORS = [
    "--collector.disable-defaults",
    *(f"--collector.{name}" for name in "cpu cpufreq meminfo loadavg netdev diskstats".split()),
    *(f"--collector.{name}" for name in "filesystem pressure stat time uname vmstat".split()),
    "--collector.netdev.device-exclude=^$",
]

# What is compared as it stands, and by how much it may differ, as a part of it and besides.
LEVELS = [
    ("node_load1", 0.05, 0.1),
    ("node_memory_MemTotal_bytes", 0, 0),
    ("node_memory_MemAvailable_bytes", 0.02, 64 * 2**20),
    ('node_filesystem_size_bytes{mountpoint="/"}', 0, 0),
    ('node_filesystem_avail_bytes{mountpoint="/"}', 0.01, 64 * 2**20),
    ('node_filesystem_files{mountpoint="/"}', 0, 0),
    ("node_boot_time_seconds", 0, 1),
]

# What is compared by how fast it goes up. Both read at other moments of each second.
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
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextlib.contextmanager
def exposing(programs, *options: str):
    """An agent, and where its metrics are."""
    command = [programs.agent, "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"]
    with running(*command, *options) as process:
        process.out.line()
        found = re.fullmatch(r"listening on https?://127\.0\.0\.1:(\d+)/metrics", process.out.line())
        assert found, process.said()
        yield int(found[1])


@contextlib.contextmanager
def node_exporter():
    port = free_port()
    command = ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}", *COLLECTORS]
    with running(*command) as process:
        some_time_or_other(lambda: answers(port, "/metrics", process), 100)
        yield port


def fetch(port: int, path: str, accept: str = "") -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
        return answer.read().decode()


def answers(port: int, path: str, process: Process) -> str:
    try:
        return fetch(port, path)
    except (urllib.error.URLError, ConnectionError) as error:
        time.sleep(0.1)
        raise AssertionError(f"{process.name} does not answer: {error}\n{process.said()}") from error


def promtool(*arguments: str, given: str = "", folder: str | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["promtool", *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        cwd=folder,
    )


def complaints(text: str) -> set[str]:
    """What promtool does not like; what it cannot read is an error."""
    checked = promtool("check", "metrics", given=text)
    assert checked.returncode in (0, 3), checked.stderr
    return set(checked.stderr.splitlines())


def both_forms_are_what_promtool_and_openmetrics_take(programs):
    with exposing(programs) as port, node_exporter() as theirs:
        classic, opened = fetch(port, "/metrics"), fetch(port, "/metrics", OPEN)
        # Names that it does not like are those that node_exporter gives.
        unlike_theirs = complaints(classic) - complaints(fetch(theirs, "/metrics"))
        assert not unlike_theirs, unlike_theirs
    families = {family.name: family for family in text_string_to_metric_families(opened)}
    assert families["loadline_agent_samples"].type == "counter"
    assert families["node_cpu_seconds"].type == "counter"
    typed = set(re.findall(r"^# TYPE (\S+) counter$", classic, re.MULTILINE))
    counters = {f"{name}_total" for name, family in families.items() if family.type == "counter"}
    assert typed == counters, typed ^ counters
    return f"{len(families)} families"


def promtool_accepts_our_configurations_and_our_alerts(programs):
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
    """A Prometheus that has our example for its configuration."""

    def __init__(self, port: int):
        self.port = port

    def ask(self, path: str, **parameters) -> dict:
        query = urllib.parse.urlencode(parameters)
        try:
            answer = json.loads(fetch(self.port, f"/api/v1/{path}?{query}"))
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str, **parameters) -> list[dict]:
        return self.ask("query", query=expression, **parameters)["result"]

    def value(self, expression: str) -> float:
        result = self.query(expression)
        assert len(result) == 1, f"{expression}: {result}"
        return float(result[0]["value"][1])

    def points(self, expression: str, end: float) -> list[tuple[float, float]]:
        """The sum of what was scraped, at each whole step."""
        end = round(end)
        result = self.ask(
            "query_range", query=expression, start=end - WATCHED, end=end, step=1
        )["result"]
        assert len(result) == 1, f"{expression}: {len(result)} series"
        return [(time, float(value)) for time, value in result[0]["values"]]


def configuration(ports: dict[str, int], files: dict[str, str]) -> str:
    """The example, with what is commented out in it as well, on other ports and each second."""
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
    """Prometheus on an agent, on one over TLS, and on node_exporter."""
    with contextlib.ExitStack() as stack:
        ours, _ = stack.enter_context(authorities())
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        (server, key), (client, client_key) = ours.sign("server"), ours.sign("client")
        private = ["--tls-cert", server, "--tls-key", key, "--tls-client-ca", ours.cert]
        ports = {
            "loadline": stack.enter_context(exposing(programs)),
            "loadline-tls": stack.enter_context(exposing(programs, *private)),
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
        some_time_or_other(lambda: answers(port, "/-/ready", process), 200)
        yield Prometheus(port)


@contextlib.contextmanager
def busy():
    """A machine with something to do: for the processor, the loopback interface and the disk."""
    stopped = threading.Event()
    threads = [threading.Thread(target=work, args=[stopped]) for work in (send, write)]
    for thread in threads:
        thread.start()
    spin = Process("sh", "-c", "while :; do :; done")
    try:
        yield
    finally:
        spin.kill()
        stopped.set()
        for thread in threads:
            thread.join(DEADLINE)


def send(stopped: threading.Event):
    with socket.create_server(("127.0.0.1", 0)) as server:
        out = socket.create_connection(server.getsockname())
        inside, _ = server.accept()
        with out, inside:
            while not stopped.wait(0.02):
                out.sendall(bytes(20_000))
                left = 20_000
                while left:
                    left -= len(inside.recv(left))


def write(stopped: threading.Event):
    # Where temporary files are may be memory.
    with tempfile.NamedTemporaryFile(dir=Path(__file__).parents[2] / "target") as file:
        while not stopped.wait(0.1):
            file.seek(0)
            file.write(os.urandom(256 * 1024))
            file.flush()
            os.fsync(file.fileno())


def prometheus_gets_the_same_from_the_agent_as_from_node_exporter(programs):
    with busy(), scraping(programs) as prometheus:
        wait_until_all_are_up(prometheus)
        time.sleep(WATCHED + 2)
        worst = some_time_or_other(lambda: compare(prometheus), 4)
        panels = dashboard_has_data(prometheus)
        rules_are_evaluated(prometheus)
    return f"{worst}; {panels} expressions of the dashboard have data"


def wait_until_all_are_up(prometheus: Prometheus):
    until = time.monotonic() + DEADLINE
    while True:
        up = {it["metric"]["job"]: it["value"][1] for it in prometheus.query("up")}
        if up == {"loadline": "1", "loadline-tls": "1", "node": "1"}:
            return
        targets = prometheus.ask("targets")["activeTargets"]
        errors = [target["lastError"] for target in targets]
        assert time.monotonic() < until, f"{up} {errors}"
        time.sleep(0.2)


def of(job: str, expression: str) -> str:
    """The expression about what one of them told."""
    with_labels = re.sub(r"(node_\w+)\{", rf'\1{{job="{job}",', expression)
    return re.sub(r"(node_\w+)(?![\w{])", rf'\1{{job="{job}"}}', with_labels)


def compare(prometheus: Prometheus) -> str:
    """The same panels of both; gives where they differ most."""
    worst, compared = (0.0, ""), set()
    # By then both have been scraped once more.
    end = time.time()
    time.sleep(1.5)
    for expression, part, besides in LEVELS + RATES:
        is_rate = (expression, part, besides) in RATES
        if not is_known(prometheus, expression):
            continue
        for job in ("loadline", "loadline-tls"):
            both = [of(job, expression), of("node", expression)]
            if is_rate:
                ours, theirs = (rate(prometheus.points(it, end)) for it in both)
            else:
                ours, theirs = (prometheus.value(it) for it in both)
            differs = abs(ours - theirs)
            assert differs <= part * abs(theirs) + besides, f"{expression}: {ours} and {theirs}"
            # Of little there is nothing to tell.
            if abs(theirs) > 10 * besides:
                compared.add(expression)
                worst = max(worst, (differs / abs(theirs), expression))
    made_busy = {expression for expression in compared if "_network_" in expression}
    assert made_busy, f"nothing happened on this machine: {compared}"
    return f"{len(compared)} compared, {worst[1]} differs most, by {worst[0]:.1%}"


def is_known(prometheus: Prometheus, expression: str) -> bool:
    """Whether the machine tells that at all; node_exporter is who knows."""
    return bool(prometheus.query(of("node", expression)))


def rate(points: list[tuple[float, float]]) -> float:
    (begin, first), (end, last) = points[0], points[-1]
    assert end - begin >= WATCHED / 2, points
    return (last - first) / (end - begin)


def dashboard_has_data(prometheus: Prometheus) -> int:
    dashboard = json.loads((PACKAGING / "grafana" / "loadline.json").read_text())
    known = {it["name"] for it in dashboard["templating"]["list"]}
    assert known == {"datasource", "job", "instance"}, known
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
        groups = prometheus.ask("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        if rules and all(rule["health"] == "ok" for rule in rules):
            return
        assert time.monotonic() < until, [(rule["name"], rule.get("lastError")) for rule in rules]
        time.sleep(0.2)


def victoriametrics_scrapes_the_agent_and_takes_our_alerts(programs):
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
            # What it has just got it tells at once.
            "-search.latencyOffset=0s",
            "-search.disableCache",
        ]
        with running(*command) as process:
            some_time_or_other(lambda: answers(port, "/health", process), 200)
            engine = Prometheus(port)
            return some_time_or_other(lambda: has_scraped(engine), 200)


def has_scraped(engine: Prometheus) -> str:
    time.sleep(0.1)
    samples = engine.value("loadline_agent_samples_total")
    assert samples >= 1 and engine.value("up") == 1
    cores = engine.value('count(node_cpu_seconds_total{mode="idle"})')
    assert cores == os.cpu_count(), cores
    return f"{samples:.0f} samples, {cores:.0f} cores"


CHECKS = [
    both_forms_are_what_promtool_and_openmetrics_take,
    promtool_accepts_our_configurations_and_our_alerts,
    prometheus_gets_the_same_from_the_agent_as_from_node_exporter,
    victoriametrics_scrapes_the_agent_and_takes_our_alerts,
]

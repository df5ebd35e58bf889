#!/usr/bin/env -S python3 -B
"""Compares the cost of loadline with other programs for the same purpose. Linux only.

    cargo build --profile dist --workspace
    benches/rivals.py [--rounds 5] [--seconds 20] [--bin target/dist] [--python python3] [--only servers]

Servers, with one client each: loadline-agent; a server as in tutorials (tests/interop/tutorial_server.py, which
needs a Python with psutil); node_exporter with the same collectors, scraped every second as by Prometheus, over
one connection and compressed.
Screens, in pseudo-terminals of 120x36, each drawing once a second: loadline, btop, bottom and htop.

In each round all programs of a kind start in random order, at random fractions of a second, and run side by side,
so that other load of the machine affects all of them. Figures are medians over the rounds. Ratios are computed
within each round; their median is shown. Programs that are not installed are left out.
"""

import argparse
import http.client
import random
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from measured import Agent, Screen, Server, cpu_ns, memory_mib, watch

HERE = Path(__file__).resolve().parent
TUTORIAL = HERE.parent / "tests/interop/tutorial_server.py"

# Time in seconds for the programs to start up.
STARTUP_SECONDS = 4.0


@dataclass
class Cost:
    """Resources that a program used within some seconds."""

    cpu_ns: int
    mib: float
    bytes: int
    seconds: float
    lines: int = 1

    @property
    def us_per_line(self) -> float:
        return self.cpu_ns / self.lines / 1e3

    @property
    def ms_per_second(self) -> float:
        return self.cpu_ns / self.seconds / 1e6

    @property
    def bytes_per_line(self) -> float:
        return self.bytes / self.lines

    @property
    def bytes_per_second(self) -> float:
        return self.bytes / self.seconds


class Exporter:
    """node_exporter with a thread that scrapes it and writes each response to a socket."""

    COLLECTORS = ("cpu", "cpufreq", "meminfo", "loadavg")

    def __init__(self, program: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [
                program,
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--web.disable-exporter-metrics",
                "--collector.disable-defaults",
                *(f"--collector.{name}" for name in self.COLLECTORS),
            ],
            stderr=subprocess.DEVNULL,
        )
        self.pid = self.process.pid
        self.ended = threading.Event()

    def connect(self) -> socket.socket:
        near, far = socket.socketpair()
        threading.Thread(target=self.scrape, args=[far], daemon=True).start()
        return near

    def scrape(self, to: socket.socket) -> None:
        connection = None
        while not self.ended.wait(1.0 if connection else 0.1):
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.port)
                connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
                response = connection.getresponse()
                # Each scrape counts as one line.
                to.sendall(response.read().replace(b"\n", b" ") + b"\n")
            except (OSError, http.client.HTTPException):
                connection = None

    def end(self) -> None:
        self.ended.set()
        self.process.terminate()
        self.process.wait(10)


def measure(kinds: dict, seconds: float, connect) -> dict[str, Cost]:
    """Runs one round. Returns the cost of each program that the functions start."""
    order = list(kinds)
    random.shuffle(order)
    running, sources = {}, {}
    for name in order:
        running[name] = kinds[name]()
        sources[name] = connect(running[name])
        time.sleep(random.random())
    watch(list(sources.values()), STARTUP_SECONDS)
    before = {name: cpu_ns(program.pid) for name, program in running.items()}
    begin = time.monotonic()
    received = watch(list(sources.values()), seconds)
    took = time.monotonic() - begin
    costs = {}
    for (name, program), text in zip(running.items(), received, strict=True):
        cpu = cpu_ns(program.pid) - before[name]
        lines = text.count(b"\n")
        costs[name] = Cost(cpu, memory_mib(program.pid), len(text), took, max(lines, 1))
        program.end()
    for source in sources.values():
        if isinstance(source, socket.socket):
            source.close()
    return costs


def rounds(kinds: dict, options, connect) -> list[dict[str, Cost]]:
    found = []
    for number in range(options.rounds):
        found.append(measure(kinds, options.seconds, connect))
        first = next(iter(kinds))
        print(f"  round {number + 1} of {options.rounds}: {first} took "
              f"{found[-1][first].ms_per_second:.3f} ms per second", flush=True)
    return found


def show(found: list[dict[str, Cost]], names: list[str], columns: dict[str, str]) -> None:
    """Prints a line for each program: the medians, and the ratio of the first program to it."""
    first, cpu = names[0], next(iter(columns))
    print(f"  {'':26}" + "".join(f"{heading:>16}" for heading in columns.values())
          + f"   CPU of {first}, as a ratio")
    for name in names:
        medians = (statistics.median(getattr(costs[name], column) for costs in found) for column in columns)
        ratios = sorted(getattr(costs[first], cpu) / getattr(costs[name], cpu) for costs in found)
        ratio = f"{statistics.median(ratios):.2f}  ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"  {name:26}" + "".join(f"{value:16,.1f}" for value in medians)
              + ("" if name == first else f"   {ratio}"), flush=True)


def installed(*programs: str) -> str | None:
    path = next(filter(None, map(shutil.which, programs)), None)
    if not path:
        print(f"  {' or '.join(programs)}: not installed, left out")
    return path


def servers(options) -> None:
    has_psutil = not subprocess.run([options.python, "-c", "import psutil"], stderr=subprocess.DEVNULL).returncode
    for interval, seconds in (("1s", "1"), ("250ms", "0.25")):
        print(f"\nservers, a line every {interval}, one client each")
        # Only the six columns of the plain stream, as the others have no more.
        kinds = {"loadline-agent": lambda: Agent(options.bin, interval, "--collect", "load")}
        if has_psutil:
            kinds["tutorial (psutil)"] = lambda: Server(options.python, "-B", TUTORIAL, seconds)
        else:
            print(f"  tutorial: {options.python} has no psutil, left out; see --python")
        if interval == "1s" and (exporter := installed("prometheus-node-exporter", "node_exporter")):
            kinds["node_exporter"] = lambda: Exporter(exporter)
        found = rounds(kinds, options, lambda server: server.connect())
        show(found, list(kinds), {"us_per_line": "µs per line", "mib": "MiB", "bytes_per_line": "bytes per line"})


def screens(options) -> None:
    print("\nscreens of 120x36, drawn once a second")
    agent = Agent(options.bin, "1s")
    with tempfile.TemporaryDirectory() as home:
        # btop has no option for its interval.
        folder = Path(home, ".config/btop")
        folder.mkdir(parents=True)
        (folder / "btop.conf").write_text("update_ms = 1000\n")
        place = {"HOME": home, "XDG_CONFIG_HOME": f"{home}/.config", "LC_ALL": "C.UTF-8"}
        # A window of five minutes, as after five minutes. At the start the window is shorter and moves faster.
        ours = {"loadline": ["--window", "5m"], "loadline --fill": ["--window", "5m", "--fill"], "loadline at first": []}
        kinds = {
            name: lambda words=words: Screen(options.bin / "loadline", *words, agent.address, environment=place)
            for name, words in ours.items()
        }
        for name, *words in (["btop"], ["btm", "--rate", "1000"], ["htop", "--delay", "10"]):
            if program := installed(name):
                kinds[name] = lambda program=program, words=words: Screen(program, *words, environment=place)
        found = rounds(kinds, options, lambda screen: screen)
        show(found, list(kinds), {"ms_per_second": "ms per second", "mib": "MiB", "bytes_per_second": "bytes per second"})
        if len(kinds) > len(ours):
            for name in ours:
                for what, column in (("CPU", "ms_per_second"), ("bytes", "bytes_per_second")):
                    of_best = [
                        getattr(costs[name], column)
                        / min(getattr(cost, column) for other, cost in costs.items() if other not in ours)
                        for costs in found
                    ]
                    print(f"  {what} of {name} relative to the best other program: {statistics.median(of_best):.2f}")
    agent.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--bin", type=Path, default=Path("target/dist"))
    parser.add_argument("--python", default="python3", help="a Python with psutil")
    parser.add_argument("--only", choices=["servers", "screens"])
    options = parser.parse_args()
    if options.only != "screens":
        servers(options)
    if options.only != "servers":
        screens(options)


if __name__ == "__main__":
    main()

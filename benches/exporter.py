#!/usr/bin/env -S python3 -B
"""Compares the cost of the agent's samples and scrapes with scrapes of node_exporter. Linux only.

    cargo build --profile dist --workspace
    benches/exporter.py [--seconds 30] [--bin target/dist]

All programs run at the same time. An agent samples every 250 ms for one client and is not scraped: CPU time per
sample. node_exporter has the same collectors and is scraped five times a second over one connection, as by
Prometheus: CPU time per scrape. A second agent samples once an hour and is scraped in the same way. Memory is
the resident memory at the end. The first seconds do not count. Goals: a sample costs at most half of a scrape
of node_exporter, and the agent uses at most half of its memory.
"""

import argparse
import contextlib
import http.client
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from measured import Agent, Server, cpu_ns, memory_mib

COLLECTORS = ["cpu", "cpufreq", "meminfo", "loadavg", "netdev", "diskstats", "filesystem", "pressure"]

# Interval between scrapes in seconds.
SCRAPE_INTERVAL = 0.2

# Warm-up in seconds, which does not count.
WARM_UP = 3.0

GOAL = 0.5

OPEN = {"Accept": "application/openmetrics-text; version=1.0.0"}


class NodeExporter:
    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [
                "prometheus-node-exporter",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--log.level=error",
                "--collector.disable-defaults",
                *(f"--collector.{name}" for name in COLLECTORS),
            ],
            stderr=subprocess.DEVNULL,
        )
        self.pid = self.process.pid

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(10)


class ScrapedAgent(Server):
    """Agent with metrics that hardly samples."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            folder / "loadline-agent", "-l", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0",
            "--interval", "1h", "--history", "1h", "-q",
        )
        self.url = self.process.stdout.readline().split()[-1]

    @property
    def port(self) -> int:
        return int(self.url.split(":")[2].split("/")[0])


class Scraper:
    """Connection that scrapes repeatedly."""

    def __init__(self, port: int) -> None:
        until = time.monotonic() + 10
        while True:
            self.connection = http.client.HTTPConnection("127.0.0.1", port)
            try:
                self.connection.connect()
                return
            except ConnectionRefusedError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def scrape(self) -> int:
        self.connection.request("GET", "/metrics", headers=OPEN)
        response = self.connection.getresponse()
        if response.status != 200:
            raise ValueError(f"{response.status} {response.reason}")
        return len(response.read())


def rows(client: socket.socket) -> int:
    """Returns the number of rows that have arrived."""
    count = 0
    with contextlib.suppress(BlockingIOError):
        while piece := client.recv(65536):
            count += piece.count(b"\n")
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--bin", type=Path, default=Path("target/dist"))
    options = parser.parse_args()
    if not shutil.which("prometheus-node-exporter"):
        sys.exit("exporter.py: prometheus-node-exporter is missing; install it")
    with contextlib.ExitStack() as stack:
        agent, ours, theirs = Agent(options.bin, "250ms"), ScrapedAgent(options.bin), NodeExporter()
        for program in (agent, ours, theirs):
            stack.callback(program.end)
        client = agent.connect()
        # Subscribes to all columns.
        client.sendall(b"loadline/1\n")
        client.setblocking(False)
        scrapers = [Scraper(ours.port), Scraper(theirs.port)]
        samples, scrapes, bytes_ = 0, 0, [0, 0]
        begin = time.monotonic()
        before = None
        due = begin
        while (now := time.monotonic()) < begin + WARM_UP + options.seconds:
            if before is None and now >= begin + WARM_UP:
                rows(client)
                before = [cpu_ns(program.pid) for program in (agent, ours, theirs)]
                samples = scrapes = 0
            bytes_ = [scraper.scrape() for scraper in scrapers]
            samples += rows(client)
            scrapes += 1
            due += SCRAPE_INTERVAL
            time.sleep(max(0.0, due - time.monotonic()))
        samples += rows(client)
        used = [cpu_ns(it.pid) - was for it, was in zip((agent, ours, theirs), before, strict=True)]
        memory = [memory_mib(program.pid) for program in (agent, ours, theirs)]
    report(samples, scrapes, bytes_, used, memory)


def report(samples: int, scrapes: int, sizes: list[int], used: list[int], memory: list[float]) -> None:
    sample, ours, theirs = (
        ns / 1e3 / count for ns, count in zip(used, (samples, scrapes, scrapes), strict=True)
    )
    print(f"agent, a sample, one client        {sample:8.1f} µs   {samples} samples")
    print(f"agent, a scrape                    {ours:8.1f} µs   {scrapes} scrapes of {sizes[0]} bytes")
    print(f"node_exporter, a scrape            {theirs:8.1f} µs   {scrapes} scrapes of {sizes[1]} bytes")
    print(f"agent, memory                      {memory[0]:8.1f} MiB")
    print(f"agent that is scraped, memory      {memory[1]:8.1f} MiB")
    print(f"node_exporter, memory              {memory[2]:8.1f} MiB")
    for name, ratio in [
        ("sample / node_exporter's scrape", sample / theirs),
        ("memory / node_exporter's memory", memory[0] / memory[2]),
    ]:
        print(f"{name:34} {ratio:8.3f}       goal {GOAL}: {'met' if ratio <= GOAL else 'MISSED'}")
    for name, ratio in [
        ("scrape / node_exporter's scrape", ours / theirs),
        ("memory, scraped / node_exporter's", memory[1] / memory[2]),
    ]:
        print(f"{name:34} {ratio:8.3f}")


if __name__ == "__main__":
    main()

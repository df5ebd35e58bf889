#!/usr/bin/env -S python3 -B
"""What a sample of the agent costs beside a scrape of node_exporter, and a scrape beside a scrape. Linux only.

    cargo build --profile dist --workspace
    benches/exporter.py [--seconds 30] [--bin target/dist]

Both programs run at the same time. The agent samples each 250 ms for one client, and nobody scrapes it: its
CPU time by its samples. node_exporter has the collectors of the same groups, and is scraped five times a
second on one connection, as Prometheus would: its CPU time by those scrapes. A second agent takes a sample
an hour and is scraped in the same way. Memory is what is resident at the end. The first seconds do not
count. The goals: a sample takes at most half of what a scrape of node_exporter takes,
and the agent at most half of its memory.
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

# Five a second, of each.
APART = 0.2

# What is read before that, so that memory is taken and pages are there.
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


class Exposing(Server):
    """An agent that hardly samples, for those who scrape."""

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
    """One connection, over which all is read again and again."""

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
        answer = self.connection.getresponse()
        if answer.status != 200:
            raise ValueError(f"{answer.status} {answer.reason}")
        return len(answer.read())


def rows(client: socket.socket) -> int:
    """How many rows have come meanwhile."""
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
        sys.exit("exporter.py: there is no prometheus-node-exporter; install it")
    with contextlib.ExitStack() as stack:
        agent, ours, theirs = Agent(options.bin, "250ms"), Exposing(options.bin), NodeExporter()
        for program in (agent, ours, theirs):
            stack.callback(program.end)
        client = agent.connect()
        # All columns, not the six of the plain stream.
        client.sendall(b"loadline/1\n")
        client.setblocking(False)
        ways = [Scraper(ours.port), Scraper(theirs.port)]
        samples, scrapes, bytes_ = 0, 0, [0, 0]
        begin = time.monotonic()
        before = None
        turn = begin
        while (now := time.monotonic()) < begin + WARM_UP + options.seconds:
            if before is None and now >= begin + WARM_UP:
                rows(client)
                before = [cpu_ns(program.pid) for program in (agent, ours, theirs)]
                samples = scrapes = 0
            bytes_ = [way.scrape() for way in ways]
            samples += rows(client)
            scrapes += 1
            turn += APART
            time.sleep(max(0.0, turn - time.monotonic()))
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
        ("our sample / its scrape", sample / theirs),
        ("our memory / its memory", memory[0] / memory[2]),
    ]:
        print(f"{name:34} {ratio:8.3f}       goal {GOAL}: {'met' if ratio <= GOAL else 'MISSED'}")
    print(f"{'our scrape / its scrape':34} {ours / theirs:8.3f}")
    print(f"{'our memory, scraped / its memory':34} {memory[1] / memory[2]:8.3f}")


if __name__ == "__main__":
    main()

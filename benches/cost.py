#!/usr/bin/env -S python3 -B
"""Cost of both programs: CPU in percent of one core, resident memory in MiB. Linux only.

    cargo build --profile dist --workspace
    benches/cost.py [--seconds 60] [--samples 3600] [--sources 100] [--bin target/dist]

1. An agent at 1 s with two clients in pseudo-terminals of 120x36, one with the dashboard and one with a
   single chart over the last hour, for --seconds.
2. The time from a row to its frame.
3. A client of --sources sources at 1 s, which keeps 10 minutes. Each source first sends 5,000 s of history, so
   that memory is allocated and freed. The sources run in a process that does not count. Each of three views
   gets a third of --seconds.
4. An agent at 250 ms with ten clients, which fills its ring with --samples samples. 3,600 take 15 minutes.
"""

import argparse
import asyncio
import math
import os
import random
import signal
import socket
import statistics
import time
from pathlib import Path

from measured import Agent, Screen, cpu_ns, memory_mib, watch

CLIENTS = 10
HISTORY = 5000


def screen(folder: Path, seconds: float) -> None:
    agent = Agent(folder, "1s")
    client = Screen(folder / "loadline", agent.address)
    fullscreen = Screen(folder / "loadline", "--fullscreen", "--window", "1h", agent.address)
    watch([client, fullscreen], 3)
    before = cpu_ns(agent.pid), cpu_ns(client.pid), time.monotonic()
    received = watch([client, fullscreen], seconds)
    took = time.monotonic() - before[2]
    for name, pid, start in (("agent", agent.pid, before[0]), ("client", client.pid, before[1])):
        cpu = (cpu_ns(pid) - start) / took / 1e7
        print(f"{name:8} at 1s    {cpu:6.3f} % of a core   {memory_mib(pid):5.1f} MiB", flush=True)
    for name, sent in zip(("dashboard, 5m", "fullscreen, 1h"), received):
        print(f"client   {name} {len(sent) / took:6.0f} B/s to a terminal of 120x36", flush=True)
    client.end()
    fullscreen.end()
    agent.end()


def latency(folder: Path, rows: int = 100) -> None:
    """Measures the time from sending a row to output on the terminal, at 10 rows a second."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = Screen(folder / "loadline", "%s:%d" % server.getsockname())
        stream = server.accept()[0]
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        now = time.time()
        stream.sendall(
            b"# loadline/1 run=00000001 host=synthetic interval=100ms\n# columns time:s seq cpu:%\n# live\n"
        )
        watch([client], 2)
        took = []
        for number in range(1, rows + 1):
            stream.sendall(f"{now + number / 10:.3f} {number} {number % 100}.5\n".encode())
            begin = time.monotonic()
            client.read()
            took.append(time.monotonic() - begin)
            watch([client], 0.1)
        print(f"client   from a row to the terminal {1e3 * statistics.median(took):.2f} ms (median)", flush=True)
        stream.close()
        client.end()


async def source(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serves a history, then a row a second."""
    phase = random.random()
    await reader.readline()
    now = time.time() - phase

    def row(number: int) -> bytes:
        cpu = 50 + 40 * math.sin(number / 20 + 6 * phase)
        when = now + number - HISTORY
        return f"{when:.3f} {number} {cpu:.1f} 2400.0 {40 + phase:.1f} 0.52 0.44 0.40\n".encode()

    writer.write(b"# loadline/1 run=00000001 host=synthetic interval=1000ms cores=4 memory=8000000000\n")
    writer.write(b"# columns time:s seq cpu:% freq:MHz mem:% load1 load5 load15\n")
    writer.writelines(row(number) for number in range(1, HISTORY + 1))
    writer.write(b"# live\n")
    number = HISTORY
    try:
        while True:
            await writer.drain()
            number += 1
            await asyncio.sleep(max(0.0, now + number - HISTORY - time.time()))
            writer.write(row(number))
    except OSError:
        pass


class Crowd:
    """Sources in a separate process."""

    def __init__(self, count: int) -> None:
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        self.addresses = ["%s:%d" % listener.getsockname() for listener in sockets]
        self.pid = os.fork()
        if self.pid == 0:
            asyncio.run(self.serve(sockets))
        for listener in sockets:
            listener.close()

    async def serve(self, sockets: list[socket.socket]) -> None:
        servers = [await asyncio.start_server(source, sock=listener) for listener in sockets]
        await asyncio.gather(*(server.serve_forever() for server in servers))

    def end(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)


def crowd(folder: Path, sources: int, seconds: float) -> None:
    crowd = Crowd(sources)
    for view, keys in (("overview", b""), ("one chart", b"v"), ("chart each", b"vv")):
        command = [folder / "loadline", "--keep", "10m", "--history", "all", *crowd.addresses]
        client = Screen(*command)
        watch([client], 5)
        os.write(client.terminal, keys)
        watch([client], 2)
        before = cpu_ns(client.pid), time.monotonic()
        [received] = watch([client], seconds / 3)
        took = time.monotonic() - before[1]
        cpu = (cpu_ns(client.pid) - before[0]) / took / 1e7
        print(
            f"client   {sources} sources, {view:12} {cpu:6.3f} % of a core   {memory_mib(client.pid):5.1f} MiB"
            f"   {len(received) / took:6.0f} B/s",
            flush=True,
        )
        client.end()
    crowd.end()


def ring(folder: Path, samples: int) -> None:
    agent = Agent(folder, "250ms")
    before = memory_mib(agent.pid)
    clients = [agent.connect() for _ in range(CLIENTS)]
    watch(clients, samples * 0.25)
    clients[0].sendall(b"loadline/1 history=all\n")
    rows = 0
    with clients[0].makefile() as lines:
        for line in lines:
            if line.startswith("# live"):
                break
            # Short rows are plain ones from before the request.
            rows += not line.startswith("#") and len(line.split()) > 6
    memory = memory_mib(agent.pid)
    print(
        f"agent    with {rows} samples and {CLIENTS} clients: {memory:.1f} MiB; "
        f"with one sample and no client: {before:.1f} MiB",
        flush=True,
    )
    for client in clients:
        client.close()
    agent.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--samples", type=int, default=3600)
    parser.add_argument("--sources", type=int, default=100)
    parser.add_argument("--bin", type=Path, default=Path("target/dist"))
    options = parser.parse_args()
    screen(options.bin, options.seconds)
    latency(options.bin)
    crowd(options.bin, options.sources, options.seconds)
    ring(options.bin, options.samples)


if __name__ == "__main__":
    main()

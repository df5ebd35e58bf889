#!/usr/bin/env -S python3 -B
"""Soak test of the agent: many clients that come and go, and an hour with many clients. Linux only.

    cargo build --profile dist --workspace
    benches/soak.py [--churn 60] [--crowd 1] [--minutes 60] [--clients 200] [--bin target/dist]

1. An agent at 1 s serves 2,000 clients that request the history and never read, 2,000 that send noise and
   requests endlessly, and 10,000 that come and go at random within --churn seconds. Stuck and noisy clients
   reconnect when the agent closes their connections. Reported are the delay of rows to healthy clients, and the
   memory and descriptors that are not released. The same clients come a second time: they reuse memory that the
   C library kept after the first time, so any further growth is a leak.
2. An agent at 250 ms, whose ring is full after eight minutes, serves --clients clients for --minutes minutes, half
   of them subscribed, half plain. Its memory is read every ten seconds. The slope of a linear regression after
   the first ten minutes is the leak.
"""

import argparse
import asyncio
import contextlib
import os
import random
import resource
import statistics
import time
from pathlib import Path

from measured import Server, memory_mib

STUCK, NOISY, VISITORS = 2_000, 2_000, 10_000
HEALTHY = 20
# Warm-up: the ring fills, and the first clients connect.
WARM_UP_MINUTES = 10
NOISE = [b"\x16\x03\x01\x02\x00\x01\xff\n", b"GET / HTTP/1.1\r\n\r\n", b"loadline/1 interval=1ms\n", b"\n" * 50]
SUBSCRIBE = b"loadline/1 history=none\n"


def agent(folder: Path, interval: str, history: str) -> Server:
    many = str(4 * (STUCK + NOISY))
    return Server(
        folder / "loadline-agent", "--listen", "127.0.0.1:0", "--interval", interval, "--history", history,
        "--max-clients", many, "--max-clients-per-address", many, "-q",
    )


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


async def connect(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = server.address.rsplit(":", 1)
    return await asyncio.open_connection(host, int(port))


async def reconnect(client) -> None:
    """Runs a client again whenever its connection ends."""
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await client()
        await asyncio.sleep(random.random())


async def run_stuck_client(server: Server) -> None:
    reader, writer = await connect(server)
    # Unread data fills the buffers of the kernel, then those of the agent.
    writer.transport.pause_reading()
    writer.write(b"loadline/1 history=all interval=1s\n")
    try:
        while not writer.transport.is_closing():
            await asyncio.sleep(5)
            writer.write(b"\n")
            await writer.drain()
    finally:
        writer.transport.abort()


async def run_noisy_client(server: Server) -> None:
    reader, writer = await connect(server)
    try:
        while await asyncio.wait_for(reader.read(65536), 3) if random.random() < 0.3 else True:
            writer.write(random.choice(NOISE))
            await writer.drain()
            await asyncio.sleep(2 * random.random())
    except TimeoutError:
        pass
    finally:
        writer.transport.abort()


async def run_visitor(server: Server, seconds: float) -> None:
    await asyncio.sleep(seconds * random.random())
    with contextlib.suppress(OSError):
        reader, writer = await connect(server)
        match random.randrange(4):
            case 0:
                pass
            case 1:
                writer.write(SUBSCRIBE)
                await reader.readline()
            case 2:
                writer.write(b"loadline/1 history=all")
                await asyncio.sleep(2 * random.random())
            case _:
                await reader.readline()
                await asyncio.sleep(2 * random.random())
        writer.transport.abort() if random.random() < 0.5 else writer.close()


def watch_rows(server: Server, clients: int, until: float, plain_too: bool) -> tuple[list[float], int]:
    """Reads rows until a time. Returns the delays of the subscribed clients in ms, and the number of rows."""

    async def read(subscribed: bool, late: list[float], count: list[int]) -> None:
        reader, writer = await connect(server)
        if subscribed:
            writer.write(SUBSCRIBE)
            # Skips plain rows from before the request, and the newest sample, which may be old.
            await reader.readuntil(b"# live\n")
            await reader.readline()
        while line := await reader.readline():
            if line.startswith(b"#"):
                continue
            count[0] += 1
            if subscribed:
                late.append(1e3 * (time.time() - float(line.split(b" ", 1)[0])))
        raise EOFError("the agent ended a healthy client")

    async def crowd() -> tuple[list[float], int]:
        late, count = [], [0]
        tasks = [asyncio.create_task(read(not plain_too or at % 2 == 0, late, count)) for at in range(clients)]
        done, _ = await asyncio.wait(tasks, timeout=until - time.time(), return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        for task in tasks:
            task.cancel()
        return late, count[0]

    return asyncio.run(crowd())


def troublemakers(server: Server, seconds: float, scale: float) -> None:
    """Runs stuck, noisy and visiting clients until the last visitor has left."""

    async def crowd() -> None:
        permanent = [asyncio.create_task(reconnect(lambda: run_stuck_client(server))) for _ in range(int(scale * STUCK))]
        permanent += [asyncio.create_task(reconnect(lambda: run_noisy_client(server))) for _ in range(int(scale * NOISY))]
        await asyncio.gather(*(run_visitor(server, seconds) for _ in range(int(scale * VISITORS))))
        for task in permanent:
            task.cancel()

    asyncio.run(crowd())


def spread(late: list[float]) -> str:
    late.sort()
    parts = (("median", 0.5), ("99 %", 0.99), ("99.9 %", 0.999))
    shown = [f"{name} {late[int(part * (len(late) - 1))]:.1f}" for name, part in parts]
    return ", ".join([*shown, f"worst {late[-1]:.1f} ms"])


def churn(folder: Path, seconds: float, scale: float) -> None:
    server = agent(folder, "1s", "1h")
    watch_rows(server, HEALTHY, time.time() + 5, False)
    time.sleep(2)
    counts = [f"{int(scale * count):,}" for count in (VISITORS, STUCK, NOISY)]
    print("crowd    {} come and go, {} are stuck, {} noisy; {} healthy".format(*counts, HEALTHY))
    print_costs(server, "before")
    for name in ("first", "second"):
        crowd = os.fork()
        if crowd == 0:
            troublemakers(server, seconds, scale)
            os._exit(0)
        late, rows = watch_rows(server, HEALTHY, time.time() + seconds, False)
        print_costs(server, f"during the {name}")
        os.waitpid(crowd, 0)
        # Time for the agent to notice lost clients and to free their memory.
        time.sleep(5)
        print_costs(server, f"after the {name}")
        print(f"         {rows} rows, late: {spread(late)}", flush=True)
    server.end()


def print_costs(server: Server, name: str) -> None:
    print(f"         {name:18} {memory_mib(server.pid):6.1f} MiB  {descriptors(server.pid):5} descriptors", flush=True)


def soak(folder: Path, minutes: float, clients: int) -> None:
    server = agent(folder, "250ms", "8m")
    begin = time.time()
    reading, writing = os.pipe()
    crowd = os.fork()
    if crowd == 0:
        late, rows = watch_rows(server, clients, begin + 60 * minutes, True)
        os.write(writing, f"{rows} rows, late: {spread(late)}".encode())
        os._exit(0)
    memory = []
    while (passed := time.time() - begin) < 60 * minutes:
        time.sleep(10)
        memory.append((passed / 3600, 1024 * memory_mib(server.pid)))
    os.waitpid(crowd, 0)
    delays = os.read(reading, 4096).decode()
    after_warm_up = [at for at in memory if at[0] > WARM_UP_MINUTES / 60] or memory
    slope, _ = statistics.linear_regression(*zip(*after_warm_up))
    print(f"soak     {minutes:g} minutes at 250ms, {clients} clients: {delays}")
    print(
        f"         memory {memory[0][1] / 1024:.1f} MiB at first, {after_warm_up[0][1] / 1024:.1f} after the warm-up,"
        f" {memory[-1][1] / 1024:.1f} at the end; slope {slope:+.0f} KiB/h",
        flush=True,
    )
    server.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--churn", type=float, default=60, help="seconds of part 1; 0 skips it")
    parser.add_argument("--crowd", type=float, default=1, help="factor for the numbers of clients")
    parser.add_argument("--minutes", type=float, default=60, help="minutes of part 2; 0 skips it")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--bin", type=Path, default=Path("target/dist"))
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536) if most > 0 else 65536, most))
    if options.churn:
        churn(options.bin, options.churn, options.crowd)
    if options.minutes:
        soak(options.bin, options.minutes, options.clients)


if __name__ == "__main__":
    main()

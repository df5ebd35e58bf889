#!/usr/bin/env -S python3 -B
"""Whether an agent endures: a crowd that comes and goes, and an hour with many clients. Linux only.

    cargo build --profile dist --workspace
    benches/soak.py [--churn 60] [--crowd 1] [--minutes 60] [--clients 200] [--bin target/dist]

First an agent at 1 s has 2,000 clients that ask for everything and never read, 2,000 that never end sending
nonsense and requests, and 10,000 more that come and go at random within so many seconds. How late its rows
reach healthy clients is told, and what of its memory and descriptors does not come back. Stuck and noisy
clients that the agent cuts off come again. Then the same crowd comes once more: what the C library keeps of
the memory of the first one serves the second, and what the second leaves behind would be a leak.
Then an agent at 250 ms, with a ring that is full after eight minutes, has so many clients for so many minutes:
every other one subscribed, the others plain. Its memory is read every ten seconds. A line is laid through what
was read after the first ten minutes: its slope is what leaks.
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

STUCK, NOISY, COMERS = 2_000, 2_000, 10_000
HEALTHY = 20
# What belongs to filling the ring, and to the first clients.
WARM_MINUTES = 10
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


async def again(client) -> None:
    """A client that comes again when it is cut off."""
    while True:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await client()
        await asyncio.sleep(random.random())


async def be_stuck(server: Server) -> None:
    reader, writer = await connect(server)
    # What is not read stays with the kernel, and then with the agent.
    writer.transport.pause_reading()
    writer.write(b"loadline/1 history=all interval=1s\n")
    try:
        while not writer.transport.is_closing():
            await asyncio.sleep(5)
            writer.write(b"\n")
            await writer.drain()
    finally:
        writer.transport.abort()


async def be_noisy(server: Server) -> None:
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


async def come_and_go(server: Server, seconds: float) -> None:
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
    """How many milliseconds after its time each row of the subscribed clients came, and how many rows."""

    async def read(subscribed: bool, late: list[float], count: list[int]) -> None:
        reader, writer = await connect(server)
        if subscribed:
            writer.write(SUBSCRIBE)
            # A plain row may come before the request is read, and the newest sample is as old as it is.
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
    """The crowd, in a process of its own; it ends with all its connections."""

    async def crowd() -> None:
        standing = [asyncio.create_task(again(lambda: be_stuck(server))) for _ in range(int(scale * STUCK))]
        standing += [asyncio.create_task(again(lambda: be_noisy(server))) for _ in range(int(scale * NOISY))]
        await asyncio.gather(*(come_and_go(server, seconds) for _ in range(int(scale * COMERS))))
        for task in standing:
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
    counts = [f"{int(scale * count):,}" for count in (COMERS, STUCK, NOISY)]
    print("crowd    {} come and go, {} are stuck, {} noisy; {} others read".format(*counts, HEALTHY))
    tell_costs(server, "before")
    for name in ("first", "second"):
        crowd = os.fork()
        if crowd == 0:
            troublemakers(server, seconds, scale)
            os._exit(0)
        late, rows = watch_rows(server, HEALTHY, time.time() + seconds, False)
        tell_costs(server, f"within the {name}")
        os.waitpid(crowd, 0)
        # Who went without a word is noticed, and what they had is given back.
        time.sleep(5)
        tell_costs(server, f"after the {name}")
        print(f"         {rows} rows, late: {spread(late)}", flush=True)
    server.end()


def tell_costs(server: Server, name: str) -> None:
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
    seen = []
    while (passed := time.time() - begin) < 60 * minutes:
        time.sleep(10)
        seen.append((passed / 3600, 1024 * memory_mib(server.pid)))
    os.waitpid(crowd, 0)
    told = os.read(reading, 4096).decode()
    flat = [at for at in seen if at[0] > WARM_MINUTES / 60] or seen
    slope, _ = statistics.linear_regression(*zip(*flat))
    print(f"soak     {minutes:g} minutes at 250ms, {clients} clients: {told}")
    print(
        f"         memory {seen[0][1] / 1024:.1f} MiB at first, {flat[0][1] / 1024:.1f} after the warm-up,"
        f" {seen[-1][1] / 1024:.1f} at the end; slope {slope:+.0f} KiB/h",
        flush=True,
    )
    server.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--churn", type=float, default=60, help="seconds; 0 leaves it out")
    parser.add_argument("--crowd", type=float, default=1, help="how large it is")
    parser.add_argument("--minutes", type=float, default=60, help="0 leaves it out")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--bin", type=Path, default=Path("target/dist"))
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65536) if most > 0 else 65536, most))
    if given.churn:
        churn(given.bin, given.churn, given.crowd)
    if given.minutes:
        soak(given.bin, given.minutes, given.clients)


if __name__ == "__main__":
    main()

#!/usr/bin/env -S python3 -B
"""A day of history in the agent: memory, restart, and reading it. Linux only.

    cargo build --profile dist --workspace
    benches/day.py [--rows FILE] [--bin target/dist]

Writes a state directory with a day of samples at 1 s and looks of ten processes every 5 s, and starts the agent on
it. The rows are those of --rows, a recording of an agent, again and again; without it, random walks. Reported are the
time until the agent listens, its memory, and its CPU time for clients that read the day: one, and eight at once that
begin at different times.
"""

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from measured import Server, cpu_ns, memory_mib

DAY = 24 * 3600
LOOK_INTERVAL = 5
READERS = 8
STEPS = {"%": (3, 100), "MHz": (150, 4000), "B": (2e6, 16e9), "B/s": (4e5, 1e8), "": (0.1, 8)}


def start(folder: Path, *options: str) -> Server:
    return Server(folder / "loadline-agent", "--listen", "127.0.0.1:0", "-q", *options)


def answer(server: Server, request: str) -> Iterator[str]:
    """Returns the lines of the answer up to `# live`."""
    with server.connect() as stream, stream.makefile() as lines:
        stream.sendall(f"loadline/1 {request}\n".encode())
        for line in lines:
            if line.startswith("# live"):
                return
            yield line.rstrip("\n")


def random_rows(columns: list[str]) -> Iterator[list[str]]:
    """Yields rows that change like those of a busy machine, and looks of processes that come and go."""
    units = [column.partition(":")[2] for column in columns]
    values = [STEPS.get(unit, (1, 100))[1] / 3 for unit in units]
    processes = [new_process() for _ in range(60)]
    for number in range(DAY):
        lines = []
        if number % LOOK_INTERVAL == 0:
            processes[random.randrange(60)] = new_process()
            lines.append(f"# top time=TIME over=5.0 processes={random.randint(380, 420)} "
                         f"cpu={random.uniform(20, 60):.1f} other={random.uniform(0, 9):.1f}")
            for process in processes[:6] + random.sample(processes, 4):
                process["mem"] += random.randint(-64, 64) * 4096
                lines.append(process["text"] + f" cpu={random.expovariate(0.2):.1f} mem={abs(process['mem'])}"
                             f" io={random.expovariate(1e-4):.0f}")
        for at, unit in enumerate(units):
            step, most = STEPS.get(unit, (1, 100))
            values[at] = min(max(values[at] + random.gauss(0, step), 0), most)
        texts = [f"{value:.0f}" if unit.startswith("B") else f"{value:.1f}" for value, unit in zip(values, units)]
        yield [*lines, " ".join(texts)]


def new_process() -> dict:
    name = random.choice(["ffmpeg", "postgres", "nginx", "rustc", "python3", "sshd", "kworker/u8:2", "java"])
    unit = random.choice(["transcode.service", "postgresql.service", "nginx.service", "session-4.scope", "docker.service"])
    user = random.choice(["root", "media", "postgres", "www-data"])
    pid = random.randint(2, 99999)
    return {"mem": random.randint(1, 99999) * 4096, "text": f"# proc pid={pid} name={name} user={user} unit={unit}"}


def recorded_rows(path: Path) -> Iterator[list[str]]:
    """Yields the rows of a recording, each with its looks, until they are those of a day."""
    samples, lines = [], []
    for line in path.read_text().splitlines():
        if line.startswith(("# top ", "# proc ")):
            lines.append(line.replace(line.split()[2], "time=TIME", 1) if "# top" in line else line)
        elif not line.startswith("#"):
            samples.append([*lines, line.split(" ", 2)[2]])
            lines = []
    for number in range(DAY):
        yield samples[number % len(samples)]


def write_day(path: Path, columns: list[str], rows: Iterator[list[str]]) -> int:
    begin = time.time() - DAY - 5
    with path.open("w") as file:
        file.write(f"# loadline/1 run=0000002a interval=1000ms\n# columns time:s seq {' '.join(columns)}\n")
        for number, (*looks, row) in enumerate(rows):
            stamp = f"{begin + number:.3f}"
            file.writelines(look.replace("TIME", stamp) + "\n" for look in looks)
            file.write(f"{stamp} {number + 1} {row}\n")
    return path.stat().st_size


def read_day(server: Server, request: str, counts: list[int]) -> None:
    counts.append(sum(not line.startswith("#") for line in answer(server, request)))


def measure_reading(server: Server, requests: list[str]) -> None:
    counts: list[int] = []
    before, begin = cpu_ns(server.pid), time.monotonic()
    readers = [threading.Thread(target=read_day, args=(server, request, counts)) for request in requests]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    cpu, wall = (cpu_ns(server.pid) - before) / 1e9, time.monotonic() - begin
    print(f"{len(requests)} read {sum(counts):,} rows: {cpu:.2f} s of CPU in {wall:.1f} s, "
          f"then {memory_mib(server.pid):.1f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--bin", type=Path, default=Path("target/dist"))
    arguments = parser.parse_args()
    probe = start(arguments.bin)
    note = next(line for line in answer(probe, "") if line.startswith("# columns"))
    print(f"without history: {memory_mib(probe.pid):.1f} MiB")
    probe.end()
    columns = note.split()[4:]
    rows = recorded_rows(arguments.rows) if arguments.rows else random_rows(columns)
    with tempfile.TemporaryDirectory() as state:
        size = write_day(Path(state) / "newer.load", columns, rows)
        begin = time.monotonic()
        server = start(arguments.bin, "--state-dir", state)
        listening, cpu = time.monotonic() - begin, cpu_ns(server.pid) / 1e9
        print(f"a day of {size / 2**20:.1f} MiB: listens after {listening:.2f} s and {cpu:.2f} s of CPU, "
              f"{memory_mib(server.pid):.1f} MiB")
        measure_reading(server, ["history=all top=5"])
        measure_reading(server, [f"history={hours}h top=5" for hours in range(24, 24 - READERS, -1)])
        server.end()


if __name__ == "__main__":
    main()

#!/usr/bin/env -S python3 -B
"""A day of history in the agent: memory, restart, and reading it. Linux only.

    cargo build --profile dist --workspace
    benches/day.py [--seconds 300] [--rows FILE] [--bin target/dist]

Records this machine for --seconds, or takes --rows, a recording of an agent. Writes a state directory with a day of
these rows at 1 s, again and again, with a look every 5 s, and starts the agent on it. Reported are the time until the
agent listens, its memory, and its CPU time for clients that read the day: one, and eight at once that begin at
different times.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from measured import Server, cpu_ns, memory_mib

DAY = 24 * 3600
LOOK_INTERVAL = 5
READERS = 8


def start(folder: Path, *options: str) -> Server:
    return Server(folder / "loadline-agent", "--listen", "127.0.0.1:0", "-q", *options)


def answer(server: Server, request: str, seconds: float | None = None) -> list[str]:
    """Returns the lines of an answer up to `# live`, or those of a time."""
    end, found = time.monotonic() + (seconds or 0), []
    with server.connect() as stream, stream.makefile() as lines:
        stream.sendall(f"loadline/1 {request}\n".encode())
        for line in lines:
            found.append(line.rstrip("\n"))
            if line.startswith("# live") if seconds is None else time.monotonic() > end:
                return found
    return found


class Recording:
    """Rows without stamps, looks without their time, and the columns note."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.rows, self.looks = [], []
        for line in lines:
            if line.startswith("# columns"):
                self.columns = line
            elif line.startswith("# top "):
                self.looks.append([line.replace(line.split()[2], "time=TIME", 1)])
            elif line.startswith("# proc ") and self.looks:
                self.looks[-1].append(line)
            elif not line.startswith("#") and line.count(" ") > 6:
                self.rows.append(line.split(" ", 2)[2])

    def write_day(self, path: Path) -> float:
        """Returns the size in MiB."""
        begin = time.time() - DAY - 5
        with path.open("w") as file:
            print(f"# loadline/1 run=0000002a interval=1000ms\n{self.columns}", file=file)
            for number in range(DAY):
                stamp = f"{begin + number:.3f}"
                if number % LOOK_INTERVAL == 0 and self.looks:
                    for note in self.looks[number // LOOK_INTERVAL % len(self.looks)]:
                        print(note.replace("TIME", stamp), file=file)
                print(stamp, number + 1, self.rows[number % len(self.rows)], file=file)
        return path.stat().st_size / 2**20


def measure_reading(server: Server, requests: list[str]) -> None:
    counts: list[int] = []

    def read(request: str) -> None:
        counts.append(sum(not line.startswith("#") for line in answer(server, request)))

    before, begin = cpu_ns(server.pid), time.monotonic()
    readers = [threading.Thread(target=read, args=(request,)) for request in requests]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    cpu, wall = (cpu_ns(server.pid) - before) / 1e9, time.monotonic() - begin
    print(f"{len(requests)} read {sum(counts):,} rows: {cpu:.2f} s of CPU in {wall:.1f} s, "
          f"then {memory_mib(server.pid):.1f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--bin", type=Path, default=Path("target/dist"))
    arguments = parser.parse_args()
    source = start(arguments.bin)
    columns = answer(source, "")
    given = arguments.rows.read_text().splitlines() if arguments.rows else None
    recording = Recording(given or columns + answer(source, "top=5", arguments.seconds))
    if arguments.rows:
        recording.columns = next(line for line in columns if line.startswith("# columns"))
    print(f"without history: {memory_mib(source.pid):.1f} MiB")
    source.end()
    with tempfile.TemporaryDirectory() as state:
        size = recording.write_day(Path(state) / "newer.load")
        begin = time.monotonic()
        server = start(arguments.bin, "--state-dir", state)
        listening, cpu = time.monotonic() - begin, cpu_ns(server.pid) / 1e9
        print(f"a day of {size:.1f} MiB: listens after {listening:.2f} s and {cpu:.2f} s of CPU, "
              f"{memory_mib(server.pid):.1f} MiB")
        measure_reading(server, ["history=all top=5"])
        measure_reading(server, [f"history={24 - reader}h top=5" for reader in range(READERS)])
        server.end()


if __name__ == "__main__":
    main()

#!/usr/bin/env -S python3 -B
"""Cost of looks at the processes, beside that of samples of the same agent. Linux only.

    cargo build --profile dist --workspace
    benches/looks.py [--seconds 60] [--processes 1000] [--bin target/dist]

The agent runs on this machine, beside --processes sleeping ones, and in a namespace with ten processes if the user
may make one. Looks have a thread of their own, whose CPU time counts. The agent takes a sample a second.
"""

import argparse
import os
import signal
import subprocess
import time
from pathlib import Path

from measured import Server

# A look at all processes every 5 s.
TOP = 5

IN_NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
TEN_PROCESSES = 'for i in 1 2 3 4 5 6 7 8 9; do sleep 600 & done; exec "$@"'


def child_of(pid: int) -> int:
    """Returns the first child of a process."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def cpu_of_threads(pid: int) -> tuple[int, int]:
    """Returns the CPU time of looks and that of all else, in nanoseconds."""
    looks = others = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        cpu = int((thread / "schedstat").read_text().split()[0])
        if (thread / "comm").read_text() == "looks\n":
            looks += cpu
        else:
            others += cpu
    return looks, others


def measure(what: str, agent: Server, pid: int, seconds: float) -> None:
    """Counts looks and their CPU time, from a look to a look."""
    with agent.connect() as stream:
        stream.sendall(f"loadline/1 top={TOP} columns=cpu\n".encode())
        looks, rows, processes = 0, 0, 0
        for line in stream.makefile():
            if line.startswith("# top "):
                # The first look waits for less than the others.
                if looks == 1:
                    before, begin, rows = cpu_of_threads(pid), time.monotonic(), 0
                looks += 1
                processes = int(line.split("processes=")[1].split()[0])
                if looks > 2 and time.monotonic() - begin >= seconds:
                    break
            rows += not line.startswith("#")
    took = time.monotonic() - begin
    looks -= 2
    look, others = (after - start for after, start in zip(cpu_of_threads(pid), before))
    print(
        f"{what}: {processes} processes, a look {look / looks / 1e3:8.0f} us ({look / looks / processes / 1e3:.1f} us"
        f" each), every {took / looks:.1f} s: {look / took / 1e7:.3f} % of a core; a look / a sample"
        f" {look / looks * rows / others:.1f}",
        flush=True,
    )
    # `unshare` passes no signal on.
    os.kill(pid, signal.SIGTERM)
    agent.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--processes", type=int, default=1000)
    parser.add_argument("--bin", type=Path, default=Path("target/dist"))
    options = parser.parse_args()
    command = [options.bin / "loadline-agent", "--listen", "127.0.0.1:0", "-q", "--top", str(TOP)]
    agent = Server(*command)
    measure("this machine", agent, agent.pid, options.seconds)
    sleepers = [subprocess.Popen(["sleep", "600"]) for _ in range(options.processes)]
    try:
        agent = Server(*command)
        measure("with sleeping ones", agent, agent.pid, options.seconds)
    finally:
        for sleeper in sleepers:
            sleeper.kill()
        for sleeper in sleepers:
            sleeper.wait()
    if subprocess.run([*IN_NAMESPACE, "true"], stderr=subprocess.DEVNULL).returncode == 0:
        agent = Server(*IN_NAMESPACE, "sh", "-c", TEN_PROCESSES, "sh", *command)
        measure("in a namespace", agent, child_of(agent.pid), options.seconds)
    else:
        print("no namespace with ten processes: not permitted")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""What the two programs cost: CPU in percent of one core, resident memory in MiB. Linux only.

    cargo build --release --workspace
    benches/cost.py [--seconds 60] [--samples 3600] [--bin target/release]

First an agent runs at 1 s with a client on its stream in a pseudo-terminal of 120x36, for so many seconds.
Then an agent at 200 ms fills its ring with so many samples: 3,600 are an hour of seconds, in 12 minutes.
"""

import argparse
import fcntl
import os
import pty
import select
import socket
import struct
import subprocess
import termios
import time
from pathlib import Path


def cpu_ns(pid: int) -> int:
    """Time on a core of all threads so far, exact to the nanosecond."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads)


def memory_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ValueError("no VmRSS")


class Agent:
    def __init__(self, folder: Path, interval: str) -> None:
        command = [folder / "loadline-agent", "--listen", "127.0.0.1:0", "--interval", interval, "-q"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().split()[-1]
        self.pid = self.process.pid

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(10)


class Client:
    """The screen in a pseudo-terminal; counts the bytes that it sends there."""

    def __init__(self, folder: Path, address: str) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "xterm-256color"
            os.execv(folder / "loadline", ["loadline", address])
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 36, 120, 0, 0))

    def watch(self, seconds: float) -> int:
        received = 0
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.terminal], [], [], left)[0]:
                received += len(os.read(self.terminal, 65536))
        return received

    def end(self) -> None:
        os.write(self.terminal, b"q")
        os.waitpid(self.pid, 0)


def screen(folder: Path, seconds: float) -> None:
    agent = Agent(folder, "1s")
    client = Client(folder, agent.address)
    client.watch(3)
    before = cpu_ns(agent.pid), cpu_ns(client.pid), time.monotonic()
    received = client.watch(seconds)
    took = time.monotonic() - before[2]
    for name, pid, start in (("agent", agent.pid, before[0]), ("client", client.pid, before[1])):
        cpu = (cpu_ns(pid) - start) / took / 1e7
        print(f"{name:8} at 1s    {cpu:6.3f} % of a core   {memory_mib(pid):5.1f} MiB", flush=True)
    print(f"client   at 1s    {received / took:6.0f} B/s to a terminal of 120x36", flush=True)
    client.end()
    agent.end()


def ring(folder: Path, samples: int) -> None:
    agent = Agent(folder, "200ms")
    host, port = agent.address.rsplit(":", 1)
    before = memory_mib(agent.pid)
    time.sleep(samples * 0.2)
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"loadline/1 history=all\n")
        rows = 0
        for line in client.makefile():
            if line.startswith("# live"):
                break
            rows += not line.startswith("#")
    held = memory_mib(agent.pid)
    print(f"agent    with {rows} samples: {held:.1f} MiB; with the first one: {before:.1f} MiB", flush=True)
    agent.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--samples", type=int, default=3600)
    parser.add_argument("--bin", type=Path, default=Path("target/release"))
    options = parser.parse_args()
    screen(options.bin, options.seconds)
    ring(options.bin, options.samples)


if __name__ == "__main__":
    main()

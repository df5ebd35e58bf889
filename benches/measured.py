"""Helpers of the benchmarks: start, watch and end programs, and read their CPU time and memory. Linux only."""

import contextlib
import fcntl
import os
import pty
import selectors
import signal
import socket
import struct
import subprocess
import termios
import time
from pathlib import Path

LINES, COLUMNS = 36, 120


def cpu_ns(pid: int) -> int:
    """Returns the CPU time of all threads in nanoseconds."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads)


def memory_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ValueError("no VmRSS")


class Server:
    """Program that prints its address in its first line."""

    def __init__(self, *command: str | Path) -> None:
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().split()[-1]
        self.pid = self.process.pid

    def connect(self) -> socket.socket:
        host, port = self.address.rsplit(":", 1)
        return socket.create_connection((host, int(port)))

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


class Agent(Server):
    def __init__(self, folder: Path, interval: str, *options: str) -> None:
        command = ["--listen", "127.0.0.1:0", "--interval", interval, "-q", *options]
        super().__init__(folder / "loadline-agent", *command)


class Screen:
    """Program in a pseudo-terminal."""

    def __init__(self, *command: str | Path, environment: dict[str, str] | None = None) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
            os.environ.update({"TERM": "xterm-256color", **(environment or {})})
            os.execvp(command[0], [str(word) for word in command])

    def fileno(self) -> int:
        return self.terminal

    def read(self) -> bytes:
        with contextlib.suppress(OSError):
            return os.read(self.terminal, 65536)
        return b""

    def end(self) -> None:
        os.write(self.terminal, b"q")
        end = time.monotonic() + 5
        while time.monotonic() < end and os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            # Drains the last output of the program.
            watch([self], 0.05)
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.terminal)


def watch(sources: list, seconds: float) -> list[bytes]:
    """Reads sockets and screens for `seconds`. Returns the bytes of each."""
    received = [b""] * len(sources)
    with selectors.DefaultSelector() as selector:
        for at, source in enumerate(sources):
            selector.register(source, selectors.EVENT_READ, at)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and selector.get_map():
            for key, _ in selector.select(left):
                source = sources[key.data]
                is_screen = isinstance(source, Screen)
                piece = source.read() if is_screen else source.recv(65536)
                if not piece:
                    selector.unregister(source)
                received[key.data] += piece
    return received

"""Helpers: programs under test, connections to them, and waits with a deadline."""

import contextlib
import json
import os
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent

# Time limit for anything in seconds, on a machine that is busy with other work.
DEADLINE = 20.0


class Skip(Exception):
    """The check cannot run on this machine."""


@dataclass
class Programs:
    agent: str
    client: str

    @staticmethod
    def built(messages: str) -> "Programs":
        """Returns the paths of the programs from the messages of cargo."""
        found = {}
        for line in Path(messages).read_text().splitlines():
            message = json.loads(line)
            if message.get("executable"):
                found[message["target"]["name"]] = message["executable"]
        return Programs(agent=found["loadline-agent"], client=found["loadline"])


class LineReader:
    """Reads lines of a file descriptor, each with a deadline."""

    def __init__(self, fd: int, name: str):
        self.fd, self.name, self.bytes = fd, name, b""
        self.selector = selectors.DefaultSelector()
        self.selector.register(fd, selectors.EVENT_READ)

    def line(self, within: float = DEADLINE) -> str:
        until = time.monotonic() + within
        while b"\n" not in self.bytes:
            left = until - time.monotonic()
            if left <= 0 or not self.selector.select(left):
                raise AssertionError(f"{self.name} wrote no line within {within:g} s")
            more = os.read(self.fd, 65536)
            if not more:
                raise AssertionError(f"{self.name} ended: {self.bytes!r}")
            self.bytes += more
        line, self.bytes = self.bytes.split(b"\n", 1)
        return line.decode()


class Process:
    """Program that runs until it is ended."""

    def __init__(self, *command: str):
        self.name = Path(command[0]).name
        self.errors = tempfile.TemporaryFile()
        self.child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors
        )
        self.out = LineReader(self.child.stdout.fileno(), self.name)

    def stderr(self) -> str:
        """Returns its standard error."""
        self.errors.seek(0)
        return self.errors.read().decode()

    def end(self) -> int:
        """Terminates the program and returns its exit code."""
        self.child.terminate()
        return self.child.wait(DEADLINE)

    def kill(self):
        self.child.kill()
        self.child.wait()
        self.out.selector.close()
        self.child.stdout.close()
        self.errors.close()


@contextlib.contextmanager
def running(*command: str):
    process = Process(*command)
    try:
        yield process
    finally:
        process.kill()


@contextlib.contextmanager
def agent(programs: Programs, *options: str):
    """Runs an agent on a free port and yields the port."""
    with running(programs.agent, "--listen", "127.0.0.1:0", *options) as process:
        yield port_of(process)


@contextlib.contextmanager
def tutorial(interval: str, port: int = 0):
    """Runs the server of the tutorial and yields the process and its port."""
    command = [sys.executable, "-B", str(HERE / "tutorial_server.py"), interval, str(port)]
    with running(*command) as process:
        yield process, port_of(process)


def port_of(process: Process) -> int:
    line = process.out.line()
    found = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)", line)
    assert found, f"unexpected output of {process.name}: {line!r}"
    return int(found[1])


def output(*command: str) -> str:
    """Runs a program to its successful end and returns its standard output."""
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE
    )
    assert result.returncode == 0, f"{command} ended with {result.returncode}: {result.stderr}"
    return result.stdout


def is_error(text: str) -> bool:
    """Returns whether a text is one error: a line, and at most one hint."""
    return re.fullmatch(r"error: .*\n(hint: .*\n)?", text) is not None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_until(what: str, holds, within: float = DEADLINE):
    until = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < until, f"timed out after {within:g} s, waiting for {what}"
        time.sleep(0.02)
    return found


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)


def retry(attempt, tries: int):
    """Returns the result of an attempt, repeated up to `tries` times because the machine may be busy."""
    for left in reversed(range(tries)):
        try:
            return attempt()
        except AssertionError:
            if not left:
                raise

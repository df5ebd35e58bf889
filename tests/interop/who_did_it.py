"""Processes that used CPU and memory are named long after they ended, with the shares that pidstat saw.

A CPU hog, a memory hog and a loop of short children run side by side under an agent, then end.
"""

import contextlib
import csv
import datetime
import io
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from ssh_transport import ssh_server
from stage import Process, agent, connect, output, running
from terminal import screen

HEADER = "timestamp,source,pid,name,user,unit,cpu,mem,io"

# Looks at the running programs: 5 s each.
LOOKS = 4

# An argument of each program. Arguments are never read.
SECRET = "tr0ub4dor-argument"

HOG = "ulimit -t 60; while :; do :; done"
LOOP = "i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); sh -c '{child}'; done"
CHILD = "i=0; while [ $i -lt {steps} ]; do i=$((i + 1)); done"
CHILD_SECONDS = 0.02
MEMORY = """
import sys, time
memory = bytearray(int(sys.argv[1]))
for at in range(0, len(memory), 4096):
    memory[at] = 1
time.sleep(60)
"""


@dataclass
class Look:
    """Processes by name, and the CPU use of the machine by the rows of the same time."""

    time: float
    over: float
    cpu: float
    other: float
    row_cpu: float = float("nan")
    shares: dict[str, float] = field(default_factory=dict)


@dataclass
class Truth:
    """What ran, by other programs."""

    pids: dict[str, int]
    looks: list[Look]
    # CPU time of the loop with all its children, in seconds.
    loop_seconds: float
    # Samples of pidstat: time, and the hog's share of all cores in %.
    pidstat: list[tuple[float, float]]


def start(stack, folder: str, name: str, program: str, *arguments: str) -> subprocess.Popen:
    """Runs a program under another name."""
    link = Path(folder, name)
    link.symlink_to(os.path.realpath(program))
    child = subprocess.Popen([link, "-c", *arguments, SECRET], stdin=subprocess.DEVNULL)
    stack.callback(child.wait)
    stack.callback(child.kill)
    return child


def steps_of_a_child() -> int:
    """Returns the number of steps for which a child counts until it has used its time."""
    begin, steps = os.times(), 200_000
    subprocess.run(["sh", "-c", CHILD.format(steps=steps)], check=True)
    end = os.times()
    seconds = end.children_user + end.children_system - begin.children_user - begin.children_system
    return max(100, int(steps * CHILD_SECONDS / max(seconds, 0.01)))


def memory_bytes() -> int:
    """Returns an amount of memory that no other process has."""
    largest = max(process.info["memory_info"].rss for process in psutil.process_iter(["memory_info"]))
    return max(256 << 20, 2 * largest)


def fields(line: str) -> dict[str, str]:
    found = re.findall(r'(\w+)=("(?:\\.|[^"])*"|\S+)', line)
    return {key: value.strip('"') for key, value in found}


def looks_of(lines):
    """Yields the looks of a stream."""
    cpus, look = [], None
    for line in lines:
        if line.startswith("# top "):
            found = fields(line)
            numbers = [float(found.get(key, "nan")) for key in ("time", "over", "cpu", "other")]
            look = Look(*numbers)
        elif line.startswith("# proc "):
            found = fields(line)
            share = look.shares.get(found["name"], 0) + float(found["cpu"])
            look.shares[found["name"]] = share
        elif not line.startswith("#"):
            now, _, cpu = line.split()[:3]
            if look:
                # The look began with an earlier row.
                since = look.time - look.over
                during = [cpu for at, cpu in cpus if since + 0.5 < at < look.time + 0.5]
                cpus = [(at, cpu) for at, cpu in cpus if at > since]
                if during:
                    look.row_cpu = statistics.mean(during)
                    yield look
            cpus.append((float(now), float(cpu)))
            look = None


def run_loads(port: int, folder: str) -> Truth:
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(connect(port))
        client.sendall(b"loadline/1 top=20 columns=cpu\n")
        lines = (line for line in client.makefile())
        for line in lines:
            if line.startswith("# live"):
                break
        looks = looks_of(lines)
        next(looks)
        loop = LOOP.format(child=CHILD.format(steps=steps_of_a_child()))
        children = {
            "cpu-hog": start(stack, folder, "cpu-hog", "/bin/sh", HOG),
            "short-children": start(stack, folder, "short-children", "/bin/sh", loop),
            "memory-hog": start(stack, folder, "memory-hog", sys.executable, MEMORY, str(memory_bytes())),
        }
        pids = {name: child.pid for name, child in children.items()}
        pidstat = ["pidstat", "-h", "-H", "-I", "-u", "-p", str(pids["cpu-hog"]), "1"]
        with running(*pidstat) as watch:
            seen = [next(looks) for _ in range(LOOKS)]
            shares = pidstat_shares(watch, seen[-1].time)
        children["short-children"].kill()
        usage = os.wait4(pids["short-children"], 0)[2]
        children["short-children"].returncode = -9
    return Truth(pids, seen, usage.ru_utime + usage.ru_stime, shares)


def pidstat_shares(watch: Process, until: float) -> list[tuple[float, float]]:
    shares, names = [], []
    while not shares or shares[-1][0] < until:
        words = watch.out.line().replace("#", "").split()
        if "%CPU" in words:
            names = words
        elif names and words:
            row = dict(zip(names, words))
            shares.append((float(row["Time"]), float(row["%CPU"])))
    return shares


def check_looks(truth: Truth) -> str:
    """Checks that the looks add up to the CPU use of the rows, and that pidstat agrees."""
    worst = 0
    for look in truth.looks:
        total = sum(look.shares.values()) + look.other
        for difference in (total - look.cpu, look.cpu - look.row_cpu):
            assert abs(difference) <= 3, f"processes and other {total:.1f} %, {look}"
            worst = max(worst, abs(difference))
    return f"sums within {worst:.1f} points"


def check_rows(text: str, truth: Truth) -> str:
    """Checks the CSV of `-o top`."""
    rows = list(csv.DictReader(io.StringIO(text)))
    hog_worst, loop_seconds = 0, 0
    for number, look in enumerate(truth.looks):
        at = [row for row in rows if abs(seconds_of(row["timestamp"]) - look.time) < 0.01]
        found = {row["name"]: row for row in at if truth.pids.get(row["name"]) == int(row["pid"])}
        assert {"cpu-hog", "short-children", "memory-hog"} <= found.keys(), f"look {number} has {at}"
        share, loop = (float(found[name]["cpu"]) for name in ("cpu-hog", "short-children"))
        loop_seconds += loop / 100 * look.over * os.cpu_count()
        expected = [cpu for then, cpu in truth.pidstat if look.time - look.over < then <= look.time]
        # The hog starts and ends within a look.
        if 0 < number and len(expected) >= 4:
            hog_worst = max(hog_worst, abs(share - statistics.mean(expected)))
            largest = max(at, key=lambda row: int(row["mem"]))["name"]
            assert largest == "memory-hog", f"{largest} has more memory"
        assert {row["user"] for row in found.values()} == {psutil.Process().username()}, found
    assert hog_worst <= 5, f"the hog's share is {hog_worst:.1f} points off that of pidstat"
    attributed = loop_seconds / truth.loop_seconds
    assert 0.8 <= attributed <= 1.1, f"{attributed:.0%} of the loop's CPU time"
    return f"hog within {hog_worst:.1f} points of pidstat, {attributed:.0%} of the loop"


def seconds_of(timestamp: str) -> float:
    return datetime.datetime.fromisoformat(timestamp).timestamp()


def top_of(*command: str) -> str:
    """Returns the CSV of the looks up to now."""
    now, lines = time.time(), []
    with running(*command, "-o", "top", "--history", "10m") as client:
        while len(lines) < 2 or seconds_of(lines[-1].split(",")[0]) < now:
            lines.append(client.out.line())
    assert lines[0] == HEADER, lines[0]
    return "\n".join(lines)


def raw_history(port: int) -> str:
    """Returns all that the agent sends of its history."""
    with connect(port) as client:
        client.sendall(b"loadline/1 history=all top=50\n")
        lines = []
        for line in client.makefile():
            lines.append(line)
            if line.startswith("# live"):
                return "".join(lines)
    raise AssertionError("the history does not end")


def processes_of_the_past_have_the_shares_that_pidstat_saw(programs):
    with tempfile.TemporaryDirectory() as folder, ssh_server(programs) as server:
        state, recording = Path(folder, "state"), Path(folder, "web-1.load")
        state.mkdir(mode=0o755)
        options = ["--interval", "1s", "--top", "20", "--state-dir", str(state)]
        with running(programs.agent, "--listen", "127.0.0.1:0", *options) as first:
            port = int(first.out.line().rsplit(":", 1)[1])
            source = f"127.0.0.1:{port}"
            with running(programs.client, source, "-o", "csv", "--record", str(recording)) as client:
                client.out.line()
                truth = run_loads(port, folder)
                texts = {"history": top_of(programs.client, source)}
                assert client.end() == 0
            texts["stream"] = raw_history(port)
            assert first.end() == 0
            texts["log"] = first.stderr()
        texts["replay"] = output(programs.client, str(recording), "-o", "top")
        with agent(programs, *options) as port:
            command = f"env LOADLINE_AGENT_RESIDENT=127.0.0.1:{port} {server.agent}"
            texts["ssh"] = top_of(*server.command("web-1", "--agent-command", command))
        with screen(programs.client, str(recording)) as terminal:
            # The crosshair goes back to when the programs ran. The highest by memory come first.
            terminal.wait_for("REPLAY")
            terminal.type("wc" + 12 * "T" + "o")
            terminal.wait_for("memory-hog", "mem ▼")
            texts["screen"] = terminal.text()
            terminal.quit()
        files = [recording, *state.iterdir()]
        texts |= {str(path): path.read_text() for path in files if path.is_file()}
    for where, text in texts.items():
        assert SECRET not in text, f"an argument is in {where}"
    results = [check_rows(texts[where], truth) for where in ("history", "replay", "ssh")]
    return f"{check_looks(truth)}; {results[0]}"


CHECKS = [processes_of_the_past_have_the_shares_that_pidstat_saw]

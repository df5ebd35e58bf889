"""In a container, its limits are what 100 % means: checked in a control group made for it."""

import contextlib
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from columns_are_true import MIB, subscribed
from stage import DEADLINE, Skip, running

CORES = 0.5
MEMORY = 256 * MIB
HOGGED = 128 * MIB

READINGS = 15

# Takes memory and a core, and ends by itself, should nobody end it.
LOAD = f"""
import time
memory = bytearray({HOGGED})
for at in range(0, len(memory), 4096):
    memory[at] = 1
end = time.monotonic() + 40
while time.monotonic() < end:
    pass
"""


def write(path: Path, text: str):
    with open(path, "w") as file:
        file.write(text)


def group_of_version_two(root: Path, name: str) -> list[Path]:
    group = root / name
    group.mkdir()
    try:
        write(group / "cpu.max", f"{int(CORES * 100_000)} 100000")
        write(group / "memory.max", str(MEMORY))
    except OSError:
        group.rmdir()
        raise
    return [group]


def groups_of_version_one(root: Path, name: str) -> list[Path]:
    groups = []
    for kind in ("cpu", "cpuacct", "memory"):
        group = root / kind / name
        if group.resolve() not in groups:
            group.mkdir(exist_ok=True)
            groups.append(group.resolve())
    write(root / "cpu" / name / "cpu.cfs_period_us", "100000")
    write(root / "cpu" / name / "cpu.cfs_quota_us", str(int(CORES * 100_000)))
    write(root / "memory" / name / "memory.limit_in_bytes", str(MEMORY))
    return groups


def remove(groups: list[Path]):
    """Ends what is still in them, and takes them away."""
    until = time.monotonic() + DEADLINE
    for group in groups:
        while True:
            for process in (group / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process), signal.SIGKILL)
            try:
                group.rmdir()
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)


@contextlib.contextmanager
def limited():
    """Control groups with limits, gone afterwards."""
    if os.geteuid():
        raise Skip("it takes root to make a control group")
    root, name = Path("/sys/fs/cgroup"), f"loadline-check-{os.getpid()}"
    is_two = (root / "cgroup.controllers").exists()
    try:
        groups = (group_of_version_two if is_two else groups_of_version_one)(root, name)
    except OSError as why:
        raise Skip(f"no control group can be made here: {why}") from why
    try:
        yield groups
    finally:
        remove(groups)


def the_limits_of_a_container_are_what_100_percent_means(programs):
    with limited() as groups, tempfile.TemporaryDirectory() as folder:
        enter = "; ".join(f"echo 0 > {group}/cgroup.procs" for group in groups)
        listen = f"--listen unix:{folder}/agent --interval 1s --collect cpu,mem"
        # Within, it is process 1 that everything else descends from, as in a container.
        inside = f"{sys.executable} -c '{LOAD}' & {programs.agent} {listen}; exit"
        unshared = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", inside]
        if subprocess.run([*unshared[:-3], "true"], capture_output=True).returncode:
            raise Skip("no process namespace can be made here")
        command = ["sh", "-c", f'{enter}; exec "$@"', "sh", *unshared]
        with running(*command) as process:
            process.out.line()
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(DEADLINE)
                client.connect(f"{folder}/agent")
                header, rows = read(client)
    assert "cpu_limit=0.5" in header.split(), header
    assert f"memory_limit={MEMORY}" in header.split(), header
    assert f"memory={MEMORY}" in header.split(), header
    assert all(row["mem_total"] == MEMORY for row in rows)
    cpu, mem = (statistics.median(row[name] for row in rows[3:]) for name in ("cpu", "mem"))
    told = f"cpu {cpu:.1f} %, mem {mem:.1f} %"
    # One core of a loop is twice what the group may have; half of its memory is hogged, and two
    # interpreters and an agent take some more.
    assert 90 <= cpu <= 100, told
    least = HOGGED / MEMORY * 100
    assert least <= mem <= least + 15, told
    return told


def read(client) -> tuple[str, list[dict[str, float]]]:
    client.sendall(b"loadline/1\n")
    with client.makefile() as lines:
        header = next(line for line in lines if re.match(r"# loadline/1 ", line))
        with subscribed(client) as rows:
            return header, [next(rows) for _ in range(READINGS)]


CHECKS = [the_limits_of_a_container_are_what_100_percent_means]

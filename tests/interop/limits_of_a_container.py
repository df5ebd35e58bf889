"""In a container, 100 % means its limits. Checked in a temporary control group."""

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

from columns_match_the_system import MIB, subscribed
from stage import DEADLINE, Skip, running

CORES = 0.5
MEMORY = 256 * MIB
ALLOCATED = 128 * MIB

READINGS = 15

# Uses memory and a core. Ends by itself if nothing else ends it.
LOAD = f"""
import time
memory = bytearray({ALLOCATED})
for at in range(0, len(memory), 4096):
    memory[at] = 1
end = time.monotonic() + 40
while time.monotonic() < end:
    pass
"""


def write(path: Path, text: str):
    with open(path, "w") as file:
        file.write(text)


def cgroup_v2(root: Path, name: str) -> list[Path]:
    group = root / name
    group.mkdir()
    try:
        write(group / "cpu.max", f"{int(CORES * 100_000)} 100000")
        # Up to its limit, the group comes before other work of this machine.
        write(group / "cpu.weight", "10000")
        write(group / "memory.max", str(MEMORY))
    except OSError:
        group.rmdir()
        raise
    return [group]


def cgroups_v1(root: Path, name: str) -> list[Path]:
    groups = []
    for kind in ("cpu", "cpuacct", "memory"):
        group = root / kind / name
        if group.resolve() not in groups:
            group.mkdir(exist_ok=True)
            groups.append(group.resolve())
    write(root / "cpu" / name / "cpu.cfs_period_us", "100000")
    write(root / "cpu" / name / "cpu.cfs_quota_us", str(int(CORES * 100_000)))
    write(root / "cpu" / name / "cpu.shares", "100000")
    write(root / "memory" / name / "memory.limit_in_bytes", str(MEMORY))
    return groups


def remove(groups: list[Path]):
    """Kills the remaining processes of control groups and removes the groups."""
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
def limited(suffix: str = ""):
    """Creates control groups with limits, and removes them afterwards."""
    if os.geteuid():
        raise Skip("a control group needs root")
    root, name = Path("/sys/fs/cgroup"), f"loadline-check-{os.getpid()}{suffix}"
    is_v2 = (root / "cgroup.controllers").exists()
    try:
        groups = (cgroup_v2 if is_v2 else cgroups_v1)(root, name)
    except OSError as error:
        raise Skip(f"no control group can be created: {error}") from error
    try:
        yield groups
    finally:
        remove(groups)


def in_a_container_100_percent_means_its_limits(programs):
    with limited() as groups, tempfile.TemporaryDirectory() as folder:
        enter = "; ".join(f"echo 0 > {group}/cgroup.procs" for group in groups)
        listen = f"--listen unix:{folder}/agent --interval 1s --collect cpu,mem"
        # The shell is process 1 of its namespace, as in a container.
        inside = f"{sys.executable} -c '{LOAD}' & {programs.agent} {listen}; exit"
        unshared = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", inside]
        if subprocess.run([*unshared[:-3], "true"], capture_output=True).returncode:
            raise Skip("no process namespace can be created")
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
    result = f"cpu {cpu:.1f} %, mem {mem:.1f} %"
    # The loop would use twice the CPU limit. Half of the memory is allocated; two interpreters and the
    # agent need some more.
    assert 90 <= cpu <= 100, result
    least = ALLOCATED / MEMORY * 100
    assert least <= mem <= least + 15, result
    return result


def read(client) -> tuple[str, list[dict[str, float]]]:
    client.sendall(b"loadline/1\n")
    with client.makefile() as lines:
        header = next(line for line in lines if re.match(r"# loadline/1 ", line))
        with subscribed(client) as rows:
            return header, [next(rows) for _ in range(READINGS)]


CHECKS = [in_a_container_100_percent_means_its_limits]

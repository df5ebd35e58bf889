"""Columns of the agent match psutil, the kernel and `df` at the same time."""

import contextlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from stage import DEADLINE, Skip, agent, connect, running

# Enough for a median that is free of changes between the two readings of a pair.
READINGS = 9

LOAD_SECONDS = 8

MIB = 1024 * 1024

# These scripts end by themselves if nothing else ends them.
BUSY = f"""
import os, time
end = time.monotonic() + {4 * LOAD_SECONDS}
while time.monotonic() < end:
    os.stat('/')
"""
ALLOCATE = f"""
import time
memory = bytearray(256 * {MIB})
for at in range(0, len(memory), 4096):
    memory[at] = 1
print('there', flush=True)
time.sleep({4 * LOAD_SECONDS})
"""


@contextlib.contextmanager
def subscribed(client):
    """Subscribes to an agent and yields an iterator of its rows, each a dictionary."""
    client.sendall(b"loadline/1\n")
    with client.makefile() as lines:
        names = []

        def rows():
            for line in lines:
                if line.startswith("# columns "):
                    names[:] = [word.split(":")[0] for word in line.split()[2:]]
                elif names and not line.startswith("#"):
                    yield dict(zip(names, map(float, line.split()), strict=True))

        yield rows()


@contextlib.contextmanager
def rows_of(programs, groups: str, interval: str = "250ms"):
    """Runs an agent that collects these groups and yields its rows."""
    options = ["--interval", interval, "--collect", groups]
    with agent(programs, *options) as port, connect(port) as client, subscribed(client) as rows:
        next(rows)
        yield rows


def pairs_of(rows, truth, readings: int = READINGS):
    """Returns pairs of a row and the reference values of the same time."""
    return [(next(rows), truth()) for _ in range(readings)]


def compare(pairs, tolerances: dict[str, float]) -> str:
    """Checks the median difference of each column against its tolerance."""
    results = []
    for name, tolerance in tolerances.items():
        difference = statistics.median(abs(row[name] - truth[name]) for row, truth in pairs)
        results.append(f"{name} within {difference:.4g} of {tolerance:g}")
        assert difference <= tolerance, f"{results[-1]}: {[(r[name], t[name]) for r, t in pairs]}"
    return ", ".join(results)


def totals(rows, counters, names: list[str], act) -> dict[str, tuple[float, float]]:
    """Runs `act`. Returns the integral of each rate and the increase of its counter meanwhile."""
    first = next(rows)
    before = counters()
    act()
    samples, last = [], first
    # Includes the row after the end of `act`.
    until = time.time() + 0.4
    while last["time"] < until:
        row = next(rows)
        samples.append((row, row["time"] - last["time"]))
        last = row
    after = counters()
    sums = {name: sum(row[name] * seconds for row, seconds in samples) for name in names}
    return {name: (sums[name], after[name] - before[name]) for name in names}


def compare_totals(pairs: dict[str, tuple[float, float]], least: dict[str, float]) -> str:
    results = []
    for name, (ours, theirs) in pairs.items():
        results.append(f"{name} {ours / MIB:.2f} MiB, reference {theirs / MIB:.2f} MiB")
        assert theirs >= least.get(name, 0), f"too little load: {results[-1]}"
        # Other activity between the two readings counts for only one of them.
        assert abs(ours - theirs) <= max(0.05 * theirs, 2 * MIB), results[-1]
    return ", ".join(results)


def cpu_times_match_psutil(programs):
    def modes(before, after):
        spent = [now - last for now, last in zip(after, before)]
        part = dict(zip(after._fields, spent))
        guests = part.get("guest", 0) + part.get("guest_nice", 0)
        percent = 100 / (sum(spent) - guests)
        return {
            "user": (part["user"] + part["nice"]) * percent,
            "system": (part["system"] + part["irq"] + part["softirq"]) * percent,
            "iowait": part["iowait"] * percent,
            "steal": part["steal"] * percent,
        }

    names = ["user", "system", "iowait", "steal"]
    with rows_of(programs, "cpu,cores", "1s") as rows, running(sys.executable, "-c", BUSY):
        next(rows)
        before, ours, cores = psutil.cpu_times(), [], []
        psutil.cpu_percent(percpu=True)
        for _ in range(LOAD_SECONDS):
            row = next(rows)
            ours.append([row[name] for name in names])
            percents = psutil.cpu_percent(percpu=True)
            cores.append([(row[f"core{at}"], percent) for at, percent in enumerate(percents)])
        theirs = modes(before, psutil.cpu_times())
    results = []
    for at, name in enumerate(names):
        mean = statistics.mean(row[at] for row in ours)
        results.append(f"{name} {mean:.1f} %, reference {theirs[name]:.1f} %")
        assert abs(mean - theirs[name]) <= 3, results[-1]
    for at in range(len(cores[0])):
        own, others = (statistics.mean(row[at][who] for row in cores) for who in (0, 1))
        results.append(f"core{at} {own:.1f} %, reference {others:.1f} %")
        assert abs(own - others) <= 4, results[-1]
    assert theirs["system"] >= 5 / psutil.cpu_count(), f"no core was busy: {results}"
    return ", ".join(results)


def memory_matches_psutil_while_a_process_allocates(programs):
    def truth():
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        return {
            "mem_used": memory.total - memory.available,
            "mem_available": memory.available,
            "mem_total": memory.total,
            "swap": swap.percent,
            "swap_used": swap.used,
        }

    with rows_of(programs, "mem,swap") as rows:
        before = next(rows)["mem_used"]
        with running(sys.executable, "-c", ALLOCATE) as process:
            process.out.line()
            pairs = pairs_of(rows, truth)
    grown = statistics.median(row["mem_used"] for row, _ in pairs) - before
    assert grown >= 100 * MIB, f"an allocation of 256 MiB shows as {grown / MIB:.0f} MiB"
    limits = {"mem_used": 64 * MIB, "mem_available": 64 * MIB, "mem_total": 0}
    return compare(pairs, limits | {"swap": 0.2, "swap_used": 8 * MIB})


def physical(folder: str, name: str) -> bool:
    return Path(folder, name, "device").exists()


def fullest_percent() -> float:
    """Returns the use of the fullest file system on a disk, %."""
    points = {"/"} | {it.mountpoint for it in psutil.disk_partitions() if "ro" not in it.opts.split(",")}
    points = {point for point in points if not point.startswith(("/boot", "/efi", "/etc/", "/snap/"))}
    return max(psutil.disk_usage(point).percent for point in points)


def disk_rates_match_the_kernel_while_dd_writes(programs):
    disks = [disk for disk in os.listdir("/sys/block") if physical("/sys/block", disk)]
    if not disks:
        raise Skip("this machine has no physical disk")

    def counters():
        counts_by_name = psutil.disk_io_counters(perdisk=True)
        counts = [counts_by_name[disk] for disk in disks if disk in counts_by_name]
        return {
            "disk_read": sum(it.read_bytes for it in counts),
            "disk_write": sum(it.write_bytes for it in counts),
        }

    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, rows_of(programs, "disk") as rows:
        path = f"{folder}/file"

        def act():
            dd = ["dd", "bs=1M", "count=48", "status=none"]
            subprocess.run([*dd, "if=/dev/urandom", f"of={path}", "conv=fdatasync"], check=True)
            subprocess.run([*dd, f"if={path}", "of=/dev/null", "iflag=direct"], check=True)

        results = compare_totals(
            totals(rows, counters, ["disk_read", "disk_write"], act),
            {"disk_read": 40 * MIB, "disk_write": 40 * MIB},
        )
        # Values are up to 5 s old.
        for _ in range(6 * 4):
            next(rows)
        used = pairs_of(rows, lambda: {"disk_used": fullest_percent()}, 3)
    return f"{results}, {compare(used, {'disk_used': 0.2})}"


# Addresses reserved for benchmarks, which no network of this machine uses.
NAMESPACE, OUTSIDE, INSIDE = "loadline-check", "198.18.213.1", "198.18.213.2"

# Interface names have at most 15 characters.
PEER = "loadline-peer"

# Sends 8 MiB to the address in its argument. No listener is needed.
SEND = f"""
import socket, sys, time
there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in range({8 * MIB // 1024}):
    try:
        there.sendto(bytes(1024), (sys.argv[1], 9))
    except ConnectionRefusedError:
        pass
    if number % 64 == 0:
        time.sleep(0.005)
"""


@contextlib.contextmanager
def network_namespace():
    """Creates a network namespace like a container's: loopback, and one end of a veth pair."""
    if os.geteuid() or not shutil.which("ip"):
        raise Skip("a network namespace needs root and iproute2")
    ip = lambda *words: subprocess.run(["ip", *words], capture_output=True).returncode == 0  # noqa: E731
    inside = ["netns", "exec", NAMESPACE, "ip"]
    try:
        made = (
            ip("netns", "add", NAMESPACE)
            and ip("link", "add", "eth0", "netns", NAMESPACE, "type", "veth", "peer", "name", PEER)
            and ip("address", "add", f"{OUTSIDE}/30", "dev", PEER)
            and ip("link", "set", PEER, "up")
            and ip(*inside, "address", "add", f"{INSIDE}/30", "dev", "eth0")
            and ip(*inside, "link", "set", "eth0", "up")
            and ip(*inside, "link", "set", "lo", "up")
        )
        if not made:
            raise Skip("no network namespace can be created")
        yield ["ip", "netns", "exec", NAMESPACE]
    finally:
        ip("netns", "delete", NAMESPACE)


def network_rates_match_the_kernel_without_loopback(programs):
    with network_namespace() as inside, tempfile.TemporaryDirectory() as folder:

        def counters():
            text = subprocess.check_output([*inside, "cat", "/proc/net/dev"], text=True)
            counts = re.search(r"^ *eth0: *(.*)$", text, re.M)[1].split()
            return {"net_rx": int(counts[0]), "net_tx": int(counts[8])}

        def act():
            send = [sys.executable, "-c", SEND]
            subprocess.run([*send, INSIDE], check=True)
            subprocess.run([*inside, *send, OUTSIDE], check=True)
            subprocess.run([*inside, *send, "127.0.0.1"], check=True)

        listen = ["--listen", f"unix:{folder}/agent", "--interval", "250ms", "--collect", "net"]
        with running(*inside, programs.agent, *listen) as process:
            process.out.line()
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(DEADLINE)
            client.connect(f"{folder}/agent")
            with client, subscribed(client) as rows:
                next(rows)
                least = {"net_rx": 8 * MIB, "net_tx": 8 * MIB}
                return compare_totals(totals(rows, counters, ["net_rx", "net_tx"], act), least)


def network_rates_are_those_of_physical_interfaces(programs):
    names = [name for name in os.listdir("/sys/class/net") if physical("/sys/class/net", name)]
    if not names:
        raise Skip("this machine has no physical interface")

    def counters():
        counts_by_name = psutil.net_io_counters(pernic=True)
        counts = [counts_by_name[name] for name in names]
        return {
            "net_rx": sum(it.bytes_recv for it in counts),
            "net_tx": sum(it.bytes_sent for it in counts),
        }

    with rows_of(programs, "net") as rows:
        return compare_totals(totals(rows, counters, ["net_rx", "net_tx"], lambda: time.sleep(1)), {})


def pressure_matches_the_kernel(programs):
    if not Path("/proc/pressure/cpu").exists():
        raise Skip("this kernel has no pressure information")

    def truth():
        def read(resource):
            text = Path("/proc/pressure", resource).read_text()
            return float(re.search(r"^some avg10=([0-9.]+)", text)[1])

        return {"psi_cpu": read("cpu"), "psi_mem": read("memory"), "psi_io": read("io")}

    with contextlib.ExitStack() as stack:
        for _ in range(psutil.cpu_count() + 1):
            stack.enter_context(running(sys.executable, "-c", BUSY))
        rows = stack.enter_context(rows_of(programs, "pressure"))
        for _ in range(15):
            next(rows)
        pairs = pairs_of(rows, truth)
    assert pairs[-1][1]["psi_cpu"] > 1, "no task had to wait"
    return compare(pairs, {"psi_cpu": 2, "psi_mem": 2, "psi_io": 2})


def processes_uptime_and_temperature_match_psutil(programs):
    def truth():
        devices = psutil.sensors_temperatures().values()
        sensors = [sensor.current for device in devices for sensor in device]
        sensors = [celsius for celsius in sensors if 1 <= celsius <= 125]
        return {
            "procs": len(psutil.pids()),
            "uptime": time.clock_gettime(time.CLOCK_BOOTTIME),
            "temp": max(sensors, default=float("nan")),
        }

    with rows_of(programs, "procs,uptime,temp") as rows:
        pairs = pairs_of(rows, truth)
    # The uptime of the agent has whole seconds.
    results = compare(pairs, {"procs": 3, "uptime": 1.3})
    has_none = [truth["temp"] != truth["temp"] for _, truth in pairs]
    if all(has_none):
        assert all(row["temp"] != row["temp"] for row, _ in pairs), "a temperature without a sensor"
        return f"{results}, no sensor on this machine"
    return f"{results}, {compare(pairs, {'temp': 3})}"


CHECKS = [
    cpu_times_match_psutil,
    memory_matches_psutil_while_a_process_allocates,
    disk_rates_match_the_kernel_while_dd_writes,
    network_rates_match_the_kernel_without_loopback,
    network_rates_are_those_of_physical_interfaces,
    pressure_matches_the_kernel,
    processes_uptime_and_temperature_match_psutil,
]

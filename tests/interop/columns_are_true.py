"""Each column of the agent is what psutil, the kernel or `df` says at the same moment."""

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

# Many enough that the middle one is untouched by what the machine does between two readings.
READINGS = 9

LOAD_SECONDS = 8

MIB = 1024 * 1024

# They end by themselves, should nobody end them.
BUSY = f"""
import os, time
end = time.monotonic() + {4 * LOAD_SECONDS}
while time.monotonic() < end:
    os.stat('/')
"""
HOG = f"""
import time
memory = bytearray(256 * {MIB})
for at in range(0, len(memory), 4096):
    memory[at] = 1
print('there', flush=True)
time.sleep({4 * LOAD_SECONDS})
"""


@contextlib.contextmanager
def subscribed(client):
    """The rows of an agent as they come, each a dictionary."""
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
    """Those of an agent that collects these groups."""
    options = ["--interval", interval, "--collect", groups]
    with agent(programs, *options) as port, connect(port) as client, subscribed(client) as rows:
        next(rows)
        yield rows


def beside(rows, truth, readings: int = READINGS):
    """Pairs of what the agent and what others say."""
    return [(next(rows), truth()) for _ in range(readings)]


def agree(pairs, tolerances: dict[str, float]) -> str:
    """Holds the middle difference of each column against what it may be."""
    told = []
    for name, tolerance in tolerances.items():
        difference = statistics.median(abs(row[name] - truth[name]) for row, truth in pairs)
        told.append(f"{name} within {difference:.4g} of {tolerance:g}")
        assert difference <= tolerance, f"{told[-1]}: {[(r[name], t[name]) for r, t in pairs]}"
    return ", ".join(told)


def totals(rows, counters, names: list[str], act) -> dict[str, tuple[float, float]]:
    """What rates add up to while something happens, beside how far the counters go meanwhile."""
    first = next(rows)
    before = counters()
    act()
    taken, last = [], first
    # One row more, so that what happened just before is in it.
    until = time.time() + 0.4
    while last["time"] < until:
        row = next(rows)
        taken.append((row, row["time"] - last["time"]))
        last = row
    after = counters()
    sums = {name: sum(row[name] * seconds for row, seconds in taken) for name in names}
    return {name: (sums[name], after[name] - before[name]) for name in names}


def add_up(pairs: dict[str, tuple[float, float]], least: dict[str, float]) -> str:
    told = []
    for name, (ours, theirs) in pairs.items():
        told.append(f"{name} {ours / MIB:.2f} MiB beside {theirs / MIB:.2f} MiB")
        assert theirs >= least.get(name, 0), f"there was no load: {told[-1]}"
        # What others do between the two readings counts for one of them only.
        assert abs(ours - theirs) <= max(0.05 * theirs, 2 * MIB), told[-1]
    return ", ".join(told)


def times_of_the_processor_are_those_of_psutil(programs):
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
    told = []
    for at, name in enumerate(names):
        mean = statistics.mean(row[at] for row in ours)
        told.append(f"{name} {mean:.1f} % beside {theirs[name]:.1f} %")
        assert abs(mean - theirs[name]) <= 3, told[-1]
    for at in range(len(cores[0])):
        mine, others = (statistics.mean(row[at][who] for row in cores) for who in (0, 1))
        told.append(f"core{at} {mine:.1f} % beside {others:.1f} %")
        assert abs(mine - others) <= 4, told[-1]
    assert theirs["system"] >= 5 / psutil.cpu_count(), f"no core was busy: {told}"
    return ", ".join(told)


def amounts_of_memory_are_those_of_psutil_beside_a_hog(programs):
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
        with running(sys.executable, "-c", HOG) as hog:
            hog.out.line()
            pairs = beside(rows, truth)
    grown = statistics.median(row["mem_used"] for row, _ in pairs) - before
    assert grown >= 100 * MIB, f"the hog's 256 MiB made {grown / MIB:.0f} MiB"
    limits = {"mem_used": 64 * MIB, "mem_available": 64 * MIB, "mem_total": 0}
    return agree(pairs, limits | {"swap": 0.2, "swap_used": 8 * MIB})


def physical(folder: str, name: str) -> bool:
    return Path(folder, name, "device").exists()


def disks_do_what_the_kernel_counts_while_dd_writes(programs):
    disks = [disk for disk in os.listdir("/sys/block") if physical("/sys/block", disk)]
    if not disks:
        raise Skip("no physical disk here")

    def counters():
        all_of_them = psutil.disk_io_counters(perdisk=True)
        counts = [all_of_them[disk] for disk in disks if disk in all_of_them]
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

        told = add_up(
            totals(rows, counters, ["disk_read", "disk_write"], act),
            {"disk_read": 40 * MIB, "disk_write": 40 * MIB},
        )
        used = beside(rows, lambda: {"disk_used": psutil.disk_usage("/").percent}, 3)
    return f"{told}, {agree(used, {'disk_used': 0.2})}"


# Addresses that are set aside for measurements: a machine's own network has others.
PLACE, OUTSIDE, INSIDE = "loadline-check", "198.18.213.1", "198.18.213.2"

# A name has at most 15 letters.
PEER = "loadline-peer"

# Sends 8 MiB to the address that it is given; who listens there does not matter.
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
def a_network_of_its_own():
    """A network namespace with what a container has: a loopback, and one end of a pair."""
    if os.geteuid() or not shutil.which("ip"):
        raise Skip("it takes root and iproute2 to make a network")
    ip = lambda *words: subprocess.run(["ip", *words], capture_output=True).returncode == 0  # noqa: E731
    inside = ["netns", "exec", PLACE, "ip"]
    try:
        made = (
            ip("netns", "add", PLACE)
            and ip("link", "add", "eth0", "netns", PLACE, "type", "veth", "peer", "name", PEER)
            and ip("address", "add", f"{OUTSIDE}/30", "dev", PEER)
            and ip("link", "set", PEER, "up")
            and ip(*inside, "address", "add", f"{INSIDE}/30", "dev", "eth0")
            and ip(*inside, "link", "set", "eth0", "up")
            and ip(*inside, "link", "set", "lo", "up")
        )
        if not made:
            raise Skip("no network can be made here")
        yield ["ip", "netns", "exec", PLACE]
    finally:
        ip("netns", "delete", PLACE)


def traffic_is_what_the_kernel_counts_and_loopback_is_not_in_it(programs):
    with a_network_of_its_own() as inside, tempfile.TemporaryDirectory() as folder:

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
                return add_up(totals(rows, counters, ["net_rx", "net_tx"], act), least)


def physical_interfaces_alone_are_summed(programs):
    names = [name for name in os.listdir("/sys/class/net") if physical("/sys/class/net", name)]
    if not names:
        raise Skip("no physical interface here")

    def counters():
        all_of_them = psutil.net_io_counters(pernic=True)
        counts = [all_of_them[name] for name in names]
        return {
            "net_rx": sum(it.bytes_recv for it in counts),
            "net_tx": sum(it.bytes_sent for it in counts),
        }

    with rows_of(programs, "net") as rows:
        return add_up(totals(rows, counters, ["net_rx", "net_tx"], lambda: time.sleep(1)), {})


def pressure_is_what_the_kernel_says(programs):
    if not Path("/proc/pressure/cpu").exists():
        raise Skip("this kernel tells nothing of pressure")

    def truth():
        def of(what):
            text = Path("/proc/pressure", what).read_text()
            return float(re.search(r"^some avg10=([0-9.]+)", text)[1])

        return {"psi_cpu": of("cpu"), "psi_mem": of("memory"), "psi_io": of("io")}

    with contextlib.ExitStack() as stack:
        for _ in range(psutil.cpu_count() + 1):
            stack.enter_context(running(sys.executable, "-c", BUSY))
        rows = stack.enter_context(rows_of(programs, "pressure"))
        for _ in range(15):
            next(rows)
        pairs = beside(rows, truth)
    assert pairs[-1][1]["psi_cpu"] > 1, "nobody had to wait"
    return agree(pairs, {"psi_cpu": 2, "psi_mem": 2, "psi_io": 2})


def processes_uptime_and_temperature_are_those_of_psutil(programs):
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
        pairs = beside(rows, truth)
    # sysinfo has the uptime in whole seconds.
    told = agree(pairs, {"procs": 3, "uptime": 1.3})
    has_none = [truth["temp"] != truth["temp"] for _, truth in pairs]
    if all(has_none):
        assert all(row["temp"] != row["temp"] for row, _ in pairs), "a temperature of no sensor"
        return f"{told}, no sensor here, as psutil says"
    return f"{told}, {agree(pairs, {'temp': 3})}"


CHECKS = [
    times_of_the_processor_are_those_of_psutil,
    amounts_of_memory_are_those_of_psutil_beside_a_hog,
    disks_do_what_the_kernel_counts_while_dd_writes,
    traffic_is_what_the_kernel_counts_and_loopback_is_not_in_it,
    physical_interfaces_alone_are_summed,
    pressure_is_what_the_kernel_says,
    processes_uptime_and_temperature_are_those_of_psutil,
]

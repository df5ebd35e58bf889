"""Agent and Prometheus with node_exporter agree on the traffic of a machine: each byte counts once.

Each machine is a folder with the kernel's files. node_exporter reads it by an option, the agent by mounts in a
mount namespace of its own."""

import contextlib
import os
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from prometheus_as_a_source import START_TIMEOUT, PrometheusServer, rows_of, source
from stage import Skip, free_port, output, port_of, running, wait_until

# Name, interfaces, disks, bytes per second received and read in millions.
#
# An interface has a kind after a colon: `hw` (hardware), `end` (of a virtual cable), `on=LOWER` (a VLAN),
# `bridge=PORTS`, `bond=MEMBERS`, `tunnel` or `tap`. A disk that is not whole is `part`; a disk on others is `on=DISKS`.
MACHINES = {
    "plain": ("eth0:hw", "sda:hw sda1:part", 1, 1),
    "bond": ("eth0:hw eth1:hw bond0:bond=eth0+eth1", "nvme0n1:hw nvme0n1p1:part", 2, 1),
    "vlan": ("enp3s0:hw enp3s0.100:on=enp3s0 storage:on=enp3s0", "vda:hw vda1:part", 1, 1),
    "bridge": (
        "eno1:hw vmbr0:bridge=eno1+tap100i0+fwpr100p0 tap100i0:tap fwbr100i0:bridge=fwln100i0 "
        "fwln100i0:end fwpr100p0:end",
        "sda:hw",
        1,
        1,
    ),
    "kubernetes": (
        "eth0:hw wg0:tunnel cali12ab34:end flannel.1:on=eth0 cni0:bridge=veth12 veth12:end docker0:bridge=",
        "vda:hw drbd0: nbd0: bcache0: loop0:",
        1,
        1,
    ),
    "container": ("eth0:end", "sda:hw sdb:hw", 1, 2),
    "raspberry-pi": ("end0:hw wlan0:hw", "mmcblk0:hw mmcblk0p1:part mmcblk0p2:part", 2, 1),
    "lvm-on-md": ("eth0:hw", "sda:hw sdb:hw sda1:part sdb1:part md127:on=sda1+sdb1 dm-0:on=md127", 1, 2),
    "zvol": ("eth0:hw", "sda:hw sda1:part zd0: zd0p1:part", 1, 1),
    "xen": ("eth0:hw xenbr0:bridge=eth0+vif1.0 vif1.0:hw", "sda:hw dm-0:on=sda", 1, 1),
    "xen-guest": ("eth0:hw", "xvda1:hw xvda2:hw", 1, 2),
    "custom-bridge": ("eno1:hw prod:bridge=eno1 ppp0:tunnel ifb0:tap dummy0:tap", "cciss/c1d0:hw cciss/c1d0p1:part", 1, 1),
    "many-disks": ("eth0:hw", "vdn:hw vdo:hw vdo1:part", 1, 2),
}

RATE = 1_000_000

# Seconds of traffic at the start: Prometheus expects a counter near 0 to be new.
START = 1000.0

# Largest difference between agent and Prometheus, and from the true value.
TOLERANCE = 0.05

ROWS = 12

# The agent is executed with the process id of the shell, whose network folder is replaced.
MOUNTS = """
mount --bind "$1/proc/net" /proc/$$/net
mount --bind "$1/proc/diskstats" /proc/diskstats
mount --bind "$1/sys/class/net" /sys/class/net
mount --bind "$1/sys/block" /sys/block
shift
exec "$@"
"""

COLLECTORS = "cpu loadavg meminfo zfs netdev diskstats"

# Size and minimum of the cache of ZFS: of the machine `zvol`, in bytes.
ARC = (70 << 20, 20 << 20)


class Machine:
    """Folder with the kernel's files of a machine. Counters rise with the time."""

    def __init__(self, folder: Path, interfaces: str, disks: str):
        self.folder = folder
        self.interfaces = dict(it.split(":") for it in interfaces.split())
        self.disks = dict(it.split(":") for it in disks.split())
        for file in ("stat", "loadavg", "meminfo"):
            self.write(f"proc/{file}", Path("/proc", file).read_text())
        for number, (name, kind) in enumerate(self.interfaces.items(), start=2):
            self.add_interface(f"sys/class/net/{name}", name, kind, number)
        for name, kind in self.disks.items():
            block = f"sys/block/{name.replace('/', '!')}"
            if kind != "part":
                self.write(f"{block}/size", "1000000")
                for lower in parts(kind):
                    (folder / block / "slaves" / lower).mkdir(parents=True)
            if kind == "hw":
                (folder / block / "device").mkdir()
        (folder / "proc/net").mkdir()
        if "zd0" in self.disks:
            lines = ["13 1 0x01 2 96 1 2", "name type data", f"size 4 {ARC[0]}", f"c_min 4 {ARC[1]}"]
            self.write("proc/spl/kstat/zfs/arcstats", "".join(f"{line}\n" for line in lines))
        self.raise_counters(START)

    def write(self, path: str, text: str):
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_text(text)

    def add_interface(self, path: str, name: str, kind: str, number: int):
        names = list(self.interfaces)
        link = {"end": 90 + number, "on": number - 1}.get(kind.split("=")[0], number)
        texts = {
            "ifindex": number,
            "iflink": link,
            "type": 65534 if kind == "tunnel" else 1,
            "name_assign_type": 4 if kind == "hw" or names == [name] else 3,
            "address": f"02:00:00:00:00:{number:02x}",
            "operstate": "up",
        }
        for file, value in texts.items():
            self.write(f"{path}/{file}", f"{value}\n")
        folder = self.folder / path
        if kind == "hw":
            (folder / "device").mkdir()
        for role, mark in {"bridge": "bridge", "bond": "bonding"}.items():
            if kind.startswith(role):
                (folder / mark).mkdir()
        for lower in parts(kind):
            (folder / f"lower_{lower}").symlink_to(f"../{lower}")
            if not kind.startswith("on="):
                master = self.folder / f"sys/class/net/{lower}/master"
                master.parent.mkdir(exist_ok=True)
                master.symlink_to(f"../{name}")
        if kind.startswith("bond="):
            self.write("sys/class/net/bonding_masters", f"{name}\n")
            self.write(f"{path}/bonding/slaves", " ".join(parts(kind)) + "\n")
            for lower in parts(kind):
                self.write(f"{path}/lower_{lower}/bonding_slave/mii_status", "up\n")

    def raise_counters(self, seconds: float):
        """Writes the counters in place, because readers keep the files open."""
        lines = ["Inter-|   Receive" + 48 * " " + "|  Transmit", " face |bytes    packets errs drop" + 30 * " "]
        for name, kind in self.interfaces.items():
            members = len(parts(kind)) if kind.startswith("bond=") else 1
            count = f"{int(members * RATE * seconds):20}"
            lines.append(f"{name:>12}: {count} 0 0 0 0 0 0 0 {count} 0 0 0 0 0 0 0")
        replace(self.folder / "proc/net/dev", lines)
        lines = []
        for number, name in enumerate(self.disks):
            sectors = f"{int(RATE * seconds / 512):20}"
            lines.append(f"   8 {number:7} {name} 0 0 {sectors} 0 0 0 {sectors} 0 0 0 0 0 0 0 0 0 0")
        replace(self.folder / "proc/diskstats", lines)


def parts(kind: str) -> list[str]:
    return [part for part in kind.partition("=")[2].split("+") if part]


def replace(path: Path, lines: list[str]):
    with open(path, "r+b" if path.exists() else "wb", buffering=0) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


@contextlib.contextmanager
def rising(machines: list[Machine]):
    """Raises the counters ten times a second."""
    stopped, start = threading.Event(), time.monotonic() - START

    def run():
        while not stopped.wait(0.1):
            for machine in machines:
                machine.raise_counters(time.monotonic() - start)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def node_exporter(machine: Machine, port: int, *collectors: str) -> list[str]:
    return [
        "prometheus-node-exporter",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--path.procfs={machine.folder}/proc",
        f"--path.sysfs={machine.folder}/sys",
        "--collector.disable-defaults",
        *(f"--collector.{name}" for name in [*COLLECTORS.split(), *collectors]),
        "--no-collector.netdev.netlink",
        "--collector.netdev.device-exclude=^$",
        "--collector.diskstats.device-exclude=^$",
    ]


def agent(programs, machine: Machine, port: int) -> list[str]:
    command = [programs.agent, "--listen", "127.0.0.1:0", "--metrics-listen", f"127.0.0.1:{port}"]
    namespace = ["unshare", "--mount", "--propagation", "private"]
    return [*namespace, "sh", "-ec", MOUNTS, "sh", str(machine.folder), *command]


def check_permissions():
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True)
    if os.geteuid() or tried.returncode:
        raise Skip("mounts need root")


def available(machine: Machine) -> int:
    """Returns the available memory of a machine with ZFS, in bytes."""
    meminfo = (machine.folder / "proc/meminfo").read_text()
    return int(meminfo.split("MemAvailable:")[1].split()[0]) * 1024 + ARC[0] - ARC[1]


def medians(rows: list[dict]) -> list[float]:
    """Returns the median of each rate, in millions. Late scrapes of a busy machine make outliers."""
    columns = ["net_rx", "net_tx", "disk_read", "disk_write"]
    return [statistics.median(float(row[column]) for row in rows) / RATE for column in columns]


def agent_and_prometheus_count_each_byte_once(programs):
    check_permissions()
    wrong, compared = [], 0
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        machines = {
            name: Machine(Path(folder, name), interfaces, disks)
            for name, (interfaces, disks, _, _) in MACHINES.items()
        }
        stack.enter_context(rising(list(machines.values())))
        targets, agents = {}, {}
        for name, machine in machines.items():
            ports = [free_port() for _ in range(3)]
            run = stack.enter_context(running(*agent(programs, machine, ports[0])))
            agents[name] = f"127.0.0.1:{port_of(run)}"
            stack.enter_context(running(*node_exporter(machine, ports[1], "netclass", "bonding")))
            stack.enter_context(running(*node_exporter(machine, ports[2])))
            for port, kind in zip(ports, ["metrics of the agent", "node_exporter", "names only"], strict=True):
                targets[f"127.0.0.1:{port}"] = (name, kind)
        server = PrometheusServer(f"{folder}/plain", [int(target.split(":")[1]) for target in targets])
        same_name = clusters(server, targets)
        server.start()
        stack.callback(server.stop)
        wait_until("a sample", server.has_samples, START_TIMEOUT)
        rows = rows_of(output(programs.client, source(server, "?job=node"), "-o", "csv", "-n", str(ROWS * len(targets))))
        found = {(name, "agent"): rows_of(output(programs.client, address, "-o", "csv", "-n", str(ROWS + 1)))[1:]
                 for name, address in agents.items()}
        for target, key in targets.items():
            found[key] = [row for row in rows if row["source"] == target]
        for (name, kind), rows in found.items():
            received, read = MACHINES[name][2:]
            expected = [received, received, read, read]
            for number, true in zip(medians(rows), expected, strict=True):
                compared += 1
                if not abs(number - true) <= TOLERANCE * true:
                    wrong.append(f"{name}, {kind}: {[round(it, 2) for it in medians(rows)]}, not {expected}")
                    break
        assert not wrong, "; ".join(wrong)
        row = found["zvol", "node_exporter"][-1]
        assert float(row["mem_available"]) == available(machines["zvol"]), row
        used = float(row["mem_total"]) - float(row["mem_available"])
        assert float(row["mem_used"]) == used and abs(float(row["mem"]) - 100 * used / float(row["mem_total"])) < 0.1, row
        rows = rows_of(output(programs.client, source(server, "?job=clusters"), "-o", "csv", "-n", str(2 * ROWS)))
        for name, received in same_name.items():
            number = medians([row for row in rows if row["source"] == name])[0]
            assert abs(number - received) <= TOLERANCE * received, f"{name}: {number}"
    return f"{compared} rates of {len(MACHINES)} machines"


def clusters(server: PrometheusServer, targets: dict) -> dict:
    """Adds two machines of the same name in two clusters. Returns the traffic of each source."""
    addresses = {key: target for target, key in targets.items()}
    configs = [
        f"{{targets: ['{addresses[machine, 'node_exporter']}'], labels: {{instance: web-1, cluster: {cluster}}}}}"
        for cluster, machine in [("eu", "plain"), ("us", "bond")]
    ]
    with open(server.folder / "prometheus.yml", "a") as file:
        file.write(f"- {{job_name: clusters, static_configs: [{', '.join(configs)}]}}\n")
    server.instances += ["web-1", "web-1"]
    return {"web-1 (eu)": 1, "web-1 (us)": 2}


CHECKS = [agent_and_prometheus_count_each_byte_once]

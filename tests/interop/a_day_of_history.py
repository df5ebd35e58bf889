"""A day of samples and looks: an agent reads it from its state directory, sends it once, and a screen goes back
to its begin over a link of 1 MB/s while live rows stay on time.

The limits of time and memory are those of a release build; a debug build takes longer. To measure one:
python3 a_day_of_history.py AGENT CLIENT"""

import contextlib
import os
import random
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

from stage import DEADLINE, Process, Programs, connect, running, wait_until
from terminal import screen

DAY = 86_400
LOOK_SECONDS = 5
RUN = "9f3a17c2"
MIB = 1024 * 1024

# A debug build takes this many times longer at most.
DEBUG_FACTOR = 15

# Limits of the issue: seconds, seconds of CPU, MiB.
RESTART_MAX, READ_MAX, FRAME_MAX, HOME_MAX, MEMORY_MAX = 2.0, 1.0, 0.3, 10.0, 12.0

# Bytes per second of the slow link.
LINK_RATE = 1_000_000

# Time for which the rest of the day is watched on its way, in seconds.
WATCH_SECONDS = 8.0

# A live row is late after this time in seconds. The agent's own delay and that of the machine count.
LATE = 2.0

NAMES = "systemd sshd cron postgres nginx redis-server ffmpeg java node python3 rsyslogd dockerd".split()
COLUMNS = (
    "cpu:% freq:MHz mem:% load1 load5 load15 user:% system:% iowait:% steal:% mem_used:B mem_available:B "
    "mem_total:B swap:% swap_used:B net_rx:B/s net_tx:B/s disk_read:B/s disk_write:B/s disk_used:% psi_cpu:% "
    "psi_mem:% psi_io:%"
)
TOTAL = 25_276_510_208


class Machine:
    """Values with the noise of a server."""

    def __init__(self):
        self.random = random.Random(17)
        self.cpu, self.used, self.load = 20.0, 4_000_000_000, [1.0, 1.0, 1.0]
        self.pids = {name: self.random.randrange(300, 30_000) for name in NAMES}
        self.memory = {name: self.random.randrange(4 << 20, 900 << 20, 4096) for name in NAMES}

    def row(self) -> str:
        chance = self.random
        self.cpu = min(100.0, max(1.0, self.cpu + chance.gauss(0, 3)))
        self.used += chance.randrange(-500, 500) * 4096
        for at, share in enumerate((0.016, 0.0033, 0.0011)):
            self.load[at] += (self.cpu / 50 - self.load[at]) * share + abs(chance.gauss(0, 0.01))
        user = self.cpu * 0.7
        loads = " ".join(f"{load:.2f}" for load in self.load)
        disk = [chance.choice((0, 0, 0, chance.randrange(1, 9000) * 4096)) for _ in range(2)]
        net = [chance.randrange(200, 2_000_000) for _ in range(2)]
        return (
            f"{self.cpu:.1f} {2300 + chance.gauss(0, 60):.1f} {self.used / TOTAL * 100:.1f} {loads} {user:.1f} "
            f"{self.cpu - user:.1f} {abs(chance.gauss(0, 1)):.1f} 0.0 {self.used} {TOTAL - self.used} {TOTAL} "
            f"0.0 0 {net[0]} {net[1]} {disk[0]} {disk[1]} 62.7 {self.cpu / 20:.1f} 0.0 {abs(chance.gauss(0, 1)):.1f}"
        )

    def look(self, at: float) -> str:
        chance, left = self.random, self.cpu
        lines, listed = [], chance.sample(NAMES, 8)
        for name in listed:
            share = round(left * chance.random() / 2, 1)
            left -= share
            self.memory[name] = max(4096, self.memory[name] + chance.randrange(-50, 50) * 4096)
            unit = f" unit={name}.service" if name != "python3" else ""
            io = chance.choice((0, 0, chance.randrange(0, 5 << 20)))
            text = f"pid={self.pids[name]} name={name} user=root{unit} cpu={share:.1f} mem={self.memory[name]} io={io}"
            lines.append(f"# proc {text}\n")
        top = f"# top time={at:.3f} over=5.0 processes=212 cpu={self.cpu:.1f} other={left:.1f}\n"
        return top + "".join(lines)


def write_day(folder: Path) -> float:
    """Writes a state directory as an agent does. Returns the time of its first sample."""
    folder.mkdir(mode=0o755)
    machine, begin = Machine(), int(time.time()) - DAY + 60
    with (folder / "newer.load").open("w") as file:
        file.write(f"# loadline/1 run={RUN} host=web-1 interval=1000ms cores=2 memory={TOTAL}\n")
        file.write(f"# columns time:s seq {COLUMNS}\n")
        for seq in range(1, DAY - 60):
            at = begin + seq + 0.024
            row = machine.row()
            if seq % LOOK_SECONDS == 0:
                file.write(machine.look(at))
            file.write(f"{at:.3f} {seq} {row}\n")
    return begin + 1.024


class SlowLink:
    """Forwards one connection, and what comes back at the rate of a slow link. Watches the rows."""

    def __init__(self, port: int):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.server = self.listener.getsockname()[1], connect(port)
        self.begin, self.bytes, self.latest, self.oldest = time.time(), 0, 0.0, float("inf")
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with self.listener, self.server, contextlib.suppress(OSError):
            client, _ = self.listener.accept()
            # Otherwise the buffers of the system hide the link.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
            self.server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            self.server.settimeout(None)
            threading.Thread(target=self.forward, args=[client], daemon=True).start()
            rest, free = b"", 0.0
            while more := self.server.recv(8192):
                # A sleep that took too long is made up for.
                free = max(free, time.monotonic() - 0.05) + len(more) / LINK_RATE
                time.sleep(max(0.0, free - time.monotonic()))
                client.sendall(more)
                self.bytes += len(more)
                *lines, rest = (rest + more).split(b"\n")
                self.watch(lines)

    def forward(self, client: socket.socket):
        with contextlib.suppress(OSError):
            while request := client.recv(4096):
                self.server.sendall(request)

    def watch(self, lines: list[bytes]):
        for line in lines:
            is_past = line.startswith(b"# past ")
            words = line.removeprefix(b"# past ").split()
            if words and not words[0].startswith(b"#") and len(words) > 6:
                at = float(words[0])
                if is_past:
                    self.oldest = min(self.oldest, at)
                elif at > self.begin:
                    self.latest = max(self.latest, time.time() - at)


def read_all(port: int) -> tuple[int, int]:
    """Returns the numbers of rows and looks of the history."""
    with connect(port) as client:
        client.settimeout(DEADLINE * DEBUG_FACTOR)
        client.sendall(b"loadline/1 history=all top=5\n")
        seqs, looks = [], 0
        for line in client.makefile("rb"):
            if line.startswith(b"# live"):
                break
            looks += line.startswith(b"# top ")
            # A plain row may precede the header.
            if not line.startswith(b"#") and b" " in line and len(words := line.split(b" ", 2)[:2]) == 2:
                seqs.append((float(words[0]), words[1]))
    seqs = [it for it in seqs if it[0] > 1e9]
    assert len(set(seqs)) == len(seqs), "a row was sent twice"
    return len(seqs), looks


def go_home(client: str, port: int, begin: float) -> tuple[float, SlowLink]:
    """Returns the time from pressing Home to the first sample of the day."""
    link = SlowLink(port)
    with screen(client, f"127.0.0.1:{link.port}") as terminal:
        terminal.wait_for(" LIVE ")
        pressed = time.monotonic()
        terminal.type("\x1b[H")
        limit = HOME_MAX * DEBUG_FACTOR
        wait_until("the first sample", lambda: terminal.text() and link.oldest <= begin + 1, limit)
        terminal.wait_for("loading", time.strftime("%H:%M", time.localtime(begin + 150)))
        took = time.monotonic() - pressed
        # The rest of the day follows, beside the live rows.
        watched = time.monotonic() + WATCH_SECONDS
        while time.monotonic() < watched:
            assert "STALE" not in terminal.text(), terminal.text()
            time.sleep(0.1)
        terminal.quit()
    return took, link


def measure(programs: Programs, folder: Path) -> dict[str, tuple[float, float]]:
    """Returns measured values with their limits, by name."""
    begin = write_day(folder / "state")
    options = ["--listen", "127.0.0.1:0", "--state-dir", str(folder / "state")]
    with running(programs.agent, *options) as agent:
        port = port_of_slow(agent)
        # On a busy machine, the agent starts before all is loaded.
        wait_until("the day", lambda: oldest(port) <= begin + 1, RESTART_MAX * DEBUG_FACTOR)
        restart = cpu_seconds(agent)
        started = time.monotonic()
        with screen(programs.client, f"127.0.0.1:{port}") as terminal:
            terminal.wait_for("CPU")
            frame = time.monotonic() - started
            terminal.wait_for(" LIVE ")
            terminal.quit()
        before = cpu_seconds(agent)
        rows, looks = read_all(port)
        read = cpu_seconds(agent) - before
        assert rows >= DAY - 61 and looks >= rows // LOOK_SECONDS - 2, f"{rows} rows and {looks} looks of a day"
        home, link = go_home(programs.client, port, begin)
        memory = resident_mib(agent)
    return {
        "restart, s of CPU": (restart, RESTART_MAX),
        "first frame, s": (frame, FRAME_MAX),
        "all of it, s of CPU": (read, READ_MAX),
        "Home, s": (home, HOME_MAX),
        "latest live row, s": (link.latest, LATE),
        "memory, MiB": (memory, MEMORY_MAX),
        "loaded, MB": (link.bytes / 1e6, float("inf")),
    }


def port_of_slow(agent: Process) -> int:
    return int(agent.out.line(RESTART_MAX * DEBUG_FACTOR).rsplit(":", 1)[1])


def oldest(port: int) -> float:
    """Returns the time of the oldest sample that an agent has."""
    with connect(port) as client:
        client.sendall(b"loadline/1\n")
        header = next(line for line in client.makefile() if line.startswith("# loadline/1 "))
        return float(header.split(" oldest=")[1].split()[0])


def cpu_seconds(agent: Process) -> float:
    """Returns the CPU time, with that of threads that have ended."""
    words = Path(f"/proc/{agent.child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(agent: Process) -> float:
    status = Path(f"/proc/{agent.child.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def a_day_is_kept_sent_once_and_reached(programs):
    factor = DEBUG_FACTOR if "/debug/" in programs.agent else 1
    with tempfile.TemporaryDirectory() as folder:
        values = measure(programs, Path(folder))
    results = ", ".join(f"{name}: {value:.2f}" for name, (value, _) in values.items())
    for name, (value, limit) in values.items():
        assert value <= limit * factor, f"{name} above {limit * factor}: {results}"
    return results


CHECKS = [a_day_is_kept_sent_once_and_reached]

if __name__ == "__main__":
    print(a_day_is_kept_sent_once_and_reached(Programs(*sys.argv[1:])))

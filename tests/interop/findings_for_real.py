"""Each finding of the diagnosis is produced for real and gives its sentence; it goes away with its cause.

Cases that disturb no other one run side by side. Steal needs a hypervisor: a small server sends it."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from limits_of_a_container import MEMORY, limited
from stage import Programs, Skip, agent, running, wait_until

# Time in which a sentence appears, in seconds. A cause lasts some seconds before it is a finding.
BEGINS_WITHIN = 40.0

# Time in which it goes: 10 s, and that of a check.
ENDS_WITHIN = 10.0 + 8.0

# Share of time in which tasks wait for the CPU, in %, below which this machine is calm, and the wait for it.
CALM_MAX, CALM_WITHIN = 30.0, 30.0

BUSY = "import time\nend = time.monotonic() + 120\nwhile time.monotonic() < end: pass"

# Fills the memory of its control group up to a few MiB.
FILL_MEMORY = """
import os, sys, time
group, limit = sys.argv[1], int(sys.argv[2])
names = [f"{group}/memory.current", f"{group}/memory.usage_in_bytes"]
usage = next(name for name in names if os.path.exists(name))
def used():
    stat = dict(line.split() for line in open(f"{group}/memory.stat"))
    return int(open(usage).read()) - int(stat.get("total_inactive_file", stat["inactive_file"]))
blocks = []
while used() < 0.988 * limit:
    blocks.append(b"x" * (256 << 10))
time.sleep(120)
"""

# Tasks that wait in state D: a parent waits for its child to execute, and the child for somebody who opens a FIFO.
BLOCKED = """
import os, sys, time
fifo = sys.argv[1]
for _ in range(100):
    if os.fork() == 0:
        os.posix_spawn("/bin/true", ["true"], {}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, fifo, os.O_RDONLY, 0)])
        os._exit(0)
time.sleep(120)
"""


def sentence(client: str, source: str) -> str:
    """Returns the finding of `--check`."""
    result = subprocess.run([client, source, "--check"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    found = re.search(r"(?m)^finding +(.*(?:\n +.*)*)", result.stdout)
    return found[1] if found else ""


def appears(programs: Programs, source: str, pattern: str) -> str:
    seen = []

    def found():
        seen.append(sentence(programs.client, source))
        return re.search(pattern, seen[-1]) and seen[-1]

    try:
        return wait_until(pattern, found, BEGINS_WITHIN)
    except AssertionError as error:
        raise AssertionError(f"{error}, {seen[-1]!r} was found") from None


def goes(programs: Programs, source: str, pattern: str):
    gone = lambda: not re.search(pattern, sentence(programs.client, source))  # noqa: E731
    wait_until(f"the end of {pattern}", gone, ENDS_WITHIN)


@contextlib.contextmanager
def cpu(programs, folder: Path):
    """Many more busy loops than cores: fewer are a build, until they last."""
    with agent(programs) as port, contextlib.ExitStack() as cause:
        for _ in range(4 * os.cpu_count()):
            cause.enter_context(running(sys.executable, "-c", BUSY))
        yield f"127.0.0.1:{port}", cause.close


@contextlib.contextmanager
def disk(programs, folder: Path):
    """Small writes that wait for the disk."""
    with agent(programs) as port, contextlib.ExitStack() as cause:
        for number in range(8):
            write = f"dd if=/dev/zero of={folder}/{number} bs=64k count=2000 oflag=dsync status=none"
            command = ["sh", "-c", f"while :; do {write}; done"]
            # The group has the shell and its dd.
            child = subprocess.Popen(command, start_new_session=True)
            cause.callback(child.wait)
            cause.callback(os.killpg, child.pid, 9)
        yield f"127.0.0.1:{port}", cause.close


@contextlib.contextmanager
def blocked(programs, folder: Path):
    """Tasks that wait, not for a CPU."""
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    with agent(programs) as port, contextlib.ExitStack() as cause:
        child = subprocess.Popen([sys.executable, "-c", BLOCKED, str(fifo)], start_new_session=True)
        cause.callback(child.wait)
        cause.callback(os.killpg, child.pid, 9)
        yield f"127.0.0.1:{port}", cause.close


@contextlib.contextmanager
def file_system(programs, folder: Path):
    """A full tmpfs, in a mount namespace."""
    disk, listen = folder / "disk", f"unix:{folder}/agent"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=16M none {disk}"
    unshared = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]
    if subprocess.run([*unshared, mount], capture_output=True).returncode:
        raise Skip("no file system can be mounted")
    with running(*unshared, f'{mount} && exec "$0" -l {listen}', programs.agent) as process:
        process.out.line()
        filler = Path(f"/proc/{process.child.pid}/root{disk}/filler")
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(65_536)):
                pass
        yield listen, filler.unlink


@contextlib.contextmanager
def in_a_container(programs, folder: Path, suffix: str, script: str):
    with limited(suffix) as groups:
        listen = f"unix:{folder}/agent"
        enter = "; ".join(f"echo 0 > {group}/cgroup.procs" for group in groups)
        unshared = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        if subprocess.run([*unshared, "true"], capture_output=True).returncode:
            raise Skip("no process namespace can be created")
        # The shell is process 1 of its namespace, as in a container.
        inside = f'"$1" -c "$2" {groups[-1]} {MEMORY} & "$0" -l {listen}; exit'
        command = ["sh", "-c", f'{enter}; exec "$@"', "sh", *unshared, "sh", "-c", inside]

        def end_cause():
            for pid in (groups[0] / "cgroup.procs").read_text().split():
                if Path(f"/proc/{pid}/comm").read_text().startswith("python"):
                    os.kill(int(pid), 9)

        with running(*command, programs.agent, sys.executable, script) as process:
            process.out.line()
            yield listen, end_cause


def cpu_limit(programs, folder: Path):
    """A busy loop in a container with a part of a core."""
    return in_a_container(programs, folder, "-cpu", BUSY)


def memory(programs, folder: Path):
    """A container whose memory is nearly full."""
    return in_a_container(programs, folder, "-memory", FILL_MEMORY)


@contextlib.contextmanager
def steal(programs, folder: Path):
    """A server whose hypervisor takes its CPUs."""
    begin, end = time.time() - 60, []

    def row(at: int) -> str:
        stolen = 35.0 if not end or at < end[0] else 0.0
        return f"{at}.000 {at - int(begin) + 1} {stolen + 20} 10.0 {stolen} 0.5\n"

    def serve(client):
        with client, contextlib.suppress(OSError):
            client.recv(4096)
            at = int(time.time())
            header = f"# loadline/1 run=00000017 host=web-1 interval=1000ms cores=2 now={time.time():.3f}\n"
            columns = "# columns time:s seq cpu:% mem:% steal:% load1\n"
            rows = "".join(row(then) for then in range(int(begin), at))
            client.sendall(f"{header}{columns}{rows}# live\n".encode())
            while True:
                client.sendall(row(at).encode())
                at += 1
                time.sleep(max(0.0, at - time.time()))

    def accept(listener):
        with contextlib.suppress(OSError):
            while True:
                client = listener.accept()[0]
                threading.Thread(target=serve, args=[client], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, args=[listener], daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", lambda: end.append(time.time())


def find(programs, case, pattern: str) -> str:
    """Returns the sentence of a case. It goes with its cause."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name, case(programs, Path(name)) as (source, end):
        text = appears(programs, source, pattern)
        end()
        goes(programs, source, pattern)
        return text


def findings_of_containers_file_systems_and_hypervisors(programs):
    cases = {
        cpu_limit: "CPU limit",
        memory: "(?i)memory",
        file_system: "(?i)file system",
        steal: "(?i)stolen|steal",
    }
    with ThreadPoolExecutor() as pool:
        found = [pool.submit(find, programs, *case) for case in cases.items()]
    texts = []
    for result in found:
        try:
            texts.append(result.result())
        except Skip as error:
            texts.append(f"skipped: {error}")
    return "; ".join(texts)


def wait_for_a_calm_cpu():
    """Waits until other work lets the CPU alone: a saturated CPU hides what it causes."""
    def is_calm():
        text = Path("/proc/pressure/cpu").read_text()
        return float(re.search(r"^some avg10=([0-9.]+)", text)[1]) < CALM_MAX

    with contextlib.suppress(FileNotFoundError):
        try:
            wait_until("a calm CPU", is_calm, CALM_WITHIN)
        except AssertionError:
            raise Skip("this machine is busy with other work") from None


def a_busy_disk_is_found(programs):
    wait_for_a_calm_cpu()
    return find(programs, disk, "(?i)disk saturated")


def blocked_tasks_are_found(programs):
    wait_for_a_calm_cpu()
    return find(programs, blocked, "(?i)blocked")


def a_busy_cpu_is_found(programs):
    wait_for_a_calm_cpu()
    return find(programs, cpu, "CPU saturated")


CHECKS = [
    findings_of_containers_file_systems_and_hypervisors,
    a_busy_disk_is_found,
    blocked_tasks_are_found,
    a_busy_cpu_is_found,
]

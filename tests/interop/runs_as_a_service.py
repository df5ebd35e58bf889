"""systemd accepts the unit files, and the agent serves on its sockets."""

import contextlib
import csv
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from stage import DEADLINE, Skip, connect, output, running, retry, wait_until

UNITS = Path(__file__).parents[2] / "packaging" / "systemd"

# Limit of systemd's exposure level, from 0 (best) to 10. Half of it is unavoidable for a monitor, which
# sees the machine and uses the network.
EXPOSURE_MAX = 1.7

# Boots systemd with only these units, on top of the files of this machine, which stay as they are.
BOOT = """set -e
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
cd /mnt/root
mkdir units
cp "$1"/* units
cp "$2" "$3" usr/bin
for target in sysinit basic sockets shutdown multi-user network; do
    printf '[Unit]\nDefaultDependencies=no\n' >units/$target.target
done
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for folder in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs $folder; done
for device in null zero full random urandom tty; do
    touch dev/$device && mount --bind /dev/$device dev/$device
done
ip link set lo up
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=test SYSTEMD_UNIT_PATH=/units \
    SYSTEMD_GENERATOR_PATH=/none chroot . "$(readlink -f "$(command -v systemd)")" --system --unit=basic.target
"""

SOCKET = "/run/loadline/agent.sock"

# An ordinary user.
USER = 1000


class Machine:
    """Machine with systemd as its first process, in namespaces and a control group of its own."""

    def __init__(self, init: int):
        self.enter = ["nsenter", "--target", str(init), "--all", "--root", "--wd=/"]

    def run(self, *command: str, user: int = 0) -> str:
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        # The caller's variables do not apply there.
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/none"]
        return output(*self.enter, *become, *clean, *command)

    def source(self, *options: str) -> str:
        """Returns the source of a user's `loadline` without SOURCE."""
        (row,) = csv.DictReader(self.run("loadline", "-o", "csv", "-n", "1", *options, user=USER).splitlines())
        return row["source"]

    def states(self) -> list[str]:
        states = "systemctl is-active loadline-agent.service loadline-agent.socket || true"
        return self.run("sh", "-c", states).split()


def own_cgroup() -> Path:
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    roots = [Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"]
    path = re.search(r"^0::/(.*)", Path("/proc/self/cgroup").read_text(), re.M)
    if os.geteuid() != 0 or not roots or not path:
        raise Skip("systemd needs root and control groups of version 2")
    group = roots[0] / path[1] / f"loadline-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        raise Skip(f"no control group: {error}") from None
    return group


@contextlib.contextmanager
def machine(programs):
    group = own_cgroup()
    new = ["--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--fork", "--propagation", "private"]
    join = f'echo 0 >"{group}/cgroup.procs"; exec unshare {" ".join(new)} sh -c "$0" sh "$@"'
    boot = ["sh", "-c", join, BOOT, str(UNITS), programs.agent, programs.client]
    with running(*boot) as process:
        children = psutil.Process(process.child.pid).children
        try:
            (init,) = wait_until("systemd", lambda: process.child.poll() is not None or children())
            here = Machine(init.pid)
            up = "systemctl is-active basic.target || true"
            wait_until("its target", lambda: here.run("sh", "-c", up).strip() == "active")
        except (AssertionError, TypeError):
            raise Skip(f"systemd does not start in namespaces: {process.stderr()[-300:]}") from None
        try:
            yield here
        finally:
            os.kill(init.pid, signal.SIGKILL)
            process.child.wait(DEADLINE)
            folders = sorted((Path(it) for it, _, _ in os.walk(group)), reverse=True)
            wait_until("the end of its processes", lambda: all(removed(folder) for folder in folders))


def removed(group: Path) -> bool:
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()


def systemd_accepts_the_unit_files(programs):
    with tempfile.TemporaryDirectory() as folder:
        units = []
        for unit in UNITS.iterdir():
            # Neither the agent nor its manual page is installed.
            text = unit.read_text().replace("/usr/bin/loadline-agent", programs.agent)
            lines = [line for line in text.splitlines() if not line.startswith("Documentation=")]
            units.append(Path(folder) / unit.name)
            units[-1].write_text("\n".join(lines))
        verify = ["systemd-analyze", "--recursive-errors=no", "verify", *map(str, units)]
        result = subprocess.run(verify, capture_output=True, text=True, timeout=DEADLINE)
        complaints = [line for line in result.stderr.splitlines() if "loadline-agent" in line]
        assert result.returncode == 0 and not complaints, result.stderr


def the_exposure_of_the_service_is_low(programs):
    unit = UNITS / "loadline-agent.service"
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    found = re.search(r"Overall exposure level for loadline-agent\.service: ([\d.]+)", result.stdout)
    assert found, result.stdout + result.stderr
    assert float(found[1]) <= EXPOSURE_MAX, result.stdout
    return f"exposure {found[1]}"


def the_agent_serves_on_the_socket_that_systemd_opened(programs):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    activate = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", programs.agent, "-i", "250ms"]
    with running(*activate) as service:
        # The first connection starts the agent.
        client = retry(lambda: first_connection(port), 100)
        with client, client.makefile() as lines:
            assert service.out.line() == f"listening on 127.0.0.1:{port}"
            rows = [lines.readline().split() for _ in range(3)]
        assert all(len(row) == 6 for row in rows), rows
        assert service.end() == 0


def users_of_the_machine_find_the_service(programs):
    with machine(programs) as here:
        here.run("systemctl", "start", "loadline-agent.service")
        assert here.states() == ["active", "active"]
        status = here.run("systemctl", "show", "--property=StatusText", "loadline-agent.service")
        assert f"listening on unix:{SOCKET}, 127.0.0.1:1027" in status, status
        assert here.run("stat", "--format=%U %a", "/run/loadline").strip() == "root 755"
        assert here.source("--history", "all") == f"unix:{SOCKET}"
        # systemd has given the service a number of a user that no list contains.
        here.run("rm", SOCKET)
        assert here.source() == "127.0.0.1:1027"
        here.run("systemctl", "restart", "loadline-agent.service")
        assert here.source() == f"unix:{SOCKET}"
        # Another user may take the port first.
        here.run("systemctl", "stop", "loadline-agent.service")
        other = ["setpriv", f"--reuid={USER + 1}", f"--regid={USER + 1}", "--clear-groups"]
        here.run("systemd-run", *other, "nc", "-lk", "127.0.0.1", "1027")
        here.run("sh", "-c", "until nc -z 127.0.0.1 1027; do sleep 0.1; done")
        here.run("systemctl", "start", "loadline-agent.service")
        assert here.source() == f"unix:{SOCKET}"
        status = here.run("systemctl", "show", "--property=StatusText", "loadline-agent.service")
        assert status.strip() == f"StatusText=listening on unix:{SOCKET}", status
        # Nobody can start a service that was stopped.
        here.run("systemctl", "stop", "loadline-agent.service")
        assert here.source() == "localhost"
        assert here.states() == ["inactive", "inactive"]


def the_first_client_starts_the_service(programs):
    with machine(programs) as here:
        here.run("systemctl", "start", "loadline-agent.socket")
        assert here.states() == ["inactive", "active"]
        assert here.source() == f"unix:{SOCKET}"
        assert here.states() == ["active", "active"]
        # The port can be a socket of systemd as well.
        here.run("systemctl", "stop", "loadline-agent.service")
        port = "mkdir $0.d && printf '[Socket]\\nListenStream=127.0.0.1:1027\\n' >$0.d/port.conf && systemctl daemon-reload"
        here.run("sh", "-c", port, "/units/loadline-agent.socket")
        here.run("systemctl", "start", "loadline-agent.socket")
        assert here.source() == f"unix:{SOCKET}"
        here.run("rm", SOCKET)
        assert here.source() == "127.0.0.1:1027"


def first_connection(port: int) -> socket.socket:
    try:
        return connect(port)
    except ConnectionRefusedError as error:
        time.sleep(0.05)
        raise AssertionError("nothing listens yet") from error


CHECKS = [
    systemd_accepts_the_unit_files,
    the_exposure_of_the_service_is_low,
    the_agent_serves_on_the_socket_that_systemd_opened,
    users_of_the_machine_find_the_service,
    the_first_client_starts_the_service,
]

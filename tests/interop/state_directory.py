"""The agent's state directory on disks that are full, read-only, gone or hang, and with other users.

Each disk is a file system in a mount namespace of its own."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stage import DEADLINE, Process, Programs, Skip, connect, port_of, running, wait_until

# A user without privileges.
NOBODY = "65534"

# Time that the disk is full: more than ten attempts to write.
FULL = 14.0

# Longest time until the agent ends.
END = 2.0

# Longest time until the agent notices a change, with a sample every hour.
NOTICE = 60.0

# Mounts a file system over a folder whose server never answers, then executes a command. The server ends with it.
HANGING = """
import ctypes, os, sys
device = os.open("/dev/fuse", os.O_RDWR)
os.set_inheritable(device, True)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"hanging", sys.argv[1].encode(), b"fuse", 0, options):
    sys.exit(os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[2], sys.argv[2:])
"""


def rows(folder: Path) -> list[str]:
    """Returns run and sequence number of each row on disk. Every file begins with a header."""
    found = []
    for name in ("older.load", "newer.load"):
        run = None
        with contextlib.suppress(FileNotFoundError):
            for line in (folder / name).read_text().splitlines():
                if line.startswith("# loadline/1"):
                    run = line.split(" run=")[1][:8]
                elif not line.startswith("#"):
                    found.append(f"{run}:{line.split()[1]}")
    assert not any(row.startswith("None") for row in found), f"rows without a header: {found}"
    return found


def history(port: int) -> list[str]:
    """Returns run and sequence number of each sample that the agent holds."""
    found, run = [], None
    with connect(port) as client:
        client.sendall(b"loadline/1 history=all\n")
        for line in client.makefile():
            if line.startswith("# live"):
                return found
            if line.startswith("# loadline/1"):
                run = line.split(" run=")[1][:8]
            elif not line.startswith("#") and run:
                found.append(f"{run}:{line.split()[1]}")
    raise AssertionError("the stream ended before its live part")


@contextlib.contextmanager
def folders():
    """Yields a folder in which only root can write, and a program that everybody can run."""
    if os.geteuid():
        raise Skip("file systems and other users need root")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def command(programs: Programs, folder: Path, interval: str = "250ms") -> list[str]:
    return [programs.agent, "-l", "127.0.0.1:0", "-i", interval, "--state-dir", str(folder)]


@contextlib.contextmanager
def mounted(folder: Path, mounts: str, *agent: str):
    """Runs an agent in a mount namespace. `$1` of the commands for the mounts is the folder."""
    namespace = ["unshare", "--mount", "--propagation", "private"]
    inside = [*namespace, "sh", "-c", f'{mounts} && shift && exec "$@"', "sh", str(folder)]
    tried = subprocess.run([*inside, "true"], capture_output=True, text=True)
    if tried.returncode:
        raise Skip(f"no mounts here: {tried.stderr.strip()}")
    with running(*inside, *agent) as process:
        yield process


def inside(process: Process, *command: str):
    """Runs a command in the mount namespace of a process."""
    subprocess.run(["nsenter", "--target", str(process.child.pid), "--mount", *command], check=True)


def end(process: Process):
    begin = time.monotonic()
    assert process.end() == 0, process.stderr()
    took = time.monotonic() - begin
    assert took < END, f"the agent needed {took:.1f} s to end"


def logged(process: Process, text: str, count: int = 1):
    log = process.stderr()
    assert log.count(text) == count, f"{log.count(text)} times {text!r} in {log}"


def no_sample_is_lost_while_the_disk_is_full(programs: Programs) -> str:
    with folders() as folder:
        agent = command(programs, folder)
        with mounted(folder, 'mount -t tmpfs -o size=64k,mode=700 tmpfs "$1"', *agent) as process:
            port = port_of(process)
            disk = Path(f"/proc/{process.child.pid}/root{folder}")
            wait_until("a row on disk", lambda: len(rows(disk)) > 4)
            with open(disk / "other", "wb", buffering=0) as other, contextlib.suppress(OSError):
                while True:
                    other.write(bytes(1000))
            before = len(rows(disk))
            time.sleep(FULL)
            held = history(port)
            assert len(held) > len(rows(disk)) + 4 / 0.25, "the disk was not full"
            (disk / "other").unlink()
            wait_until("all samples on disk", lambda: set(history(port)) <= {*rows(disk), *history(port)[-2:]})
            wait_until("new samples on disk", lambda: len(rows(disk)) > len(held) + 8)
            found = rows(disk)
            assert len(set(found)) == len(found), f"doubled: {found}"
            logged(process, "cannot keep samples, retrying error=No space left on device")
            logged(process, "keeping samples again")
            logged(process, "lost", 0)
            end(process)
            return f"{len(found)} samples, {before} of them before"


def an_agent_starts_on_a_read_only_disk(programs: Programs) -> str:
    with folders() as folder:
        with running(*command(programs, folder)) as first:
            port_of(first)
            wait_until("rows on disk", lambda: len(rows(folder)) > 4)
            end(first)
        earlier = rows(folder)
        mounts = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"'
        with mounted(folder, mounts, *command(programs, folder)) as process:
            port = port_of(process)
            held = history(port)
            assert held[: len(earlier)] == earlier and len(held) > len(earlier), "earlier samples are missing"
            time.sleep(3)
            logged(process, "cannot keep samples, retrying error=Read-only file system")
            assert rows(folder) == earlier
            inside(process, "mount", "-o", "remount,bind,rw", str(folder))
            wait_until("rows on disk", lambda: len(rows(folder)) > len(earlier) + 20)
            logged(process, "keeping samples again")
            end(process)
        found = rows(folder)
        numbers = [int(row.split(":")[1]) for row in found[len(earlier) :]]
        assert found[: len(earlier)] == earlier and numbers == list(range(1, len(numbers) + 1)), found
        return f"{len(earlier)} earlier samples, {len(numbers)} new ones"


def an_agent_starts_on_a_full_disk(programs: Programs) -> str:
    with folders() as folder:
        mounts = 'mount -t tmpfs -o size=64k,nr_inodes=2,mode=700 tmpfs "$1" && touch "$1/other"'
        with mounted(folder, mounts, *command(programs, folder / "state")) as process:
            port = port_of(process)
            disk = Path(f"/proc/{process.child.pid}/root{folder}")
            time.sleep(3)
            assert not (disk / "state").exists(), "the disk was not full"
            logged(process, "cannot keep samples, retrying error=No space left on device")
            inside(process, "mount", "-o", "remount,nr_inodes=100", str(folder))
            wait_until("rows on disk", lambda: len(rows(disk / "state")) > 10)
            assert {*history(port)[:10]} <= {*rows(disk / "state")}
            end(process)


def a_removed_folder_is_noticed_between_two_samples(programs: Programs) -> str:
    with folders() as folder:
        state = folder / "state"
        with running(*command(programs, state, "1h")) as process:
            port = port_of(process)
            wait_until("a row on disk", lambda: rows(state))
            shutil.rmtree(state)
            begin = time.monotonic()
            wait_until("a row on disk again", lambda: rows(state), within=NOTICE)
            took = time.monotonic() - begin
            assert rows(state) == history(port)
            logged(process, "newer.load was removed: rewriting the samples")
            end(process)
        return f"within {took:.0f} s"


def a_disk_that_hangs_stops_nothing(programs: Programs) -> str:
    with folders() as folder:
        if not os.path.exists("/dev/fuse"):
            raise Skip("no /dev/fuse")
        hanging = [sys.executable, "-B", "-c", HANGING, str(folder)]
        with mounted(folder, "true", *hanging, *command(programs, folder)) as process:
            # Long enough to handle signals, and shorter than the agent waits for the disk.
            time.sleep(2)
            end(process)
        with mounted(folder, "true", *hanging, *command(programs, folder)) as process:
            port = port_of(process)
            wait_until("samples", lambda: len(history(port)) > 10)
            logged(process, "the disk of --state-dir is slow: starting before earlier samples are loaded")
            wait_until("the error", lambda: "does not answer: samples stay in memory" in process.stderr(), within=30)
            end(process)
            logged(process, "stopped before all samples were on disk")
        # The same below a running agent.
        with mounted(folder, "true", *command(programs, folder)) as process:
            port = port_of(process)
            wait_until("rows on disk", lambda: len(rows(folder)) > 4)
            target = ["nsenter", "--target", str(process.child.pid), "--mount"]
            with running(*target, *hanging, "sleep", "60") as server:
                wait_until("the error", lambda: "does not answer: samples stay in memory" in process.stderr(), within=30)
                before = len(history(port))
                wait_until("more samples", lambda: len(history(port)) > before + 10)
                server.child.kill()
            end(process)
        return "at the start and later"


def a_disk_that_cannot_be_interrupted_stops_no_restart(programs: Programs) -> str:
    with folders() as folder:
        image, disk = folder / "image", folder / "disk"
        disk.mkdir()
        if not shutil.which("mkfs.ext4") or not shutil.which("fsfreeze"):
            raise Skip("no mkfs.ext4 or fsfreeze")
        with open(image, "wb") as file:
            file.truncate(16 << 20)
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
        mounts = f'mount -o loop {image} "$1" && chmod 755 "$1"'
        state = disk / "state"
        with mounted(disk, mounts, *command(programs, state)) as first:
            port_of(first)
            visible = Path(f"/proc/{first.child.pid}/root{state}")
            wait_until("rows on disk", lambda: len(rows(visible)) > 4)
            # Keeps the namespace after the end of the agent.
            with running("nsenter", "--target", str(first.child.pid), "--mount", "sleep", "120") as keeper:
                visible = Path(f"/proc/{keeper.child.pid}/root{state}")
                wait_until("the namespace", lambda: rows(visible))
                inside(keeper, "fsfreeze", "-f", str(disk))
                try:
                    time.sleep(1)
                    first.child.terminate()
                    wait_until("the end", lambda: "stopped\n" in first.stderr(), within=END)
                    again = ["nsenter", "--target", str(keeper.child.pid), "--mount", *command(programs, state)]
                    with running(*again) as second:
                        port = port_of(second)
                        earlier = rows(visible)
                        wait_until("samples", lambda: len(history(port)) > len(earlier) + 8)
                        assert history(port)[: len(earlier)] == earlier, "earlier samples are missing"
                        inside(keeper, "fsfreeze", "-u", str(disk))
                        assert first.child.wait(DEADLINE) == 0
                        held = history(port)
                        wait_until("rows on disk", lambda: set(held) <= set(rows(visible)), within=NOTICE)
                        found = rows(visible)
                        assert len(set(found)) == len(found), f"doubled: {found}"
                        end(second)
                finally:
                    frozen = ["nsenter", "--target", str(keeper.child.pid), "--mount", "fsfreeze", "-u", str(disk)]
                    subprocess.run(frozen, capture_output=True)
        return f"{len(earlier)} earlier samples"


def a_directory_of_another_user_is_refused(programs: Programs) -> str:
    with folders() as folder:
        state, victim = folder / "state", folder / "victim"
        victim.write_text("precious")

        def check(error: str):
            with running(*command(programs, state)) as process:
                port = port_of(process)
                wait_until("samples", lambda: len(history(port)) > 2)
                end(process)
                logged(process, f"cannot keep samples, retrying error={error}")
            assert not (state / "newer.load").exists() or (state / "newer.load").is_symlink()
            assert victim.read_text() == "precious"

        state.mkdir(mode=0o700)
        os.chown(state, int(NOBODY), 0)
        (state / "newer.load").symlink_to(victim)
        check(f"{state} belongs to user {NOBODY}; give --state-dir a directory of your own")
        os.chown(state, 0, int(NOBODY))
        state.chmod(0o775)
        check(f"its group can write to {state}; run chmod go-w {state}")
        state.chmod(0o755)
        check(f"{state}/newer.load is a symbolic link; remove it")
        (state / "newer.load").unlink()
        # Somebody else's link to a directory of root.
        state.rename(folder / "other")
        state.symlink_to(folder / "other")
        os.lchown(state, int(NOBODY), 0)
        check(f"{state} belongs to user {NOBODY}; give --state-dir a directory of your own")
        os.lchown(state, 0, 0)
        with running(*command(programs, state)) as process:
            port_of(process)
            wait_until("rows below a link of root", lambda: rows(folder / "other"))
        return "owner, group, symbolic links"


def an_agent_without_permission_keeps_samples_once_it_has_it(programs: Programs) -> str:
    with folders() as folder:
        agent, state = folder / "loadline-agent", folder / "state"
        shutil.copy(programs.agent, agent)
        state.mkdir(mode=0o700)
        as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        if not shutil.which("setpriv"):
            raise Skip("no setpriv")
        with running(*as_nobody, *command(Programs(str(agent), ""), state)) as process:
            port_of(process)
            wait_until("the error", lambda: "error=Permission denied" in process.stderr())
            os.chown(state, int(NOBODY), int(NOBODY))
            wait_until("rows on disk", lambda: len(rows(state)) > 8)
            assert rows(state)[0].endswith(":1"), "the first samples are missing"
            end(process)
            logged(process, "cannot keep samples")
            logged(process, "keeping samples again")


CHECKS = [
    no_sample_is_lost_while_the_disk_is_full,
    an_agent_starts_on_a_read_only_disk,
    an_agent_starts_on_a_full_disk,
    a_removed_folder_is_noticed_between_two_samples,
    a_disk_that_hangs_stops_nothing,
    a_disk_that_cannot_be_interrupted_stops_no_restart,
    a_directory_of_another_user_is_refused,
    an_agent_without_permission_keeps_samples_once_it_has_it,
]

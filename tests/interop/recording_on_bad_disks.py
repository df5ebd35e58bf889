"""Recordings on a disk that takes no data, and on a full one: rows are received meanwhile, and none is lost."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stage import Programs, Skip, agent, is_error, running, wait_until
from terminal import screen

# Time that the disk takes no data, in seconds: more than the 3 s of a stalled recording.
STALL = 6.0

# Time limit of a check in its own mount namespace, in seconds.
LIMIT = 120

INTERVAL = "250ms"


def run(*command: str):
    if not shutil.which(command[0]):
        raise Skip(f"{command[0]} is not installed")
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise Skip(f"{command[0]} failed: {result.stderr.strip()}")


@contextlib.contextmanager
def mounted(folder: Path, *options: str):
    """Mounts a file system for as long as the body runs."""
    run("mount", *options, str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], capture_output=True)


@contextlib.contextmanager
def frozen(folder: Path):
    """Lets the file system take no data: each write waits."""
    run("fsfreeze", "--freeze", str(folder))
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", str(folder)], check=True)


def check_rows(path: Path) -> int:
    """Asserts that the file has whole rows only, without gaps. Returns their number."""
    text = path.read_text()
    assert text.endswith("\n"), text[-100:]
    rows = [line.split(" ") for line in text.splitlines() if not line.startswith("#")]
    assert len({len(row) for row in rows}) == 1, "rows of different lengths"
    numbers = [int(row[1]) for row in rows]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), numbers
    return len(numbers)


def on_a_frozen_disk(programs, folder: Path) -> str:
    image, disk = folder / "image", folder / "disk"
    disk.mkdir()
    run("truncate", "--size", "16M", str(image))
    run("mkfs.ext4", "-q", str(image))
    with mounted(disk, "-o", "loop", str(image)), agent(programs, "--interval", INTERVAL) as port:
        source = f"127.0.0.1:{port}"
        on_screen, in_csv = disk / "screen.load", disk / "csv.load"
        with (
            screen(programs.client, source, "--record", str(on_screen)) as terminal,
            running(programs.client, source, "-o", "csv", "--record", str(in_csv)) as csv,
        ):
            terminal.wait_for("LIVE", "REC")
            csv.out.line()
            csv.out.line()
            with frozen(disk):
                until = time.monotonic() + STALL
                terminal.wait_for("REC stalled 4 s")
                rows = 0
                while time.monotonic() < until:
                    shown = terminal.text()
                    assert "STALE" not in shown and "LIVE" in shown, shown
                    csv.out.line(within=2)
                    rows += 1
                assert rows >= 4, f"{rows} rows while the disk took no data"
            terminal.wait_for("no row is missing")
            assert "REC stalled" not in terminal.text(), terminal.text()
            wait_until("recovery", lambda: "continues, no row is missing" in csv.stderr())
            assert csv.stderr().count("stalled: its file system does not answer") == 1, csv.stderr()
            terminal.quit()
            assert csv.end() == 0
            counts = [check_rows(on_screen), check_rows(in_csv)]
            # A reader has all that was displayed.
            displayed = csv.out.bytes.count(b"\n") + rows
            assert counts[1] >= displayed, f"{counts[1]} of {displayed} rows"
        ends_while_frozen(programs, disk, source)
    return f"{counts[0]} rows of a screen and {counts[1]} of a CSV, {STALL:g} s without a disk"


def ends_while_frozen(programs, disk: Path, source: str):
    """Asserts that the program says within its limit what is not written, and that a new file is
    refused. The system may keep the process until the disk takes data."""
    path = disk / "end.load"
    late = programs.client, source, "-o", "csv", "--record", str(disk / "late.load")
    with running(programs.client, source, "-o", "csv", "--record", str(path)) as csv:
        csv.out.line()
        csv.out.line()
        with contextlib.ExitStack() as after, frozen(disk):
            # It ends once the disk takes data.
            refused = after.enter_context(running(*late))
            wait_until("a refusal", lambda: "its file system does not answer" in refused.stderr())
            assert is_error(refused.stderr()), refused.stderr()
            wait_until("a stall", lambda: "stalled" in csv.stderr())
            start = time.monotonic()
            csv.child.send_signal(signal.SIGTERM)
            wait_until("the end", lambda: f"not recorded to {path}" in csv.stderr(), within=4)
            assert time.monotonic() - start < 3.5
        csv.child.wait(20)
    # The next recording begins behind whole rows.
    with running(programs.client, source, "-o", "csv", "-n", "2", "--record", str(path)) as csv:
        assert csv.child.wait(20) == 0
    text = path.read_text()
    rows = [line.split(" ") for line in text.splitlines() if not line.startswith("#")]
    assert len({len(row) for row in rows}) == 1, "a half row"


def on_a_full_disk(programs, folder: Path) -> str:
    disk = folder / "disk"
    disk.mkdir()
    path, filler = disk / "a.load", disk / "filler"
    with mounted(disk, "-t", "tmpfs", "-o", "size=256k", "tmpfs"), agent(
        programs, "--interval", INTERVAL
    ) as port:
        with running(
            programs.client, f"127.0.0.1:{port}", "-o", "csv", "--record", str(path)
        ) as csv:
            csv.out.line()
            csv.out.line()
            with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
                while True:
                    file.write(bytes(4096))
            wait_until(
                "a full disk", lambda: "stalled: No space left on device" in csv.stderr(), within=60
            )
            for _ in range(20):
                csv.out.line()
            filler.unlink()
            wait_until("recovery", lambda: "continues, no row is missing" in csv.stderr())
            csv.out.line()
            assert csv.end() == 0
            errors = csv.stderr()
            assert errors.count("warning: ") == 2, errors
        rows = check_rows(path)
    return f"{rows} rows"


def in_a_namespace(programs, name: str) -> str:
    """Runs a check in a mount namespace of its own."""
    if os.geteuid():
        raise Skip("a mount needs root")
    unshared = ["unshare", "--mount", "--propagation", "private"]
    if subprocess.run([*unshared, "true"], capture_output=True).returncode:
        raise Skip("no mount namespace can be created")
    command = [*unshared, sys.executable, "-B", __file__, name, json.dumps(vars(programs))]
    result = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    if result.returncode == 77:
        raise Skip(result.stdout.strip())
    assert result.returncode == 0, result.stderr.strip().splitlines()[-1]
    return result.stdout.strip()


def a_disk_that_takes_no_data_holds_up_no_row_and_loses_none(programs) -> str:
    return in_a_namespace(programs, "frozen")


def a_full_disk_loses_no_row_of_a_recording(programs) -> str:
    return in_a_namespace(programs, "full")


CHECKS = [
    a_disk_that_takes_no_data_holds_up_no_row_and_loses_none,
    a_full_disk_loses_no_row_of_a_recording,
]


def main() -> int:
    check = {"frozen": on_a_frozen_disk, "full": on_a_full_disk}[sys.argv[1]]
    try:
        with tempfile.TemporaryDirectory() as folder:
            print(check(Programs(**json.loads(sys.argv[2])), Path(folder)))
    except Skip as error:
        print(error)
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())

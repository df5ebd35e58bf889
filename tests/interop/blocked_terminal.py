"""Terminals that are not read for a minute: each row is recorded with the time of its receipt."""

import contextlib
import os
import re
import resource
import select
import socket
import tempfile
import threading
import time
from pathlib import Path

from stage import Programs, agent, retry
from terminal import Screen, screen

ROWS_PER_SECOND = 10
SECONDS = 60
ROWS = ROWS_PER_SECOND * SECONDS

# Frequency of the first row. Each row has one more than the previous row.
FIRST = 1000

# Difference between the sending of a row and its recorded time, in seconds.
TOLERANCE = 0.02

# CPU time of a program during the minute, in seconds. A program that polls its terminal takes most of the minute.
CPU_MAX = 10

# Growth of the memory of a program during the minute.
GROWTH_MAX = 32 * 1024 * 1024

# Frames of the buffers and of the second after the minute. The frames of all rows would be ten times as many.
FRAMES_MAX = 60

END_OF_FRAME = b"\x1b[?2026l"
CTRL_L = "\x0c"


class Server(threading.Thread):
    """Sends numbered rows without times to one client."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.sent: list[float] = []
        self.start()

    def run(self):
        client, _ = self.listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start = time.monotonic()
        for number in range(ROWS):
            time.sleep(max(0, start + number / ROWS_PER_SECOND - time.monotonic()))
            self.sent.append(time.time())
            client.sendall(f"12.5 {FIRST + number} 43.1 0.52 0.44 0.40\n".encode())
        time.sleep(1)
        client.close()
        self.listener.close()

    def check_times(self, times: dict[int, float]) -> float:
        """Returns the largest difference to the times of sending."""
        late = [abs(at - self.sent[number]) for number, at in times.items()]
        wrong = sum(error > TOLERANCE for error in late)
        assert not wrong, f"{wrong} of {len(late)} times are wrong, one by {max(late):.3f} s"
        return max(late)


def recorded(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]


def times_of(path: Path) -> dict[int, float]:
    times = {int(float(row[2])) - FIRST: float(row[0]) for row in recorded(path)}
    assert sorted(times) == list(range(ROWS)), f"{len(times)} of {ROWS} rows are recorded"
    return times


def times_in_table(text: str) -> dict[int, float]:
    """Returns the times in the data table of a screen. They are of today, in local time."""
    rows = re.findall(r"^(\d\d):(\d\d):(\d\d\.\d{3}) .* (\d{4})\.0 ", text, re.MULTILINE)
    midnight = time.mktime((*time.localtime()[:3], 0, 0, 0, 0, 0, -1))
    return {
        int(frequency) - FIRST: midnight + int(hour) * 3600 + int(minute) * 60 + float(second)
        for hour, minute, second, frequency in rows
    }


def usage(terminal: Screen) -> tuple[float, int]:
    """Returns CPU time in seconds and resident memory in bytes."""
    process = Path("/proc", str(terminal.process))
    fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return cpu, int((process / "statm").read_text().split()[1]) * resource.getpagesize()


def read_for(terminal: Screen, seconds: float) -> bytes:
    read, until = b"", time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([terminal.fd], [], [], left)[0]:
            read += os.read(terminal.fd, 65536)
    terminal.stream.feed(read)
    return read


def check_usage(before: list[tuple[float, int]], terminals: list[Screen]):
    for (cpu_before, memory_before), terminal in zip(before, terminals):
        cpu, memory = usage(terminal)
        assert cpu - cpu_before < CPU_MAX, f"{cpu - cpu_before:.1f} s of CPU time"
        assert memory - memory_before < GROWTH_MAX, f"memory grew by {memory - memory_before} bytes"


def watch(programs: Programs, folder: Path) -> str:
    on_screen, in_table, first, second = (Server() for _ in range(4))
    paths = {name: folder / f"{name}.load" for name in ("screen", "table", "agent")}
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(agent(programs, "--interval", "250ms"))
        charts = [
            stack.enter_context(screen(programs.client, *arguments))
            for arguments in (
                (on_screen.address, "--record", str(paths["screen"])),
                (f"127.0.0.1:{port}", "--record", str(paths["agent"])),
                (first.address, second.address),
            )
        ]
        arguments = in_table.address, "-o", "table", "--record", str(paths["table"])
        table = stack.enter_context(screen(programs.client, *arguments))
        terminals = [*charts, table]
        for terminal in terminals:
            terminal.wait_for("LIVE" if terminal in charts else f"{FIRST}.0")
        before = [usage(terminal) for terminal in terminals]
        # Redraws fill the buffers. Nothing reads the terminals until all rows are sent.
        while any(server.is_alive() for server in (on_screen, in_table, first, second)):
            for terminal in charts:
                terminal.type(CTRL_L)
            time.sleep(0.2)
        check_usage(before, terminals)
        late = max(
            on_screen.check_times(times_of(paths["screen"])),
            in_table.check_times(times_of(paths["table"])),
        )
        numbers = [int(row[1]) for row in recorded(paths["agent"])]
        missing = set(range(numbers[0], numbers[-1] + 1)) - set(numbers)
        assert len(numbers) > SECONDS * 3 and not missing, f"{len(numbers)} rows, without {missing}"
        for terminal in charts:
            frames = read_for(terminal, 1).count(END_OF_FRAME)
            assert 0 < frames < FRAMES_MAX, f"{frames} frames after the minute"
            assert "LIVE" in terminal.text() or "RECONNECTING" in terminal.text(), terminal.text()
        # Of several sources, each has its rows with their times.
        several = charts[2]
        for server, keys in ((first, "\rd"), (second, "n")):
            several.type(keys)
            read_for(several, 1)
            shown = times_in_table(several.text())
            assert len(shown) > 10 and max(shown) == ROWS - 1, several.text()
            server.check_times(shown)
        table.wait_for(f"{FIRST + ROWS - 1}.0")
        for terminal in charts:
            terminal.quit()
    return f"{ROWS} rows on a screen and {ROWS} in a table, at most {late * 1000:.0f} ms off"


def terminals_that_are_not_read_for_a_minute_lose_no_row(programs: Programs) -> str:
    def attempt() -> str:
        with tempfile.TemporaryDirectory() as folder:
            return watch(programs, Path(folder))

    return retry(attempt, tries=2)


CHECKS = [terminals_that_are_not_read_for_a_minute_lose_no_row]

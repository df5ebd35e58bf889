"""Streams as LabPlot needs them. LabPlot takes each read as one row and the column types from the first
row. To add a source it opens four connections, and resets one of them."""

import re
import selectors
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from stage import DEADLINE, agent, connect, port_of, running, retry

# A first value without a decimal point would make an integer column.
NUMBER = rb"(?:-?[0-9]+\.[0-9]+|nan)"
ROW = re.compile(NUMBER + rb"(?: " + NUMBER + rb"){5}\n")

# Number of connections that are opened and reset in sequence.
RESETS = 50

# Attempts: on a busy machine, one read may return two rows.
ATTEMPTS = 4


def assert_row(received: bytes) -> bytes:
    assert ROW.fullmatch(received), f"one read returns {received!r}, which is not one row"
    return received


def after_a_reset_of_one_of_four_connections_the_others_get_one_row_per_read(programs):
    def attempt():
        with agent(programs, "--interval", "300ms") as port:
            clients = [connect(port) for _ in range(4)]
            try:
                for client in clients:
                    assert_row(client.recv(4096))
                reset(clients.pop(1))
                for received in reads(clients, each=5):
                    assert_row(received)
            finally:
                for client in clients:
                    client.close()

    retry(attempt, ATTEMPTS)


def reset(client: socket.socket):
    """Closes a connection with a TCP reset."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def reads(clients, each: int):
    """Yields the results of `each` reads of each connection, as soon as data arrives."""
    left = dict.fromkeys(clients, each)
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client, selectors.EVENT_READ)
        while any(left.values()):
            ready = selector.select(DEADLINE)
            assert ready, f"no row within {DEADLINE:g} s"
            for key, _ in ready:
                yield key.fileobj.recv(4096)
                left[key.fileobj] -= 1


def the_first_row_comes_within_50_ms(programs):
    def wait() -> float:
        begin = time.perf_counter()
        with connect(port) as client:
            assert_row(client.recv(4096))
            return (time.perf_counter() - begin) * 1000

    # At this interval, the only row is the newest sample.
    with agent(programs, "--interval", "1h", "--history", "1h") as port:
        waits = [wait() for _ in range(10)]
    assert min(waits) <= 50, f"{min(waits):.1f} ms at best"
    return f"{min(waits):.1f} ms at best, {max(waits):.1f} ms at worst"


def resets_of_other_connections_do_not_disturb_a_reader(programs):
    def attempt():
        with agent(programs, "--interval", "300ms") as port, connect(port) as stable:
            for nth in range(RESETS):
                other = connect(port)
                # Every second one reads its first row before the reset.
                if nth % 2:
                    assert_row(other.recv(4096))
                reset(other)
            drain(stable)
            for received in reads([stable], each=5):
                assert_row(received)
            with connect(port) as late:
                assert_row(late.recv(4096))

    retry(attempt, ATTEMPTS)
    return f"{RESETS} resets"


def drain(client: socket.socket):
    """Reads all pending data."""
    client.setblocking(False)
    try:
        while client.recv(4096):
            pass
    except BlockingIOError:
        client.settimeout(DEADLINE)


def a_late_client_begins_with_the_newest_row(programs):
    with agent(programs, "--interval", "250ms") as port:
        with connect(port) as early, early.makefile("rb") as first:
            before = [first.readline() for _ in range(8)]
            with connect(port) as late, late.makefile("rb") as second:
                rows = [second.readline() for _ in range(5)]
                known = before + [first.readline() for _ in range(8)]
    for row in known + rows:
        assert_row(row)
    # The late client may connect at the time of the next sample, or some samples later on a busy machine.
    begins = [at for at in range(len(before) - 1, len(known)) if known[at : at + 5] == rows]
    assert begins, f"{rows} do not begin at the newest of {before}"


def after_a_pause_a_client_gets_all_rows_and_then_one_per_read(programs):
    def attempt():
        with agent(programs, "--interval", "300ms") as port:
            with connect(port) as paused, connect(port) as active:
                # The active client determines the length of the pause.
                meanwhile = [assert_row(received) for received in reads([active], each=6)]
                caught_up = b""
                while caught_up.count(b"\n") < len(meanwhile):
                    caught_up += paused.recv(4096)
                lines = caught_up.splitlines(keepends=True)
                for line in lines:
                    assert_row(line)
                # Both connected at the same sample, or at consecutive ones.
                missed = [lines[at : at + 5] for at in (0, 1)]
                assert meanwhile[:5] in missed, f"{lines} instead of {meanwhile}"
                for received in reads([paused], each=4):
                    assert_row(received)

    retry(attempt, ATTEMPTS)


def rows_have_six_numbers_with_any_collectors(programs):
    for collect in ([], ["--collect", "all"], ["--collect", "cores,net"], ["--collect", "uptime"]):
        with agent(programs, "--interval", "250ms", *collect) as port, connect(port) as client:
            with client.makefile("rb") as rows:
                for _ in range(5):
                    assert_row(rows.readline())


def the_decimal_point_is_a_dot_in_a_german_locale(programs):
    with tempfile.TemporaryDirectory() as folder:
        locale = make_german(folder)
        german = ["env", "LC_ALL=de_DE.UTF-8", "LANG=de_DE.UTF-8", *locale]
        options = ["--listen", "127.0.0.1:0", "--interval", "250ms"]
        with running(*german, programs.agent, *options) as process:
            with connect(port_of(process)) as client, client.makefile("rb") as rows:
                for _ in range(5):
                    assert_row(rows.readline())
        if locale:
            shown = subprocess.check_output([*german, "printf", "%.1f", "1,5"], text=True)
            assert shown == "1,5", f"the locale is not German: {shown}"
    return "" if locale else "this machine lacks the locale itself"


def make_german(folder: str) -> list[str]:
    """Compiles the locale if its definition is installed. Returns the environment variables that select it."""
    if not shutil.which("localedef"):
        return []
    where = str(Path(folder, "de_DE.UTF-8"))
    command = ["localedef", "--no-archive", "-i", "de_DE", "-f", "UTF-8", where]
    subprocess.run(command, capture_output=True, timeout=DEADLINE)
    return [f"LOCPATH={folder}"] if Path(where).is_dir() else []


CHECKS = [
    after_a_reset_of_one_of_four_connections_the_others_get_one_row_per_read,
    the_first_row_comes_within_50_ms,
    resets_of_other_connections_do_not_disturb_a_reader,
    a_late_client_begins_with_the_newest_row,
    after_a_pause_a_client_gets_all_rows_and_then_one_per_read,
    rows_have_six_numbers_with_any_collectors,
    the_decimal_point_is_a_dot_in_a_german_locale,
]

"""LabPlot's manners at the wire: it takes one read for one row, and the kinds of its columns from the
first one; it opens four connections to add one source, and resets one of them."""

import re
import selectors
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from stage import DEADLINE, agent, connect, port_of, running, some_time_or_other

# A first number without a point would make its column one of whole numbers.
NUMBER = rb"(?:-?[0-9]+\.[0-9]+|nan)"
ROW = re.compile(NUMBER + rb"(?: " + NUMBER + rb"){5}\n")

# So many connections come and are reset, one after the other.
RESETS = 50

# A machine that is too busy to read each row before the next one comes sees two at once.
TRIES = 4


def assert_row(received: bytes) -> bytes:
    assert ROW.fullmatch(received), f"one read gives {received!r}, which is not one row"
    return received


def one_of_four_connections_is_reset_and_the_others_get_a_row_a_read(programs):
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

    some_time_or_other(attempt, TRIES)


def reset(client: socket.socket):
    """Ends a connection without a farewell."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def reads(clients, each: int):
    """What so many reads of each connection give, each as soon as there is something."""
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

    # At an interval this long, no row comes but the one that is there already.
    with agent(programs, "--interval", "1h", "--history", "1h") as port:
        waits = [wait() for _ in range(10)]
    assert min(waits) <= 50, f"it takes {min(waits):.1f} ms at best"
    return f"{min(waits):.1f} ms at best, {max(waits):.1f} ms at worst"


def a_reset_of_others_leaves_a_reader_its_rows(programs):
    def attempt():
        with agent(programs, "--interval", "300ms") as port, connect(port) as stays:
            for nth in range(RESETS):
                comes = connect(port)
                # Some are reset before their first row has been read, some behind it.
                if nth % 2:
                    assert_row(comes.recv(4096))
                reset(comes)
            drain(stays)
            for received in reads([stays], each=5):
                assert_row(received)
            with connect(port) as late:
                assert_row(late.recv(4096))

    some_time_or_other(attempt, TRIES)
    return f"{RESETS} resets"


def drain(client: socket.socket):
    """Reads what came while others were looked after."""
    client.setblocking(False)
    try:
        while client.recv(4096):
            pass
    except BlockingIOError:
        client.settimeout(DEADLINE)


def who_comes_late_gets_the_newest_row_and_none_before_it(programs):
    with agent(programs, "--interval", "250ms") as port:
        with connect(port) as early, early.makefile("rb") as first:
            before = [first.readline() for _ in range(8)]
            with connect(port) as late, late.makefile("rb") as second:
                rows = [second.readline() for _ in range(5)]
                known = before + [first.readline() for _ in range(8)]
    for row in known + rows:
        assert_row(row)
    # It may come just when the next sample does, and on a busy machine a few later.
    begins = [at for at in range(len(before) - 1, len(known)) if known[at : at + 5] == rows]
    assert begins, f"{rows} do not begin at the newest of {before}"


def who_pauses_gets_the_rows_of_the_pause_whole_and_then_one_a_read(programs):
    def attempt():
        with agent(programs, "--interval", "300ms") as port:
            with connect(port) as pauses, connect(port) as reads_on:
                # The other one tells how long the pause is.
                meanwhile = [assert_row(received) for received in reads([reads_on], each=6)]
                caught_up = b""
                while caught_up.count(b"\n") < len(meanwhile):
                    caught_up += pauses.recv(4096)
                lines = caught_up.splitlines(keepends=True)
                for line in lines:
                    assert_row(line)
                # They connected at the same sample, or at two that follow each other.
                missed = [lines[at : at + 5] for at in (0, 1)]
                assert meanwhile[:5] in missed, f"{lines} instead of {meanwhile}"
                for received in reads([pauses], each=4):
                    assert_row(received)

    some_time_or_other(attempt, TRIES)


def rows_are_six_numbers_whatever_is_collected(programs):
    for collect in ([], ["--collect", "all"], ["--collect", "cores,net"], ["--collect", "uptime"]):
        with agent(programs, "--interval", "250ms", *collect) as port, connect(port) as client:
            with client.makefile("rb") as rows:
                for _ in range(5):
                    assert_row(rows.readline())


def the_decimal_point_is_a_dot_in_germany_as_well(programs):
    with tempfile.TemporaryDirectory() as folder:
        made = make_german(folder)
        german = ["env", "LC_ALL=de_DE.UTF-8", "LANG=de_DE.UTF-8", *made]
        options = ["--listen", "127.0.0.1:0", "--interval", "250ms"]
        with running(*german, programs.agent, *options) as process:
            with connect(port_of(process)) as client, client.makefile("rb") as rows:
                for _ in range(5):
                    assert_row(rows.readline())
        if made:
            shown = subprocess.check_output([*german, "printf", "%.1f", "1,5"], text=True)
            assert shown == "1,5", f"the locale is not German: {shown}"
    return "" if made else "the locale itself is not on this machine"


def make_german(folder: str) -> list[str]:
    """Makes the locale, where its description is there; gives what leads to it."""
    if not shutil.which("localedef"):
        return []
    where = str(Path(folder, "de_DE.UTF-8"))
    command = ["localedef", "--no-archive", "-i", "de_DE", "-f", "UTF-8", where]
    subprocess.run(command, capture_output=True, timeout=DEADLINE)
    return [f"LOCPATH={folder}"] if Path(where).is_dir() else []


CHECKS = [
    one_of_four_connections_is_reset_and_the_others_get_a_row_a_read,
    the_first_row_comes_within_50_ms,
    a_reset_of_others_leaves_a_reader_its_rows,
    who_comes_late_gets_the_newest_row_and_none_before_it,
    who_pauses_gets_the_rows_of_the_pause_whole_and_then_one_a_read,
    rows_are_six_numbers_whatever_is_collected,
    the_decimal_point_is_a_dot_in_germany_as_well,
]

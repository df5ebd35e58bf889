"""A terminal that is not read for a minute: each row is recorded with the time of its receipt."""

import os
import socket
import tempfile
import threading
import time
from pathlib import Path

from stage import Programs, retry
from terminal import screen

ROWS_PER_SECOND = 10
SECONDS = 60
ROWS = ROWS_PER_SECOND * SECONDS

# Difference between the sending of a row and its recorded time, in seconds.
TOLERANCE = 0.02

# Bytes that the system keeps for a terminal that is not read. More means that the program was not blocked.
BUFFERED_BYTES_MAX = 64 * 1024

CTRL_L = "\x0c"


def send_rows(listener: socket.socket, sent: list[float]):
    client, _ = listener.accept()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    start = time.monotonic()
    for number in range(ROWS):
        time.sleep(max(0, start + number / ROWS_PER_SECOND - time.monotonic()))
        sent.append(time.time())
        client.sendall(f"12.5 {1000 + number} 43.1 0.52 0.44 0.40\n".encode())
    time.sleep(1)
    client.close()


def recorded(path: Path) -> dict[int, float]:
    rows = [line.split() for line in path.read_text().splitlines() if not line.startswith("#")]
    return {int(float(row[2])) - 1000: float(row[0]) for row in rows}


def record(programs: Programs) -> str:
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as listener:
        path, sent = Path(folder, "rows.load"), []
        sender = threading.Thread(target=send_rows, args=(listener, sent))
        sender.start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with screen(programs.client, address, "--record", str(path)) as terminal:
            # Redraws fill the buffers. Nothing reads the terminal until all rows are sent.
            while sender.is_alive():
                terminal.type(CTRL_L)
                sender.join(0.5)
            rows = recorded(path)
            unread = len(os.read(terminal.fd, BUFFERED_BYTES_MAX))
            terminal.wait_for(f"{1000 + ROWS - 1}.0")
            terminal.quit()
    assert unread < BUFFERED_BYTES_MAX, f"the terminal took {unread} bytes"
    assert sorted(rows) == list(range(ROWS)), f"{len(rows)} of {ROWS} rows are recorded"
    late = [abs(rows[number] - sent[number]) for number in range(ROWS)]
    count = sum(error <= TOLERANCE for error in late)
    assert count == ROWS, f"only {count} of {ROWS} times are right, one is off by {max(late):.3f} s"
    return f"{ROWS} rows, at most {max(late) * 1000:.0f} ms off"


def a_terminal_that_is_not_read_for_a_minute_loses_no_row(programs: Programs) -> str:
    return retry(lambda: record(programs), tries=2)


CHECKS = [a_terminal_that_is_not_read_for_a_minute_loses_no_row]

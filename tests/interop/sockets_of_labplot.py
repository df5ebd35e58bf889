"""LabPlot's manners at the wire: it takes one read for one row, opens four connections to add one
source, and resets one of them."""

import re
import selectors
import socket
import struct
import time

from stage import DEADLINE, agent, connect, some_time_or_other

ROW = re.compile(rb"[^ \n]+( [^ \n]+){5}\n")

# A machine that is too busy to read each row before the next one comes sees two at once.
TRIES = 4


def assert_row(received: bytes):
    assert ROW.fullmatch(received), f"one read gives {received!r}, which is not one row"
    [float(number) for number in received.split()]


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


CHECKS = [
    one_of_four_connections_is_reset_and_the_others_get_a_row_a_read,
    the_first_row_comes_within_50_ms,
]

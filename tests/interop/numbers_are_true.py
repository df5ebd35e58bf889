"""The agent's numbers are those of psutil, read at the same moment."""

import contextlib
import os
import statistics
import sys

import psutil

from stage import Skip, agent, connect, running

# Many enough that the middle one is untouched by what the machine does between two readings.
READINGS = 9

BUSY_SECONDS = 10

# Ends by itself, should nobody end it.
BUSY = f"""
import time
end = time.monotonic() + {3 * BUSY_SECONDS}
while time.monotonic() < end:
    pass
"""


@contextlib.contextmanager
def rows_of(programs, interval: str):
    """The rows of an agent as they come."""
    with agent(programs, "--interval", interval) as port, connect(port) as client:
        with client.makefile() as lines:
            # The first row is as old as it is; those that follow are new.
            lines.readline()
            yield (list(map(float, line.split())) for line in lines)


def beside(programs, numbers) -> list[tuple[list[float], list[float]]]:
    """Pairs of what the agent and what psutil say."""
    with rows_of(programs, "250ms") as rows:
        return [(next(rows), numbers()) for _ in range(READINGS)]


def middle_difference(pairs, column: int, at: int = 0) -> float:
    return statistics.median(abs(row[column] - numbers[at]) for row, numbers in pairs)


def the_memory_in_use_is_that_of_psutil(programs):
    def numbers():
        memory = psutil.virtual_memory()
        return [(memory.total - memory.available) / memory.total * 100]

    difference = middle_difference(beside(programs, numbers), column=2)
    assert difference <= 0.5, f"they differ by {difference:.2f} points"
    return f"within {difference:.2f} points"


def the_load_averages_are_those_of_the_system(programs):
    pairs = beside(programs, lambda: list(os.getloadavg()))
    difference = max(middle_difference(pairs, column=3 + at, at=at) for at in range(3))
    assert difference <= 0.02, f"they differ by {difference:.3f}"
    return f"within {difference:.3f}"


def the_frequency_is_that_of_psutil(programs):
    frequency = psutil.cpu_freq()
    if not frequency or not frequency.current:
        raise Skip("psutil finds no frequency here")
    pairs = beside(programs, lambda: [psutil.cpu_freq().current])
    difference = statistics.median(abs(row[1] / mhz - 1) * 100 for row, [mhz] in pairs)
    assert difference <= 2, f"they differ by {difference:.2f} %"
    return f"within {difference:.2f} %"


def the_cpu_is_that_of_psutil_while_one_core_is_busy(programs):
    with rows_of(programs, "1s") as rows, running(sys.executable, "-c", BUSY):
        next(rows)
        # Each reading of psutil covers the time since the one before, as each row does.
        psutil.cpu_percent()
        pairs = [(next(rows)[0], psutil.cpu_percent()) for _ in range(BUSY_SECONDS)]
    ours, psutils = (statistics.mean(numbers) for numbers in zip(*pairs))
    told = f"{ours:.1f} % beside psutil's {psutils:.1f} %"
    assert abs(ours - psutils) <= 3, told
    assert psutils >= 50 / psutil.cpu_count(), f"no core was busy: {told}"
    return told


CHECKS = [
    the_memory_in_use_is_that_of_psutil,
    the_load_averages_are_those_of_the_system,
    the_frequency_is_that_of_psutil,
    the_cpu_is_that_of_psutil_while_one_core_is_busy,
]

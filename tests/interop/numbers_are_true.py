"""The agent's numbers are those of psutil, read at the same moment."""

import contextlib
import os
import statistics
import sys

import psutil

from columns_are_true import rows_of as columns_of
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

# Busy for so long, then idle for as long: nearly each sample is another one.
CHANGING = f"""
import time
end = time.monotonic() + {3 * BUSY_SECONDS}
while (now := time.monotonic()) < end:
    if now % 0.6 < 0.3:
        time.sleep(0.3 - now % 0.6)
"""

# How far the modes of two samples have to be apart for the load to have changed.
CHANGE_POINTS = 10


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


def cpu_beside_psutil(programs, interval: str, readings: int) -> str:
    with rows_of(programs, interval) as rows, running(sys.executable, "-c", BUSY):
        next(rows)
        # Each reading of psutil covers the time since the one before, as each row does.
        psutil.cpu_percent()
        pairs = [(next(rows)[0], psutil.cpu_percent()) for _ in range(readings)]
    ours, psutils = (statistics.mean(numbers) for numbers in zip(*pairs))
    told = f"{ours:.1f} % beside psutil's {psutils:.1f} %"
    assert abs(ours - psutils) <= 3, told
    assert psutils >= 50 / psutil.cpu_count(), f"no core was busy: {told}"
    return told


def the_cpu_is_that_of_psutil_while_one_core_is_busy(programs):
    return cpu_beside_psutil(programs, "1s", BUSY_SECONDS)


def the_cpu_at_the_shortest_interval_is_that_of_psutil(programs):
    return cpu_beside_psutil(programs, "250ms", 4 * BUSY_SECONDS)


def no_sample_repeats_the_cpu_of_the_previous_one_under_a_changing_load(programs):
    # sysinfo reads `cpu`, the agent itself the modes that it is the sum of.
    modes = ["user", "system", "steal"]
    with columns_of(programs, "cpu", "250ms") as rows, running(sys.executable, "-c", CHANGING):
        taken = [next(rows) for _ in range(4 * BUSY_SECONDS)]
    pairs = [(row["cpu"], sum(row[mode] for mode in modes)) for row in taken]
    changes = [
        (last[0], now[0])
        for last, now in zip(pairs, pairs[1:])
        if abs(now[1] - last[1]) >= CHANGE_POINTS
    ]
    told = f"{len(changes)} changes in {len(pairs)} samples"
    if len(changes) < BUSY_SECONDS:
        raise Skip(f"something else keeps the cores busy: {told}")
    assert all(now != last for last, now in changes), f"a repeat: {told}: {pairs}"
    # The two readings of a sample are microseconds apart, on a machine that does nothing else.
    difference = statistics.median(abs(cpu - total) for cpu, total in pairs)
    assert difference <= 2, f"cpu and the modes differ by {difference:.1f} points: {pairs}"
    return f"{told}, cpu within {difference:.1f} points of the modes"


CHECKS = [
    the_memory_in_use_is_that_of_psutil,
    the_load_averages_are_those_of_the_system,
    the_frequency_is_that_of_psutil,
    the_cpu_is_that_of_psutil_while_one_core_is_busy,
    the_cpu_at_the_shortest_interval_is_that_of_psutil,
    no_sample_repeats_the_cpu_of_the_previous_one_under_a_changing_load,
]

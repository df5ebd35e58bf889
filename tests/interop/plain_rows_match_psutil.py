"""Values of the plain stream match psutil at the same time."""

import contextlib
import os
import statistics
import sys

import psutil

from columns_match_the_system import rows_of as columns_of
from stage import Skip, agent, connect, running

# Enough for a median that is free of changes between the two readings of a pair.
READINGS = 9

BUSY_SECONDS = 10

# Ends by itself if nothing else ends it.
BUSY = f"""
import time
end = time.monotonic() + {3 * BUSY_SECONDS}
while time.monotonic() < end:
    pass
"""

# Busy and idle for 0.3 s each, so that nearly every sample differs from the previous one.
CHANGING = f"""
import time
end = time.monotonic() + {3 * BUSY_SECONDS}
while (now := time.monotonic()) < end:
    if now % 0.6 < 0.3:
        time.sleep(0.3 - now % 0.6)
"""

# Difference between the modes of two samples, in percentage points, that counts as a change of load.
CHANGE_POINTS = 10


@contextlib.contextmanager
def rows_of(programs, interval: str):
    """Runs an agent and yields an iterator of its new rows."""
    with agent(programs, "--interval", interval) as port, connect(port) as client:
        with client.makefile() as lines:
            # The first row may be old; later rows are new.
            lines.readline()
            yield (list(map(float, line.split())) for line in lines)


def pairs_of(programs, numbers) -> list[tuple[list[float], list[float]]]:
    """Returns pairs of a row and the reference values of the same time."""
    with rows_of(programs, "250ms") as rows:
        return [(next(rows), numbers()) for _ in range(READINGS)]


def median_difference(pairs, column: int, at: int = 0) -> float:
    return statistics.median(abs(row[column] - numbers[at]) for row, numbers in pairs)


def memory_usage_matches_psutil(programs):
    def numbers():
        memory = psutil.virtual_memory()
        return [(memory.total - memory.available) / memory.total * 100]

    difference = median_difference(pairs_of(programs, numbers), column=2)
    assert difference <= 0.5, f"they differ by {difference:.2f} points"
    return f"within {difference:.2f} points"


def load_averages_match_the_system(programs):
    pairs = pairs_of(programs, lambda: list(os.getloadavg()))
    difference = max(median_difference(pairs, column=3 + at, at=at) for at in range(3))
    assert difference <= 0.02, f"they differ by {difference:.3f}"
    return f"within {difference:.3f}"


def the_frequency_matches_psutil(programs):
    frequency = psutil.cpu_freq()
    if not frequency or not frequency.current:
        raise Skip("psutil finds no CPU frequency on this machine")
    pairs = pairs_of(programs, lambda: [psutil.cpu_freq().current])
    difference = statistics.median(abs(row[1] / mhz - 1) * 100 for row, [mhz] in pairs)
    assert difference <= 2, f"they differ by {difference:.2f} %"
    return f"within {difference:.2f} %"


def compare_cpu(programs, interval: str, readings: int) -> str:
    with rows_of(programs, interval) as rows, running(sys.executable, "-c", BUSY):
        next(rows)
        # Each reading of psutil covers the time since the previous one, as each row does.
        psutil.cpu_percent()
        pairs = [(next(rows)[0], psutil.cpu_percent()) for _ in range(readings)]
    ours, psutils = (statistics.mean(numbers) for numbers in zip(*pairs))
    result = f"{ours:.1f} %, psutil {psutils:.1f} %"
    assert abs(ours - psutils) <= 3, result
    assert psutils >= 50 / psutil.cpu_count(), f"no core was busy: {result}"
    return result


def cpu_usage_matches_psutil_while_one_core_is_busy(programs):
    return compare_cpu(programs, "1s", BUSY_SECONDS)


def cpu_usage_at_the_shortest_interval_matches_psutil(programs):
    return compare_cpu(programs, "250ms", 4 * BUSY_SECONDS)


def no_sample_repeats_the_previous_cpu_usage_under_a_changing_load(programs):
    # `cpu` is the sum of these modes, but comes from another reader.
    modes = ["user", "system", "steal"]
    with columns_of(programs, "cpu", "250ms") as rows, running(sys.executable, "-c", CHANGING):
        samples = [next(rows) for _ in range(4 * BUSY_SECONDS)]
    pairs = [(row["cpu"], sum(row[mode] for mode in modes)) for row in samples]
    changes = [
        (last[0], now[0])
        for last, now in zip(pairs, pairs[1:])
        if abs(now[1] - last[1]) >= CHANGE_POINTS
    ]
    result = f"{len(changes)} changes in {len(pairs)} samples"
    if len(changes) < BUSY_SECONDS:
        raise Skip(f"something else keeps the cores busy: {result}")
    assert all(now != last for last, now in changes), f"a repeated value: {result}: {pairs}"
    # On an idle machine, the two readings of a sample are microseconds apart.
    difference = statistics.median(abs(cpu - total) for cpu, total in pairs)
    assert difference <= 2, f"cpu and the modes differ by {difference:.1f} points: {pairs}"
    return f"{result}, cpu within {difference:.1f} points of the modes"


CHECKS = [
    memory_usage_matches_psutil,
    load_averages_match_the_system,
    the_frequency_matches_psutil,
    cpu_usage_matches_psutil_while_one_core_is_busy,
    cpu_usage_at_the_shortest_interval_matches_psutil,
    no_sample_repeats_the_previous_cpu_usage_under_a_changing_load,
]

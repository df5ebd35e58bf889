"""What the agent sends, numpy and gnuplot read as it is."""

import contextlib
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy

from stage import DEADLINE, agent, connect, output

ROWS = 10


@contextlib.contextmanager
def an_agent_with_some_history(programs):
    with agent(programs, "--interval", "250ms") as port:
        with connect(port) as client, client.makefile() as lines:
            for _ in range(5):
                lines.readline()
        yield port


def what_netcat_gets(port: int, *options: str, request: bytes = b"") -> bytes:
    """Lets netcat run, its input at an end, until it has some rows."""
    with tempfile.TemporaryFile() as file:
        command = ["timeout", f"{DEADLINE:g}", "nc", *options, "127.0.0.1", str(port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file) as netcat:
            try:
                netcat.stdin.write(request)
                netcat.stdin.close()
                while len(rows_of(text := whole_lines(file))) < ROWS:
                    assert netcat.poll() is None, f"netcat ended after {text!r}"
                    time.sleep(0.05)
            finally:
                netcat.terminate()
    return text


def whole_lines(file) -> bytes:
    file.seek(0)
    text = file.read()
    return text[: text.rfind(b"\n") + 1]


def rows_of(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if not line.startswith(b"#")]


def read(text: bytes, columns: int):
    """Reads a stream with numpy and with gnuplot, and gives what numpy sees."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stream")
        path.write_bytes(text)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            values = numpy.loadtxt(path)
        expected = (len(rows_of(text)), columns)
        assert values.shape == expected, f"numpy sees {values.shape}, not {expected}"
        plot(path, values)
    return values


def plot(path: Path, values):
    # Where the system tells no frequency, its column is all nan, and there is nothing to plot.
    columns = [at + 1 for at in range(values.shape[1]) if numpy.isfinite(values[:, at]).any()]
    script = [
        "set terminal dumb 120 40",
        "set key outside",
        f"stats '{path}' using {columns[0]} nooutput",
        "print sprintf('%d records, %d faulty', STATS_records, STATS_invalid)",
        "plot " + ", ".join(f"'{path}' using 0:{at} title 'column {at}'" for at in columns),
    ]
    gnuplot = subprocess.run(
        ["gnuplot", "-"], input="\n".join(script), capture_output=True, text=True, timeout=DEADLINE
    )
    # It prints to standard error, where complaints would stand as well.
    said, expected = gnuplot.stderr.strip(), f"{len(values)} records, 0 faulty"
    assert (gnuplot.returncode, said) == (0, expected), f"gnuplot says {said!r}, not {expected!r}"
    for at in columns:
        assert f"column {at}" in gnuplot.stdout, f"gnuplot drew no column {at}"


def columns_told(text: bytes) -> int:
    """How many columns the header of a stream names, the time and the number among them."""
    heading = next(line for line in text.splitlines() if line.startswith(b"# columns "))
    return len(heading.split()) - 2


def read_samples(text: bytes):
    """Reads a stream of stamped rows that begins with the agent's first sample."""
    values = read(text, columns_told(text))
    times, numbers = values[:, 0], values[:, 1]
    assert (numpy.diff(times) > 0).all(), f"the times do not rise: {times}"
    expected = numpy.arange(1, len(values) + 1)
    assert (numbers == expected).all(), f"samples are missing: {numbers}"
    return f"{len(values)} rows"


def numpy_and_gnuplot_read_what_netcat_gets(programs):
    with agent(programs, "--interval", "250ms") as port:
        values = read(what_netcat_gets(port), 6)
    return f"{len(values)} rows"


def numpy_and_gnuplot_read_what_netcat_gets_with_its_sending_side_closed(programs):
    with agent(programs, "--interval", "250ms") as port:
        values = read(what_netcat_gets(port, "-N"), 6)
    return f"{len(values)} rows"


def numpy_and_gnuplot_read_a_subscribed_stream_with_its_notes_as_comments(programs):
    with an_agent_with_some_history(programs) as port:
        text = what_netcat_gets(port, "-q", "30", request=b"loadline/1 history=all\n")
    # Plain rows that were sent before the request arrived stand in front of the header.
    return read_samples(text[text.index(b"# loadline/1 ") :])


def numpy_and_gnuplot_read_what_the_client_writes_as_raw(programs):
    with an_agent_with_some_history(programs) as port:
        options = ["-o", "raw", "--history", "all", "-n", str(ROWS)]
        text = output(programs.client, f"127.0.0.1:{port}", *options)
    return read_samples(text.encode())


def numpy_and_gnuplot_read_a_recording_of_two_runs(programs):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "two.load")
        with an_agent_with_some_history(programs) as port:
            for history in ("all", "none"):
                options = ["-o", "csv", "--history", history, "-n", str(ROWS), "-r", str(path)]
                output(programs.client, f"127.0.0.1:{port}", *options)
        text = path.read_bytes()
    assert text.count(b"# columns ") == 2, "each start has a header"
    values = read(text, columns_told(text))
    return f"{len(values)} rows"


def the_client_opens_what_netcat_got(programs):
    with agent(programs, "--interval", "250ms") as port:
        text = what_netcat_gets(port)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "netcat.txt")
        path.write_bytes(text)
        lines = output(programs.client, str(path), "-o", "csv", "-i", "250ms").splitlines()
    assert len(lines) == 1 + len(rows_of(text)), f"{len(lines)} lines of csv"
    return f"{len(lines) - 1} rows"


CHECKS = [
    numpy_and_gnuplot_read_what_netcat_gets,
    numpy_and_gnuplot_read_what_netcat_gets_with_its_sending_side_closed,
    numpy_and_gnuplot_read_a_subscribed_stream_with_its_notes_as_comments,
    numpy_and_gnuplot_read_what_the_client_writes_as_raw,
    numpy_and_gnuplot_read_a_recording_of_two_runs,
    the_client_opens_what_netcat_got,
]

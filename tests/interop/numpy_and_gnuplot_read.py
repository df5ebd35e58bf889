"""numpy and gnuplot read the agent's streams without conversion."""

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
def agent_with_history(programs):
    with agent(programs, "--interval", "250ms") as port:
        with connect(port) as client, client.makefile() as lines:
            for _ in range(5):
                lines.readline()
        yield port


def netcat_output(port: int, *options: str, request: bytes = b"") -> bytes:
    """Runs netcat with closed input until it has received some rows. Returns its output."""
    with tempfile.TemporaryFile() as file:
        command = ["timeout", f"{DEADLINE:g}", "nc", *options, "127.0.0.1", str(port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=file) as netcat:
            try:
                netcat.stdin.write(request)
                netcat.stdin.close()
                while len(rows_of(text := complete_lines(file))) < ROWS:
                    assert netcat.poll() is None, f"netcat ended after {text!r}"
                    time.sleep(0.05)
            finally:
                netcat.terminate()
    return text


def complete_lines(file) -> bytes:
    file.seek(0)
    text = file.read()
    return text[: text.rfind(b"\n") + 1]


def rows_of(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if not line.startswith(b"#")]


def read(text: bytes, columns: int):
    """Reads a stream with numpy and with gnuplot. Returns the array of numpy."""
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
    # Without a known frequency its column is all nan, which cannot be plotted.
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
    # gnuplot prints to standard error, as it does for errors.
    printed, expected = gnuplot.stderr.strip(), f"{len(values)} records, 0 faulty"
    assert (gnuplot.returncode, printed) == (0, expected), f"gnuplot prints {printed!r}, not {expected!r}"
    for at in columns:
        assert f"column {at}" in gnuplot.stdout, f"gnuplot drew no column {at}"


def column_count(text: bytes) -> int:
    """Returns the number of columns in the header of a stream, including time and sequence number."""
    header = next(line for line in text.splitlines() if line.startswith(b"# columns "))
    return len(header.split()) - 2


def read_samples(text: bytes):
    """Reads a subscribed stream that begins with the agent's first sample."""
    values = read(text, column_count(text))
    times, numbers = values[:, 0], values[:, 1]
    assert (numpy.diff(times) > 0).all(), f"the times do not rise: {times}"
    expected = numpy.arange(1, len(values) + 1)
    assert (numbers == expected).all(), f"samples are missing: {numbers}"
    return f"{len(values)} rows"


def numpy_and_gnuplot_read_a_plain_stream(programs):
    with agent(programs, "--interval", "250ms") as port:
        values = read(netcat_output(port), 6)
    return f"{len(values)} rows"


def numpy_and_gnuplot_read_a_plain_stream_with_the_sending_side_closed(programs):
    with agent(programs, "--interval", "250ms") as port:
        values = read(netcat_output(port, "-N"), 6)
    return f"{len(values)} rows"


def numpy_and_gnuplot_read_a_subscribed_stream_with_its_notes_as_comments(programs):
    with agent_with_history(programs) as port:
        text = netcat_output(port, "-q", "30", request=b"loadline/1 history=all\n")
    # Plain rows from before the request precede the header.
    return read_samples(text[text.index(b"# loadline/1 ") :])


def numpy_and_gnuplot_read_the_raw_output_of_the_client(programs):
    with agent_with_history(programs) as port:
        options = ["-o", "raw", "--history", "all", "-n", str(ROWS)]
        text = output(programs.client, f"127.0.0.1:{port}", *options)
    return read_samples(text.encode())


def numpy_and_gnuplot_read_a_recording_of_two_runs(programs):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "two.load")
        with agent_with_history(programs) as port:
            for history in ("all", "none"):
                options = ["-o", "csv", "--history", history, "-n", str(ROWS), "-r", str(path)]
                output(programs.client, f"127.0.0.1:{port}", *options)
        text = path.read_bytes()
    assert text.count(b"# columns ") == 2, "each start has a header"
    values = read(text, column_count(text))
    return f"{len(values)} rows"


def the_client_opens_a_stream_that_netcat_saved(programs):
    with agent(programs, "--interval", "250ms") as port:
        text = netcat_output(port)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "netcat.txt")
        path.write_bytes(text)
        lines = output(programs.client, str(path), "-o", "csv", "-i", "250ms").splitlines()
    assert len(lines) == 1 + len(rows_of(text)), f"{len(lines)} lines of csv"
    return f"{len(lines) - 1} rows"


CHECKS = [
    numpy_and_gnuplot_read_a_plain_stream,
    numpy_and_gnuplot_read_a_plain_stream_with_the_sending_side_closed,
    numpy_and_gnuplot_read_a_subscribed_stream_with_its_notes_as_comments,
    numpy_and_gnuplot_read_the_raw_output_of_the_client,
    numpy_and_gnuplot_read_a_recording_of_two_runs,
    the_client_opens_a_stream_that_netcat_saved,
]

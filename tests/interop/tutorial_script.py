"""The client reads the server script of a tutorial."""

import csv
import io
import json
import math

from stage import output, running, tutorial

COLUMNS = ["cpu", "freq", "mem", "load1", "load5", "load15"]


def assert_sane(values):
    cpu, freq, mem, *loads = (math.nan if v in ("", None) else float(v) for v in values)
    assert 0 <= cpu <= 100, f"cpu is {cpu}"
    assert math.isnan(freq) or freq >= 0, f"freq is {freq}"
    assert 0 < mem < 100, f"mem is {mem}"
    assert len(loads) == 3 and all(load >= 0 for load in loads), f"loads are {loads}"


def the_client_reads_the_script_as_csv(programs):
    with tutorial("0.2") as (_, port):
        text = output(programs.client, f"127.0.0.1:{port}", "-o", "csv", "-n", "5")
    head, *rows = csv.reader(io.StringIO(text))
    assert head == ["timestamp", "received", "source", "seq", *COLUMNS], f"the header is {head}"
    assert len(rows) == 5, f"{len(rows)} rows came"
    for timestamp, received, source, seq, *values in rows:
        assert timestamp == received, f"sampled {timestamp}, received {received}"
        assert source == f"127.0.0.1:{port}", f"the source is {source}"
        assert seq == "", f"a plain row has the sequence number {seq}"
        assert_sane(values)


def two_clients_in_sequence_read_the_script_as_json(programs):
    with tutorial("0.2") as (_, port):
        for _ in range(2):
            text = output(programs.client, f"127.0.0.1:{port}", "-o", "json", "-n", "2")
            rows = [json.loads(line) for line in text.splitlines()]
            assert len(rows) == 2, f"{len(rows)} rows came"
            for row in rows:
                assert row["seq"] is None, f"a plain row has the sequence number {row['seq']}"
                assert_sane([row[name] for name in COLUMNS])


def rows_continue_after_a_restart_of_the_script(programs):
    with tutorial("0.2") as (server, port):
        with running(programs.client, f"127.0.0.1:{port}", "-o", "csv") as client:
            head = client.out.line()
            before = [client.out.line() for _ in range(3)]
            server.kill()
            with tutorial("0.2", port):
                after = [client.out.line() for _ in range(3)]
            assert head not in after, "the header is repeated"
            times = [row.split(",")[0] for row in before + after]
            assert times == sorted(set(times)), f"the times do not rise: {times}"
            assert "reconnecting" in client.stderr(), f"unexpected error: {client.stderr()!r}"
            assert client.child.poll() is None, f"the client ended with {client.child.poll()}"
            assert client.end() == 0, f"after SIGTERM: exit code {client.child.returncode}"


CHECKS = [
    the_client_reads_the_script_as_csv,
    two_clients_in_sequence_read_the_script_as_json,
    rows_continue_after_a_restart_of_the_script,
]

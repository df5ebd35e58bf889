#!/usr/bin/env python3
"""Prints the samples of a loadline-agent with their timestamps, and resumes when the connection ends.

usage: reader.py [HOST [PORT [COUNT]]]
"""

import math
import re
import socket
import sys
import time

LINE_MAX = 8 * 1024
TIMEOUT = 10.0
WAIT_MAX = 10.0
NAMES = ["time", "seq", "cpu", "mem"]
FIELD = re.compile(r'([^\s=]+)=("(?:[^"\\]|\\.)*"|\S*)')


def lines(connection):
    """Yields the lines of a connection, without those that are too long."""
    with connection.makefile("rb") as stream:
        complete = True
        while piece := stream.readline(LINE_MAX + 2):
            has_end = piece.endswith(b"\n")
            if complete and has_end:
                yield piece.decode("utf-8", "replace").strip()
            complete = has_end


class Reader:
    """State that outlasts a connection."""

    def __init__(self):
        self.run = None
        self.seq = None
        self.columns = None

    def request(self) -> bytes:
        words = ["loadline/1", "history=10m", "columns=cpu,mem"]
        if self.run and self.seq is not None:
            words.append(f"resume={self.run}:{self.seq}")
        return (" ".join(words) + "\n").encode()

    def row(self, line: str):
        """Returns the row of a line by column names, or None if the line is not a row."""
        if line.startswith("#"):
            self.note(line[1:].strip())
            return None
        if self.columns is None:
            return None  # A plain row from before the request.
        try:
            values = [float(word) for word in line.split()]
            if any(map(math.isinf, values)):
                return None
            row = dict(zip(self.columns, values, strict=True))
            self.seq = int(row["seq"])
        except ValueError:
            return None
        return row

    def note(self, text: str):
        kind, _, rest = text.partition(" ")
        if kind == "loadline/1":
            run = dict(FIELD.findall(rest)).get("run")
            if run != self.run:
                self.run, self.seq = run, None
        elif kind == "columns":
            self.columns = [name.partition(":")[0] for name in rest.split()]
            if self.columns != NAMES:
                sys.exit("the agent sends other columns than requested")
        elif kind == "error":
            sys.exit(f"the agent refuses: {rest}")
        elif kind == "skipped":
            print(f"rows are lost: {rest}", file=sys.stderr)


def rows(host: str, port: int):
    """Yields the rows of an agent, endlessly."""
    reader, wait = Reader(), 0.25
    while True:
        try:
            with socket.create_connection((host, port), timeout=TIMEOUT) as connection:
                reader.columns = None
                connection.sendall(reader.request())
                for line in lines(connection):
                    if row := reader.row(line):
                        wait = 0.25
                        yield row
        except OSError as error:
            print(f"{host}:{port}: {error}", file=sys.stderr)
        time.sleep(wait)
        wait = min(2 * wait, WAIT_MAX)


def main():
    host = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 1027
    count = int(sys.argv[3]) if len(sys.argv) > 3 else None
    for at, row in enumerate(rows(host, port), 1):
        numbers = " ".join(f"{row[name]:g}" for name in ("cpu", "mem"))
        print(f"{row['time']:.3f} {int(row['seq'])} {numbers}", flush=True)
        if at == count:
            break


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Serves two columns of its own to loadline: as a plain stream, and with timestamps and history to a client
that sends a request.

usage: server.py [PORT [SECONDS]]
"""

import asyncio
import collections
import math
import secrets
import sys
import time

HISTORY = 3600
REQUEST_MAX = 1024
NOISE_MAX = 4096
COLUMNS = "# columns time:s seq wave:% noise"
RUN = secrets.token_hex(4)


class Samples:
    """The newest samples, and a condition to wait for the next one."""

    def __init__(self):
        self.rows = collections.deque(maxlen=HISTORY)
        self.more = asyncio.Condition()

    async def take(self, seconds: float):
        seq, last = 0, 0.0
        while True:
            now = time.time()
            if now > last:  # Timestamps rise within a run, even if the clock is set back.
                seq, last = seq + 1, now
                wave = 50 + 50 * math.sin(now / 10)
                async with self.more:
                    self.rows.append((seq, now, f"{wave:.1f} {secrets.randbelow(100) / 100:.2f}"))
                    self.more.notify_all()
            await asyncio.sleep(seconds)

    async def after(self, seq: int):
        """Waits for samples after `seq`, and returns them."""
        async with self.more:
            await self.more.wait_for(lambda: self.rows and self.rows[-1][0] > seq)
            return [row for row in self.rows if row[0] > seq]


async def request(reader: asyncio.StreamReader) -> dict:
    """Waits for a request and returns its fields. Other lines are ignored."""
    read = 0
    while read < NOISE_MAX:
        line = await reader.readline()
        if not line:
            break
        read += len(line)
        words = line.decode("utf-8", "replace").split()
        if words and words[0].startswith("loadline/"):
            return dict(word.partition("=")[::2] for word in words[1:])
    await asyncio.get_running_loop().create_future()  # The client only listens.


def begin(fields: dict, samples: Samples) -> int:
    """Returns the sequence number after which the client's rows begin."""
    run, _, seq = fields.get("resume", "").partition(":")
    if run == RUN and seq.isdecimal():
        return int(seq)
    newest = samples.rows[-1][0]
    # A request for any history gets all of it: more than requested is always allowed.
    return 0 if fields.get("history", "none") != "none" else newest


async def serve(samples: Samples, reader, writer):
    pending = asyncio.ensure_future(request(reader))
    try:
        await samples.after(0)
        seq, subscribed, live = samples.rows[-1][0] - 1, False, True
        while True:
            more = asyncio.ensure_future(samples.after(seq))
            waits = {more} if subscribed else {more, pending}
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if pending in done:
                more.cancel()
                seq, subscribed, live = begin(pending.result(), samples), True, False
                writer.write(f"# loadline/1 run={RUN} host=example\n{COLUMNS}\n".encode())
                if seq >= samples.rows[-1][0]:
                    writer.write(b"# live\n")
                    live = True
                continue
            for seq, at, values in more.result():
                stamp = f"{at:.3f} {seq} " if subscribed else ""
                writer.write(f"{stamp}{values}\n".encode())
                await writer.drain()
            if not live:
                writer.write(b"# live\n")
                live = True
    except (OSError, ValueError):
        pass  # The client left, or sent a line that is too long.
    finally:
        pending.cancel()
        writer.close()


async def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 1028
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    samples = Samples()
    taking = asyncio.ensure_future(samples.take(seconds))
    server = await asyncio.start_server(
        lambda reader, writer: serve(samples, reader, writer),
        "127.0.0.1",
        port,
        limit=REQUEST_MAX,
    )
    print("listening on 127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
    await taking


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass

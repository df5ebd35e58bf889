#!/usr/bin/env -S python3 -B
"""What the two programs cost: CPU in percent of one core, resident memory in MiB. Linux only.

    cargo build --release --workspace
    benches/cost.py [--seconds 60] [--samples 3600] [--bin target/release]

First an agent runs at 1 s with a client on its stream in a pseudo-terminal of 120x36, for so many seconds.
Then an agent at 200 ms with ten clients fills its ring with so many samples: 3,600 are an hour of seconds,
in 12 minutes.
"""

import argparse
import time
from pathlib import Path

from measured import Agent, Screen, cpu_ns, memory_mib, watch

CLIENTS = 10


def screen(folder: Path, seconds: float) -> None:
    agent = Agent(folder, "1s")
    client = Screen(folder / "loadline", agent.address)
    watch([client], 3)
    before = cpu_ns(agent.pid), cpu_ns(client.pid), time.monotonic()
    [received] = watch([client], seconds)
    took = time.monotonic() - before[2]
    for name, pid, start in (("agent", agent.pid, before[0]), ("client", client.pid, before[1])):
        cpu = (cpu_ns(pid) - start) / took / 1e7
        print(f"{name:8} at 1s    {cpu:6.3f} % of a core   {memory_mib(pid):5.1f} MiB", flush=True)
    print(f"client   at 1s    {len(received) / took:6.0f} B/s to a terminal of 120x36", flush=True)
    client.end()
    agent.end()


def ring(folder: Path, samples: int) -> None:
    agent = Agent(folder, "200ms")
    before = memory_mib(agent.pid)
    clients = [agent.connect() for _ in range(CLIENTS)]
    watch(clients, samples * 0.2)
    clients[0].sendall(b"loadline/1 history=all\n")
    rows = 0
    with clients[0].makefile() as lines:
        for line in lines:
            if line.startswith("# live"):
                break
            # Plain rows are those that were on their way when it asked.
            rows += not line.startswith("#") and len(line.split()) > 6
    held = memory_mib(agent.pid)
    print(
        f"agent    with {rows} samples and {CLIENTS} clients: {held:.1f} MiB; "
        f"with the first sample and none: {before:.1f} MiB",
        flush=True,
    )
    for client in clients:
        client.close()
    agent.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--samples", type=int, default=3600)
    parser.add_argument("--bin", type=Path, default=Path("target/release"))
    options = parser.parse_args()
    screen(options.bin, options.seconds)
    ring(options.bin, options.samples)


if __name__ == "__main__":
    main()

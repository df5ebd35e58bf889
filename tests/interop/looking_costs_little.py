"""Looking at the processes costs little: with a thousand of them, and with ten.

Two agents run side by side in a process namespace, one without looks."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

from stage import DEADLINE, Skip, port_of, retry, running

NAMESPACES = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]

# Number of sleeping processes, and the highest cost of looking in % of a core.
CASES = {1000: 0.3, 10: 0.05}

SECONDS = 30.0

# Time for the first looks, which may cost more: the agent does not know yet what a look costs.
WARM_UP = 6.0


def cpu_seconds(pid: int) -> float:
    """Returns the CPU time of all threads of a process."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def cost_among(count: int, agent: str) -> float:
    """Returns the cost of looking in % of a core. Process 1 of its namespace."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            sleeper = subprocess.Popen(["sleep", "300"], stdin=subprocess.DEVNULL)
            stack.callback(sleeper.kill)
        agents = []
        for top in ("5", "0"):
            process = stack.enter_context(running(agent, "--listen", "127.0.0.1:0", "--top", top))
            port_of(process)
            agents.append(process.child.pid)
        time.sleep(WARM_UP)
        before, begin = [cpu_seconds(pid) for pid in agents], time.monotonic()
        time.sleep(SECONDS)
        looking, without = (cpu_seconds(pid) - cpu for pid, cpu in zip(agents, before))
        return (looking - without) / (time.monotonic() - begin) * 100


def costs(agent: str) -> str:
    commands = [
        [*NAMESPACES, sys.executable, "-B", __file__, str(count), agent] for count in CASES
    ]
    children = [subprocess.Popen(it, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for it in commands]
    results = []
    for child, (count, highest) in zip(children, CASES.items()):
        out, errors = child.communicate(timeout=WARM_UP + SECONDS + 2 * DEADLINE)
        assert child.returncode == 0, errors.strip().splitlines()[-1]
        results.append(f"{count} processes {float(out):.3f} % of a core, limit {highest}")
    for result, highest in zip(results, CASES.values()):
        assert float(result.split()[2]) <= highest, ", ".join(results)
    return ", ".join(results)


def looking_at_the_processes_costs_little(programs):
    if subprocess.run([*NAMESPACES, "true"], capture_output=True).returncode:
        raise Skip("no process namespace can be created")
    return retry(lambda: costs(programs.agent), 2)


CHECKS = [looking_at_the_processes_costs_little]

if __name__ == "__main__":
    print(cost_among(int(sys.argv[1]), sys.argv[2]))

"""systemd understands the unit files, and hands the agent its socket."""

import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from stage import DEADLINE, connect, running, some_time_or_other

UNITS = Path(__file__).parents[2] / "packaging" / "systemd"

# Exposure as systemd counts it, from 0 (best) to 10. Half of what is left is what a monitor is for:
# it sees the machine and the network.
EXPOSURE_MAX = 1.7


def the_unit_files_are_what_systemd_understands(programs):
    with tempfile.TemporaryDirectory() as folder:
        units = []
        for unit in UNITS.iterdir():
            # The agent is not installed here, nor are its pages.
            text = unit.read_text().replace("/usr/bin/loadline-agent", programs.agent)
            lines = [line for line in text.splitlines() if not line.startswith("Documentation=")]
            units.append(Path(folder) / unit.name)
            units[-1].write_text("\n".join(lines))
        verify = ["systemd-analyze", "--recursive-errors=no", "verify", *map(str, units)]
        result = subprocess.run(verify, capture_output=True, text=True, timeout=DEADLINE)
        complaints = [line for line in result.stderr.splitlines() if "loadline-agent" in line]
        assert result.returncode == 0 and not complaints, result.stderr


def the_service_is_exposed_no_more_than_a_monitor_has_to_be(programs):
    unit = UNITS / "loadline-agent.service"
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    found = re.search(r"Overall exposure level for loadline-agent\.service: ([\d.]+)", result.stdout)
    assert found, result.stdout + result.stderr
    assert float(found[1]) <= EXPOSURE_MAX, result.stdout
    return f"exposure {found[1]}"


def the_agent_serves_on_the_socket_that_systemd_opened(programs):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    activate = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", programs.agent, "-i", "250ms"]
    with running(*activate) as service:
        # The first connection is what the agent is started for.
        client = some_time_or_other(lambda: first_connection(port), 100)
        with client, client.makefile() as lines:
            assert service.out.line() == f"listening on 127.0.0.1:{port}"
            rows = [lines.readline().split() for _ in range(3)]
        assert all(len(row) == 6 for row in rows), rows
        assert service.end() == 0


def first_connection(port: int) -> socket.socket:
    try:
        return connect(port)
    except ConnectionRefusedError as error:
        time.sleep(0.05)
        raise AssertionError("nobody listens yet") from error


CHECKS = [
    the_unit_files_are_what_systemd_understands,
    the_service_is_exposed_no_more_than_a_monitor_has_to_be,
    the_agent_serves_on_the_socket_that_systemd_opened,
]

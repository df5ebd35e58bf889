"""systemd accepts the unit files, and the agent serves on its sockets."""

import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from stage import DEADLINE, connect, running, retry

UNITS = Path(__file__).parents[2] / "packaging" / "systemd"

# Limit of systemd's exposure level, from 0 (best) to 10. Half of it is unavoidable for a monitor, which
# sees the machine and uses the network.
EXPOSURE_MAX = 1.7


def systemd_accepts_the_unit_files(programs):
    with tempfile.TemporaryDirectory() as folder:
        units = []
        for unit in UNITS.iterdir():
            # Neither the agent nor its manual page is installed.
            text = unit.read_text().replace("/usr/bin/loadline-agent", programs.agent)
            lines = [line for line in text.splitlines() if not line.startswith("Documentation=")]
            units.append(Path(folder) / unit.name)
            units[-1].write_text("\n".join(lines))
        verify = ["systemd-analyze", "--recursive-errors=no", "verify", *map(str, units)]
        result = subprocess.run(verify, capture_output=True, text=True, timeout=DEADLINE)
        complaints = [line for line in result.stderr.splitlines() if "loadline-agent" in line]
        assert result.returncode == 0 and not complaints, result.stderr


def the_exposure_of_the_service_is_low(programs):
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
        # The first connection starts the agent.
        client = retry(lambda: first_connection(port), 100)
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
        raise AssertionError("nothing listens yet") from error


CHECKS = [
    systemd_accepts_the_unit_files,
    the_exposure_of_the_service_is_low,
    the_agent_serves_on_the_socket_that_systemd_opened,
]

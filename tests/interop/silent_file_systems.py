"""A file system and a name server that never answer: signals end both programs, and a reload stops no samples.

The checks run in namespaces of their own, with a FUSE file system whose server reads no request.
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stage import DEADLINE, Programs, Skip, output, wait_until

NAMESPACES = ["unshare", "--user", "--map-root-user", "--mount", "--net"]

# Time from a signal to the end in seconds: 2, and more on a machine that is busy with other work.
END_MAX = 5.0

# Time in which a program gets to what hangs.
PAUSE = 1.0

# Time after which both programs give up a file, and some more.
READ_MAX = 15.0

HOST = "web-1.example.org"


def mount_silent(folder: Path):
    """Mounts a file system that never answers. Returns its device, which must stay open."""
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"silent", bytes(folder), b"fuse", 0, options.encode()):
        raise OSError(ctypes.get_errno(), "cannot mount")
    return device


def start_silent_name_server(folder: Path) -> socket.socket:
    """Makes the system ask a name server that never answers."""
    output("ip", "link", "set", "lo", "up")
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    output("mount", "--bind", str(folder / "resolv.conf"), os.path.realpath("/etc/resolv.conf"))
    return server


@contextlib.contextmanager
def program(*command: str, **streams):
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, env={**os.environ, "LOADLINE_CONFIG": ""}, **streams)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def end(child: subprocess.Popen, what: str) -> float:
    start = time.monotonic()
    child.send_signal(signal.SIGTERM)
    try:
        code = child.wait(END_MAX)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{what}: SIGTERM does not end the program") from None
    # Before it handles signals, SIGTERM ends any program.
    assert code in (0, -signal.SIGTERM), f"{what}: exit code {code}"
    return time.monotonic() - start


def check_end(*command: str) -> float:
    what = " ".join(command[1:])
    with program(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        time.sleep(PAUSE)
        assert child.poll() is None, f"{what}: ended with {child.returncode}"
        return end(child, what)


def rows(path: Path, seconds: float) -> int:
    """Returns the number of rows that arrive at a Unix socket in this time."""
    count, until = 0, time.monotonic() + seconds
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        while (left := until - time.monotonic()) > 0:
            client.settimeout(left)
            with contextlib.suppress(TimeoutError):
                count += client.recv(4096).count(b"\n")
    return count


def check_reload(agent: str, folder: Path, silent: Path) -> float:
    """A certificate moves to the silent file system. Then it is back."""
    cert, key, link, sock = (folder / name for name in ("cert.pem", "key.pem", "link.pem", "agent.sock"))
    options = ["-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=web-1", "-keyout", str(key)]
    output("openssl", "req", *options, "-out", str(cert))
    link.symlink_to(cert)
    options = ["--tls-cert", str(link), "--tls-key", str(key), "--listen", f"unix:{sock}", "-i", "250ms"]
    with (folder / "log").open("wb") as log:
        with program(agent, *options, stdout=subprocess.DEVNULL, stderr=log) as child:
            def is_logged(text: str) -> bool:
                return text in (folder / "log").read_text()

            def move_to(target: Path):
                link.unlink()
                link.symlink_to(target)
                child.send_signal(signal.SIGHUP)

            wait_until("the agent", sock.exists)
            move_to(silent / "cert.pem")
            assert rows(sock, 3) >= 6, "a reload that hangs stops the samples"
            move_to(cert)
            wait_until("the end of the wait", lambda: is_logged("no answer"), READ_MAX)
            wait_until("another reload", lambda: is_logged("reloaded the TLS files"))
            move_to(silent / "cert.pem")
            time.sleep(PAUSE)
            return end(child, "a reload that hangs")


def in_namespaces(agent: str, client: str) -> str:
    with tempfile.TemporaryDirectory() as name:
        folder, silent = Path(name), Path(name, "silent")
        silent.mkdir()
        device = mount_silent(silent)
        try:
            name_server = start_silent_name_server(folder)
            table = folder / "a.csv"
            table.write_text("volts;amps\n1;2\n")
            cases = [
                (client, str(silent / "a.csv"), "-o", "csv"),
                (client, str(table), "-o", "csv", "--record", str(silent / "a.load")),
                (client, "tls://127.0.0.1:1", "-o", "csv", "--tls-ca", str(silent / "ca.pem")),
                (client, HOST, "-o", "csv"),
                (agent, "--tls-cert", str(silent / "cert.pem"), "--tls-key", str(silent / "key.pem")),
                (agent, "--listen", f"{HOST}:1027"),
                (agent, "--listen", f"unix:{silent / 'agent.sock'}"),
            ]
            took = [check_end(*case) for case in cases]
            took.append(check_reload(agent, folder, silent))
            name_server.close()
        finally:
            output("umount", "--lazy", str(silent))
            os.close(device)
        return f"{len(took)} programs ended after at most {max(took):.1f} s"


def what_never_answers_keeps_no_program_from_ending(programs: Programs) -> str:
    if subprocess.run([*NAMESPACES, "true"], capture_output=True).returncode or not os.access("/dev/fuse", os.W_OK):
        raise Skip("needs user namespaces and /dev/fuse")
    command = [*NAMESPACES, sys.executable, "-B", __file__, programs.agent, programs.client]
    # Three waits of 10 s, and the ends.
    result = subprocess.run(command, capture_output=True, text=True, timeout=6 * DEADLINE)
    assert result.returncode == 0, result.stderr.strip().splitlines()[-1]
    return result.stdout.strip()


CHECKS = [what_never_answers_keeps_no_program_from_ending]

if __name__ == "__main__":
    print(in_namespaces(*sys.argv[1:]))

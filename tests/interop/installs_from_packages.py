"""Packages: their contents, and their installation and operation in a clean root."""

import contextlib
import functools
import gzip
import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from stage import DEADLINE, HERE, Skip, output, port_of, running

REPOSITORY = HERE.parents[1]
PROGRAMS = ("loadline-agent", "loadline")

# Time limit in seconds for compressing packages and downloading a root.
LONG_TIMEOUT = 300.0

# Limit of systemd's exposure level, from 0 (best) to 10.
EXPOSURE_MAX = 2.0

# The root has the manual pages, but not `man`.
VERIFY = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no"]

UNIT = "usr/lib/systemd/system/loadline-agent.service"
CONFIGURATION = "etc/default/loadline-agent"


def run(*command: str, within: float = LONG_TIMEOUT) -> str:
    result = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=within
    )
    assert result.returncode == 0, f"{' '.join(command)}: {result.stderr[-2000:]}"
    return result.stdout


def need(command: str, what: str):
    if not shutil.which(command):
        raise Skip(f"{command} is missing; {what}")


@functools.cache
def packages(agent: str) -> Path:
    """Builds packages of the programs under test. Returns their folder."""
    need("cargo-deb", "install it with `cargo install cargo-deb --locked`")
    flags = {"debug": ["--debug"], "release": []}[Path(agent).parent.name]
    return Path(run(str(REPOSITORY / "packaging" / "build"), *flags).splitlines()[-1])


def deb(programs, name: str) -> Path:
    (found,) = packages(programs.agent).glob(f"{name}_*.deb")
    return found


@functools.cache
def scratch() -> tempfile.TemporaryDirectory:
    """Returns the folder of the roots, which is removed at exit."""
    return tempfile.TemporaryDirectory(prefix="loadline-root-", ignore_cleanup_errors=True)


@functools.cache
def as_root() -> list[str]:
    """Returns the prefix of commands that need root."""
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "--non-interactive"]
    if not shutil.which("sudo") or subprocess.run([*sudo, "true"], capture_output=True).returncode:
        raise Skip("an installation into another root needs root")
    return sudo


@functools.cache
def clean_root() -> Path:
    """Returns a minimal Debian root without additional packages."""
    prefix = as_root()
    path = f"{os.environ['PATH']}:/usr/sbin"
    if not shutil.which("debootstrap", path=path):
        raise Skip("debootstrap is missing; install it with `apt install debootstrap`")
    root = Path(scratch().name) / "debian"
    release = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.M)
    if not release:
        raise Skip("debootstrap needs a release name, which this system does not have")
    # Uses the mirror of this machine.
    command = ["env", f"PATH={path}", "debootstrap", "--variant=minbase", release[1], str(root)]
    command = [*prefix, *command, *mirror()]
    result = subprocess.run(command, capture_output=True, text=True, timeout=LONG_TIMEOUT)
    if result.returncode != 0:
        raise Skip(f"no clean root can be created: {result.stdout[-300:]}")
    return root


def mirror() -> list[str]:
    lists = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    text = "\n".join(file.read_text() for file in lists if file.is_file())
    found = re.search(r"^(?:URIs:|deb(?: \[[^\]]*\])?) *(https?://\S+/(?:debian|ubuntu)/?)(?:\s|$)", text, re.M)
    return [found[1]] if found else []


@functools.cache
def unpacked(agent: str) -> Path:
    """Unpacks the packages into a new folder, which does not need root."""
    root = Path(scratch().name) / "prefix"
    for package in packages(agent).glob("*.deb"):
        run("dpkg-deb", "--extract", str(package), str(root))
    return root


@functools.cache
def installed(agent: str) -> Path:
    """Returns the clean root with both packages installed by dpkg."""
    root = clean_root()
    found = sorted(packages(agent).glob("*.deb"))
    for package in found:
        shutil.copy(package, root / "tmp")
    inside(root, "dpkg", "--install", *[f"/tmp/{package.name}" for package in found])
    return root


def chroot(root: Path, *command: str) -> list[str]:
    """Returns a command that runs in the root, with a temporary /proc."""
    script = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
    # The caller's PATH and LANG do not apply in the root.
    clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive"]
    return [*as_root(), *clean, "unshare", "--mount", "sh", "-c", script, str(root), *command]


def inside(root: Path, *command: str) -> str:
    return run(*chroot(root, *command))


def the_packages_have_the_expected_files(programs):
    root = unpacked(programs.agent)
    expected = [CONFIGURATION, UNIT, UNIT.replace(".service", ".socket")]
    for name in PROGRAMS:
        expected += [
            f"usr/bin/{name}",
            f"usr/share/man/man1/{name}.1.gz",
            f"usr/share/bash-completion/completions/{name}",
            f"usr/share/zsh/vendor-completions/_{name}",
            f"usr/share/fish/vendor_completions.d/{name}.fish",
            f"usr/share/doc/{name}/copyright",
            f"usr/share/doc/{name}/changelog.gz",
            f"usr/share/doc/{name}/README.md",
        ]
    found = sorted(str(file.relative_to(root)) for file in root.rglob("*") if file.is_file())
    assert found == sorted(expected), set(found) ^ set(expected)
    conffiles = run("dpkg-deb", "--info", str(deb(programs, "loadline-agent")), "conffiles")
    assert conffiles.split() == [f"/{CONFIGURATION}"], conffiles
    settings = (root / CONFIGURATION).read_text().splitlines()
    assert not [line for line in settings if line and not line.startswith("#")], settings


def the_rpm_packages_have_the_same_files(programs):
    need("rpm", "install it with `apt install rpm`")
    found = sorted(packages(programs.agent).glob("*.rpm"))
    if not found:
        raise Skip("cargo-generate-rpm is missing")
    files = [run("rpm", "-qlp", str(package)).split() for package in found]
    files = {name for names in files for name in names}
    for name in PROGRAMS:
        for file in (f"/usr/bin/{name}", f"/usr/share/man/man1/{name}.1.gz"):
            assert file in files, f"{file} is not among {files}"
    assert f"/{UNIT}" in files, files
    agent = next(str(it) for it in found if it.name.startswith("loadline-agent"))
    assert run("rpm", "-qp", "--configfiles", agent).split() == [f"/{CONFIGURATION}"]


def mandoc_accepts_the_manual_pages(programs):
    need("mandoc", "install it with `apt install mandoc`")
    sections = ["NAME", "SYNOPSIS", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"]
    lines = []
    for name in PROGRAMS:
        page = unpacked(programs.agent) / f"usr/share/man/man1/{name}.1.gz"
        text = Path(scratch().name) / f"{name}.1"
        text.write_bytes(gzip.decompress(page.read_bytes()))
        lint = subprocess.run(
            ["mandoc", "-Tlint", "-W", "warning", str(text)], capture_output=True, text=True
        )
        assert lint.returncode == 0, lint.stdout
        shown = run("mandoc", "-Tascii", str(text))
        shown = re.sub(".\b", "", shown)
        missing = [it for it in sections if not re.search(f"^{it}$", shown, re.M)]
        assert not missing, f"{name}: {missing}"
        lines.append(f"{name} {len(shown.splitlines())} lines")
    return ", ".join(lines)


def shells_complete_options_and_values(programs):
    root = unpacked(programs.agent)
    bash = root / "usr/share/bash-completion/completions"
    for words, expected in [
        (["loadline", "--inter"], ["--interval"]),
        (["loadline", "--output", "t"], ["tui", "table"]),
        (["loadline-agent", "--max-clients-"], ["--max-clients-per-address"]),
    ]:
        script = (
            'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
            'name=$(complete -p "$1" | sed "s/.*-F \\([^ ]*\\).*/\\1/"); '
            '"$name" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"; '
            'echo "${COMPREPLY[*]}"'
        )
        completions = run("bash", "--norc", "-c", script, str(bash / words[0]), *words)
        assert completions.split() == expected, f"{words}: {completions}"
    others = {
        "zsh": ["usr/share/zsh/vendor-completions/_loadline"],
        "fish": ["usr/share/fish/vendor_completions.d/loadline.fish"],
    }
    for name in ("loadline", "loadline-agent"):
        run("bash", "-n", str(bash / name))
    checked = ["bash"]
    for shell, files in others.items():
        if shutil.which(shell):
            for file in files:
                run(shell, "-n", str(root / file))
            checked.append(shell)
    return ", ".join(checked)


def systemd_accepts_the_installed_unit(programs):
    root = installed(programs.agent)
    result = subprocess.run(
        [*VERIFY, f"--root={root}", "loadline-agent.service"],
        capture_output=True, text=True, timeout=DEADLINE,
    )
    complaints = [line for line in result.stderr.splitlines() if "loadline-agent.service:" in line]
    # The minimal root has no `kill`.
    if not (root / "bin/kill").exists():
        complaints = [line for line in complaints if "Command /bin/kill" not in line]
    assert not complaints, result.stderr
    security = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
    text = run(*security, f"--root={root}", "loadline-agent.service", within=DEADLINE)
    found = re.search(r"Overall exposure level for loadline-agent\.service: ([\d.]+)", text)
    assert found and float(found[1]) <= EXPOSURE_MAX, text
    return f"exposure {found[1]}"


def an_installation_enables_only_the_service(programs):
    wanted = installed(programs.agent) / "etc/systemd/system"
    enabled = sorted(str(link.relative_to(wanted)) for link in wanted.rglob("loadline*"))
    assert enabled == ["multi-user.target.wants/loadline-agent.service"], enabled


def the_installed_client_reads_the_installed_agent(programs):
    root = installed(programs.agent)
    with contextlib.ExitStack() as stack:
        # The default address, if it is free.
        with socket.socket() as probe:
            is_free = probe.connect_ex(("127.0.0.1", 1027)) != 0
        settings = [] if is_free else ["LOADLINE_AGENT_LISTEN=127.0.0.1:0"]
        command = chroot(root, "env", *settings, "/usr/bin/loadline-agent", "--interval", "250ms")
        agent = stack.enter_context(running(*command))
        # Ends the agent by a signal; killing sudo would leave it running.
        stack.callback(agent.end)
        port = port_of(agent)
        source = [] if is_free else [f"127.0.0.1:{port}"]
        # Only a running agent has history.
        lines = inside(root, "/usr/bin/loadline", *source, "-o", "raw", "-n", "3", "--history", "all")
        assert " interval=250ms " in lines, lines
        assert inside(root, "/usr/bin/loadline", "-V") == output(programs.client, "-V")
    return f"on port {port}"


def a_purge_leaves_no_files(programs):
    root = installed(programs.agent)
    # Like the state folder of a dynamic user.
    state = "/var/lib/private/loadline-agent"
    inside(root, "mkdir", "--parents", state)
    inside(root, "ln", "--symbolic", "private/loadline-agent", "/var/lib/loadline-agent")
    inside(root, "dpkg", "--remove", *PROGRAMS)
    # A removal keeps configuration and state.
    inside(root, "ls", f"/{CONFIGURATION}", state)
    inside(root, "dpkg", "--purge", *PROGRAMS)
    search = ["find", "/", "-xdev", "-path", "/tmp", "-prune", "-o", "-name", "*loadline*", "-print"]
    assert not inside(root, *search), inside(root, *search)


CHECKS = [
    the_packages_have_the_expected_files,
    the_rpm_packages_have_the_same_files,
    mandoc_accepts_the_manual_pages,
    shells_complete_options_and_values,
    systemd_accepts_the_installed_unit,
    an_installation_enables_only_the_service,
    the_installed_client_reads_the_installed_agent,
    a_purge_leaves_no_files,
]

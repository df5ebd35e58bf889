"""The commands of the documentation do what it says. Each block of `sh` on the front page and below docs/
is run, or says in a comment in front of it why not."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from roads_of_ssh import ME, Server
from stage import Programs, agent, free_port, output, running, tutorial, wait_until
from terminal import screen

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

# A line may wait for some rows.
LINE_WITHIN = 60.0

# What says on the screen that something has come.
COMES = ["LIVE", "REPLAY"]

# With one of these, the client ends by itself or has no screen.
NO_SCREEN = ["-o", "-n", "--check", "--print-config", "--generate", "--version", "--help"]


@dataclass
class Block:
    """Lines of a page between three backticks."""

    page: Path
    line: int
    text: str
    why_not: str | None = None
    # What is written, if the page shows it.
    shown: str | None = None
    is_configuration: bool = False

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def commands(self) -> list[str]:
        """Lines, with those that follow a backslash."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip()]


@dataclass
class Places:
    """What stands here for what the reader has."""

    agent: int
    metrics: int
    script: int
    program: str
    ssh: int
    ssh_config: Path

    def put(self, text: str) -> str:
        for pattern, here in [
            # Who is reached by ssh is this user, and the configuration of ssh knows the host.
            (r"deploy@web-1:2222", f"{ME}@web-1:{self.ssh}"),
            (r"deploy@web-1", f"{ME}@web-1"),
            (r"-F other\.conf", f"-F {self.ssh_config}"),
            (r"\./loadline-agent\b", self.program),
            # Servers listen on this machine only, and on ports that are free.
            (r"tls://web-1", f"tls://127.0.0.1:{self.agent}"),
            (r"DNS:web-1", "IP:127.0.0.1"),
            (r"(?<![\w@/=.-])web-1(?![\w.])", f"127.0.0.1:{self.agent}"),
            (r"(?<![\w@/=.-])web-2(?![\w.])", f"localhost:{self.agent}"),
            (r"10\.0\.0\.7:5000", f"127.0.0.1:{self.script}"),
            (r"(127\.0\.0\.1|0\.0\.0\.0):1027", f"127.0.0.1:{self.agent}"),
            (r"127\.0\.0\.1 1027", f"127.0.0.1 {self.agent}"),
            (r"127\.0\.0\.1:9127", f"127.0.0.1:{self.metrics}"),
            # Nobody waits for ten minutes.
            (r"-n 600?\b", "-n 6"),
        ]:
            text = re.sub(pattern, here, text)
        return text


def blocks_of(page: Path) -> list[Block]:
    blocks, fence, start, lines, why_not = [], None, 0, [], None
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if fence is None and line.startswith("```"):
            fence, start, lines = line[3:].strip(), number, []
        elif fence is None and (found := re.fullmatch(r"<!-- not run: (.+) -->", line)):
            why_not = found[1]
        elif fence is not None and line == "```":
            text = "\n".join(lines)
            if fence == "sh":
                blocks.append(Block(page, start, text, why_not))
                follows = blocks[-1]
            elif fence == "toml":
                blocks.append(Block(page, start, text, is_configuration=True))
            elif fence == "text" and follows:
                follows.shown = text
            fence, why_not, follows = None, None, follows if fence == "sh" else None
        elif fence is not None:
            lines.append(line)
        elif line.lstrip().startswith("```"):
            raise AssertionError(f"{page}:{number}: a block has to begin where the line does")
        elif line:
            why_not = follows = None
    assert fence is None, f"{page}: a block is not closed"
    return blocks


def is_agent(line: str) -> bool:
    """Whether a line starts an agent, which stays."""
    words = line.split()
    return words[0] == "loadline-agent" and not set(words) & set(NO_SCREEN)


def is_screen(line: str) -> bool:
    """Whether a line is for the eyes."""
    words = shlex.split(line.split("|")[-1], comments=True)
    return words[:1] == ["loadline"] and not set(words) & {*NO_SCREEN, ">"}


def ended(process: int) -> tuple[int, int] | None:
    """Which process has ended, and how, if it has."""
    found = os.waitpid(process, os.WNOHANG)
    return found if found[0] else None


class Reader:
    """Somebody who types what a page says, in a folder of their own."""

    def __init__(self, programs: Programs, folder: Path, places: Places, server: Server):
        self.folder, self.places = folder, places
        self.resident = contextlib.ExitStack()
        tools = folder / "bin"
        tools.mkdir()
        for name, program in [("loadline", programs.client), ("loadline-agent", programs.agent)]:
            (tools / name).symlink_to(program)
        for name in ["docs", "packaging", "tests"]:
            (folder / name).symlink_to(ROOT / name)
        listen = f"127.0.0.1:{places.agent}"
        environment = {
            "PATH": f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": folder,
            "XDG_CONFIG_HOME": folder / ".config",
            "LC_ALL": "C.UTF-8",
            "GNUTERM": "dumb",
            "LOADLINE_AGENT_LISTEN": listen,
            "LOADLINE_AGENT_INTERVAL": "250ms",
            "LOADLINE_AGENT_RESIDENT": listen,
            "LOADLINE_SSH": shlex.join(["ssh", "-F", str(server.path("ssh_config"))]),
        }
        within = [f"{name}={value}" for name, value in environment.items()]
        # Python has it ignored, and a program whose reader is gone would write on for ever.
        signals = "--default-signal=PIPE"
        self.within = ["/usr/bin/env", signals, "-C", str(folder), *within]

    def start(self, line: str) -> str:
        """Starts an agent in place of the one before; gives what it says."""
        self.resident.close()
        service = self.resident.enter_context(running(*self.within, *shlex.split(line, comments=True)))
        said = [service.out.line()]
        if "--metrics-listen" in line:
            said.append(service.out.line())
        self.resident.callback(lambda: self.ends_well(service, line))
        return "\n".join(said)

    @staticmethod
    def ends_well(service, line: str):
        code = service.end()
        assert code == 0, f"{line!r} ends with {code}: {service.said()}"

    def look(self, line: str):
        """Has a screen shown, until something is on it."""
        with screen(*self.within, "bash", "-c", line) as shown:
            try:
                wait_until("a row", lambda: any(word in shown.text() for word in COMES))
            except AssertionError as why:
                raise AssertionError(f"{line!r}: {why}; on the screen is\n{shown.text()}") from None
            shown.type("q")
            code = wait_until("the end", lambda: shown.text() and ended(shown.process))[1]
            code = os.waitstatus_to_exitcode(code)
            assert code == 0, f"{line!r} ends with {code}"

    def run(self, lines: list[str]) -> str:
        """Has a shell run lines; gives what they write."""
        command = [*self.within, "bash", "-euc", "\n".join(lines)]
        shell = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, errors = shell.communicate(timeout=LINE_WITHIN * len(lines))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{lines} do not end") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
        assert shell.returncode == 0, f"{lines} end with {shell.returncode}: {errors or out}"
        return out

    def do(self, block: Block):
        said, waiting = [], []

        def run_waiting():
            if waiting:
                said.append(self.run(waiting))
                waiting.clear()

        for line in map(self.places.put, block.commands()):
            if is_agent(line):
                run_waiting()
                said.append(self.start(line))
            elif is_screen(line):
                run_waiting()
                self.look(line)
            else:
                waiting.append(line)
        run_waiting()
        if block.shown is not None:
            # Of a block that begins with starting an agent, what is shown is what comes last.
            compare(block, said[-1])


def shape(text: str) -> list[str]:
    """Lines without what is another number or another machine each time."""
    text = re.sub(r"(?m)^(host +).*$", r"\1…", text)
    text = re.sub(r"\d+(\.\d+)?|\bnan\b", "N", text)
    text = re.sub(r"N ?m?s\b", "N s", text)
    return [re.sub(" +", " ", line).strip() for line in text.strip().splitlines()]


def compare(block: Block, said: str):
    shown, found = shape(block.shown), shape(said)
    assert len(shown) == len(found), f"{block}: {len(found)} lines come:\n{said}"
    for expected, line in zip(shown, found):
        pattern = ".*".join(map(re.escape, expected.split("…")))
        assert re.fullmatch(pattern, line), f"{block}: it shows {expected!r}, and what comes is {line!r}"


def the_commands_of_the_documentation_do_what_it_says(programs):
    run = skipped = 0
    with tempfile.TemporaryDirectory() as keys:
        server = Server(programs, keys)
        server.start()
        try:
            for page in PAGES:
                blocks = [block for block in blocks_of(page) if not block.is_configuration]
                todo = [block for block in blocks if block.why_not is None]
                skipped += len(blocks) - len(todo)
                run += len(todo)
                if todo:
                    read(programs, server, todo)
        finally:
            server.stop()
    assert run > 10, f"{run} blocks were run"
    return f"{run} blocks run, {skipped} not run and saying why"


def read(programs, server: Server, blocks: list[Block]):
    """Types what a page says, from the top down."""
    with tempfile.TemporaryDirectory() as folder, tutorial("0.2") as (_, script):
        ssh = (server.port, server.path("ssh_config"))
        places = Places(free_port(), free_port(), script, programs.agent, *ssh)
        reader = Reader(programs, Path(folder), places, server)
        with reader.resident:
            # Where the page starts no agent, one is there.
            if not any(is_agent(line) for line in blocks[0].commands()):
                reader.start("loadline-agent")
            for block in blocks:
                try:
                    reader.do(block)
                except AssertionError as why:
                    raise AssertionError(f"{block}: {why}") from None


def the_configurations_in_the_documentation_are_taken(programs):
    count = 0
    with agent(programs, "--interval", "250ms") as port, tempfile.TemporaryDirectory() as folder:
        for block in (block for page in PAGES for block in blocks_of(page) if block.is_configuration):
            count += 1
            path = Path(folder, "config.toml")
            path.write_text(block.text)
            try:
                output(programs.client, f"127.0.0.1:{port}", "--config", str(path), "-n", "1")
            except AssertionError as why:
                raise AssertionError(f"{block}: {why}") from None
    assert count > 3, f"{count} configurations were found"
    return f"{count} configurations"


def words_of(part: str) -> list[str]:
    """Words as a shell has them; of a part that was cut within quotes, what blanks part."""
    try:
        return shlex.split(part, comments=True)
    except ValueError:
        return part.split()


def the_options_in_the_documentation_are_there(programs):
    count = 0
    flags = {
        name: set(re.findall(r"(?m)^ +(?:-\w, )?(--[a-z-]+)|^ +(-\w),", output(program, "--help")))
        for name, program in [("loadline", programs.client), ("loadline-agent", programs.agent)]
    }
    known = {name: {flag for pair in found for flag in pair if flag} for name, found in flags.items()}
    for block in (it for page in PAGES for it in blocks_of(page) if not it.is_configuration):
        for command in block.commands():
            for part in re.split(r"\||&&|;", command):
                program = None
                for word in words_of(part):
                    if Path(word).name in known:
                        program = Path(word).name
                    elif program and re.match(r"--[a-z]", word):
                        count += 1
                        flag = word.split("=")[0]
                        assert flag in known[program], f"{block}: {program} has no {flag}"
    assert count > 20, f"{count} options were found"
    page = (ROOT / "docs" / "options.md").read_text()
    for flag in sorted({*known["loadline"], *known["loadline-agent"]} - {"--help", "-h"}):
        assert re.search(rf"{flag}(?![\w-])", page), f"docs/options.md does not have {flag}"
    return f"{count} options"


CHECKS = [
    the_configurations_in_the_documentation_are_taken,
    the_options_in_the_documentation_are_there,
    the_commands_of_the_documentation_do_what_it_says,
]

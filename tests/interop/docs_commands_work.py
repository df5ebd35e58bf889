"""Commands, options and configurations in the documentation work. Each `sh` block in README.md and docs/
is run, unless a comment before it gives a reason not to."""

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

from ssh_transport import ME, SshServer
from stage import Programs, agent, free_port, output, running, tutorial, wait_until
from terminal import screen

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

# Time limit of a line in seconds. It may wait for some rows.
LINE_TIMEOUT = 60.0

# Texts on the screen that show that rows have arrived.
ROWS_ARRIVED = ["LIVE", "REPLAY"]

# Options with which the client ends by itself or has no screen.
NO_SCREEN = ["-o", "-n", "--check", "--print-config", "--generate", "--version", "--help"]


@dataclass
class Block:
    """Fenced block of a page."""

    page: Path
    line: int
    text: str
    skip_reason: str | None = None
    # Output as shown on the page, if any.
    expected: str | None = None
    is_configuration: bool = False

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    def commands(self) -> list[str]:
        """Returns the command lines, with continuation lines joined."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip()]


@dataclass
class Replacements:
    """Ports and programs that replace those of the examples."""

    agent: int
    metrics: int
    script: int
    program: str
    ssh: int
    ssh_config: Path

    def apply(self, text: str) -> str:
        for pattern, replacement in [
            # The ssh configuration has the host, for the current user.
            (r"deploy@web-1:2222", f"{ME}@web-1:{self.ssh}"),
            (r"deploy@web-1", f"{ME}@web-1"),
            (r"-F other\.conf", f"-F {self.ssh_config}"),
            (r"\./loadline-agent\b", self.program),
            # Servers listen on loopback addresses and free ports.
            (r"tls://web-1", f"tls://127.0.0.1:{self.agent}"),
            (r"DNS:web-1", "IP:127.0.0.1"),
            (r"(?<![\w@/=.-])web-1(?![\w.])", f"127.0.0.1:{self.agent}"),
            (r"(?<![\w@/=.-])web-2(?![\w.])", f"localhost:{self.agent}"),
            (r"10\.0\.0\.7:5000", f"127.0.0.1:{self.script}"),
            (r"(127\.0\.0\.1|0\.0\.0\.0):1027", f"127.0.0.1:{self.agent}"),
            (r"127\.0\.0\.1 1027", f"127.0.0.1 {self.agent}"),
            (r"127\.0\.0\.1:9127", f"127.0.0.1:{self.metrics}"),
            # Six rows instead of minutes of them.
            (r"-n 600?\b", "-n 6"),
        ]:
            text = re.sub(pattern, replacement, text)
        return text


def blocks_of(page: Path) -> list[Block]:
    blocks, fence, start, lines, skip_reason = [], None, 0, [], None
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if fence is None and line.startswith("```"):
            fence, start, lines = line[3:].strip(), number, []
        elif fence is None and (found := re.fullmatch(r"<!-- not run: (.+) -->", line)):
            skip_reason = found[1]
        elif fence is not None and line == "```":
            text = "\n".join(lines)
            if fence == "sh":
                blocks.append(Block(page, start, text, skip_reason))
                follows = blocks[-1]
            elif fence == "toml":
                blocks.append(Block(page, start, text, is_configuration=True))
            elif fence == "text" and follows:
                follows.expected = text
            fence, skip_reason, follows = None, None, follows if fence == "sh" else None
        elif fence is not None:
            lines.append(line)
        elif line.lstrip().startswith("```"):
            raise AssertionError(f"{page}:{number}: a block must not be indented")
        elif line:
            skip_reason = follows = None
    assert fence is None, f"{page}: a block is not closed"
    return blocks


def is_agent(line: str) -> bool:
    """Returns whether a line starts an agent, which keeps running."""
    words = line.split()
    return words[0] == "loadline-agent" and not set(words) & set(NO_SCREEN)


def is_screen(line: str) -> bool:
    """Returns whether a line starts the client with a screen."""
    words = shlex.split(line.split("|")[-1], comments=True)
    return words[:1] == ["loadline"] and not set(words) & {*NO_SCREEN, ">"}


def ended(process: int) -> tuple[int, int] | None:
    """Returns the process id and status of a process that has ended, or None."""
    found = os.waitpid(process, os.WNOHANG)
    return found if found[0] else None


class DocsRunner:
    """Runs the commands of a page in a folder of its own."""

    def __init__(self, programs: Programs, folder: Path, replacements: Replacements, server: SshServer):
        self.folder, self.replacements = folder, replacements
        self.resident = contextlib.ExitStack()
        tools = folder / "bin"
        tools.mkdir()
        for name, program in [("loadline", programs.client), ("loadline-agent", programs.agent)]:
            (tools / name).symlink_to(program)
        for name in ["docs", "packaging", "tests"]:
            (folder / name).symlink_to(ROOT / name)
        listen = f"127.0.0.1:{replacements.agent}"
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
        settings = [f"{name}={value}" for name, value in environment.items()]
        # Python ignores SIGPIPE, with which a program would write to a closed pipe endlessly.
        signals = "--default-signal=PIPE"
        self.environment = ["/usr/bin/env", signals, "-C", str(folder), *settings]

    def start(self, line: str) -> str:
        """Starts an agent in place of the previous one. Returns its first output."""
        self.resident.close()
        service = self.resident.enter_context(running(*self.environment, *shlex.split(line, comments=True)))
        outputs = [service.out.line()]
        if "--metrics-listen" in line:
            outputs.append(service.out.line())
        self.resident.callback(lambda: self.assert_success(service, line))
        return "\n".join(outputs)

    @staticmethod
    def assert_success(service, line: str):
        code = service.end()
        assert code == 0, f"{line!r} ends with {code}: {service.stderr()}"

    def run_screen(self, line: str):
        """Runs the client until its screen shows rows."""
        with screen(*self.environment, "bash", "-c", line) as terminal:
            try:
                wait_until("a row", lambda: any(word in terminal.text() for word in ROWS_ARRIVED))
            except AssertionError as error:
                raise AssertionError(f"{line!r}: {error}; the screen is\n{terminal.text()}") from None
            terminal.type("q")
            code = wait_until("the end", lambda: terminal.text() and ended(terminal.process))[1]
            code = os.waitstatus_to_exitcode(code)
            assert code == 0, f"{line!r} ends with {code}"

    def run(self, lines: list[str]) -> str:
        """Runs lines in a shell. Returns their output."""
        command = [*self.environment, "bash", "-euc", "\n".join(lines)]
        shell = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, errors = shell.communicate(timeout=LINE_TIMEOUT * len(lines))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{lines} do not end") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
        assert shell.returncode == 0, f"{lines} end with {shell.returncode}: {errors or out}"
        return out

    def run_block(self, block: Block):
        outputs, pending = [], []

        def run_pending():
            if pending:
                outputs.append(self.run(pending))
                pending.clear()

        for line in map(self.replacements.apply, block.commands()):
            if is_agent(line):
                run_pending()
                outputs.append(self.start(line))
            elif is_screen(line):
                run_pending()
                self.run_screen(line)
            else:
                pending.append(line)
        run_pending()
        if block.expected is not None:
            # The page shows the output of the last command, not that of an agent before it.
            compare(block, outputs[-1])


def shape(text: str) -> list[str]:
    """Returns the lines with numbers and host names replaced by placeholders."""
    text = re.sub(r"(?m)^(host +).*$", r"\1…", text)
    text = re.sub(r"\d+(\.\d+)?|\bnan\b", "N", text)
    text = re.sub(r"N ?m?s\b", "N s", text)
    return [re.sub(" +", " ", line).strip() for line in text.strip().splitlines()]


def compare(block: Block, output: str):
    expected_lines, found = shape(block.expected), shape(output)
    assert len(expected_lines) == len(found), f"{block}: {len(found)} lines of output:\n{output}"
    for expected, line in zip(expected_lines, found):
        pattern = ".*".join(map(re.escape, expected.split("…")))
        assert re.fullmatch(pattern, line), f"{block}: expected {expected!r}, got {line!r}"


def commands_of_the_documentation_work(programs):
    run = skipped = 0
    with tempfile.TemporaryDirectory() as keys:
        server = SshServer(programs, keys)
        server.start()
        try:
            for page in PAGES:
                blocks = [block for block in blocks_of(page) if not block.is_configuration]
                todo = [block for block in blocks if block.skip_reason is None]
                skipped += len(blocks) - len(todo)
                run += len(todo)
                if todo:
                    run_page(programs, server, todo)
        finally:
            server.stop()
    assert run > 10, f"{run} blocks were run"
    return f"{run} blocks run, {skipped} skipped with a reason"


def run_page(programs, server: SshServer, blocks: list[Block]):
    """Runs the blocks of a page from top to bottom."""
    with tempfile.TemporaryDirectory() as folder, tutorial("0.2") as (_, script):
        ssh = (server.port, server.path("ssh_config"))
        replacements = Replacements(free_port(), free_port(), script, programs.agent, *ssh)
        runner = DocsRunner(programs, Path(folder), replacements, server)
        with runner.resident:
            # Starts an agent if the page does not.
            if not any(is_agent(line) for line in blocks[0].commands()):
                runner.start("loadline-agent")
            for block in blocks:
                try:
                    runner.run_block(block)
                except AssertionError as error:
                    raise AssertionError(f"{block}: {error}") from None


def configurations_of_the_documentation_are_valid(programs):
    count = 0
    with agent(programs, "--interval", "250ms") as port, tempfile.TemporaryDirectory() as folder:
        for block in (block for page in PAGES for block in blocks_of(page) if block.is_configuration):
            count += 1
            path = Path(folder, "config.toml")
            path.write_text(block.text)
            try:
                output(programs.client, f"127.0.0.1:{port}", "--config", str(path), "-n", "1")
            except AssertionError as error:
                raise AssertionError(f"{block}: {error}") from None
    assert count > 3, f"{count} configurations were found"
    return f"{count} configurations"


def words_of(part: str) -> list[str]:
    """Returns the words of a command as a shell splits them; split at blanks if quotes are not closed."""
    try:
        return shlex.split(part, comments=True)
    except ValueError:
        return part.split()


def options_of_the_documentation_exist(programs):
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
    configurations_of_the_documentation_are_valid,
    options_of_the_documentation_exist,
    commands_of_the_documentation_work,
]

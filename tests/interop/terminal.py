"""The client in a terminal, and the contents of its screen."""

import contextlib
import os
import pty
import select
import termios

import pyte

from stage import wait_until


class Screen:
    """Terminal with a running program."""

    def __init__(self, *command: str):
        columns, rows = 100, 30
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.process, self.fd = pty.fork()
        if self.process == 0:
            termios.tcsetwinsize(0, (rows, columns))
            os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8")
            os.execv(command[0], command)

    def text(self) -> str:
        while select.select([self.fd], [], [], 0)[0]:
            try:
                self.stream.feed(os.read(self.fd, 65536))
            except OSError:
                # The program has ended.
                break
        return "\n".join(self.screen.display)

    def wait_for(self, *words: str) -> str:
        try:
            return wait_until(
                " and ".join(words), lambda: all(word in self.text() for word in words) and self.text()
            )
        except AssertionError as error:
            raise AssertionError(f"{error}; the screen is\n{self.text()}") from None

    def type(self, keys: str):
        os.write(self.fd, keys.encode())

    def quit(self):
        self.type("q")
        wait_until("the end", lambda: self.text() and os.waitpid(self.process, os.WNOHANG)[0])


@contextlib.contextmanager
def screen(*command: str):
    terminal = Screen(*command)
    try:
        yield terminal
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(terminal.process, 9)
            os.waitpid(terminal.process, 0)
        os.close(terminal.fd)

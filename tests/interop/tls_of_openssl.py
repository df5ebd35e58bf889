"""OpenSSL at the other end of TLS: its client at our agent, its server at our client."""

import contextlib
import re
import subprocess
import tempfile
from pathlib import Path

from stage import DEADLINE, Reader, agent, output

ROWS = 5


class Authority:
    """A CA, and what it signs, in files of a folder."""

    def __init__(self, folder: str, name: str):
        self.folder, self.name = Path(folder), name
        self.key, self.cert = self.path("key"), self.path("pem")
        make_key(self.key)
        openssl("req", "-x509", "-new", "-key", self.key, "-subj", f"/CN={name}", "-out", self.cert)

    def path(self, ending: str) -> str:
        return str(self.folder / f"{self.name}.{ending}")

    def sign(self, name: str, host: str = "localhost", days: int = 2) -> tuple[str, str]:
        """A certificate and its key."""
        key, asked, cert = (self.path(f"{name}.{ending}") for ending in ("key", "csr", "pem"))
        make_key(key)
        names = ["-addext", f"subjectAltName=DNS:{host}"]
        openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", *names, "-out", asked)
        by = ["-CA", self.cert, "-CAkey", self.key, "-copy_extensions", "copy"]
        openssl("x509", "-req", "-in", asked, *by, "-days", str(days), "-out", cert)
        return cert, key


def openssl(*arguments: str):
    output("openssl", *arguments)


def make_key(path: str):
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)


@contextlib.contextmanager
def authorities():
    """Ours and another one."""
    with tempfile.TemporaryDirectory() as folder:
        yield Authority(folder, "ours"), Authority(folder, "theirs")


def an_agent(programs, ours: Authority, *options: str):
    cert, key = ours.sign("server")
    return agent(programs, "-i", "250ms", "--tls-cert", cert, "--tls-key", key, *options)


@contextlib.contextmanager
def talking(*command: str):
    """A program whose input stays open; its lines, and what it complains of at the end."""
    with tempfile.TemporaryFile() as errors:
        pipe = subprocess.PIPE
        child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors)
        lines = Reader(child.stdout.fileno(), command[1])
        try:
            yield child, lines, errors
        finally:
            child.kill()
            child.wait()
            lines.selector.close()
            child.stdin.close()
            child.stdout.close()


def s_client(port: int, ours: Authority, *options: str):
    trust = ["-CAfile", ours.cert, "-verify_return_error", "-verify_hostname", "localhost"]
    return talking("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", *trust, *options)


def gets_rows(port: int, ours: Authority, *options: str):
    with s_client(port, ours, *options) as (client, lines, _):
        for _ in range(ROWS):
            assert len(lines.line().split()) == 6
        client.stdin.write(b"loadline/1 columns=cpu\n")
        client.stdin.flush()
        while not lines.line().startswith("# columns time:s seq cpu:%"):
            pass


def is_refused(port: int, ours: Authority, why: str, *options: str):
    with s_client(port, ours, *options) as (client, _, errors):
        assert client.wait(DEADLINE) != 0
        errors.seek(0)
        said = errors.read().decode()
    assert why in said, said


def s_client_gets_rows_of_the_agent_over_tls_1_3_alone(programs):
    with authorities() as (ours, _), an_agent(programs, ours) as port:
        gets_rows(port, ours)
        gets_rows(port, ours, "-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256")
        is_refused(port, ours, "alert protocol version", "-tls1_2")


def s_client_needs_a_certificate_where_the_agent_wants_one(programs):
    with authorities() as (ours, theirs):
        cert, key = ours.sign("client")
        with an_agent(programs, ours, "--tls-client-ca", ours.cert) as port:
            gets_rows(port, ours, "-cert", cert, "-key", key)
            is_refused(port, ours, "alert certificate required")
            cert, key = theirs.sign("client")
            is_refused(port, ours, "alert unknown ca", "-cert", cert, "-key", key)
            cert, key = ours.sign("late", days=-1)
            is_refused(port, ours, "alert certificate expired", "-cert", cert, "-key", key)


@contextlib.contextmanager
def s_server(identity: tuple[str, str], *options: str):
    """OpenSSL's server, which sends some rows to the first client; gives its port."""
    cert, key = identity
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, *options]
    with talking(*command) as (server, lines, _):
        while not (found := re.fullmatch(r"ACCEPT 127\.0\.0\.1:(\d+)", lines.line())):
            pass
        server.stdin.write(b"12.5 2400.0 43.1 0.52 0.44 0.40\n" * ROWS)
        server.stdin.flush()
        yield int(found[1])


def takes_rows(programs, identity, ours: Authority, server=(), client=()):
    with s_server(identity, *server) as port:
        options = ["-o", "csv", "-n", str(ROWS), "--tls-ca", ours.cert, *client]
        text = output(programs.client, f"tls://localhost:{port}", *options)
    assert len(text.splitlines()) == 1 + ROWS, text


def refuses(programs, identity, ours: Authority, why: str, server=(), client=()):
    for look in (["-o", "csv"], ["--check"]):
        with s_server(identity, *server) as port:
            command = [programs.client, f"tls://localhost:{port}", "--tls-ca", ours.cert, *look, *client]
            result = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE
            )
        assert result.returncode == 1 and why in result.stderr, result.stderr
        lines = 1 + result.stderr.count("\nhint: ")
        assert len(result.stderr.splitlines()) == lines, result.stderr


def the_client_takes_rows_of_s_server_that_it_may_trust_and_no_others(programs):
    with authorities() as (ours, theirs):
        takes_rows(programs, ours.sign("server"), ours)
        for identity, why in (
            (ours.sign("late", days=-1), "the server's certificate has expired"),
            (ours.sign("other", host="web-1"), "is not valid for localhost, only for web-1"),
            (theirs.sign("server"), "has an unknown issuer\nhint: give its CA with --tls-ca"),
            ((ours.cert, ours.key), "is a CA certificate"),
        ):
            refuses(programs, identity, ours, why)
        why = "the server does not support TLS 1.3"
        refuses(programs, ours.sign("server"), ours, why, server=["-tls1_2"])


def the_client_shows_its_certificate_to_s_server_that_wants_one(programs):
    with authorities() as (ours, theirs):
        server, asks = ours.sign("server"), ["-Verify", "1", "-verify_return_error"]
        asks += ["-CAfile", ours.cert]

        def shows(identity):
            return ["--tls-cert", identity[0], "--tls-key", identity[1]]

        takes_rows(programs, server, ours, asks, shows(ours.sign("client")))
        why = "a client certificate is required\nhint: give --tls-cert and --tls-key"
        refuses(programs, server, ours, why, asks)
        why = "the server does not know the CA of the client certificate"
        refuses(programs, server, ours, why, asks, shows(theirs.sign("client")))
        why = "the client certificate has expired"
        refuses(programs, server, ours, why, asks, shows(ours.sign("late", days=-1)))


def a_certificate_that_signs_itself_is_enough_made_as_we_say(programs):
    text = Path(__file__).parents[2].joinpath("docs", "service.md").read_text()
    command = re.search(r"^ *(openssl req (?:.*\\\n)*.*)$", text, re.MULTILINE)[1]
    command = command.replace("web-1", "localhost")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["sh", "-ec", command], cwd=folder, check=True, capture_output=True, timeout=DEADLINE
        )
        cert, key = (str(Path(folder, name)) for name in ("cert.pem", "key.pem"))
        with agent(programs, "-i", "250ms", "--tls-cert", cert, "--tls-key", key) as port:
            options = ["-o", "csv", "-n", "2", "--tls-ca", cert]
            output(programs.client, f"tls://localhost:{port}", *options)


CHECKS = [
    s_client_gets_rows_of_the_agent_over_tls_1_3_alone,
    s_client_needs_a_certificate_where_the_agent_wants_one,
    the_client_takes_rows_of_s_server_that_it_may_trust_and_no_others,
    the_client_shows_its_certificate_to_s_server_that_wants_one,
    a_certificate_that_signs_itself_is_enough_made_as_we_say,
]

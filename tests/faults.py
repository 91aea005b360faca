"""What goes wrong, as it really does: S3 behind a way that loses and refuses, a disk that fills up, kill -9."""

import contextlib
import multiprocessing
import os
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers import S3, require


@dataclass
class Call:
    """A request by its name in S3; `status` is what the server answered, None if it was not asked."""

    name: str
    key: str
    part: int | None
    size: int
    status: int | None = None


@dataclass
class Fault:
    """What happens to the next `times` calls of this name, once `after` have passed.

    answer: status and code in the server's place. reset: the connection breaks in the middle of the request's body.
    lost: it breaks when the server has done its work. cut: it breaks in the middle of the answer's body. held: the
    request waits until the fault is healed.
    """

    name: str
    kind: Literal["answer", "reset", "lost", "cut", "held"]
    times: int = 1
    after: int = 0
    status: int = 0
    code: str = ""
    met: threading.Event = field(default_factory=threading.Event)
    healed: threading.Event = field(default_factory=threading.Event)


class Detour:
    """A way to an S3 server, with faults; `calls` are those that came over it.

    A signature is of the Host header as well, which goes on to the server as it came.
    """

    def __init__(self, server: S3) -> None:
        self.calls: list[Call] = []
        self._faults: list[Fault] = []
        self._turn = threading.Condition()
        self._busy = 0
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, urlsplit(server.endpoint).netloc))
        self.s3 = replace(server, endpoint=f"http://127.0.0.1:{self._http.server_port}")

    @contextlib.contextmanager
    def open(self) -> Iterator["Detour"]:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self.heal()
            self._http.shutdown()
            self._http.server_close()

    def fault(self, *arguments: Any, **named: Any) -> Fault:
        """Add a `Fault`, of its arguments."""
        self._faults.append(Fault(*arguments, **named))
        return self._faults[-1]

    def heal(self) -> None:
        """Be without any fault, and wait until the server has done what the dead have asked it."""
        for fault in self._faults:
            fault.healed.set()
        self._faults.clear()
        with self._turn:
            self._turn.wait_for(lambda: not self._busy, 60)

    def done(self, name: str) -> list[Call]:
        """Calls of this name that the server carried out."""
        return [call for call in self.calls if call.name == name and call.status in range(200, 300)]

    @contextlib.contextmanager
    def coming(self, call: Call) -> Iterator[Fault | None]:
        with self._turn:
            self._busy += 1
            self.calls.append(call)
            found = next((fault for fault in self._faults if fault.name == call.name and fault.times), None)
            if found and found.after:
                found.after -= 1
                found = None
            elif found:
                found.times -= 1
                found.met.set()
        try:
            yield found
        finally:
            with self._turn:
                self._busy -= 1
                self._turn.notify_all()


_UPLOAD = {"GET": "ListParts", "PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}
_UPLOADS = {"GET": "ListMultipartUploads", "POST": "CreateMultipartUpload"}


def _handler(way: Detour, upstream: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        server_side: HTTPConnection | None = None

        def log_message(self, *_: Any) -> None:
            pass

        def call(self) -> Call:
            path, query = unquote(urlsplit(self.path).path), parse_qs(urlsplit(self.path).query, keep_blank_values=True)
            name = f"{self.command.title()}Object" + ("Tagging" if "tagging" in query else "")
            kinds = _UPLOAD if "uploadId" in query else _UPLOADS if "uploads" in query else {}
            part = int(query["partNumber"][0]) if "partNumber" in query else None
            return Call(kinds.get(self.command, name), path, part, int(self.headers.get("content-length", 0)))

        def handle_any(self) -> None:
            call = self.call()
            with way.coming(call) as fault, contextlib.suppress(ConnectionError):
                kind = fault and fault.kind
                body = self.rfile.read(call.size // 2 if kind == "reset" else call.size)
                if kind == "reset":
                    return self.break_off()
                if fault and kind == "held":
                    fault.healed.wait(60)
                if fault and kind == "answer":
                    said = f"<Error><Code>{fault.code}</Code><Message>{fault.code}</Message></Error>".encode()
                    return self.say(fault.status, [("Content-Type", "application/xml")], said)
                status, headers, said = self.ask(body)
                call.status = status
                if kind == "lost":
                    return self.break_off()
                self.say(status, headers, said, half=kind == "cut")
            return None

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815

        def ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            if self.server_side is None:
                self.server_side = HTTPConnection(upstream, timeout=60)
            self.server_side.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in {"expect", "connection"}:
                    self.server_side.putheader(name, value)
            self.server_side.endheaders(body or None)
            answer = self.server_side.getresponse()
            return answer.status, answer.getheaders(), answer.read()

        def say(self, status: int, headers: list[tuple[str, str]], body: bytes, *, half: bool = False) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                    self.send_header(name, value)
            length = next((v for n, v in headers if n.lower() == "content-length"), None)
            self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if half else body)
            if half:
                self.break_off()

        def break_off(self) -> None:
            """Not by a FIN but by an RST, as where a machine is gone."""
            self.close_connection = True
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

        def finish(self) -> None:
            with contextlib.suppress(OSError, ValueError):
                super().finish()
            if self.server_side:
                self.server_side.close()

    return Handler


@contextlib.contextmanager
def disk(folder: Path, mib: int) -> Iterator[Callable[[int], None]]:
    """A disk of this size at `folder`; call what it gives to make it another size."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        require(None, "a small disk can only be mounted by root")

    def resize(mib: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={mib}m", str(folder)], check=True)

    try:
        yield resize
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


_FORK = multiprocessing.get_context("forkserver")
_FORK.set_forkserver_preload(["tasks.transfer", "blocks.sftp", "blocks.http", "blocks.drive", "blocks.s3"])

_CALL = """
import os
os.setsid()
to.send("began")
try:
    to.send(function(*arguments))
except Exception as error:
    to.send(error)
"""


class Run:
    """A call in a process, and a session of processes, of its own: forked from one that has imported all it needs."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._said, sender = _FORK.Pipe(duplex=False)
        # by exec, as another process cannot import what is in tests
        given = {"to": sender, "function": function, "arguments": arguments}
        self._process = _FORK.Process(target=exec, args=(_CALL, given))
        self._process.start()
        sender.close()
        assert self._said.recv() == "began"

    def ends(self, seconds: float) -> bool:
        """Whether it does, within this time."""
        return self._said.poll(seconds)

    def kill(self) -> None:
        """kill -9, all of it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid or 0, signal.SIGKILL)
        self._process.join()

    def result(self) -> Any:
        """What it returns, or the exception that it raises; None where it was killed."""
        try:
            return self._said.recv()
        except EOFError:
            return None
        finally:
            self._process.join(60)

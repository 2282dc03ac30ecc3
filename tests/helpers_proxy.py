"""An unreliable network: a proxy on this machine between the storage client and the emulator that
does what a test tells it to.
"""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}
_ERROR = (
    '<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>as the test wants'
    " it</Message></Error>"
)
CODES = {
    403: "AuthorizationFailure",
    412: "ConditionNotMet",
    500: "InternalError",
    503: "ServerBusy",
}


@dataclass
class Fault:
    """What the proxy does to `times` of the requests that `meets(method, path with query)`, after
    the first `skip` of them.

    kind: "delay" (`seconds`, then all is well), "status" (answers `status` and asks nobody), "lost
    request" (the connection ends before the emulator was asked), "lost answer" (it ends afterwards:
    what was written stands), "cut" (it ends in the middle of the body), "short" (half of the body,
    under a Content-Length that fits it), "lie" (the same, and Content-Range says that this is all).
    """

    kind: str
    meets: Callable[[str, str], bool] = lambda method, path: True
    times: int = 1
    skip: int = 0
    status: int = 500
    seconds: float = 0.3
    met: int = field(default=0, init=False)


class Proxy(ThreadingHTTPServer):
    """`url`: the account as seen through the proxy. `faults` are tried in order for each request;
    `seen` holds (method, path) of all, `moved` the bytes of headers and bodies {container: [sent to
    it, received from it]}.
    """

    daemon_threads = True

    def __init__(self, target: str):
        super().__init__(("127.0.0.1", 0), _Handler)
        parts = urlsplit(target)
        self.upstream = parts.netloc
        self.url = f"http://127.0.0.1:{self.server_port}{parts.path}"
        self.faults: list[Fault] = []
        self.seen: list[tuple[str, str]] = []
        self.moved: dict[str, list[int]] = {}
        self._lock = threading.Lock()

    def fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self.seen.append((method, path))
            for fault in self.faults:
                if fault.meets(method, path):
                    fault.met += 1
                    if fault.skip < fault.met <= fault.skip + fault.times:
                        return fault
        return None

    def count(self, path: str, sent: int, received: int) -> None:
        container = urlsplit(path).path.split("/")[2:3]
        with self._lock:
            both = self.moved.setdefault(container[0] if container else "", [0, 0])
            both[0] += sent
            both[1] += received

    def handle_error(self, request, client_address):
        """A client that went away is no fault of the proxy."""


@contextmanager
def through(target: str) -> Iterator[Proxy]:
    """A running proxy in front of the account at `target`."""
    proxy = Proxy(target)
    threading.Thread(
        target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    ).start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.fault(self.command, self.path)
        kind = fault.kind if fault else ""
        if kind == "delay":
            time.sleep(fault.seconds)
        if kind == "lost request":
            self._end()
        elif kind == "status":
            self._refuse(fault.status)
        else:
            status, headers, answer = self._ask(body)
            self.server.count(
                self.path,
                len(self.path) + _length(self.headers.items()) + len(body),
                _length(headers) + len(answer),
            )
            if kind == "lost answer":
                self._end()
            else:
                self._answer(status, headers, answer, kind)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = do

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=60)
        headers = {
            name: value for name, value in self.headers.items() if name.lower() != "connection"
        }
        upstream.request(self.command, self.path, body or None, headers)
        answer = upstream.getresponse()
        found = answer.status, answer.getheaders(), answer.read()
        upstream.close()
        return found

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, kind: str) -> None:
        half = len(body) // 2
        sent = body[:half] if kind in ("cut", "short", "lie") else body
        announced = {name.lower(): value for name, value in headers}.get("content-length", "0")
        told = (
            announced if self.command == "HEAD" else str(len(body) if kind == "cut" else len(sent))
        )
        self.send_response(status)
        for name, value in headers:
            if kind == "lie" and name.lower() == "content-range":
                value = f"bytes 0-{half - 1}/{half}"
            if name.lower() not in _HOP:
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", told)
        self.end_headers()
        self.wfile.write(sent)
        if kind == "cut":
            self._end()

    def _refuse(self, status: int) -> None:
        body = _ERROR.format(code=CODES[status]).encode()
        self.send_response(status)
        self.send_header("x-ms-error-code", CODES[status])
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _end(self) -> None:
        self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_):
        pass


def _length(headers) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers)

"""Web servers of this machine: one for what is fetched, one of a stranger."""

import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the files of a folder; yields the address of the folder, without a / at its end."""
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Quiet, directory=folder)
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def stranger(host: str, answer: int = 200, location: str = "") -> Iterator[tuple[str, list[str]]]:
    """A server that is somebody else's: its address, and what it was sent."""
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(f"{self.path} {self.headers}")
            self.send_response(answer)
            if location:
                self.send_header("Location", location + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_PUT = do_GET

        def log_message(self, *_):
            pass

    try:
        server = http.server.ThreadingHTTPServer((host, 0), Handler)
    except OSError:
        pytest.skip(f"{host} is no address of this machine")
    with server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield f"{host}:{server.server_port}", seen
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

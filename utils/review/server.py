"""The review page's server, for the person at this machine and nobody else.

It listens on 127.0.0.1 and answers below a secret path only. A request must name this machine as
its host (no page from elsewhere gets in under another name), and one that changes something must
come from the page itself. Nothing that it sends may load anything from anywhere else.
"""

import hmac
import json
import os
import secrets
import sys
import threading
import traceback
import webbrowser
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from utils.errors import InputError, OutsideError
from utils.formats.page import saved_of
from utils.formats.sheets import Fault
from utils.review.address import Address, keep, last_address
from utils.review.desk import Busy, Desk
from utils.review.pictures import thumbnail
from utils.review.session import Gone, Stale, as_member
from utils.terminal import say

PAGE = Path(__file__).resolve().parent / "page"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src"
        " 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_KEPT = {"Cache-Control": "private, max-age=3600"}  # for as long as the batch is out
_HOSTS = {"127.0.0.1", "localhost", "::1"}
_LONGEST = 20_000_000  # bytes of a request


class Server(ThreadingHTTPServer):
    """Serves the page of a desk until `shutdown`. `address`: where it is reached."""

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there it would share the port with others

    def __init__(self, desk: Desk):
        self.desk = desk
        place = desk.config.tagging_location
        wanted = last_address(place)
        try:
            super().__init__(("127.0.0.1", wanted.port), _Handler)
        except OSError:  # somebody else has the port
            wanted = Address(0, secrets.token_hex(16))
            super().__init__(("127.0.0.1", 0), _Handler)
        self.address = Address(self.server_address[1], wanted.secret)
        self.ticket = secrets.token_hex(16)
        keep(place, self.address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.address.port}/{self.address.secret}/"

    @property
    def way_in(self) -> str:
        """An address that leads to the page once: what a browser was started with, every user of
        the machine can see.
        """
        return f"http://127.0.0.1:{self.address.port}/{self.ticket}"

    def handle_error(self, request, client_address) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a window was closed
            super().handle_error(request, client_address)


def serve(desk: Desk, browser: bool = True) -> None:
    """Show the page until the person ends it, there or with Ctrl-C."""
    with Server(desk) as server:
        try:
            say(f"the page is at {server.url} (Ctrl-C ends it)")
            if browser:
                threading.Thread(target=webbrowser.open, args=[server.way_in], daemon=True).start()
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            pass


class _Refused(Exception):
    """(status, message): the request is not answered."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "review", ""
    timeout = 120  # seconds a window may be silent before its connection is closed
    server: Server

    def do_GET(self) -> None:
        self._answer(changes=False)

    def do_PUT(self) -> None:
        self._answer(changes=True)

    do_HEAD, do_POST = do_GET, do_PUT

    def log_message(self, *_) -> None:
        """The terminal is for people."""

    def _answer(self, changes: bool) -> None:
        desk = self.server.desk
        try:
            self._check(changes)
            parts = self._below_secret()
            if parts is None:
                return
            if changes:
                self._send_json(self._change(desk, parts, self._body()))
            else:
                self._show(desk, parts)
        except _Refused as refused:
            self._send_json({"error": refused.args[1]}, refused.args[0])
        except Stale as stale:
            self._send_json({"present": as_member(stale.present)}, HTTPStatus.CONFLICT)
        except Gone:
            place = desk.config.tagging_location
            gone = {"error": f"{place}: another batch is there now, or none"}
            self._send_json(gone, HTTPStatus.GONE)
        except Busy:
            self._send_json({"error": "an upload or a download is under way"}, HTTPStatus.LOCKED)
        except (InputError, OutsideError, OSError) as error:
            if isinstance(error, ConnectionError):
                raise
            self._send_json({"error": str(error)}, HTTPStatus.INSUFFICIENT_STORAGE)
        except Exception:
            traceback.print_exc()
            fault = {"error": "a fault of the program; the window that it runs in says which"}
            self._send_json(fault, HTTPStatus.INTERNAL_SERVER_ERROR)

    def _check(self, changes: bool) -> None:
        """Raises _Refused for a request that does not come from a page of this machine."""
        host = self.headers.get("Host", "")
        if urlsplit(f"//{host}").hostname not in _HOSTS:
            raise _Refused(HTTPStatus.FORBIDDEN, "this page is for the person at this machine")
        origin = self.headers.get("Origin")
        if (changes or origin is not None) and origin != f"http://{host}":
            raise _Refused(HTTPStatus.FORBIDDEN, "the request comes from another page")
        if self.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            raise _Refused(HTTPStatus.FORBIDDEN, "the request comes from another page")

    def _below_secret(self) -> list[str] | None:
        """The parts of the path below the secret one. None when the browser was sent on to the
        page. Raises _Refused."""
        first, *parts = urlsplit(self.path).path.lstrip("/").split("/")
        if hmac.compare_digest(first.encode(), self.server.ticket.encode()):
            self.server.ticket = secrets.token_hex(16)
            self._send_on()
            return None
        if not hmac.compare_digest(first.encode(), self.server.address.secret.encode()):
            raise _Refused(HTTPStatus.NOT_FOUND, "there is nothing here")
        if not parts:
            self._send_on()
            return None
        return parts

    def _send_on(self) -> None:
        """To the page, wherever the browser believes us to be."""
        place = f"/{self.server.address.secret}/"
        self._send(b"", "text/plain", HTTPStatus.SEE_OTHER, Location=place)

    def _show(self, desk: Desk, parts: list[str]) -> None:
        match parts:
            case [name] if (name or "index.html") in os.listdir(PAGE):
                file = PAGE / (name or "index.html")
                self._send(file.read_bytes(), _TYPES[file.suffix])
            case ["batch"]:
                self._send_json(desk.describe())
            case ["photo" | "small" as kind, batch, number]:
                session = desk.session
                if batch != session.handed_out.number:
                    raise Gone
                path = session.batch.path(_key(session.keys, number))
                if kind == "small":
                    self._send(thumbnail(path), "image/jpeg", **_KEPT)
                else:
                    self._send(path.read_bytes(), _TYPES[path.suffix.lower()], **_KEPT)
            case _:
                raise _Refused(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _change(self, desk: Desk, parts: list[str], body: dict) -> dict:
        session = desk.session
        of_a_batch = parts[0] in ("image", "look", "class")
        if of_a_batch and body.get("batch") != session.handed_out.number:
            raise Gone
        try:
            match parts:
                case ["image", number]:
                    key = _key(session.keys, number)
                    seconds, revision = _amount(body, "seconds"), int(_amount(body, "revision"))
                    return as_member(session.save(key, revision, saved_of(body), seconds))
                case ["look", number]:
                    key = _key(session.keys, number)
                    return as_member(session.look(key, _amount(body, "seconds")))
                case ["class"]:
                    name = body.get("name", "")
                    if not isinstance(name, str):
                        raise _Refused(HTTPStatus.BAD_REQUEST, "a class is a name")
                    return desk.add_class(" ".join(name.split()))
                case ["upload"]:
                    return desk.upload()
                case ["next"]:
                    return desk.next_batch(
                        max(1, int(_amount(body, "count"))), bool(body.get("discard"))
                    )
                case ["end"]:
                    threading.Thread(target=self.server.shutdown).start()
                    return {}
        except Fault as fault:
            raise _Refused(HTTPStatus.BAD_REQUEST, str(fault)) from None
        raise _Refused(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _body(self) -> dict:
        """The JSON of a request. Raises _Refused."""
        length = self.headers.get("Content-Length", "")
        if self.headers.get_content_type() != "application/json" or not length.isdecimal():
            raise _Refused(HTTPStatus.BAD_REQUEST, "expected JSON")
        if int(length) > _LONGEST:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too long")
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise _Refused(HTTPStatus.BAD_REQUEST, "expected JSON") from None
        if not isinstance(body, dict):
            raise _Refused(HTTPStatus.BAD_REQUEST, "expected a JSON object")
        return body

    def _send_json(self, answer: dict, status: HTTPStatus = HTTPStatus.OK) -> None:
        if status != HTTPStatus.OK:
            self.close_connection = True  # its body may not have been read
        self._send(json.dumps(answer).encode(), "application/json", status)

    def _send(
        self, data: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK, **headers: str
    ) -> None:
        """An answer, with headers of its own beside those that all have."""
        self.send_response(status)
        own = {"Content-Type": kind, "Content-Length": str(len(data)), "Cache-Control": "no-store"}
        if self.close_connection:
            own["Connection"] = "close"
        for name, value in {**_HEADERS, **own, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _key(keys: list[str], number: str) -> str:
    """The image of this number, from 0. Raises _Refused."""
    if not (number.isascii() and number.isdigit() and len(number) < 10 and int(number) < len(keys)):
        raise _Refused(HTTPStatus.NOT_FOUND, "the batch has no such image")
    return keys[int(number)]


def _amount(body: dict, name: str) -> float:
    """A number from 0 to a million, 0 where there is none. Raises _Refused."""
    value = body.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1e6:
        raise _Refused(HTTPStatus.BAD_REQUEST, f"{name} is no number from 0 to a million")
    return value

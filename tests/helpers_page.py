"""The review page as a person has it: the program in its own process, the page in a browser."""

import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import playwright.sync_api

from utils.batch.downloading import download
from utils.batch.request import Request
from utils.config import load_config
from utils.review.desk import Desk
from utils.review.opening import open_session
from utils.review.server import Server

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
WHY_NOT = "needs Chromium in /usr/bin (tests/run_tests.sh installs it where it may)"


def installed() -> str | None:
    """The browser that is driven; None when there is none."""
    return next((path for path in BROWSERS if Path(path).exists()), None)


@contextmanager
def chromium():
    """A running browser."""
    with playwright.sync_api.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--disable-gpu"]  # as root there is no sandbox
        browser = driver.chromium.launch(executable_path=installed(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class Program:
    """`python tag/review.py …` as it runs. `said`: its lines up to the address."""

    def __init__(self, *arguments, program="tag/review.py"):
        command = [sys.executable, ROOT / program, *map(str, arguments), "--no-browser"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
        )
        self.said: list[str] = []
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))
            if line.startswith("the page is at"):
                break
        found = re.search(r"http://\S+", self.said[-1]) if self.said else None
        assert found, f"no page: {self.said}"
        self.url = found[0]

    def kill(self) -> None:
        """As the system does when it must."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def end(self) -> list[str]:
        """Ctrl-C; what it says then."""
        self.process.send_signal(signal.SIGINT)
        return self.rest()

    def rest(self) -> list[str]:
        """What it says until it has ended by itself."""
        rest = self.process.communicate(timeout=30)[0].splitlines()
        assert self.process.returncode == 0, rest
        return rest

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()


class Here:
    """The same in this process, which takes less time. `said` as in Program; `server`: it."""

    def __init__(self, config: Path, count: int | None = None):
        settings, request = load_config(config), Request(str(config), count or 1, tool="page")
        self.said = [*download(settings, request)] if count else []
        session, lines = open_session(settings, str(config))
        self.said += lines
        self.server = Server(Desk(settings, request, session))
        self.url = self.server.url
        threading.Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Window:
    """The page in a window of its own. `faults`: what the browser complained about; `elsewhere`:
    requests to any other address than the program's.
    """

    def __init__(self, browser, url: str, **options):
        options = {"viewport": {"width": 1280, "height": 720}, **options}
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.faults: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self._note)
        self.page.on("request", self._look_at)
        self.url = url
        self.page.goto(url)
        self.wait()

    def _note(self, message) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.faults.append(message.text)

    def _look_at(self, request) -> None:
        if not request.url.startswith(self.url):
            self.elsewhere.append(request.url)

    def wait(self) -> None:
        """Until the photo is shown."""
        self.page.wait_for_selector("#stage:not(.loading) > img")

    def until(self, expression: str) -> None:
        """Wait until an expression of JavaScript is true. (Playwright's own way needs eval, which
        the page forbids.)
        """
        end = time.monotonic() + 10
        while not self._is(expression):
            assert time.monotonic() < end, expression
            self.page.wait_for_timeout(30)

    def _is(self, expression: str) -> bool:
        try:
            return self.page.evaluate(f"Boolean({expression})")
        except playwright.sync_api.Error:  # the page is loaded anew
            return False

    def saved(self) -> None:
        """Until all is on disk."""
        self.until("document.getElementById('saving').textContent === 'saved'")

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.page.wait_for_selector("#stage:not(.loading) > img, dialog[open]")

    def text(self, selector: str) -> str:
        return self.page.inner_text(selector)

    @property
    def place(self) -> str:
        return self.text("#place")

    def boxes(self) -> list[str]:
        """The names that stand at the boxes."""
        return sorted(self.page.locator(".box text").all_text_contents())

    def on_screen(self, x: float, y: float) -> tuple[float, float]:
        """Where a pixel of the photo lies in the window."""
        frame = self.page.locator("#stage > img").bounding_box()
        width, height = self.page.evaluate(
            "[parseFloat(document.querySelector('#stage > img').style.width),"
            " parseFloat(document.querySelector('#stage > img').style.height)]"
        )
        return frame["x"] + x / width * frame["width"], frame["y"] + y / height * frame["height"]

    def on_photo(self, x: float, y: float) -> tuple[float, float]:
        """Which pixel of the photo lies there in the window."""
        (left, top), (right, below) = self.on_screen(0, 0), self.on_screen(1, 1)
        return (x - left) / (right - left), (y - top) / (below - top)

    def drag(self, start: tuple[float, float], end: tuple[float, float], drop=True, **options):
        """Drag from one pixel of the photo to another."""
        mouse = self.page.mouse
        (left, top), (right, below) = self.on_screen(*start), self.on_screen(*end)
        mouse.move(left, top)
        mouse.down(**options)
        mouse.move((left + right) / 2, (top + below) / 2)
        mouse.move(right, below)
        if drop:
            mouse.up(**options)

    def click(self, *point: float) -> None:
        self.page.mouse.click(*self.on_screen(*point))

    def close(self) -> None:
        self.context.close()
        assert self.faults == [] and self.elsewhere == []

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
        else:
            self.context.close()

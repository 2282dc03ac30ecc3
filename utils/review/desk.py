"""What a person can do at the page beyond drawing: upload the batch, and take the next one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from utils.batch.downloading import download
from utils.batch.request import Request
from utils.batch.uploading import upload
from utils.config import Config
from utils.errors import InputError, OutsideError
from utils.formats import page
from utils.labels.adding_classes import add_classes
from utils.labels.store import open_labels
from utils.review.opening import open_session
from utils.review.session import Session
from utils.terminal import say


class Busy(Exception):
    """An upload or a download is under way."""


class Desk:
    """The batch in tagging_location with all that is done with it. request: how batches are
    chosen."""

    def __init__(self, config: Config, request: Request, session: Session):
        self.config, self.request, self.session = config, request, session
        self._working = threading.Lock()

    def describe(self) -> dict:
        """The batch for the page, with how many images the next one will have. Raises Gone."""
        return {**self.session.describe(), "next": self.request.count}

    def upload(self) -> dict:
        """Send what is reviewed: {lines, useful} as upload_vott_json.py says them, or {error}."""
        with self._alone():
            try:
                uploaded = upload(self.config, as_given=self.request.config)
            except (InputError, OutsideError) as error:
                return {"error": str(error)}
            for line in uploaded.lines:
                say(line)
            return {"lines": uploaded.lines, "useful": uploaded.useful}

    def add_class(self, name: str) -> dict:
        """Add a class to the config file and to the batch: {tag, name, said}, or {error}. `said`:
        what the person must do besides, "" for nothing.
        """
        with self._alone():
            try:
                _, store = open_labels(self.config)
                self.config = add_classes(self.config, [name], store.read().classes)
                tag = self.session.add_class(name)
            except (InputError, OutsideError) as error:
                return {"error": str(error)}
            known = {"tag": tag, "name": name, "said": ""}
            if store.container.path_of(self.config.path.name) is None:
                known["said"] = f"{name} is in {self.config.path} now; the training machine's"
                known["said"] += " config.ini needs it too"
            say(f"new in classes of {self.config.path}: {name}")
            return known

    def next_batch(self, count: int, discard: bool) -> dict:
        """Hand out the next images: {lines}, or {error}. `discard`: give back what is not
        uploaded."""
        request = replace(self.request, count=count, discard=discard, again=False, tool=page.NAME)
        with self._alone():
            lines = []
            try:
                for line in download(self.config, request):
                    lines.append(line)
                    say(line)
                session, more = open_session(self.config, self.request.config)
            except (InputError, OutsideError) as error:
                return {"lines": lines, "error": str(error)}
            self.session, self.request = session, replace(self.request, count=count)
            return {"lines": [*lines, *more]}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Raises Busy while something else is under way."""
        if not self._working.acquire(blocking=False):
            raise Busy
        try:
            yield
        finally:
            self._working.release()

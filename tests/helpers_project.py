"""A project of a test: a config file on a store, what its labels hold, and programs run with it."""

import os
from pathlib import Path

from helpers_programs import run
from helpers_tables import images

from utils.config import load_config
from utils.labels.state import Change, State
from utils.labels.store import open_labels
from utils.labels.tables import image_set


class Project:
    """A config file in `folder` for `store` (a fixture of conftest.py); settings are config keys.

    `config` is the path of the file. What a subject needs beyond it stands in subclasses and
    functions of the other helpers.
    """

    def __init__(self, store, folder: Path, **settings):
        self.store, self.folder, self.place = store, folder, folder / "Tag"
        self.config = folder / "config.ini"
        chosen = {"tagger_name": "anna", **settings}
        self.config.write_text(store.config_text(**chosen), encoding="utf-8")
        self.settings = load_config(self.config)
        self.images, self.labels = open_labels(self.settings)

    def run(self, program: str, *arguments, code: int = 0, cwd: Path | None = None) -> str:
        """Run `tag/x.py` or `train/x.py` to its end with this config; all that it said."""
        config = self.config if cwd is None else os.path.relpath(self.config, cwd)
        done = run(program, *arguments, config, **({"cwd": cwd} if cwd else {}))
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        if code == 2:
            assert len(done.stderr.strip().splitlines()) == 1
        return done.stdout + done.stderr

    def state(self) -> State:
        return self.labels.read()

    def commit(self, members=None, cycle=None, **changed) -> State:
        """Make tables (and other members of the state, a cycle) what is given."""
        change = Change(changed, members or {}, cycle=cycle)
        state, _ = self.labels.commit(lambda state: change, what="test")
        return state

    def listed(self, *blobs: str):
        """Rows of the table `images` for images of 200 x 100 pixels, as they lie there now."""
        there = [self.images.info(blob) for blob in blobs]
        return images(*blobs).assign(
            bytes=[blob.size for blob in there], etag=[blob.etag for blob in there]
        )

    def table(self, name: str):
        return self.labels.table(self.state(), name)

    def names(self, table: str) -> list[str]:
        return sorted(image_set(self.table(table)))

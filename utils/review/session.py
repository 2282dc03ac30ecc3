"""A batch while somebody reviews it: what was done with each image, on disk at each change.

Several windows, and their requests, may come at the same time. What a window changes is taken only
if it knew the image as it is (its revision); so none overwrites another.
"""

import threading
from dataclasses import replace
from datetime import UTC, datetime

from utils.batch.batch import MARKER, Batch, read_batch
from utils.batch.place import at_work
from utils.errors import InputError
from utils.files import write_bytes
from utils.formats import page
from utils.formats.page import Saved
from utils.formats.returned import BadFile
from utils.times import utc_text


class Stale(Exception):
    """The image was changed in another window; `present` is how it is now."""

    def __init__(self, present: Saved):
        super().__init__("changed in another window")
        self.present = present


class Gone(Exception):
    """The batch is no longer in its folder, or another one is."""


class Session:
    """One batch under review. `at`: the image that was looked at last ("" for none)."""

    def __init__(self, batch: Batch):
        self.batch = batch
        self.handed_out = batch.handed_out
        self.keys = list(batch.images)
        self._file = batch.place / page.FILE
        self._lock = threading.RLock()
        self._seen = self._stamp(batch.place / MARKER)
        self._images: dict[str, Saved] = {}
        self.at = ""
        self._written = None
        self._catch_up()

    def saved(self, key: str) -> Saved:
        """What is saved of an image, with its boxes."""
        with self._lock:
            self._catch_up()
            return self._with_boxes(key)

    def describe(self) -> dict:
        """The batch for the page. Raises Gone."""
        with self._lock:
            self._check_batch()
            self._catch_up()
            return {
                "batch": self.handed_out.number,
                "again": bool(self.batch.review),
                "classes": [{"tag": tag, "name": name} for tag, name in self.batch.tags.items()],
                "images": [self._described(key) for key in self.keys],
                "at": self.keys.index(self.at) if self.at in self.keys else 0,
            }

    def save(self, key: str, revision: int, wanted: Saved, seconds: float = 0.0) -> Saved:
        """Put down what a person has done with an image, and `seconds` more that it took.
        `revision`: of the image as the person saw it. How it is from now on.

        Raises Stale when it is another one by now, Gone when the batch is no longer there.
        """
        with self._lock:
            self._check_batch()
            self._catch_up()
            present = self._with_boxes(key)
            same = (wanted.state, wanted.then, wanted.boxes)
            if same == (present.state, present.then, present.boxes):
                revision = present.revision  # the answer to an earlier request was lost
            if revision != present.revision:
                raise Stale(present)

            decided = wanted.state != page.OPEN
            changed = replace(
                wanted,
                revision=revision + 1,
                seconds=present.seconds + seconds,
                at=utc_text(datetime.now(UTC)) if decided else "",
            )
            self._write(self._images | {key: changed}, key)
            return changed

    def add_class(self, name: str) -> str:
        """Let boxes of this batch be of one more class; its tag. Raises Gone, or OutsideError while
        another program works in the folder.
        """
        with self._lock, at_work(self.batch.place):
            self._check_batch()
            batch = read_batch(self.batch.place)  # as an upload has left it
            tags = page.tag_names([*batch.tags.values(), name], batch.tags)
            if tags != batch.tags:
                batch.tags = tags
                batch.write()
                self.batch, self._seen = batch, self._stamp(batch.place / MARKER)
            return next(tag for tag, known in tags.items() if known == name)

    def look(self, key: str, seconds: float) -> Saved:
        """Put down that a person looks at this image, and has for `seconds` more; how it is. Raises
        Gone.
        """
        with self._lock:
            self._check_batch()
            self._catch_up()
            if seconds or key != self.at:
                images = dict(self._images)
                if seconds:
                    known = images.get(key, Saved())
                    images[key] = replace(known, seconds=known.seconds + seconds)
                self._write(images, key)
            return self._with_boxes(key)

    def _described(self, key: str) -> dict:
        sheet, item = self.handed_out.images[key], self.batch.images[key]
        about = {"name": item.blob, "why": item.why, "width": sheet.width, "height": sheet.height}
        return about | as_member(self._with_boxes(key))

    def _with_boxes(self, key: str) -> Saved:
        known = self._images.get(key, Saved())
        if known.boxes is None:
            known = replace(known, boxes=tuple(self.handed_out.images[key].boxes or ()))
        return known

    def _write(self, images: dict[str, Saved], at: str) -> None:
        write_bytes(self._file, page.document(images, self.handed_out.number, at))
        self._images, self.at = images, at
        self._written = self._stamp(self._file)

    def _catch_up(self) -> None:
        """Read the file anew when it is not as we left it. Raises InputError when it is damaged."""
        stamp = self._stamp(self._file)
        if stamp is None or stamp == self._written:
            return
        try:
            self._images, self.at = page.saved_images(self._file.read_bytes(), self.handed_out)
        except BadFile as error:
            raise InputError(
                f"{self._file}: {error}; repair it, or move it away to begin this batch anew"
            ) from None
        self._written = stamp

    def _check_batch(self) -> None:
        """Raises Gone unless our batch is in the folder."""
        stamp = self._stamp(self.batch.place / MARKER)
        if stamp is not None and stamp == self._seen:
            return
        present = read_batch(self.batch.place)
        if present is None or present.commit != self.batch.commit:
            raise Gone
        self._seen = stamp

    @staticmethod
    def _stamp(path) -> tuple[int, int, int] | None:
        try:
            stat = path.stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino


def as_member(saved: Saved) -> dict:
    """What is saved of an image, for the page."""
    return {
        "state": saved.state,
        "then": saved.then,
        "boxes": [page.box_member(box) for box in saved.boxes or ()],
        "seconds": round(saved.seconds, 1),
        "revision": saved.revision,
    }

"""The other photos, taken in while a person reviews the first ones."""

import threading
from collections.abc import Iterator

from utils.config import Config
from utils.errors import InputError, OutsideError
from utils.labels.doubted import doubted
from utils.labels.image_tables import read_headers, unreadable_in_words
from utils.labels.store import LabelStore
from utils.labels.taking_in import take_in
from utils.selection.embeddings import published_embeddings
from utils.selection.picture_hashes import HASHES, publish_hashes
from utils.storage.container import Blob, Container
from utils.storage.sync import Listing
from utils.terminal import say

_FIRST = 2000  # photos that are committed first; then twice as many each time
_WORKERS = 1  # for hashes: the page must stay fluid


class Meanwhile(threading.Thread):
    """Takes `blobs` of the listing in, and describes all photos, until that is done or `end` is
    called. Use as a context manager. What was done is kept; the next start goes on there.
    """

    def __init__(
        self,
        config: Config,
        container: Container,
        store: LabelStore,
        listing: Listing,
        blobs: list[Blob],
    ):
        super().__init__(name="taking in", daemon=True)
        self._config, self._container, self._labels = config, container, store
        self._listing, self._blobs = listing, blobs
        self._over = threading.Event()
        self._left = len(blobs)
        self._lines: list[str] = []

    def __enter__(self) -> "Meanwhile":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        try:
            self._take_in()
            self._describe()
        except (InputError, OutsideError, OSError) as error:
            self._lines.append(str(error))

    def lines(self) -> list[str]:
        """What a person must know when it has ended."""
        if not self._left:
            return self._lines
        return [
            *self._lines,
            f"{self._left} of {len(self._listing.blobs)} photos are not taken in yet; the same"
            " command goes on there",
        ]

    def _take_in(self) -> None:
        whole, images = set(doubted(self._labels.read())), self._config.image_dir
        for part in _parts(self._blobs):
            headers = {}
            for blob, found in read_headers(self._container, images, part, whole, quiet=True):
                headers[blob.name, blob.etag] = found
                if self._over.is_set():
                    break
            looked_at = [blob for blob in part if (blob.name, blob.etag) in headers]
            part_of = self._listing.of(looked_at)
            _, counts = take_in(self._config, self._container, self._labels, part_of, headers)
            self._left -= len(looked_at)
            self._lines += unreadable_in_words(headers)
            if self._over.is_set():
                return
        if self._blobs:
            say(
                f"all photos are taken in now: {counts.usable}, and {counts.failed} that cannot be"
                " read"
            )

    def _describe(self) -> None:
        state = self._labels.read()
        present = published_embeddings(self._labels, state)
        if state.live.get("model") or (present is not None and present.model != HASHES):
            return
        publish_hashes(
            self._container,
            self._labels,
            state,
            self._config.image_dir,
            present,
            workers=_WORKERS,
            stopped=self._over.is_set,
            quiet=True,
        )


def _parts(blobs: list[Blob]) -> Iterator[list[Blob]]:
    """The photos in parts, each twice as long as the one before."""
    begin, length = 0, _FIRST
    while begin < len(blobs):
        yield blobs[begin : begin + length]
        begin, length = begin + length, 2 * length

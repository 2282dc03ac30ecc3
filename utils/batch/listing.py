"""What is known of the pictures of a batch: what the table `images` says of them while it is small,
else what lies in the image container now.
"""

import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from utils.batch.batch import Item
from utils.errors import Unreadable
from utils.files import md5_of
from utils.labels.replaced import Content, contents
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.labels.table_files import is_parquet
from utils.labels.tables import image_set
from utils.storage.container import Container, Missing

_WORKERS = 8


class Listed:
    """Asks for the pictures of these items of a batch, of one state or another."""

    def __init__(self, container: Container, store: LabelStore, items: Iterable[Item]):
        self._container, self._store = container, store
        self._items = {item.blob: item for item in items}
        self._there: dict[str, Content | None] | None = None

    def contents(self, state: State) -> Mapping[str, Content]:
        """{blob name: content} of those that are listed."""
        if not is_parquet(state.blob("images")):
            return contents(self._store.table(state, "images"), self._items)
        return {blob: content for blob, content in self._looked().items() if content is not None}

    def unlisted(self, state: State) -> set[str]:
        """Those that are listed nowhere, or not there any more."""
        if is_parquet(state.blob("images")):
            return {blob for blob, content in self._looked().items() if content is None}
        images, failed = (self._store.table(state, name) for name in ("images", "failed"))
        if not len(images):
            return set()
        return set(self._items) - image_set(images) - image_set(failed)

    def _looked(self) -> dict[str, Content | None]:
        if self._there is None:
            with ThreadPoolExecutor(_WORKERS) as pool:
                found = pool.map(self._look, self._items.values())
                self._there = dict(zip(self._items, found, strict=True))
        return self._there

    def _look(self, item: Item) -> Content | None:
        """The picture that is there under this name now; None when there is none."""
        try:
            described = self._container.info(item.blob)
            path = self._container.path_of(item.blob)
            md5 = ""
            if path is not None and item.md5:  # of a folder the ETag is size and time
                md5 = md5_of(path)
            elif described.etag != item.etag and item.md5:
                md5 = described.md5.hex() if described.md5 else _digest(self._container, item.blob)
        except Missing:
            return None
        except Unreadable:  # it cannot be looked at now: as it was
            return Content(frozenset({item.etag} - {""}), item.md5)
        return Content(frozenset({described.etag}), md5, described.size)


def _digest(container: Container, blob: str) -> str:
    return hashlib.md5(container.read(blob)[0], usedforsecurity=False).hexdigest()

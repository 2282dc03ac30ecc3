"""The image embeddings of a prediction, from what the model gave for each image to the file that is
published. Memory stays flat.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from utils.boxes.detections import Detections
from utils.files import write_bytes
from utils.selection.embeddings import (
    HASH,
    MODEL,
    Embeddings,
    fit_basis,
    merged,
    only,
    to_parquet,
    version_of,
)

FILE = "embeddings.parquet"  # in data_dir
_BLOCK = 4096  # images that are in memory at a time


class EmbeddingFile:
    """Collects raw embeddings beside `path` and writes them, reduced, as one file when `finish` is
    called. Use as a context manager.

    `present`: what is published already. What was made by the same model (`model`, its digest)
    stays, and its basis is used again, unless all images come anew and it was fitted to too few.
    """

    def __init__(self, path: Path, model: str, present: Embeddings | None):
        self._path, self._model = path, model
        self._present = present if present is not None and present.model == model else None
        self._raw_path = path.with_suffix(".raw")
        self._names: list[str] = []
        self._disagreement: list[float] = []
        self._versions: list[int] = []
        self._type: np.dtype | None = None
        self._size = 0

    def __enter__(self) -> "EmbeddingFile":
        self._raw = self._raw_path.open("w+b")
        return self

    def __exit__(self, *error) -> None:
        self._raw.close()
        self._raw_path.unlink(missing_ok=True)

    def add(self, blob: str, found: Detections, etag: str) -> None:
        """Take in what was found in one image of that ETag; without an embedding it is left to what
        is published.
        """
        if found.embedding is None:
            return
        self._size, self._type = len(found.embedding), found.embedding.dtype
        self._raw.write(found.embedding.tobytes())
        self._names.append(blob)
        self._disagreement.append(np.nan if found.disagreement is None else found.disagreement)
        self._versions.append(version_of(etag))

    def finish(self, images: set[str]) -> int:
        """Write the file for these images (blob names), or remove it when there are none; returns
        how many it has.
        """
        made = self._present
        if self._names:
            kind = HASH if self._type == np.uint8 else MODEL
            present = self._present
            if (
                present
                and not present.basis.serves(len(self._names))
                and set(present.names.to_pylist()) <= set(self._names)
            ):
                self._present = None
            basis = self._present.basis if self._present else fit_basis(self._blocks(), kind)
            vectors = np.concatenate([basis.reduce(block) for block in self._blocks()])
            made = merged(
                Embeddings(
                    pa.array(self._names, pa.large_string()),
                    vectors,
                    np.array(self._disagreement, np.float32),
                    self._model,
                    basis,
                    np.array(self._versions, np.uint32),
                ),
                self._present,
            )
        made = only(made, images) if made is not None else None
        if made is None or not len(made.names):
            self._path.unlink(missing_ok=True)
            return 0
        write_bytes(self._path, to_parquet(made))
        return len(made.names)

    def _blocks(self) -> Iterator[np.ndarray]:
        self._raw.seek(0)
        while data := self._raw.read(_BLOCK * self._size * self._type.itemsize):
            yield np.frombuffer(data, self._type).reshape(-1, self._size)

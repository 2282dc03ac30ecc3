"""What a model has found so far, image by image, on disk: an interrupted prediction goes on where
it was, and images that have not changed are not predicted again.

A JSON line for each image, the first line naming what it all depends on. Only whole lines count, so
that a kill loses one image at most.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from utils.boxes.detections import Detections
from utils.files import write_bytes
from utils.images.decoding import BadImage

Found = Detections | BadImage


class PredictionJournal:
    """The journal at `path` for predictions that depend on `key` (the model's digest and the
    thresholds).

    What is there for another key is forgotten. `done` has the ETag of each image (blob name) that
    is in it. Use as a context manager.
    """

    def __init__(self, path: Path, key: str):
        self._path, self._key = path, key
        self.done: dict[str, str] = {}

    def __enter__(self) -> "PredictionJournal":
        end = 0
        if self._path.exists():
            with self._path.open("rb") as file:
                header = file.readline()
                if header == self._header():
                    end = len(header)
                    for line in file:
                        try:
                            image, etag, _ = _parsed(line)
                        # cut short or damaged: what follows is made anew
                        except (
                            ValueError,
                            KeyError,
                            TypeError,
                        ):
                            break
                        self.done[image] = etag
                        end += len(line)
        if end == 0:
            write_bytes(self._path, self._header())
            end = len(self._header())
        self._file = self._path.open("r+b", buffering=0)
        self._file.truncate(end)
        self._file.seek(end)
        return self

    def __exit__(self, *error) -> None:
        self._file.close()

    def add(self, image: str, etag: str, found: Found) -> None:
        """Note what was found in an image of that ETag."""
        entry = {"image": image, "etag": etag}
        if isinstance(found, BadImage):
            entry["bad"] = str(found)
        else:
            entry["boxes"], entry["classes"], entry["scores"] = (
                found.boxes.tolist(),
                found.classes.tolist(),
                found.scores.tolist(),
            )
            if found.embedding is not None:
                entry["embedding"] = [
                    found.embedding.dtype.str,
                    base64.b64encode(found.embedding.tobytes()).decode(),
                ]
            if found.disagreement is not None:
                entry["disagreement"] = found.disagreement
        self._file.write(json.dumps(entry).encode() + b"\n")
        self.done[image] = etag

    def entries(self, etags: dict[str, str]) -> Iterator[tuple[str, Found]]:
        """(image, what was found) for the images that are in the journal with the ETag that `etags`
        has for them, each once.
        """
        given = set()
        with self._path.open("rb") as file:
            file.readline()
            for line in file:
                image, etag, found = _parsed(line)
                if image not in given and etags.get(image) == etag:
                    given.add(image)
                    yield image, found

    def _header(self) -> bytes:
        return json.dumps({"key": self._key}).encode() + b"\n"


def _parsed(line: bytes) -> tuple[str, str, Found]:
    """(image, ETag, what was found). Raises ValueError, KeyError or TypeError when it is no whole
    line of this class.
    """
    if not line.endswith(b"\n"):
        raise ValueError("cut short")
    entry = json.loads(line)
    image, etag = entry["image"], entry["etag"]
    if not isinstance(image, str) or not isinstance(etag, str):
        raise TypeError("no image")
    if "bad" in entry:
        return image, etag, BadImage(entry["bad"])
    kind, text = entry.get("embedding") or ("", "")
    embedding = np.frombuffer(base64.b64decode(text, validate=True), kind) if text else None
    return (
        image,
        etag,
        Detections(
            np.array(entry["boxes"], float).reshape(-1, 4),
            np.array(entry["classes"], np.int64),
            np.array(entry["scores"], float),
            embedding,
            entry.get("disagreement"),
        ),
    )

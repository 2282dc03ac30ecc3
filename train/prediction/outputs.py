"""What a run of a model over images leaves on this disk: tables of boxes that grow while the images
come in.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from train.prediction.journal import Found
from utils.boxes.detections import Detections, totag_rows
from utils.config import Config
from utils.files import write_beside
from utils.images.decoding import BadImage
from utils.labels import tables

EVALUATED_FROM = 0.01  # evaluation needs the unsure detections too
_SHOWN = 5  # bad images in a message
_IMAGES_AT_ONCE = 500  # whose rows are written together


def write_predictions(
    path: Path,
    images: pd.DataFrame,
    entries: Iterable[tuple[str, Found]],
    names: dict[int, str],
    user_folders: bool,
) -> None:
    """A totag CSV of what was found in `images`; those that cannot be decoded are left out."""
    sizes = dict(
        zip(
            tables.blob_names(images),
            zip(images["height"], images["width"], strict=True),
            strict=True,
        )
    )
    with _TableFile(path, names, user_folders) as file:
        for blob, found in entries:
            if isinstance(found, Detections):
                file.add(blob, *sizes[blob], found)


def failed_rows(images: pd.DataFrame, bad: dict[str, str]) -> pd.DataFrame:
    """The rows of failed for images that cannot be decoded: {image: reason}."""
    rows = tables.only(images, bad)
    return tables.make(
        "failed",
        filename=rows["filename"],
        folder=rows["folder"],
        etag=rows["etag"],
        reason=tables.blob_names(rows).map(bad),
    )


class Outputs:
    """The three files of predictions, written while the images come in; they replace the old ones
    together, when all is done.

    `names`: {id of the model: class}; `reviewed`, `checked`: the images whose boxes go to
    tagged_predictions, and also (from EVALUATED_FROM up) to the file `tested`.
    """

    def __init__(
        self,
        config: Config,
        images: pd.DataFrame,
        names: dict[int, str],
        *,
        reviewed: set[str],
        checked: set[str],
        tested: Path,
    ):
        self._config, self._names = config, names
        self.reviewed, self._checked, self._tested_path = reviewed, checked, tested
        self._sizes = dict(
            zip(
                tables.blob_names(images),
                zip(images["height"], images["width"], strict=True),
                strict=True,
            )
        )
        self.predicted = self.boxes = self.foreign = 0
        self.bad: dict[str, str] = {}

    def __enter__(self):
        with ExitStack() as stack:
            self._untagged, self._tagged, self._tested = (
                stack.enter_context(_TableFile(path, self._names, self._config.user_folders))
                for path in (
                    self._config.untagged_output,
                    self._config.tagged_predictions,
                    self._tested_path,
                )
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def add(self, blob: str, outcome: Found) -> None:
        """Take in what became of one image."""
        if isinstance(outcome, BadImage):
            self.bad[blob] = str(outcome)
        else:
            sure = outcome.at_least(self._config.min_confidence)
            kept = sure.of_classes(self._names)
            self.predicted += 1
            self.boxes += len(kept)
            self.foreign += len(sure) - len(kept)
            (self._tagged if blob in self.reviewed else self._untagged).add(
                blob, *self._sizes[blob], kept
            )
            if blob in self._checked:
                self._tested.add(blob, *self._sizes[blob], outcome.at_least(EVALUATED_FROM))

    def examples(self, gone: Iterable[str] = ()) -> list[str]:
        """The first bad images, for people; behind them the first of those that are gone."""
        named = [f"{blob} ({reason})" for blob, reason in list(self.bad.items())[:_SHOWN]]
        return (
            named
            + [f"{blob} (gone)" for blob in sorted(gone)[: _SHOWN - len(named)]]
            + ["…"] * (len(self.bad) > _SHOWN)
        )


class _TableFile:
    """A totag CSV that grows by batches beside its final place, so that memory does not grow with
    the number of images.
    """

    def __init__(self, path: Path, names: dict[int, str], user_folders: bool):
        self._path, self._names, self._user_folders = path, names, user_folders
        self._waiting: list[tuple[str, int, int, Detections]] = []

    def __enter__(self):
        self._beside = write_beside(self._path)
        self._file = self._beside.__enter__().open("wb")
        self._file.write(tables.to_csv("totag", tables.empty("totag"), self._user_folders))
        return self

    def __exit__(self, *error):
        try:
            if error[0] is None:
                self._write()
        finally:
            self._file.close()
        return self._beside.__exit__(*error)

    def add(self, blob: str, height: int, width: int, detections: Detections) -> None:
        self._waiting.append((blob, height, width, detections))
        if len(self._waiting) >= _IMAGES_AT_ONCE:
            self._write()

    def _write(self) -> None:
        if self._waiting:
            rows = totag_rows(self._waiting, self._names)
            # without the header
            self._file.write(tables.to_csv("totag", rows, self._user_folders).split(b"\n", 1)[1])
            self._waiting.clear()

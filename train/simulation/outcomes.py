"""What a model trained on some of a data set's images finds in the others: calculated once for each
labelled set, then read from disk.

    folder/<key>/predictions.parquet   columns of totag, for every image that is predicted
                /embeddings.npy        (n, d) float16, by blob; only where the pool is predicted
                /disagreement.npy      (n,) float32; only where a strategy goes by it
                /performance.csv       on the held-out images
The key covers the labels of the set, the content of the images and of the weights, the recipe and
the seed, so a simulation that is started again goes on where it was, and sets that several
strategies share are trained once.
"""

import dataclasses
import functools
import hashlib
import json
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from train.evaluation.average_precision import measure
from utils.boxes.detections import Detections, totag_rows
from utils.files import sha256_of, write_bytes
from utils.images.greys import Greys
from utils.images.measured_greys import measured
from utils.labels import tables
from utils.labels.assignments import row_digests
from utils.labels.tables import blob_names, image_set, only
from utils.reserved import NULL

_FORMAT = 1  # of what is trained and kept; a new number makes all models new


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How every labelled set is trained: always from the same weights, never from the model before,
    and for the same number of steps.

    checkpoint: as fine_tune_checkpoint in config.ini, "" = the published weights; weights: its
    content (weights_digest). canvas: (height, width) in pixels. on_features: the frozen backbone's
    features are calculated once, and only what follows it is trained (frozen_features.py).
    few_labels: the rest as a new config.ini has it.
    """

    model_name: str
    checkpoint: str
    weights: str
    freeze_backbone: bool
    canvas: tuple[int, int]
    steps: int
    batch_size: int
    on_features: bool
    few_labels: bool = False

    @property
    def key(self) -> dict:
        """All that decides what is learned, wherever the checkpoint lies. What came later is there
        only where it is on, so that what was trained before counts.
        """
        given = dataclasses.asdict(self)
        left_out = {"checkpoint", "" if self.few_labels else "few_labels"}
        return {name: value for name, value in given.items() if name not in left_out}


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A fully labelled data set, divided: rows of tagged of the pool and of the held-out test
    images; images: the table of all of them.
    """

    pool: pd.DataFrame
    test: pd.DataFrame
    images: pd.DataFrame
    files: dict[str, Path] = dataclasses.field(repr=False)

    @property
    def names(self) -> list[str]:
        """The blob names of pool and test, sorted: the order of predictions and embeddings."""
        return sorted(image_set(self.pool) | image_set(self.test))

    @property
    def classes(self) -> dict[str, int]:
        """{name: id} of the classes of pool and test."""
        return {
            name: number
            for number, name in enumerate(
                sorted((set(self.pool["class"]) | set(self.test["class"])) - {NULL}), 1
            )
        }

    @property
    def most_boxes(self) -> int:
        """How many boxes the fullest image of the pool has, but at least 100."""
        boxes = self.pool[self.pool["class"] != NULL]
        return max(100, int(blob_names(boxes).value_counts().max()) if len(boxes) else 0)

    @functools.cached_property
    def greys(self) -> Greys:
        """How values of more than 8 bits are shown, measured on these images."""
        return measured(self.files.values(), Greys())

    @functools.cached_property
    def digest(self) -> str:
        """Changes when any label, the content of an image, or the division does. Reads all images
        once.
        """
        lines = [
            f"{part} {image!r} {sha256_of(self.files[image])} {rows}"
            for part, frame in (("pool", self.pool), ("test", self.test))
            for image, rows in sorted(row_digests(frame).items())
        ]
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What is known of one labelled set: performance on the test images, and `predictions` (columns
    of totag) of these, or of all images, then with embeddings (n, d), and disagreement (n,) where
    it was asked for.
    """

    predictions: pd.DataFrame
    embeddings: np.ndarray | None
    disagreement: np.ndarray | None
    performance: pd.DataFrame


# Trains on these rows (columns of tagged, at least one box) with a seed, and looks at the images of
# these blob names, and at their mirror
# images if asked to; may keep what it needs to go on in the folder. The detections have embeddings.
Trainer = Callable[[pd.DataFrame, int, list[str], bool, Path], dict[str, Detections]]


class TrainedSets:
    """The outcomes of labelled sets of one data set and recipe, below `folder`. `trained` counts
    those that were not there yet.
    """

    def __init__(self, data: DataSet, recipe: Recipe, folder: Path, trainer: Trainer):
        self._data, self._folder, self._trainer = data, folder, trainer
        self._recipe = json.dumps([_FORMAT, data.digest, recipe.key], sort_keys=True)
        self._making: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)
        self._counting = threading.Lock()
        self.trained = 0

    def outcome(
        self,
        labelled: set[str],
        seed: int,
        pool: bool = True,
        mirror: bool = False,
        also: frozenset[str] = frozenset(),
    ) -> Outcome:
        """Train on these images of the pool, or read what was found when they were trained on
        before.

        pool: whether the model looks at the pool too, not only at the test images and those that
        it is `also` to look at; mirror: at mirror images as well. A set without any box teaches
        nothing: its model finds nothing.
        """
        folder = self._folder / self._key(labelled, seed)
        with self._making[folder]:  # projects side by side need the same cold start
            return self._outcome(folder, labelled, seed, pool, mirror, also)

    def _outcome(
        self,
        folder: Path,
        labelled: set[str],
        seed: int,
        pool: bool,
        mirror: bool,
        also: frozenset[str],
    ) -> Outcome:
        embeddings, disagreement = folder / "embeddings.npy", folder / "disagreement.npy"
        if (
            not folder.is_dir()
            or pool
            and not embeddings.is_file()
            or mirror
            and not disagreement.is_file()
            or also - image_set(self._predictions(folder))
        ):
            wanted = self._data.names if pool else sorted(image_set(self._data.test) | also)
            self._make(only(self._data.pool, labelled), seed, wanted, pool, mirror, folder)
        return Outcome(
            self._predictions(folder),
            np.load(embeddings) if embeddings.is_file() else None,
            np.load(disagreement) if disagreement.is_file() else None,
            tables.parse("performance", folder / "performance.csv"),
        )

    def _predictions(self, folder: Path) -> pd.DataFrame:
        return pd.read_parquet(folder / "predictions.parquet").astype(self._empty.dtypes)

    def _make(
        self,
        rows: pd.DataFrame,
        seed: int,
        names: list[str],
        pool: bool,
        mirror: bool,
        folder: Path,
    ) -> None:
        data, work = self._data, folder.with_name(f"{folder.name}.work")
        if (rows["class"] != NULL).any():
            found = self._trainer(rows, seed, names, mirror, work)
            with self._counting:
                self.trained += 1
        else:
            nothing = dataclasses.replace(
                Detections.none(), embedding=np.zeros(1), disagreement=0.0
            )
            found = dict.fromkeys(names, nothing)
        sizes = data.images.set_axis(blob_names(data.images))
        classes = data.classes
        predictions = totag_rows(
            (
                (name, int(sizes.at[name, "height"]), int(sizes.at[name, "width"]), found[name])
                for name in names
            ),
            {number: name for name, number in classes.items()},
        )
        performance = measure(data.test, only(predictions, image_set(data.test)), list(classes))
        ready = folder.with_name(f"{folder.name}.ready")
        shutil.rmtree(ready, ignore_errors=True)
        ready.mkdir(parents=True)
        predictions.to_parquet(ready / "predictions.parquet", compression="zstd")
        if pool:
            np.save(
                ready / "embeddings.npy",
                np.stack([found[name].embedding for name in names]).astype(np.float16),
            )
        if mirror:
            np.save(
                ready / "disagreement.npy",
                np.array([found[name].disagreement for name in names], np.float32),
            )
        write_bytes(
            ready / "performance.csv", tables.to_csv("performance", performance, user_folders=True)
        )
        shutil.rmtree(folder, ignore_errors=True)  # one that did not look at as much
        ready.rename(folder)
        shutil.rmtree(work, ignore_errors=True)

    def _key(self, labelled: set[str], seed: int) -> str:
        return hashlib.sha256(
            json.dumps([self._recipe, seed, sorted(labelled)]).encode()
        ).hexdigest()[:24]

    _empty = tables.empty("totag")

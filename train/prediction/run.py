"""One run of a model over a table of images: only what is new or changed is predicted, and a run
that was interrupted is gone on with.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from train.prediction.batches import BATCH_SIZE
from train.prediction.bfloat16 import use_bfloat16
from train.prediction.journal import Found, PredictionJournal
from train.prediction.photos import predict_photos
from utils.boxes.detections import Detections
from utils.config import Config
from utils.errors import Unreadable
from utils.images.greys import Greys
from utils.labels import tables
from utils.labels.listed import listed_photos
from utils.progress import progress_bar
from utils.reserved import NULL
from utils.storage.container import Container, Listed
from utils.storage.photos import Photos, arriving
from utils.terminal import say

if TYPE_CHECKING:
    from train.prediction.pipeline import Outcome


@dataclass
class Run:
    """What a run did. `entries()` gives (blob name, what was found) of every image but those that
    are `gone`, each once.
    """

    journal: PredictionJournal
    versions: dict[str, str]
    predicted: int = 0
    seconds: float = 0.0
    gone: set[str] = field(default_factory=set)

    def entries(self) -> Iterator[tuple[str, Found]]:
        return self.journal.entries(
            {blob: version for blob, version in self.versions.items() if blob not in self.gone}
        )


def model_key(model: Path, config: Config, greys: Greys) -> str:
    """A digest of all that decides what a prediction is, but the image: the model's bytes and the
    settings that shape its input.
    """
    settings = [config.tile, config.max_tile_size, config.max_tile_size if config.tile else 0]
    if greys.ranges:
        settings.append(greys.as_json())
    digest = hashlib.sha256(json.dumps(settings).encode())
    for file in sorted(
        path for path in ([model] if model.is_file() else model.rglob("*")) if path.is_file()
    ):
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:32]


def predict_images(
    config: Config,
    container: Container,
    images: pd.DataFrame,
    model: Path,
    journal: PredictionJournal,
    min_score: Callable[[str], float],
    batch_size: int = BATCH_SIZE,
    mirror: bool = False,
    *,
    greys: Greys,
) -> Run:
    """Predict those of `images` (columns of that table) that the journal lacks. Detections below
    min_score(blob name) are not kept.

    mirror: each with its mirror image, at twice the time, for the strategy that goes by the
    difference.
    """
    blobs = tables.blob_names(images).tolist()
    versions = {
        blob: version(etag, min_score(blob), mirror)
        for blob, etag in zip(blobs, images["etag"], strict=True)
    }
    run = Run(journal, versions)
    missing = tables.only(images, [b for b in blobs if journal.done.get(b) != versions[b]])
    if len(missing):
        bfloat16, said = use_bfloat16(config.bfloat16)
        say(said)
        how = {"batch_size": batch_size, "bfloat16": bfloat16, "mirror": mirror, "greys": greys}
        if config.prediction_engine == "ray":
            from train.prediction.cluster import on_cluster

            engine = on_cluster(config, model, listed_photos(missing), **how)
        else:
            engine = _here(config, container, model, listed_photos(missing), **how)
        with engine as outcomes:
            begun = time.monotonic()  # of predicting: TensorFlow and the model are loaded
            for blob, outcome in progress_bar(outcomes, "predict", len(missing), unit=" images"):
                if isinstance(outcome, Unreadable):
                    run.gone.add(blob)
                    continue
                run.predicted += 1
                journal.add(
                    blob,
                    versions[blob],
                    outcome.at_least(min_score(blob))
                    if isinstance(outcome, Detections)
                    else outcome,
                )
            run.seconds = time.monotonic() - begun
    return run


@contextmanager
def _here(
    config: Config,
    container: Container,
    model: Path,
    photos: Iterable[Listed],
    *,
    batch_size: int,
    bfloat16: bool,
    mirror: bool,
    greys: Greys,
) -> Iterator[Iterator[tuple[str, "Outcome"]]]:
    """What this machine finds in photos, in their order, while it lasts."""
    # loads TensorFlow, which takes seconds
    from train.prediction.frozen_detector import FrozenDetector

    detector = FrozenDetector(model, bfloat16)
    with closing(arriving(Photos(container, config.image_dir), photos)) as coming:
        yield predict_photos(
            config, detector, coming, batch_size=batch_size, mirror=mirror, greys=greys
        )


def version(etag: str, min_score: float, mirror: bool = False) -> str:
    """What a prediction was made of and how far down it was kept."""
    return f"{etag} from {min_score:g}" + " with mirror image" * mirror


def seed_journal(
    journal: PredictionJournal,
    totag: pd.DataFrame,
    predicted: pd.DataFrame,
    model: str,
    ids: dict[str, int],
    min_score: float,
) -> None:
    """Take over what was published: the rows of totag whose image `predicted` says was predicted by
    this model, from `min_score` up.
    """
    known = predicted[(predicted["model"] == published_key(model, min_score, ids)).to_numpy()]
    etags = {
        blob: etag
        for blob, etag in zip(tables.blob_names(known), known["etag"], strict=True)
        if journal.done.get(blob) != version(etag, min_score)
    }
    rows = tables.only(totag, etags)
    for blob, boxes in rows.groupby(tables.blob_names(rows).to_numpy()):
        boxes = boxes[boxes["class"] != NULL].sort_values(
            "box_confidence", ascending=False, kind="stable"
        )
        if not boxes["class"].isin(list(ids)).all():
            continue
        journal.add(
            blob,
            version(etags[blob], min_score),
            Detections(
                boxes[["xmin", "ymin", "xmax", "ymax"]].to_numpy(float),
                boxes["class"].map(ids).to_numpy(np.int64),
                boxes["box_confidence"].to_numpy(float),
            ),
        )


def published_key(model: str, min_score: float, classes: Iterable[str]) -> str:
    """The model column of the table `predicted`: what a published row depends on, but the image."""
    return hashlib.sha256(json.dumps([model, min_score, sorted(classes)]).encode()).hexdigest()[:32]

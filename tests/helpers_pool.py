"""A pool of images with all that strategies look at: folders, bursts, classes, embeddings."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from helpers_state import store_in

from train.cycle.shortlisting import publish_shortlist
from utils.batch.batch import Batch
from utils.batch.choosing import Wishes
from utils.batch.modes import ToTag
from utils.config import load_config
from utils.labels import tables
from utils.labels.class_map import ClassMap
from utils.labels.state import Change, PublishedFile
from utils.labels.store import LabelStore
from utils.selection.embeddings import (
    MODEL,
    Basis,
    Embeddings,
    to_parquet,
)
from utils.selection.shortlist import read_shortlist
from utils.times import utc_text

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CLASSES = ("animal", "bird", "rare")
SIZE = 16  # of an embedding


def made_pool(
    store: LabelStore,
    count: int,
    *,
    seed: int = 0,
    folders: int = 12,
    unseen: float = 0.05,
    empty: float = 0.3,
    labelled: int = 20,
):
    """Commit `count` images to the store, the first `labelled` of them labelled; the state. Of the
    others a share is `empty`, and `unseen` by any model; the rest have one to four boxes.
    """
    draw = np.random.default_rng(seed)
    names = np.arange(count)
    folder = np.array([f"site_{number % folders:02}" for number in names], object)
    filename = np.array([f"IMG_{number:06}.JPG" for number in names], object)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    # bursts of five in each folder
    seconds = (names // (5 * folders)) * 3600 + (names // folders) % 5
    times = [
        (begin + timedelta(seconds=int(second))).strftime("%Y-%m-%dT%H:%M:%SZ")
        for second in seconds
    ]
    images = tables.make(
        "images",
        filename=filename,
        folder=folder,
        height=100,
        width=200,
        bytes=draw.integers(1000, 9000, count),
        etag=[f"e{number}" for number in names],
        taken_at=times,
        md5=[f"{number:032x}" for number in names],
    )
    kind = draw.random(count)
    boxes = np.where(kind < unseen + empty, 1, draw.integers(1, 5, count))
    boxes[:labelled] = 1
    image = np.repeat(names, boxes)
    no_box = kind[image] < unseen + empty
    score = draw.random(len(image)).round(6)
    score[no_box] = np.where(kind[image][no_box] < unseen, np.nan, 0)
    name = np.array(CLASSES, object)[np.searchsorted([0.6, 0.93], draw.random(len(image)))]
    name[no_box] = "NULL"
    low, side = draw.random((2, len(image))) * 0.5, draw.random((2, len(image))) * 0.5
    low[:, no_box] = side[:, no_box] = 0
    lowest = np.full(count, np.inf)
    np.fmin.at(lowest, image, score)
    lowest = np.where(kind < unseen, np.nan, lowest)
    rows = tables.make(
        "totag",
        filename=filename[image],
        folder=folder[image],
        class_=name,
        xmin=low[0].round(6),
        xmax=(low[0] + side[0]).round(6),
        ymin=low[1].round(6),
        ymax=(low[1] + side[1]).round(6),
        height=100,
        width=200,
        box_confidence=score,
        image_confidence=lowest[image],
    )
    known = (image < labelled) & ~no_box
    tagged = rows[known][tables.COLUMNS["tagged"]].reset_index(drop=True)
    first = tables.image_set(tagged)
    vectors = draw.normal(size=(count, SIZE)).astype(np.float16)
    basis = Basis(MODEL, np.zeros(SIZE, np.float32), np.eye(SIZE, dtype=np.float32))
    embeddings = Embeddings(
        pa.array([f"{one}/{other}" for one, other in zip(folder, filename, strict=True)]).cast(
            pa.large_string()
        ),
        vectors,
        draw.random(count).astype(np.float32),
        "model",
        basis,
    )
    totag = tables.without(rows, first)
    predicted = tables.make(
        "predicted",
        filename=filename,
        folder=folder,
        etag=[f"e{number}" for number in names],
        model="key",
    )
    file = PublishedFile("embeddings", ".parquet", to_parquet(embeddings))
    state, _ = store.commit(
        lambda state: Change(
            {"images": images, "totag": totag, "tagged": tagged, "predicted": predicted},
            lambda made: {
                "live": {"embeddings": made["embeddings"], "model": "model_1.pb"},
                "predicted_by": {"key": "model_1.pb"},
            },
            files={"embeddings": file},
        ),
        what="making the pool",
    )
    return state


class Annotator:
    """Somebody who takes batches of `batch` images of a new pool (of `count` images; the rest as in
    made_pool).
    """

    def __init__(
        self, folder: Path, strategy="hybrid", seed=0, balance="", count=2500, batch=15, **pool
    ):
        self.batch = batch
        self.store = store_in(folder / "labels", by="anna")
        made_pool(self.store, count, seed=seed, **pool)
        text = (
            f"storage_url={folder}\nimage_container_name=i\nlabel_container_name=labels\n"
            f"user_folders=True\nclasses={','.join(CLASSES)}\nselection_strategy={strategy}\n"
            f"seed={seed}\nrandom_share=0.1\nmax_per_burst=2\ntagger_name=anna\n"
            f"tagging_location={folder}/tag\n"
        )
        if balance:
            text += f"ideal_class_balance={balance}\n"
        (folder / "config.ini").write_text(text, encoding="utf-8")
        self.config, self.now, self.place = load_config(folder / "config.ini"), NOW, folder / "tag"
        self.said = publish_shortlist(self.config, self.store)

    def found_by_pretrained(self, class_map: ClassMap | None = None) -> None:
        """A pretrained model, and none of ours, has seen the images; they were handed out by this
        class map.
        """
        other = store_in(self.place.parent / "other", by="anna")
        images = tables.image_set(self.store.table(self.store.read(), "images"))
        found = other.table(made_pool(other, len(images), seed=7, unseen=0.0, labelled=0), "totag")

        def change(state) -> Change:
            live = {kind: blob for kind, blob in state.live.items() if kind != "model"}
            noted = {"class_map": class_map.as_json()} if class_map else {}
            return Change({"init_totag": found}, {"live": live, **noted})

        self.store.commit(change, what="test")
        self.said = publish_shortlist(self.config, self.store)

    def reserve(self, whole: bool, class_map: ClassMap | None = None):
        """The reservation that a hand-out would make now."""
        batch = Batch(self.place, "anna", utc_text(self.now), self.batch)
        wishes = Wishes(whole=whole, class_map=class_map)
        mode = ToTag(self.config, self.store, self.now, wishes)
        return mode.reserve(self.store.read(), batch, ())

    def take(self, reservation, label: bool) -> None:
        self.store.commit(lambda state: reservation.change, what="test")
        if label:
            state = self.store.read()
            tagging, tagged = (self.store.table(state, name) for name in ("tagging", "tagged"))
            rows = tables.concat("tagged", tagged, tagging[tables.COLUMNS["tagged"]])
            self.store.commit(
                lambda state: Change({"tagged": rows, "tagging": tagging[:0]}), what="test"
            )

    @property
    def list(self):
        return read_shortlist(self.store.checked_file(self.store.read().live["shortlist"]))

"""A cross-check: labelled images that no model can judge, as each was trained on them, are parted
into folds; of each fold a model says what it finds that was trained without it.

What has begun lies in data_dir/crosscheck: the snapshots that it goes by and the folds, in
crosscheck.json, and of each fold that is judged what was found. An interrupted one goes on with the
same snapshots, whatever was labelled meanwhile. What is published is the table `crosscheck`.
"""

import json
import shutil
from collections.abc import Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from train.network import labelled_images
from train.network.labelled_images import Plan
from utils.batch.suspecting import not_judged
from utils.config import Config
from utils.errors import InputError
from utils.files import write_text
from utils.json_shape import (
    COUNT,
    TEXT,
    TEXTS,
    check_shape,
    each,
    json_object,
    mapping,
    maybe,
    members,
    read_regular,
    that,
)
from utils.labels import tables
from utils.labels.document import blob_of
from utils.labels.label_map import label_map_for, previous_label_map
from utils.labels.renamed import present_names, under_present_names
from utils.labels.replaced import contents
from utils.labels.splits import bursts, folds
from utils.labels.state import Change, State
from utils.labels.store import LabelStore
from utils.labels.tables import blob_names, image_set, only, without
from utils.reserved import NULL
from utils.storage.container import Container, Damaged, Missing
from utils.storage.sync import list_images, sync_images
from utils.times import utc_text

_TABLES = ("images", "failed", "tagged", "test", "replaced")
_BEGUN = members(
    {
        "at": TEXT,
        "wanted": COUNT,
        "iterations": that(lambda value: type(value) in (int, str)),
        "tables": mapping(lambda name: maybe(blob_of(name))),
        "folds": each(TEXTS),
    }
)


@dataclass(frozen=True)
class CrossCheck:
    """One that has begun. folds: the images (blob names) of each; wanted: how many folds were asked
    for; iterations: as train_iterations in config.ini; tables: {table: snapshot that it goes by};
    frames: what these hold.
    """

    at: str
    wanted: int
    iterations: int | str
    tables: dict[str, str | None]
    folds: list[list[str]]
    frames: dict[str, pd.DataFrame] = field(repr=False, compare=False)

    @property
    def images(self) -> set[str]:
        """All that are to be judged."""
        return set().union(*self.folds)

    @property
    def labelled(self) -> pd.DataFrame:
        """The rows of tagged that may be used: pictures that the labels are of."""
        return without(self.frames["tagged"], image_set(self.frames["replaced"]))


def place_of(config: Config) -> Path:
    """Where a cross-check keeps its files."""
    return config.data_dir / "crosscheck"


def fold_place(config: Config, number: int) -> Path:
    """Where the fold of that number, from 0, keeps its files while its model is trained."""
    return place_of(config) / f"fold_{number + 1}"


def found_in(config: Config, number: int) -> Path:
    """The file with what was found in the images of a fold, there once it is judged."""
    return place_of(config) / f"found_{number + 1}.csv"


def going_on(config: Config, store: LabelStore) -> CrossCheck | None:
    """The cross-check that was begun; None where there is none, or its snapshots are gone."""
    try:
        document = json_object(read_regular(place_of(config) / "crosscheck.json"))
        check_shape(document, _BEGUN)
        frames = {name: store.table_at(document["tables"].get(name), name) for name in _TABLES}
    except (FileNotFoundError, ValueError, InputError, Missing, Damaged):
        return None
    return CrossCheck(**{name: document[name] for name in _BEGUN_MEMBERS}, frames=frames)


def begin(
    config: Config,
    container: Container,
    store: LabelStore,
    state: State,
    wanted: int,
    iterations: int | str,
) -> CrossCheck | None:
    """Begin one, in the place of any other; None when there is nothing to judge.

    Raises InputError when there are no labels, or too few to train without a part of them.
    """
    if state.blob("tagged") is None:
        raise InputError(
            f"{store.container.address}: no labels yet; a cross-check looks for mistakes in them"
        )
    names = {name: state.blob(name) for name in _TABLES}
    frames = {name: store.table(state, name) for name in _TABLES}
    at = utc_text(datetime.now(UTC))
    judged = not_judged(store, state)
    if not judged:
        return None
    here = fetched(config, container, frames["images"], judged) - image_set(frames["failed"])
    if not here:
        raise InputError(
            f"{container.address}: none of {len(judged)} labelled images is there as it was listed;"
            " run train/active_learning_initialize.sh CONFIG first"
        )

    split = (config.seed, config.split_by, config.burst_seconds)
    parts = folds(only(frames["tagged"], here), frames["images"], wanted, *split)
    begun = CrossCheck(at, wanted, iterations, names, [sorted(part) for part in parts], frames)
    for number in range(len(parts)):
        if not (rows_without(config, begun, number)["class"] != NULL).any():
            raise InputError(
                f"{store.container.address}: {len(image_set(frames['tagged']))} labelled images"
                " are too few for a cross-check: without a part of them no box is left to train"
                " on; label more of them first"
            )
    shutil.rmtree(place_of(config), ignore_errors=True)
    document = {name: getattr(begun, name) for name in _BEGUN_MEMBERS}
    text = json.dumps(document, indent=1, ensure_ascii=True)
    write_text(place_of(config) / "crosscheck.json", text + "\n")
    return begun


def fetched(
    config: Config, container: Container, images: pd.DataFrame, wanted: Set[str]
) -> set[str]:
    """Those of the wanted images that are on this machine now, as the table `images` has them."""
    known = contents(images, wanted)
    listing = list_images(container, config.filetype, config.user_folders)
    blobs = [
        blob
        for blob in listing.blobs
        if blob.name in known
        and (not known[blob.name].etags or blob.etag in known[blob.name].etags)
    ]
    failed = {name for name, _ in sync_images(container, blobs, config.image_dir).failed}
    return {blob.name for blob in blobs} - failed


def rows_without(config: Config, begun: CrossCheck, number: int) -> pd.DataFrame:
    """What the model of a fold is trained on (rows of tagged): neither images of its bursts nor of
    the test set.
    """
    burst_of = bursts(begun.frames["images"], config.split_by, config.burst_seconds)
    own = set(burst_of.reindex(begun.folds[number]))
    near = set(burst_of.index[burst_of.isin(own)])
    return without(begun.labelled, near | image_set(begun.frames["test"]))


def plan_of_fold(
    config: Config, store: LabelStore, state: State, begun: CrossCheck, number: int, here: Set[str]
) -> Plan:
    """The labelled images that the model of a fold is trained on, of those that are `here`."""
    named = state.classes
    previous = previous_label_map(store, state)
    classes = label_map_for(config.need("classes"), previous, named["dropped"], named["renamed"])
    return labelled_images.plan(
        only(rows_without(config, begun, number), here),
        tables.empty("test"),
        begun.frames["images"],
        begun.frames["failed"],
        classes=classes,
        renamed=named["renamed"],
        dropped=named["dropped"],
        config=config,
        greys=state.greys,
        where=f"{begun.tables['tagged']} in {store.container.address}",
    )


def publish(config: Config, store: LabelStore, begun: CrossCheck) -> tuple[State, int]:
    """Publish what was found, in one commit; the state after it, and of how many images. What was
    found of others by earlier cross-checks stays, as long as they are labelled.
    """
    parts = [tables.parse("totag", found_in(config, number)) for number in range(len(begun.folds))]
    images = begun.frames["images"]
    md5 = dict(zip(blob_names(images), images["md5"], strict=True))
    found = tables.concat("totag", *parts)
    found = tables.concat("crosscheck", found.assign(md5=blob_names(found).map(md5), at=begun.at))

    def change(now: State) -> Change:
        labelled = image_set(store.table(now, "tagged"))
        names = present_names(store, now, begun.tables["tagged"])
        new = only(under_present_names(found, names), labelled)
        before = only(without(store.table(now, "crosscheck"), image_set(new)), labelled)
        rows = tables.concat("crosscheck", before, new)
        return Change(tables={"crosscheck": rows}, note=len(image_set(new)))

    return store.commit(change, what="publishing a cross-check")


def clear(config: Config, number: int | None = None) -> None:
    """Remove the files of a fold, or of the whole cross-check."""
    folder = place_of(config) if number is None else fold_place(config, number)
    shutil.rmtree(folder, ignore_errors=True)


_BEGUN_MEMBERS = ("at", "wanted", "iterations", "tables", "folds")

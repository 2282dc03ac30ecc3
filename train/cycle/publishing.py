"""Publishing a cycle in one commit: model, label map, predictions for the images that are nobody's
now, performance.

Hours have passed since the cycle read the labels: images that were handed out or reviewed meanwhile
stay where they are, images that others took in meanwhile stay known. Stopped at any point, it is
run again; what is published already is not published twice.
"""

import platform
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata

import pandas as pd

from train.cycle.files import update_cycle, working_path
from train.cycle.merging import (
    check_classes,
    merged_listings,
    merged_predicted,
    merged_test,
    models_of,
)
from train.cycle.outputs import CycleOutputs
from train.evaluation.words import cell, performance_lines
from train.prediction.embedding_file import FILE
from utils.config import Config
from utils.labels import tables
from utils.labels.assignments import outdated, publish_totag
from utils.labels.class_changes import with_present_names
from utils.labels.state import Change, PublishedFile, State
from utils.labels.store import LabelStore
from utils.labels.tables import image_set, without
from utils.reserved import NULL
from utils.terminal import say
from utils.times import utc_text

PACKAGES = ("tensorflow", "tf-models-official", "tf_keras", "numpy", "pandas")
LIVE = ("model", "label_map", "config", "embeddings")
FIGURES = ("AP", "coco_ap", "coco_ap50")


def publish(
    config: Config,
    store: LabelStore,
    made: CycleOutputs,
    check: Callable[[State], object] = lambda _: None,
) -> str:
    """Publish the cycle, unless that was done already, say how good its model is, and return a line
    about the cycle. `check` raises for a state that it must not be published to.
    """

    def checked(now: State) -> Change | None:
        if position_of(now, made.number) is None:
            check(now)
        return change(now, store, made, entry)

    state = store.read()
    if position_of(state, made.number) is None:
        entry = entry_of(made, publish_files(config, store, made), config)
        state, _ = store.commit(checked, what="publishing the cycle")
    else:
        say("this cycle was published already")
    say(*performance_lines(made.performance))
    return published_text(state, made.number)


def position_of(state: State, number: str) -> int | None:
    """Where in the state's cycles the one of that number stands."""
    return next(
        (place for place, entry in enumerate(state.cycles) if entry.get("id") == number), None
    )


def published_text(state: State, number: str) -> str:
    """One line about the cycle of that number."""
    position = position_of(state, number)
    entry = state.cycles[position]
    average = entry["metrics"]["Average"]["AP"]
    return (
        f"cycle {position + 1}: {entry['images_labelled']} images, {entry['boxes_labelled']} boxes"
        f" labelled, average AP {cell(average)} → {entry['model']}, {entry['totag']},"
        f" {entry['performance']}"
    )


def publish_files(
    config: Config, store: LabelStore, made: CycleOutputs, own_tables: tuple[str, ...] = ()
) -> dict[str, str]:
    """Write model, label map, settings, performance, what was found in the test images, and
    `own_tables` as blobs; what an interrupted run has written is not written again.
    """
    frames = {
        "images": made.images,
        "failed": made.failed,
        "totag": made.predictions,
        "test": made.test,
        "predicted": made.predicted,
        "performance": made.performance,
    }
    sources = {
        "model": (".pb", made.model),
        "label_map": (".pbtxt", made.label_map),
        "config": (".ini", config.public_text().encode()),
    }
    for name in ("performance", *own_tables):
        file = store.file_of(name, frames[name])
        sources[name] = (file.suffix, file.data)
    for kind, suffix, path in (
        ("tested", ".csv", working_path(config, "test_predictions")),
        ("embeddings", ".parquet", config.data_dir / FILE),
    ):
        if path.is_file():
            sources[kind] = (suffix, path)
    published = made.cycle.get("published", {})
    blobs = published["blobs"] if published.get("id") == made.number else {}
    for kind, (suffix, source) in sources.items():
        if kind not in blobs:
            blobs = {**blobs, kind: store.publish_file(kind, suffix, source, made.number)}
            update_cycle(config, published={"id": made.number, "blobs": blobs})
    return blobs


def entry_of(made: CycleOutputs, blobs: dict[str, str], config: Config) -> dict:
    """What label_state.json says about a cycle, but for the tables that its commit makes."""
    boxes = made.tagged[made.tagged["class"] != NULL]
    greys = made.cycle.get("records", {}).get("greys")
    return {
        "id": made.number,
        "at": utc_text(datetime.now(UTC)),
        "started_at": made.cycle["started_at"],
        "base": made.cycle["base"],
        "class_changes": made.cycle.get("class_changes"),
        "tagged": made.cycle["base_tables"].get("tagged"),
        **blobs,
        "images_labelled": len(image_set(made.tagged)),
        "boxes_labelled": len(boxes),
        "metrics": metrics(made.performance),
        "weights": made.training.get("weights"),
        "seed": config.seed,
        "versions": versions(),
        "durations": made.cycle.get("durations", {}),
        "training": made.training,
        "predicted": made.cycle.get("predicted", {}),
        "random_share": made.cycle.get("random_share"),
        "prelabels": made.cycle.get("prelabels"),
        **({"greys": greys} if greys else {}),
    }


def next_test(now: State, store: LabelStore, made: CycleOutputs) -> tuple[pd.DataFrame, bool]:
    """The test set that the state has after the cycle, and whether it was drawn anew since the
    cycle began (then it stands).
    """
    present = {table: store.table(now, table) for table in ("tagged", "test")}
    redrawn = bool(now.document.get("pretrained_next")) and image_set(present["test"]) != image_set(
        made.base(store, "test")
    )
    return present["test"] if redrawn else merged_test(made, present), redrawn


def change(now: State, store: LabelStore, made: CycleOutputs, entry: dict) -> Change | None:
    """The commit of the cycle on the state as it is now; None when that cycle is in it already."""
    if position_of(now, made.number) is not None:
        return None
    present = {
        table: store.table(now, table)
        for table in ("images", "failed", "totag", "tagged", "tagging", "test", "predicted")
    }
    images, failed = merged_listings(
        {table: made.base(store, table) for table in ("images", "failed")},
        present,
        made.images,
        made.failed,
        made.cycle.get("pred_dir"),
    )
    check_classes(now, made.cycle)
    stale = outdated(made.predicted, images)
    predictions = without(with_present_names("totag", made.predictions, now.classes), stale)
    totag = publish_totag(
        images,
        predictions,
        totag=present["totag"],
        tagged=present["tagged"],
        tagging=present["tagging"],
        failed=failed,
        hours=store.reservation_hours,
        now=store.now(),
    )
    test, redrawn = next_test(now, store, made)

    reset = bool(now.document.get("pretrained_next")) and not redrawn
    # after a redraw the cycle's own test set is in no table, and gets a blob of its own
    own_test = tables.to_csv("test", made.test, store.user_folders)

    def finished(names: dict[str, str]) -> dict:
        """The entry with the blobs of this commit."""
        return {
            **entry,
            "totag": names["totag"],
            "images": names["images"],
            "test": names["own test" if redrawn else "test"],
            **({"fresh": True} if reset else {}),
        }

    predicted = merged_predicted(without(made.predicted, stale), present["predicted"], totag)
    return Change(
        {"images": images, "failed": failed, "totag": totag, "test": test, "predicted": predicted},
        {
            "predicted_by": models_of(predicted, now, made.predicted, entry["model"]),
            "live": {
                **{kind: blob for kind, blob in now.live.items() if kind not in LIVE},
                **{kind: entry[kind] for kind in LIVE if kind in entry},
            },
            **({"candidate": None} if now.document.get("candidate") else {}),
            **({"pretrained_next": False} if reset else {}),
        },
        cycle=finished,
        files={"own test": PublishedFile("test", ".csv", own_test)} if redrawn else {},
    )


def metrics(performance: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """AP, coco_ap and coco_ap50 of the average and of each class; None for an empty cell."""
    return {
        row["Class Name"]: {
            figure: None if pd.isna(row[figure]) else row[figure] for figure in FIGURES
        }
        for row in performance.to_dict("records")
    }


def versions() -> dict[str, str]:
    """What the cycle ran on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found

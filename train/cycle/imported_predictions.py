"""Publishes predictions that were made elsewhere: like a pretrained model's, or like our own's."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from train.cycle.merging import merged_predicted, models_of
from train.cycle.publishing import metrics, versions
from train.evaluation.average_precision import measure
from train.evaluation.random_share import RandomShare, random_share
from train.prediction.imported import Boxes, above, totag_of
from train.prediction.run import published_key
from utils.config import Config
from utils.labels import tables
from utils.labels.assignments import outdated, publish_totag
from utils.labels.class_changes import current_classes, with_present_names
from utils.labels.label_map import current_name
from utils.labels.model_classes import init_classes, with_names
from utils.labels.pool import pool_of
from utils.labels.state import Change, State
from utils.labels.store import LabelStore
from utils.labels.tables import image_set, only, without
from utils.times import utc_text

_EVALUATED_FROM = 0.01  # as of our own model's predictions


@dataclass(frozen=True)
class Published:
    """What was published: the new state, the rows of it, and classes by their number as text (of a
    pretrained model; {} for one of ours).
    """

    state: State
    rows: pd.DataFrame
    names: dict[str, str]


def publish_as_pretrained(
    config: Config, store: LabelStore, found: dict[str, Boxes], order: Sequence[str]
) -> Published:
    """Make these predictions part of init_totag, for images that nobody has. Classes are numbers
    there; `init_classes` of the state says their names. order: of new classes.
    """
    kept = above(found, config.min_confidence)
    key = _key(found, config)

    def change(now: State) -> Change:
        present = {name: store.table(now, name) for name in ("images", "init_totag")}
        free = only(present["images"], image_set(pool_of(store, now)) & kept.keys())
        names = with_names(init_classes(now, config.init_label_map), order)
        numbers = {name: number for number, name in names.items()}
        texts = {number: str(number) for number in names}
        rows = tables.concat("init_totag", totag_of(kept, free, numbers, texts))
        predicted = _predicted("init_predicted", free, key)
        seen = image_set(rows)
        known = store.table(now, "init_predicted")
        return Change(
            {
                "init_totag": tables.concat(
                    "init_totag", without(present["init_totag"], seen), rows
                ),
                "init_predicted": tables.concat("init_predicted", without(known, seen), predicted),
            },
            {"init_classes": {str(number): name for number, name in names.items()}},
            note=(rows, {str(number): name for number, name in names.items()}),
        )

    state, (rows, names) = store.commit(change, what="publishing imported predictions")
    return Published(state, rows, names)


def publish_as_model(
    config: Config, store: LabelStore, found: dict[str, Boxes], model: str, images: pd.DataFrame
) -> Published:
    """Make these predictions part of totag under the name of a model, for images that nobody has.
    `images`: the table as the predictions were put to it.
    """
    kept = above(found, config.min_confidence)
    predicted = _predicted("predicted", only(images, kept), _key(found, config, model))

    def change(now: State) -> Change:
        present = {
            name: store.table(now, name)
            for name in ("images", "failed", "totag", "tagged", "tagging", "predicted")
        }
        stale = outdated(predicted, present["images"])
        rows = without(_named(config, now, kept, only(images, kept)), stale)
        totag = publish_totag(
            present["images"],
            rows,
            totag=present["totag"],
            tagged=present["tagged"],
            tagging=present["tagging"],
            failed=present["failed"],
            hours=config.reservation_hours,
            now=store.now(),
        )
        new = without(predicted, stale)
        all_predicted = merged_predicted(new, present["predicted"], totag)
        return Change(
            {"totag": totag, "predicted": all_predicted},
            {"predicted_by": models_of(all_predicted, now, new, model)},
            note=only(rows, image_set(pool_of(store, now))),
        )

    state, rows = store.commit(change, what="publishing imported predictions")
    return Published(state, rows, {})


@dataclass(frozen=True)
class Evaluation:
    """How predictions made elsewhere do: on the test images that they have (`performance`, and
    what is in them, `tested`; None without any; `missing` others), and on the random share.
    """

    performance: pd.DataFrame | None
    tested: pd.DataFrame | None
    missing: int
    share: RandomShare | None


def evaluate(
    config: Config,
    store: LabelStore,
    state: State,
    found: dict[str, Boxes],
    model: str,
    images: pd.DataFrame,
) -> Evaluation:
    """Measure the predictions as our own model's are."""
    classes, _ = current_classes(config.classes, state.classes)
    test = store.table(state, "test")
    truth = only(only(test, found), image_set(images))
    performance = tested = None
    if len(truth):
        scored = above(found, _EVALUATED_FROM)
        tested = _named(config, state, scored, only(images, image_set(truth)))
        performance = measure(truth, tested, classes, config.max_detections)
    drawn = with_present_names("drawn", store.table(state, "drawn"), state.classes)
    share = random_share(drawn, store.table(state, "tagged"), model, classes, config.seed)
    return Evaluation(performance, tested, len(image_set(test)) - len(image_set(truth)), share)


def publish_evaluation(
    config: Config, store: LabelStore, state: State, model: str, evaluation: Evaluation
) -> str:
    """Publish the performance table, named in `evaluations` of the state; its blob."""
    blob = store.publish_file(
        "performance",
        ".csv",
        tables.to_csv("performance", evaluation.performance, config.user_folders),
    )
    tested = store.publish_file(
        "tested", ".csv", tables.to_csv("tested", evaluation.tested, config.user_folders)
    )
    entry = {
        "at": utc_text(datetime.now(UTC)),
        "model": model,
        "test": state.blob("test"),
        "performance": blob,
        "tested": tested,
        "metrics": metrics(evaluation.performance),
        "versions": versions(),
        "imported": True,
    }
    store.commit(
        lambda now: Change(
            members={"evaluations": [*(now.document.get("evaluations") or []), entry]}
        ),
        what="publishing the performance",
    )
    return blob


def known_names(config: Config, state: State, names: Sequence[str]) -> dict[str, str]:
    """{name in the file: class by its present name}, of the classes that the config knows."""
    known, _ = current_classes(config.need("classes"), state.classes)
    present = {name: current_name(name, state.classes["renamed"]) for name in names}
    return {name: now for name, now in present.items() if now in known}


def _named(
    config: Config, state: State, found: dict[str, Boxes], images: pd.DataFrame
) -> pd.DataFrame:
    """Rows of totag under the present names of the classes that the config knows."""
    labels = sorted({box[0] for boxes in found.values() for box in boxes})
    known = known_names(config, state, labels)
    present = sorted(set(known.values()))
    numbers = {name: present.index(now) + 1 for name, now in known.items()}
    names = {number: name for number, name in enumerate(present, 1)}
    return totag_of(found, images, numbers, names)


def _predicted(table: str, images: pd.DataFrame, key: str) -> pd.DataFrame:
    return tables.make(
        table,
        filename=images["filename"],
        folder=images["folder"],
        etag=images["etag"],
        model=[key] * len(images),
    )


def _key(found: dict[str, Boxes], config: Config, model: str = "") -> str:
    """What these predictions are told by from those of other models."""
    digest = hashlib.sha256(f"imported {model}".encode())
    for blob in sorted(found):
        digest.update(repr((blob, found[blob])).encode("utf-8", "surrogatepass"))
    return published_key(digest.hexdigest(), config.min_confidence, config.classes)

"""Taking in a file of predictions: read it, put it to the images, publish, and say what became of
it.
"""

from collections.abc import Iterator
from pathlib import Path

from train.cycle.imported_predictions import (
    evaluate,
    known_names,
    publish_as_model,
    publish_as_pretrained,
    publish_evaluation,
)
from train.cycle.shortlisting import publish_shortlist
from train.evaluation.words import cell, performance_lines
from train.prediction.imported import Boxes, Imported, class_counts, put_to_images
from utils.config import Config
from utils.errors import InputError
from utils.formats.predicted_sets import PredictedSet, read_predictions
from utils.labels import tables
from utils.labels.pool import pool_of
from utils.labels.state import State
from utils.labels.store import LabelStore, open_labels
from utils.labels.tables import image_set
from utils.reserved import NULL


def import_predictions(
    config: Config, path: Path, model: str | None, images_file: Path | None, base: str
) -> list[str]:
    """Take the file in, and give the lines that a person should read, the closing one last. model:
    the name under which it counts as our own model; None: it counts as a pretrained one.

    Raises InputError when nothing in the file can be used; the labels are as before then.
    """
    given = read_predictions(path, images_file)
    container, store = open_labels(config)
    state = store.read_project()
    images = store.table(state, "images")
    if not len(images):
        raise InputError(
            f"{store.container.address}: no images are listed there yet; run"
            " train/active_learning_initialize.sh CONFIG first"
        )
    imported = put_to_images(given.images, tables.blob_names(images), base.strip("/"))
    if not imported.found:
        raise InputError(
            f"{path}: none of its {len(given.images)} images can be used; the first:"
            f" {imported.first_problem()}"
        )
    said = [f"{path}: {line}" for line in imported.lines(container.name)]
    below = sum(
        box[5] < config.min_confidence for boxes in imported.found.values() for box in boxes
    )
    if below:
        said.append(
            f"{path}: {below} boxes are below min_confidence={config.min_confidence:g}: left out"
        )
    if model is None:
        work = _as_pretrained(config, store, state, given, imported)
    else:
        work = _as_model(config, store, state, imported.found, model, path)
    return [*said, *work]


def _as_pretrained(
    config: Config, store: LabelStore, state: State, given: PredictedSet, imported: Imported
) -> Iterator[str]:
    free = image_set(pool_of(store, state))
    if not free & imported.found.keys():
        raise InputError(
            f"{len(imported.found)} images of the file are known here, and every one is tagged,"
            " handed out or unreadable, so nobody needs its predictions (--as-model NAME measures"
            " them)"
        )
    published = publish_as_pretrained(config, store, imported.found, given.classes)
    boxes = published.rows[published.rows["class"] != NULL]
    pairs = boxes.drop_duplicates(["folder", "filename", "class"])["class"].value_counts()
    for number, count in boxes["class"].value_counts().items():
        yield f"{number:>5}  {published.names[number]:20} {count} boxes in {pairs[number]} images"
    images = len(image_set(published.rows))
    if taken := len(imported.found) - images:
        yield f"{taken} images are tagged or handed out: their predictions are not needed"
    if said := publish_shortlist(config, store):
        yield said
    yield f"{images} images, {len(boxes)} boxes → {published.state.blob('init_totag')}"


def _as_model(
    config: Config,
    store: LabelStore,
    state: State,
    found: dict[str, Boxes],
    model: str,
    path: Path,
) -> Iterator[str]:
    counts = class_counts(found)
    known = known_names(config, state, list(counts))
    if counts and not known:
        raise InputError(
            f"{path}: its classes are {', '.join(counts)}, and none of them is in classes of"
            f" {config.path}; leave --as-model out, and name them by a class map"
        )
    images = store.table(state, "images")
    published = publish_as_model(config, store, found, model, images)
    foreign = {name: count for name, count in counts.items() if name not in known}
    if foreign:
        named = ", ".join(f"{name} ({count} boxes)" for name, count in foreign.items())
        yield f"not in classes of {config.path}: {named}; left out"
    evaluation = evaluate(config, store, published.state, found, model, images)
    if evaluation.performance is not None:
        blob = publish_evaluation(config, store, published.state, model, evaluation)
        yield from performance_lines(evaluation.performance)
        yield f"average AP {cell(evaluation.performance['AP'].iloc[0])} → {blob}"
    if evaluation.missing:
        yield f"{evaluation.missing} test images are not in the file: not measured"
    if evaluation.share:
        yield str(evaluation.share)
    images_of = len(image_set(published.rows))
    if taken := len(found) - images_of:
        yield f"{taken} images are tagged or handed out: their predictions only count in measuring"
    if said := publish_shortlist(config, store):
        yield said
    boxes = int((published.rows["class"] != NULL).sum())
    yield f"{images_of} images, {boxes} boxes by {model} → {published.state.blob('totag')}"

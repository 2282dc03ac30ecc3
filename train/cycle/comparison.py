"""Whether a cycle's model may go live: it and the live one on today's test images.

Test images that a published model was trained on (after the test set was drawn anew) do not count.
"""

from pathlib import Path

import pandas as pd

from train.cycle.files import JOURNAL_FILE, exported_label_map
from train.cycle.first_model import judge_first
from train.cycle.model import names_of_model
from train.cycle.verdicts import verdict_of
from train.evaluation.bootstrap import compare
from train.prediction.journal import PredictionJournal
from train.prediction.outputs import EVALUATED_FROM
from train.prediction.run import model_key, predict_images, version
from utils.boxes.detections import Detections, totag_rows
from utils.config import Config
from utils.files import local_path
from utils.images.greys import Greys
from utils.labels import tables
from utils.labels.class_changes import current_classes, with_present_names
from utils.labels.label_map import read_label_map, with_current_classes
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.labels.tables import image_set
from utils.labels.trained import trained_images
from utils.reserved import NULL
from utils.storage.container import Container
from utils.strategies import STRATEGIES


def judge(
    config: Config,
    container: Container,
    store: LabelStore,
    images: pd.DataFrame,
    test: pd.DataFrame,
    found: pd.DataFrame,
) -> dict:
    """The verdict: {"publish": bool, "why": text, "live": the model compared with, and the figures,
    where there are some}.

    images: rows of that table for the test images that are here; test: the cycle's; found: what the
    cycle's model finds in them.
    """
    state = store.read()
    live = state.live.get("model")
    present = tables.only(test, image_set(images))
    if not live:
        return judge_first(config, store, state, present, found)
    truth = tables.without(present, trained_images(store, state, lineage(state)))
    measured = tables.only(images, image_set(truth))
    of_live = (
        live_predictions(config, container, store, state, measured)
        if len(measured)
        else tables.empty("totag")
    )
    classes, _ = current_classes(list(read_label_map(exported_label_map(config))), state.classes)
    comparison = compare(
        with_current_classes(truth, state.classes["renamed"], state.classes["dropped"]),
        *(with_present_names("totag", frame, state.classes) for frame in (of_live, found)),
        classes,
        config.seed,
    )
    verdict = verdict_of(comparison, live)
    if (
        not comparison.measured
        and (present["class"] != NULL).any()
        and not (truth["class"] != NULL).any()
    ):
        verdict["why"] += ", as earlier models were trained on all of them"
    return verdict


def lineage(state: State) -> list[dict]:
    """The cycles from which the live model may have learned: after the test set was drawn anew, a
    cycle begins from pretrained weights.
    """
    fresh = max(
        (place for place, cycle in enumerate(state.cycles) if cycle.get("fresh")), default=0
    )
    return state.cycles[fresh:]


def live_predictions(
    config: Config, container: Container, store: LabelStore, state: State, images: pd.DataFrame
) -> pd.DataFrame:
    """What the live model finds in these images, rows of totag under the present class names."""
    folder = config.data_dir / "compared"
    blob = state.live["model"]
    model = store.container.path_of(blob) or store.fetch_file(blob, local_path(folder, blob))
    key = model_key(model, config, state.greys)
    journal_file = folder / f"{key}.journal"
    for old in [*folder.glob("model_*"), *folder.glob("*.journal")]:
        if not old.name.startswith((blob, journal_file.name)):
            old.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    names, _ = names_of_model(store, state, blob, config.need("classes"))
    min_score = min(EVALUATED_FROM, config.min_confidence)
    with PredictionJournal(journal_file, key) as journal:
        run = predict_images(
            config, container, images, model, journal, lambda _: min_score, greys=state.greys
        )
        sizes = dict(
            zip(
                tables.blob_names(images),
                zip(images["height"], images["width"], strict=True),
                strict=True,
            )
        )
        return totag_rows(
            (
                (image, *sizes[image], found.at_least(EVALUATED_FROM))
                for image, found in run.entries()
                if isinstance(found, Detections)
            ),
            names,
        )


def keep_predictions(config: Config, model: Path, images: pd.DataFrame, greys: Greys) -> None:
    """Note what create_predictions.py has found in these images with the cycle's model: if it goes
    live, the next comparison needs it.
    """
    key = model_key(model, config, greys)
    min_score = min(EVALUATED_FROM, config.min_confidence)
    with (
        PredictionJournal(config.data_dir / JOURNAL_FILE, key) as found,
        PredictionJournal(config.data_dir / "compared" / f"{key}.journal", key) as kept,
    ):
        etags = dict(zip(tables.blob_names(images), images["etag"], strict=True))
        mirror = STRATEGIES[config.selection_strategy].needs_mirror
        for image, entry in found.entries(
            {image: version(etag, min_score, mirror) for image, etag in etags.items()}
        ):
            if kept.done.get(image) != version(etags[image], min_score):
                kept.add(image, version(etags[image], min_score), entry)

"""What a report is made from: what the label container says about the newest model and the test
images. What is not there leaves a note for people, never an error.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from train.cycle.model import names_of_model
from utils.batch.showing import thresholds_of
from utils.boxes.prelabels import Thresholds, shown_boxes
from utils.config import Config
from utils.errors import InputError, OutsideError
from utils.labels import tables
from utils.labels.class_changes import current_classes, with_present_names
from utils.labels.label_map import with_current_classes
from utils.labels.renamed import present_names, under_present_names
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.labels.tables import image_set
from utils.labels.trained import trained_images
from utils.reserved import NULL
from utils.storage.container import Container
from utils.wording import few


@dataclass
class Material:
    """All that a report needs. model: the blob of the newest model, None without one. classes: what
    it knows, by present names. truth, found: true boxes of the measured test images (rows of test),
    and what the model found in them (rows of tested). trained: images that models were trained on.
    notes: what people must know of what is missing.
    """

    config: Config
    container: Container
    store: LabelStore
    state: State
    model: str | None = None
    classes: tuple[str, ...] = ()
    truth: pd.DataFrame = field(default_factory=lambda: tables.empty("test"))
    found: pd.DataFrame = field(default_factory=lambda: tables.empty("tested"))
    trained: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    @cached_property
    def thresholds(self) -> Thresholds:
        """From which scores boxes are drawn for people."""
        return thresholds_of(self.config, self.state)

    @property
    def threshold(self) -> float:
        """The score from which boxes are drawn for people; where each class has its own, the
        median.
        """
        return round(self.thresholds.typical, 6)

    @cached_property
    def shown(self) -> pd.DataFrame:
        """Of what the model found in the test images, the boxes that people would get."""
        return shown_boxes(self.found, self.thresholds)

    @property
    def least(self) -> float:
        """The lowest score that predictions of images to tag have."""
        return self.config.min_confidence

    def tested(self, blob: str) -> pd.DataFrame:
        """What a model found in test images, under present names of images and classes. Raises
        OutsideError or InputError when the file is gone or damaged.
        """
        rows = self.store.table_at(blob, "tested")
        rows = under_present_names(rows, present_names(self.store, self.state))
        return with_present_names("tested", rows, self.state.classes)

    def try_to(self, what: str, make: Callable[[], Any], otherwise: Any = None) -> Any:
        """What `make` gives; where a file or the network fails, `otherwise`, and a note."""
        try:
            return make()
        except (InputError, OutsideError) as error:
            self.notes.append(f"{what}: {error}")
            return otherwise


def gather(config: Config, container: Container, store: LabelStore, state: State) -> Material:
    """Everything that is there."""
    made = Material(config, container, store, state)
    entry = _newest(state)
    made.model = state.live.get("model") or (entry or {}).get("model")
    made.classes, _ = current_classes(config.classes, state.classes)
    truth = made.try_to("The test set cannot be read", lambda: _truth(made), made.truth)
    if not made.model:
        made.notes.append(
            "There is no model yet. bash train/active_learning_train.sh CONFIG trains one, as soon"
            " as some photos are reviewed."
        )
    if not len(truth):
        made.notes.append(_why_no_test_set(made))
    if not made.model or not len(truth):
        return made
    if entry is None:
        made.notes.append(
            f"What {made.model} finds in the test photos was not kept, so it cannot be shown here."
            " bash train/active_learning_eval.sh CONFIG measures it; make the report again after"
            " that."
        )
        return made
    made.classes = made.try_to(
        "The classes of the model cannot be read", lambda: _classes(made), made.classes
    )
    made.trained = made.try_to(
        "What models were trained on cannot be read", lambda: trained_images(store, state), set()
    )
    found = made.try_to(
        "What the model found cannot be read", lambda: made.tested(entry["tested"]), made.found
    )
    _put_together(made, truth, found)
    return made


def _newest(state: State) -> dict | None:
    """The newest entry of the live model that names what it found in test images: of its cycle, or
    of a later evaluation. Without a live model, of any, the candidate too.
    """
    live = state.live.get("model")
    candidate = state.document.get("candidate")
    entries: Iterable[dict] = [
        *state.cycles,
        *(state.document.get("evaluations") or []),
        *([candidate] if candidate and not live else []),
    ]
    usable = [
        entry
        for entry in entries
        if entry.get("tested") and _is_text(entry.get("model")) and live in (None, entry["model"])
    ]
    return max(usable, key=lambda entry: str(entry.get("at") or ""), default=None)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _truth(made: Material) -> pd.DataFrame:
    """The test set without photos that are gone, or other pictures now."""
    store, state = made.store, made.state
    test, images = store.table(state, "test"), store.table(state, "images")
    truth = tables.without(test, image_set(store.table(state, "replaced")))
    truth = tables.without(truth, image_set(store.table(state, "gone")))
    if len(images):
        truth = tables.only(truth, image_set(images))
    if absent := len(image_set(test)) - len(image_set(truth)):
        made.notes.append(
            f"{absent} test photos are gone from the image container, or are other pictures now:"
            " they are left out."
        )
    return with_current_classes(truth, state.classes["renamed"], state.classes["dropped"])


def _why_no_test_set(made: Material) -> str:
    tagged = made.try_to(
        "The labels cannot be read",
        lambda: made.store.table(made.state, "tagged"),
        tables.empty("tagged"),
    )
    if not len(tagged):
        return (
            "No photo has been reviewed yet. python tag/review.py CONFIG 40 hands out the first 40."
        )
    return (
        "There is no test set, so nothing can be measured. bash"
        " train/repartition_test_set_script.sh CONFIG draws one; training does so by itself where"
        " test_percentage is above 0."
    )


def _classes(made: Material) -> tuple[str, ...]:
    names, _ = names_of_model(made.store, made.state, made.model, made.config.classes)
    present, _ = current_classes(list(names.values()), made.state.classes)
    return present


def _put_together(made: Material, truth: pd.DataFrame, found: pd.DataFrame) -> None:
    seen = image_set(found) & image_set(truth)
    made.truth, made.found = tables.only(truth, seen), tables.only(found, seen)
    if new := len(image_set(truth)) - len(seen):
        made.notes.append(
            f"{new} test photos were not shown to this model, as they joined the test set later:"
            " they are left out. bash train/active_learning_eval.sh CONFIG measures with them."
        )
    if known := seen & made.trained:
        made.notes.append(
            f"{len(known)} of {len(seen)} test photos were used for training before the test set"
            " was drawn anew: the figures may flatter the model."
        )
    boxes = made.truth[made.truth["class"] != NULL]
    if unknown := sorted(set(boxes["class"]) - set(made.classes)):
        made.notes.append(
            f"The model does not know {few(unknown)}: boxes of these classes are not measured."
        )
    if lacking := [name for name in made.classes if name not in set(boxes["class"])]:
        made.notes.append(
            f"No test photo shows {few(lacking)}: how well they are found is not known."
        )

"""The test set of a project: how it is drawn."""

from dataclasses import dataclass

import pandas as pd

from utils.config import Config
from utils.errors import InputError
from utils.files import write_bytes
from utils.labels import tables
from utils.labels.label_map import with_current_classes
from utils.labels.splits import draw_test
from utils.labels.state import Change, State
from utils.labels.store import LabelStore
from utils.labels.tables import image_set, only
from utils.labels.trained import trained_images
from utils.reserved import NULL
from utils.terminal import say


@dataclass(frozen=True)
class Draw:
    """A test set: its rows (columns of `test`), and the numbers that people are told."""

    rows: pd.DataFrame
    before: int
    labelled: int
    share: float
    lacking: tuple[str, ...]
    where: str

    def summary(self) -> str:
        after = len(image_set(self.rows))
        boxes = int((self.rows["class"] != NULL).sum())
        return (
            f"test set: {self.before} → {after} of {self.labelled} reviewed images"
            f" ({after / max(self.labelled, 1):.0%}, {self.share:.0%} asked for), {boxes} boxes →"
            f" {self.where}"
        )

    def notes(self) -> list[str]:
        after = len(image_set(self.rows))
        lines = []
        if after and not self.before:
            lines.append(
                "there was no test set yet: one was drawn, and nothing is ever trained on it"
            )
        if not after and self.share:
            lines.append(
                "warning: no test set can be drawn: every reviewed image was trained on, or"
                " training cannot do without it; review more images, or draw from all with"
                " repartition_test_set_script.sh CONFIG --redraw"
            )
        elif after < self.share * self.labelled - 1e-9:
            lines.append(
                "the test set is smaller than asked for: the other images were trained on, or"
                " training cannot do without them"
            )
        if after and self.lacking:
            lines.append(
                f"warning: not in the test set: {', '.join(self.lacking)} (only one burst has it,"
                " or models were trained on all)"
            )
        return lines


def draw(
    tagged: pd.DataFrame,
    test: pd.DataFrame,
    images: pd.DataFrame,
    trained: set[str],
    state: State,
    config: Config,
    where: str,
    redraw: bool = False,
) -> Draw:
    """The test set that follows from these tables. Its rows are always those of `tagged`."""
    present = set() if redraw else image_set(test) & image_set(tagged)
    classes = with_current_classes(tagged, state.classes["renamed"], state.classes["dropped"])
    chosen = draw_test(
        classes,
        images,
        trained,
        config.test_percentage,
        config.seed,
        config.split_by,
        config.burst_seconds,
        present,
    )
    labelled = image_set(tagged) & image_set(images)
    lacking = set(classes["class"]) - set(only(classes, chosen)["class"]) - {NULL}
    return Draw(
        only(tagged, chosen),
        len(image_set(test)),
        len(labelled),
        config.test_percentage,
        tuple(sorted(lacking)),
        where,
    )


def top_up(config: Config, store: LabelStore) -> Draw:
    state = store.read()
    tagged, test, images = (
        tables.parse(table, path) if path.exists() else tables.empty(table)
        for table, path in (
            ("tagged", config.tagged_output),
            ("test", config.test_output),
            ("images", config.data_dir / "images.csv"),
        )
    )
    drawn = draw(
        tagged, test, images, trained_images(store, state), state, config, str(config.test_output)
    )
    _say(drawn)
    write_bytes(config.test_output, tables.to_csv("test", drawn.rows, config.user_folders))
    return drawn


def commit_draw(config: Config, store: LabelStore, redraw: bool) -> Draw:
    def change(state: State) -> Change:
        tagged, images = store.table(state, "tagged"), store.table(state, "images")
        if not len(tagged):
            raise InputError(
                f"{store.container.address}: no labels yet; download images with"
                " tag/download_vott_json.py, review them, and upload them with"
                " tag/upload_vott_json.py, then draw a test set"
            )
        if not len(images):
            raise InputError(
                f"{store.container.address}: the images are not listed yet; first run "
                f"bash train/active_learning_initialize.sh {config.path}"
            )
        trained = set() if redraw else trained_images(store, state)
        drawn = draw(
            tagged,
            store.table(state, "test"),
            images,
            trained,
            state,
            config,
            f"test in {store.container.address}",
            redraw,
        )
        members = {"pretrained_next": True} if redraw else {}
        return Change({"test": drawn.rows}, members, note=drawn)

    _, drawn = store.commit(change, what="drawing the test set")
    _say(drawn)
    if redraw:
        say("the next training cycle starts from pretrained weights")
    return drawn


def _say(drawn: Draw) -> None:
    for line in drawn.notes():
        say(line, error=line.startswith("warning"))

"""Labelled images in which a model that was not trained on them contradicts the labels: where the
predictions come from, and what people are told.

Four things are kept of what models found that could not know the labels: what a cycle (or an
evaluation) found in its test images and its validation part, what a cross-check found, what had
been predicted of images that were drawn at random, and the images to tag that each cycle published.
Of several for one image, the first named and newest counts.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from utils.boxes.suspects import KINDS, OFF, OVERLOOKED, SWAPPED, UNSUPPORTED, Suspect, suspects
from utils.errors import InputError
from utils.labels import tables
from utils.labels.class_changes import with_present_names
from utils.labels.effort_table import AGAIN
from utils.labels.renamed import present_names, under_present_names
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.labels.trained import trained_images
from utils.storage.container import Damaged, Missing

_CROSS_CHECK = "bash train/active_learning_crosscheck.sh CONFIG"
_SHOWN = 10  # images of which the download prints why
_WORDS = {
    OVERLOOKED: "nothing labelled where the model is sure",
    SWAPPED: "another class",
    OFF: "a box that may be off",
    UNSUPPORTED: "a label that the model does not support",
}


@dataclass(frozen=True)
class Suspicion:
    """ranked: the strongest contradiction of each image, strongest first. without: labelled images
    of which there are no such predictions; looked_at: those that somebody has looked at again since
    they were predicted, who is believed.
    """

    ranked: tuple[Suspect, ...]
    without: int
    looked_at: int

    @property
    def order(self) -> list[str]:
        """Blob names, the most suspicious image first."""
        return [suspect.image for suspect in self.ranked]

    def reasons(self, images: list[str]) -> dict[str, str]:
        """{image: why} for people."""
        words = {suspect.image: suspect.words for suspect in self.ranked}
        return {image: words[image] for image in images}

    def why(self, images: list[str]) -> pd.DataFrame:
        """Why these images, as rows of the table `selection`: the kind as strategy, the suspicion
        as score; the class is the one that the model sees, else the one that is labelled.
        """
        chosen = [suspect for suspect in self.ranked if suspect.image in set(images)]
        split = [tables.split_name(suspect.image) for suspect in chosen]
        return tables.make(
            "selection",
            filename=[filename for _, filename in split],
            folder=[folder for folder, _ in split],
            strategy=[suspect.kind for suspect in chosen],
            score=[round(suspect.suspicion, 6) for suspect in chosen],
            class_=[suspect.seen or suspect.labelled for suspect in chosen],
            random="0",
        )

    def lines(self, images: list[str]) -> Iterator[str]:
        """What people are told of a batch of these images."""
        wanted = set(images)
        chosen = [suspect for suspect in self.ranked if suspect.image in wanted]
        counts = Counter(suspect.kind for suspect in chosen)
        kinds = ", ".join(f"{counts[kind]} {_WORDS[kind]}" for kind in KINDS if counts[kind])
        yield (
            f"chosen by how strongly model and label contradict each other: {len(chosen)},"
            f" suspicion {chosen[0].suspicion:.2f} to {chosen[-1].suspicion:.2f} ({kinds})"
        )
        for suspect in chosen[:_SHOWN]:
            yield f"{suspect.image}: {suspect.words}"
        if len(chosen) > _SHOWN:
            yield f"and {len(chosen) - _SHOWN} more; the review page says why for each"
        yield from self.left_out()

    def left_out(self) -> Iterator[str]:
        """Which labelled images could not be judged."""
        if self.without:
            yield (
                f"left out: {self.without} labelled images, as every model that has seen them was"
                f" trained on them or has left no predictions; {_CROSS_CHECK} on the training"
                " machine judges them too"
            )
        if self.looked_at:
            yield f"left out: {self.looked_at} images that were looked at again since"


def suspicion_of(store: LabelStore, state: State) -> Suspicion:
    """What is suspicious in the labels of this state."""
    tagged = store.table(state, "tagged")
    predicted, made_at = _predictions(store, state, tagged)
    labelled = tables.image_set(tagged)
    looked_at = {image for image, at in _looks(store, state).items() if at > made_at.get(image, at)}
    judged = made_at.keys() - looked_at
    found = suspects(tables.only(tagged, judged), tables.only(predicted, judged))
    return Suspicion(tuple(found), len(labelled - made_at.keys()), len(looked_at))


def with_suspects(selection: pd.DataFrame, found: Suspicion, images: list[str]) -> pd.DataFrame:
    """The table `selection` with the rows of suspicious images that are handed out now. Why they
    were chosen before they were labelled stands there still.
    """
    before = selection["strategy"].isin(KINDS) & tables.blob_names(selection).isin(set(images))
    return tables.concat("selection", selection[~before], found.why(images))


def nothing_suspicious(found: Suspicion) -> str:
    """Why there is nothing to hand out, as one line."""
    if found.ranked:
        return (
            f"all {len(found.ranked)} suspicious images are out to be looked at again, or cannot be"
            " read here"
        )
    said = "; ".join(found.left_out())
    return "no labelled image contradicts what a model says that was not trained on it" + (
        f" ({said})" if said else ""
    )


def not_judged(store: LabelStore, state: State) -> set[str]:
    """Labelled images of which there is no prediction by a model that was not trained on them."""
    tagged = store.table(state, "tagged")
    others = tables.image_set(store.table(state, "replaced"))
    return tables.image_set(tagged) - others - _predictions(store, state, tagged)[1].keys()


def _predictions(
    store: LabelStore, state: State, tagged: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Rows of totag of labelled images, by models that were not trained on them, and {image: when
    they were made}, "" where that is not known.
    """
    images = tables.image_set(tagged)
    images -= tables.image_set(store.table(state, "replaced"))
    parts, made_at = [], {}
    for at, rows in _sources(store, state):
        rows = tables.only(rows[rows["image_confidence"].notna()], images - made_at.keys())
        parts.append(rows)
        made_at |= dict.fromkeys(tables.image_set(rows), at)
        if len(made_at) == len(images):
            break
    return tables.concat("totag", *parts), made_at


def _sources(store: LabelStore, state: State) -> Iterator[tuple[str, pd.DataFrame]]:
    """(when it was made, rows of totag under present names), the preferred ones first."""
    evaluations = state.document.get("evaluations") or []
    tested = [entry for entry in [*state.cycles, *evaluations] if entry.get("tested")]
    if tested:
        known = _known_before(store, state)
        for entry in sorted(tested, key=_at, reverse=True):
            rows = _read(store, state, "tested", entry)
            yield _at(entry), tables.without(rows, known[entry["tested"]])
    yield from _cross_checked(store, state)
    yield "", with_present_names("totag", store.table(state, "drawn"), state.classes)
    for cycle in sorted(state.cycles, key=_at, reverse=True):
        if cycle.get("totag"):
            yield _at(cycle), _read(store, state, "totag", cycle)


def _known_before(store: LabelStore, state: State) -> dict[str, set[str]]:
    """{what a cycle or an evaluation has `tested`: images that its model may have been trained on}.
    A cycle tests none that it trains on, but its model may have begun with an earlier one; a model
    that was only measured may be any.
    """
    known, trained = {}, set()
    for cycle in state.cycles:
        known[cycle.get("tested")] = set(trained)
        trained |= trained_images(store, state, [cycle]) - _validated(store, state, cycle)
    trained |= trained_images(store, state, [state.document.get("candidate") or {}])
    evaluations = state.document.get("evaluations") or []
    return {entry.get("tested"): trained for entry in evaluations} | known


def _validated(store: LabelStore, state: State, cycle: dict) -> set[str]:
    """The validation part of a cycle: what it has tested beside its test images."""
    if not cycle.get("tested"):
        return set()
    tested, test = (
        tables.image_set(_there(store, name, cycle.get(name))) for name in ("tested", "test")
    )
    names = present_names(store, state, cycle["tested"])
    return {names.get(image, image) for image in tested - test}


def _cross_checked(store: LabelStore, state: State) -> Iterator[tuple[str, pd.DataFrame]]:
    rows, images = store.table(state, "crosscheck"), store.table(state, "images")
    md5 = dict(zip(tables.blob_names(images), images["md5"], strict=True))
    now = tables.blob_names(rows).map(md5).fillna("")
    rows = rows[(now == rows["md5"]) | (now == "") | (rows["md5"] == "")]
    for at, part in sorted(rows.groupby("at"), reverse=True):
        yield at, with_present_names("totag", part[tables.COLUMNS["totag"]], state.classes)


def _at(entry: dict) -> str:
    return entry.get("at") or ""


def _read(store: LabelStore, state: State, table: str, entry: dict) -> pd.DataFrame:
    """The table that this cycle (or evaluation) names, under present names, of the pictures that
    are there still; empty where it is gone or damaged.
    """
    rows = _there(store, table, entry[table])
    then = _there(store, "images", entry.get("images"))
    names = present_names(store, state, entry[table] if table == "totag" else None)
    rows, then = (under_present_names(frame, names) for frame in (rows, then))
    rows = tables.without(rows, _other_pictures(then, store.table(state, "images")))
    return with_present_names("totag", rows, state.classes)


def _there(store: LabelStore, table: str, blob: str | None) -> pd.DataFrame:
    try:
        return store.table_at(blob, table)
    except (InputError, Missing, Damaged):
        return tables.empty(table)


def _other_pictures(then: pd.DataFrame, now: pd.DataFrame) -> set[str]:
    """Images that are other pictures now, as far as the tables `images` tell."""
    known = dict(zip(tables.blob_names(then), then["md5"], strict=True))
    present = zip(tables.blob_names(now), now["md5"], strict=True)
    return {image for image, md5 in present if md5 and known.get(image, md5) not in ("", md5)}


def _looks(store: LabelStore, state: State) -> dict[str, str]:
    """{image: when somebody looked at it again last}."""
    try:
        effort = store.table(state, "effort")
    except (InputError, Missing, Damaged):
        return {}
    again = effort[effort["batch"].str.endswith(AGAIN) & (effort["filename"] != "")]
    looks: dict[str, str] = {}
    for image, at in zip(tables.blob_names(again), again["at"], strict=True):
        looks[image] = max(at, looks.get(image, ""))
    return looks

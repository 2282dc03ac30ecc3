"""Reserved images given back, so that others get them."""

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from utils.labels import assignments, review_queue, tables
from utils.labels.pool import pretrained_only
from utils.labels.state import Change, State
from utils.labels.store import LabelStore
from utils.labels.table_files import is_parquet
from utils.labels.tables import image_set


@dataclass(frozen=True)
class Wanted:
    """What is to be given back: these images; else all that is out for longer than so many hours;
    else all that `tagger` holds.
    """

    tagger: str
    images: Set[str] = frozenset()
    older_than: float | None = None

    def among(self, reserved: pd.DataFrame, now: datetime) -> set[str]:
        """The images of a table of reservations that are meant."""
        if self.images:
            return image_set(reserved) & self.images
        if self.older_than is not None:
            return assignments.expired(reserved, self.older_than, now)
        return assignments.held_by(reserved, self.tagger)


def give_back(store: LabelStore, wanted: Wanted) -> tuple[dict[str, str], list[str]]:
    """Give them back: {image: whose it was}, and lines for people. Labelled images under review
    stay tagged, and queued if they were.
    """

    def change(state: State) -> Change:
        now = store.now()
        tagging, queue = (store.table(state, name) for name in ("tagging", "review"))
        under_review = review_queue.reservations(queue)
        tagging = assignments.still_out(tagging)
        handed_out, reviewed = (wanted.among(frame, now) for frame in (tagging, under_review))

        changed = released(store, state, handed_out)
        if reviewed:
            changed["review"] = review_queue.given_back(queue, reviewed)
        return Change(
            changed, note=_holders(tagging, handed_out) | _holders(under_review, reviewed)
        )

    state, given = store.commit(change, what="giving images back")
    return given, _lines(store, state, wanted, given)


def released(
    store: LabelStore, state: State, images: Set[str], listed: Set[str] = frozenset()
) -> dict[str, pd.DataFrame]:
    """The tables that change when these images are free again. `listed`: those of which it is known
    that totag has them. A large totag is not read.
    """
    tagging = store.table(state, "tagging")
    images = images & image_set(tagging)
    if not images:
        return {}
    if is_parquet(state.blob("totag")):
        left = tables.without(tagging, images & listed)
        others = images - listed
        return {"tagging": assignments.let_go(left, others) if others else left}
    return assignments.release(
        store.table(state, "totag"),
        tagging,
        images,
        lambda: pretrained_only(store, state),
    )


def _holders(reserved: pd.DataFrame, images: set[str]) -> dict[str, str]:
    """{image: tagger}"""
    rows = tables.only(reserved, images)
    return dict(zip(tables.blob_names(rows), rows["tagger"], strict=True))


def _lines(store: LabelStore, state: State, wanted: Wanted, given: dict[str, str]) -> list[str]:
    missing = sorted(wanted.images - set(given))
    lines = [f"not out: {', '.join(missing)}"] if missing else []

    by = Counter(given.values())
    of_whom = "".join(f", {count} of {name}" for name, count in sorted(by.items()))
    labelled = len(set(given) & image_set(store.table(state, "tagged")))
    reviewed = f", {labelled} of them labelled (under review)" if labelled else ""
    lines.append(
        f"{len(given)} images given back{of_whom}{reviewed} → {state.blob('totag') or 'nothing'}"
    )
    if not given and not wanted.images:
        lines.append(_who_holds(store, state))
    return lines


def _who_holds(store: LabelStore, state: State) -> str:
    """Who has images, for somebody who has asked for those of another."""
    out = pd.concat(
        [
            assignments.still_out(store.table(state, "tagging"))[["filename", "folder", "tagger"]],
            review_queue.reservations(store.table(state, "review"))[
                ["filename", "folder", "tagger"]
            ],
        ]
    )
    held = [
        f"{tagger or '(nobody)'} {len(image_set(rows))}" for tagger, rows in out.groupby("tagger")
    ]
    return f"out now: {', '.join(held) or 'nothing'}"

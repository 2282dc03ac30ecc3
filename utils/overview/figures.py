"""What there is to say about a project, as plain data."""

from collections.abc import Mapping
from datetime import datetime

import pandas as pd

from utils.config import Config
from utils.config.checkpoints import missing_checkpoint
from utils.effort.seconds import Seconds
from utils.effort.work import project_work
from utils.labels import assignments, review_queue, tables
from utils.labels.class_names import differing_classes
from utils.labels.figures import Figures, figures_of, with_late
from utils.labels.lease import is_alive, read_watcher
from utils.labels.pool import pool_of
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.labels.tables import image_set
from utils.labels.takeover import foreign_blobs
from utils.overview.advice import advice
from utils.overview.work import forecast_figures, project_figures, work_figures
from utils.reserved import NULL

_READ = ("failed", "tagging", "tagged", "test", "review", "conflicts", "effort")


def summary(config: Config, store: LabelStore, state: State, now: datetime) -> dict:
    """What there is to say about the state, as plain data."""
    at = {name: store.table(state, name) for name in _READ}
    counted = _counted(store, state, now)
    review_out = review_queue.reservations(at["review"])
    live = image_set(review_out) - assignments.expired(review_out, config.reservation_hours, now)
    boxes = at["tagged"][at["tagged"]["class"] != NULL]
    in_test = tables.only(boxes, image_set(at["test"]))
    done = project_work(at["effort"], Seconds.of_config(config), state.cycles)
    cycles = [
        {**_cycle(cycle), "work": work_figures(work)}
        for cycle, work in zip(state.cycles, done.cycles, strict=True)
    ]
    shown = {
        "labels": store.container.address,
        "commit": state.commit,
        "at": state.document.get("at"),
        "by": state.document.get("by"),
        "images": counted.images,
        "failed": len(image_set(at["failed"])),
        "to_tag": counted.to_tag,
        "unseen": counted.unseen,
        "seen_by_pretrained": counted.by_pretrained,
        "out": _holders(assignments.still_out(at["tagging"]), config, now),
        "tagged": len(image_set(at["tagged"])),
        "tagged_empty": len(image_set(at["tagged"])) - len(image_set(boxes)),
        "test": len(image_set(at["test"])),
        "review_queue": len(set(review_queue.queued(at["review"])) - live),
        "review_out": _holders(review_out, config, now),
        **_gone(store, state, at["tagged"]),
        "replaced": len(image_set(store.table(state, "replaced")) & image_set(at["tagged"])),
        "conflicts": len(image_set(at["conflicts"])),
        "boxes": _counts(boxes),
        "test_boxes": _counts(in_test),
        "classes": state.classes,
        "cycles": cycles,
        "work": project_figures(done, config.prelabel_confidence),
        "forecast": forecast_figures(state.cycles, done.total.each),
        "model": state.live.get("model"),
        "report": _report(store, state),
        "foreign": foreign_blobs(store.container, state.document)["blobs"],
        "candidate": _candidate(state.document.get("candidate")),
        "watcher": _watcher(read_watcher(store.container), now),
    }
    shown["differing_classes"] = differing_classes(at["tagged"], config.classes, state.classes)
    shown["missing_checkpoint"] = missing_checkpoint(config)
    shown["next"] = advice(shown, config)
    return shown


def _counted(store: LabelStore, state: State, now: datetime) -> Figures:
    """The present figures, with the images whose reservation is over; counted from the tables where
    the state has none.
    """
    known = figures_of(state.document)
    if known is not None:
        tagging = store.table(state, "tagging")
        late = assignments.expired(tagging, store.reservation_hours, now)
        others = (image_set(store.table(state, name)) for name in ("tagged", "failed", "gone"))
        return with_late(known, late, tagging, set().union(*others)) if late else known
    free = pool_of(store, state, now)
    unseen = image_set(free[free["box_confidence"].isna()])
    return Figures(
        len(image_set(store.table(state, "images"))),
        len(image_set(free)),
        len(unseen),
        len(unseen & image_set(store.table(state, "init_totag"))),
    )


def _report(store: LabelStore, state: State) -> str | None:
    """The newest report, as a file where it is one."""
    if not state.report:
        return None
    return str(store.container.path_of(state.report) or state.report)


def _gone(store: LabelStore, state: State, tagged: pd.DataFrame) -> dict[str, int]:
    """How many images are gone from the container, and how many of them are labelled."""
    gone = image_set(store.table(state, "gone"))
    return {"gone": len(gone), "gone_tagged": len(gone & image_set(tagged))}


def _holders(reserved: pd.DataFrame, config: Config, now: datetime) -> dict[str, dict]:
    """{tagger: how many images of these they have, since when, how many of them others may get}"""
    late = assignments.expired(reserved, config.reservation_hours, now)
    return {
        tagger: {
            "images": len(image_set(rows)),
            "since": rows["reserved_at"].min(),
            "expired": len(image_set(rows) & late),
        }
        for tagger, rows in reserved.groupby("tagger")
    }


def _cycle(cycle: Mapping) -> dict:
    """One cycle's figures; the metrics of its entry are those of its performance table."""
    metrics = cycle.get("metrics") or {}
    figures = {
        name: values.get("AP") if isinstance(values, Mapping) else None
        for name, values in metrics.items()
    }
    average = figures.pop("Average", None)
    return {
        "at": cycle.get("at"),
        "images_labelled": cycle.get("images_labelled"),
        "boxes_labelled": cycle.get("boxes_labelled"),
        "AP": average,
        "classes": figures,
        "model": cycle.get("model"),
        "random_share": cycle.get("random_share"),
    }


def _candidate(candidate: Mapping | None) -> dict | None:
    """The model that was measured worse than the live one, and kept."""
    if not candidate:
        return None
    return {
        "model": candidate.get("model"),
        "at": candidate.get("at"),
        "why": (candidate.get("verdict") or {}).get("why"),
    }


def _watcher(document: Mapping | None, now: datetime) -> dict | None:
    """What the loop that runs by itself says of itself; `alive` as far as its heartbeat tells."""
    if document is None:
        return None
    members = (
        "name",
        "place",
        "pid",
        "phase",
        "phase_since",
        "heartbeat",
        "failures",
        "retry_at",
        "error",
    )
    return {"alive": is_alive(document, now), **{name: document.get(name) for name in members}}


def _counts(boxes: pd.DataFrame) -> dict[str, int]:
    return {name: int(count) for name, count in boxes["class"].value_counts().items()}

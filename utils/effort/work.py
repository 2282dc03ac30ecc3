"""What the work on a project has cost so far, and what pre-labels saved of it."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from utils.effort.fitting import counted, fitted, measured
from utils.effort.ledger import photos
from utils.effort.seconds import REMAINING, Seconds
from utils.labels.effort_table import AGAIN
from utils.times import moment

_ENOUGH = 20  # boxes that were shown, before anything is said of them


@dataclass(frozen=True)
class Work:
    """Photos that people have done, how many of them with measured seconds; the seconds that they
    took, and those that pre-labels saved against drawing every box (below 0: they cost more). Of
    the boxes that were `shown` as pre-labels, `deleted` were none.
    """

    photos: int = 0
    measured: int = 0
    seconds: float = 0.0
    saved: float = 0.0
    shown: int = 0
    deleted: int = 0

    @property
    def each(self) -> float:
        """Seconds of a photo; NaN without any."""
        return self.seconds / self.photos if self.photos else np.nan

    @property
    def prelabels_cost(self) -> bool:
        """Did pre-labels cost more than they saved, as far as there were enough of them?"""
        return self.shown >= _ENOUGH and self.saved < 0


@dataclass(frozen=True)
class ProjectWork:
    """All work, by cycle (what each of them learned from first), since the last one began, and by
    person. seconds: what each thing takes here; fitted: to times that were measured.
    """

    total: Work = Work()
    cycles: tuple[Work, ...] = ()
    since: Work = Work()
    taggers: Mapping[str, Work] = field(default_factory=dict)
    seconds: Seconds = Seconds()
    fitted: bool = False

    @property
    def newest(self) -> Work:
        """The newest work in which enough boxes were shown to say something of them."""
        for work in (self.since, *reversed(self.cycles)):
            if work.shown >= _ENOUGH:
                return work
        return self.total


def project_work(effort: pd.DataFrame, model: Seconds, cycles: Sequence[Mapping]) -> ProjectWork:
    """What a table `effort` says of a project whose cycles are these (as in State.cycles)."""
    each = photos(effort)
    seconds = fitted(each, model)
    again = each["batch"].str.endswith(AGAIN).to_numpy(bool)
    each = each.assign(
        measured=measured(each),
        seconds=counted(each, seconds),
        saved=np.where(again, 0.0, seconds.saved(each)),
        shown=np.where(again, 0, each[[*REMAINING, "deleted"]].sum(axis=1)),
        deleted=np.where(again, 0, each["deleted"]),
    )
    number = _cycle_of(each["at"], cycles)
    return ProjectWork(
        _work(each),
        tuple(_work(each[number == place]) for place in range(len(cycles))),
        _work(each[number == len(cycles)]),
        {name: _work(rows) for name, rows in each.groupby("tagger")},
        seconds,
        seconds != model,
    )


def _cycle_of(at: pd.Series, cycles: Sequence[Mapping]) -> np.ndarray:
    """(n,) the place of the first cycle that began after each time; their number where none did."""
    began = [moment(cycle.get("started_at") or cycle.get("at")) for cycle in cycles]
    known = [(when, place) for place, when in enumerate(began) if when is not None]
    places = [place for _, place in known] + [len(cycles)]
    of_time = {text: moment(text) for text in at.unique()}
    found = {
        text: places[0] if when is None else places[bisect_left(known, (when,))]
        for text, when in of_time.items()
    }
    return at.map(found).to_numpy(np.int64)


def _work(each: pd.DataFrame) -> Work:
    return Work(
        int(each["images"].sum()),
        int(each["measured"].sum()),
        float(each["seconds"].sum()),
        float(each["saved"].sum()),
        int(each["shown"].sum()),
        int(each["deleted"].sum()),
    )

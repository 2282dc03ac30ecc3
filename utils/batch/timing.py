"""How long the images of a batch will probably take, and as many of them as fit into a time."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from utils.config import Config
from utils.effort.expecting import expected
from utils.effort.seconds import Seconds
from utils.labels import tables
from utils.labels.state import State
from utils.labels.store import LabelStore

_TRIES = 8
Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Times:
    """The expected seconds of images, by blob name."""

    seconds: dict[str, float]

    def of(self, names: Sequence[str]) -> float:
        """Of these images together."""
        return sum(self.seconds[name] for name in names)

    def first(self, names: Sequence[str], budget: float) -> list[str]:
        """As many of these images, the first ones, as fit into `budget` seconds; at least one."""
        ends = np.cumsum([self.seconds[name] for name in names])
        return list(names[: max(1, int((ends <= budget).sum()))])

    def most_of(
        self,
        choose: Callable[[int], Choice],
        names_of: Callable[[Choice], Sequence[str]],
        budget: float,
    ) -> Choice:
        """What `choose` gives for the largest number of images that fit into `budget` seconds, as
        far as a few tries find it; for one image where even that takes longer.
        """
        total = len(self.seconds)
        low, high, best = 0, total + 1, None
        number = _between(budget * total / max(self.of(list(self.seconds)), 1e-9), 1, total)
        for _ in range(_TRIES):
            chosen = choose(number)
            needed = self.of(names_of(chosen))
            if needed <= budget:
                low, best = number, chosen
            else:
                high = number
            if high - low <= 1:
                break
            number = _between(number * budget / max(needed, 1e-9), low + 1, high - 1)
        return choose(1) if best is None else best

    def words(self, names: Sequence[str], budget: float) -> str:
        """For people."""
        return (
            f"{len(names)} images will probably take {self.of(names) / 60:.0f} of"
            f" {budget / 60:g} minutes"
        )


def expected_times(
    store: LabelStore,
    state: State,
    config: Config,
    rows: pd.DataFrame,
    shown: pd.DataFrame,
    again: bool = False,
) -> Times:
    """The expected seconds of the images of these `rows`, of which `shown` will be shown; `again`:
    labelled images that are looked at again.
    """
    model = Seconds.of_config(config)
    here = expected(store.table(state, "effort"), store.table(state, "tagged"), model, again)
    boxes = Counter(tables.blob_names(shown))
    names = sorted(tables.image_set(rows))
    seconds = here.seconds(np.array([boxes[name] for name in names]))
    return Times(dict(zip(names, seconds.tolist(), strict=True)))


def _between(number: float, least: int, most: int) -> int:
    return int(min(max(number, least), most))

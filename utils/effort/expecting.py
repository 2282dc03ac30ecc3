"""How long a photo will probably take, from the boxes that will be shown in it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from utils.effort.fitting import fitted
from utils.effort.ledger import photos
from utils.effort.seconds import ACTIONS, REMAINING, Seconds
from utils.labels import tables
from utils.labels.effort_table import AGAIN
from utils.reserved import NULL

_ENOUGH = 20  # photos of a kind, before they tell what the next ones will need


@dataclass(frozen=True)
class Expected:
    """Seconds of a photo in which nothing is shown, of one in which boxes are, and of each of
    these.
    """

    bare: float
    filled: float
    box: float

    def seconds(self, shown: np.ndarray) -> np.ndarray:
        """(n,) of photos in which so many boxes are shown."""
        return np.where(shown > 0, self.filled + self.box * shown, self.bare)


def seconds_by_scores(
    seconds: Seconds, image: np.ndarray, score: np.ndarray, shown: np.ndarray, total: int
) -> np.ndarray:
    """(total,) the seconds that images will probably take, from all boxes that a model found in
    them: image (m,) the place of each box's image, score (m,) its score, taken for the chance that
    something is there, shown (m,) bool, whether people get to see it.

    A box that is shown and right is kept or changed, as likely, a wrong one deleted; one that is
    not shown, and right, is drawn.
    """
    right = np.where(shown, (seconds.keep + seconds.change) / 2, seconds.draw)
    wrong = np.where(shown, seconds.delete, 0.0)
    return seconds.look + np.bincount(image, score * right + (1 - score) * wrong, total)


def expected(
    effort: pd.DataFrame, tagged: pd.DataFrame, model: Seconds, again: bool = False
) -> Expected:
    """What photos will take here, from what people did so far; `again`: of labelled photos that are
    looked at again.

    Until enough was done: where nothing is shown, as many boxes are drawn as a labelled photo has
    on average (one, without labels); of the boxes shown every second one is changed.
    """
    each = photos(effort)
    seconds = fitted(each, model)
    each = each[(each["batch"].str.endswith(AGAIN) == again) & (each["images"] == 1)]
    counts = each[list(ACTIONS)].to_numpy(float)
    shown = each[[*REMAINING, "deleted"]].to_numpy(float).sum(axis=1)
    drawn = each["drawn"].to_numpy(float)

    usual = 1.0
    if len(tagged):
        usual = (tagged["class"] != NULL).sum() / len(tables.image_set(tagged))
    bare = drawn[shown == 0]
    missing = bare.mean() if len(bare) >= _ENOUGH else 0.0 if again else usual
    filled, box = 0.0, seconds.keep if again else (seconds.keep + seconds.change) / 2
    if (shown > 0).sum() >= _ENOUGH:
        filled = drawn[shown > 0].mean()
        box = (counts[:, :4] @ seconds.per_action[1:5]).sum() / shown.sum()
    return Expected(
        seconds.look + seconds.draw * float(missing),
        seconds.look + seconds.draw * float(filled),
        float(box),
    )

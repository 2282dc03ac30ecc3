"""The cost model: how many seconds of a person each thing takes that is done in a photo."""

from dataclasses import asdict, astuple, dataclass

import numpy as np
import pandas as pd

from utils.config import Config

# What may become of a box, as columns of the table `effort`. The first three are of boxes that
# were shown and are there still, so that together with `drawn` they are all that came back.
ACTIONS = ("kept", "moved", "class_changed", "deleted", "drawn")
REMAINING = ("kept", "moved", "class_changed")


@dataclass(frozen=True)
class Seconds:
    """Seconds of a person: to look at a photo at all, and for each box in it to see that it is
    right, to change it (sides or class), to draw one, to delete one. The defaults are those of
    config_description.md, which says where they come from.
    """

    look: float = 5.0
    keep: float = 2.0
    change: float = 6.0
    draw: float = 7.0
    delete: float = 2.0

    @classmethod
    def of_config(cls, config: Config) -> "Seconds":
        """Those that the keys seconds_… say."""
        return cls(**{name: getattr(config, f"seconds_{name}") for name in asdict(cls())})

    @property
    def per_action(self) -> np.ndarray:
        """(6,) seconds for a look and for each of ACTIONS, in that order."""
        return np.array([self.look, self.keep, self.change, self.change, self.delete, self.draw])

    def spent(self, looks: np.ndarray | int, counts: pd.DataFrame) -> np.ndarray:
        """(n,) what each row of `counts` (columns ACTIONS) took, with so many looks."""
        return self.look * looks + counts[list(ACTIONS)].to_numpy(float) @ self.per_action[1:]

    def saved(self, counts: pd.DataFrame) -> np.ndarray:
        """(n,) by how much drawing every box that came back would have taken longer; negative where
        the boxes that were shown cost more than they saved.
        """
        boxes = counts[[*REMAINING, "drawn"]].to_numpy(float).sum(axis=1)
        return self.draw * boxes - self.spent(0, counts)

    def __iter__(self):
        return iter(astuple(self))

"""The strategies by which images are chosen: a record of facts on each, in one list.

What an image is worth by each stands in utils/selection/worth.py, under the same names. This module
loads at once, because a config names a strategy.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Strategy:
    """A way of choosing images.

    draws: it draws at random, from all images. needs_predictions: it looks at what a model found.
    needs_tables: it looks at bursts, labels and measures too. differs: a batch gets images that
    differ, by their embeddings; weighted: what an image is worth counts besides. needs_mirror:
    images are predicted with their mirror images for it. costs: it weighs what an image costs a
    person. by_rarity: which classes have few labels counts.
    """

    name: str
    draws: bool = False
    needs_predictions: bool = True
    needs_tables: bool = True
    differs: bool = False
    weighted: bool = False
    needs_mirror: bool = False
    costs: bool = False
    by_rarity: bool = False

    @property
    def reads_embeddings(self) -> bool:
        """Whether it looks at the published embeddings, in whose file disagreement lies too."""
        return self.differs or self.needs_mirror


_ALL = (
    Strategy("hybrid", differs=True, weighted=True, by_rarity=True),
    Strategy("hybrid_per_second", differs=True, weighted=True, costs=True, by_rarity=True),
    Strategy("entropy"),
    Strategy("least_confidence"),
    Strategy("coreset", differs=True),
    Strategy("confident", by_rarity=True),
    Strategy("disagreement", needs_mirror=True),
    Strategy("random", draws=True, needs_predictions=False, needs_tables=False),
    Strategy("lowest_box", needs_tables=False),
)

STRATEGIES = {strategy.name: strategy for strategy in _ALL}

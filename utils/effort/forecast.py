"""What more labels will probably bring: a power law through the learning curve.

AP after n labelled images is a - b / n^c with a <= 1 and b >= 0, as learning curves mostly are
(Hestness 2017, arXiv 1712.00409; Viering and Loog 2021, arXiv 2103.10948; with the same aim,
Mahmood 2022, arXiv 2207.01725). How sure that is, a parametric bootstrap says (Efron and
Tibshirani, 1993, chapter 6): as much as points are off such curves is drawn at random and added to
the fitted one, and the curve is fitted again. On the 47 curves in benchmarks/results the interval
that came from their first four points held the fifth one 43 times.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

LEAST = 4  # points; a curve has three numbers
_POWERS = np.geomspace(0.05, 2.0, 150)
_SAMPLES = 500
_LEVEL = 0.05
_OFF, _TRUST = 0.03, 2  # AP: what points are off a curve, as if seen in so many of them
_LITTLE = 0.01  # AP


@dataclass(frozen=True)
class Gain:
    """By how much AP will probably rise with so many more images: by the fitted curve, and (low,
    high) where the next model will be in nine of ten cases, as single models are off their curve.
    most: what the curve itself rises, if things go well (95 %).
    """

    images: int
    gain: float
    low: float
    high: float
    most: float

    @property
    def little(self) -> bool:
        """Is next to nothing to be gained, even if things go well?"""
        return self.most < _LITTLE


class LearningCurve:
    """Points (labelled images, AP) of the models of a project, measured on the same test images.
    off: how far such a point is usually off its curve (one standard deviation of AP).
    """

    def __init__(self, points: Iterable[tuple[int, float]], off: float = _OFF, seed: int = 0):
        by_images: dict[int, list[float]] = {}
        for images, ap in points:
            if images and ap is not None and np.isfinite(ap):
                by_images.setdefault(int(images), []).append(float(ap))
        self.images = np.array(sorted(by_images), float)
        self.ap = np.array([np.mean(by_images[int(number)]) for number in self.images])
        self._off, self._seed = off, seed

    @property
    def missing(self) -> str:
        """What is missing before anything can be said, in words; "" when nothing is."""
        if len(self.images) >= LEAST:
            return ""
        return (
            f"{LEAST} cycles with different numbers of labelled images are needed; there"
            f" {'is' if len(self.images) == 1 else 'are'} {len(self.images) or 'none'}"
        )

    def after(self, images: float) -> float:
        """The AP of the fitted curve with so many labelled images. Raises ValueError when too few
        points are there.
        """
        a, b, c = self._fitted(self.ap[None])
        return float(a[0] - b[0] * images ** -c[0])

    def gain(self, more: int) -> Gain:
        """What `more` images beyond the last point will probably bring. Raises ValueError when too
        few points are there.
        """
        now = self.images[-1:]
        curve = self._fitted(self.ap[None])
        apart = self.ap - _values(curve, self.images)[0]
        known = len(apart) - 3 + _TRUST  # three numbers are fitted
        spread = np.sqrt((apart @ apart + _TRUST * self._off**2) / known)
        random = np.random.default_rng(self._seed)
        spreads = spread / np.sqrt(random.chisquare(known, _SAMPLES) / known)
        dealt = random.normal(0, 1, (_SAMPLES, len(apart) + 1)) * spreads[:, None]
        again = self._fitted(_values(curve, self.images) + dealt[:, 1:])
        rises = (_values(again, now + more) - _values(again, now))[:, 0]
        low, high = np.quantile(rises + dealt[:, 0], [_LEVEL, 1 - _LEVEL])
        expected = float((_values(curve, now + more) - _values(curve, now))[0, 0])
        most = max(expected, float(np.quantile(rises, 1 - _LEVEL)))
        return Gain(more, expected, float(low), float(high), most)

    def _fitted(self, ap: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(a, b, c), each (m,), of the curves through m versions of the points, (m, points)."""
        if self.missing:
            raise ValueError(self.missing)
        best = np.full(len(ap), np.inf)
        found = np.zeros((3, len(ap)))
        for power in _POWERS:
            x = self.images**-power
            centred = x - x.mean()
            b = np.maximum(0, -(ap @ centred) / (centred @ centred))
            a = ap.mean(axis=1) + b * x.mean()
            above = a > 1
            b = np.where(above, np.maximum(0, (1 - ap) @ x / (x @ x)), b)
            a = np.minimum(a, 1)
            error = ((ap - a[:, None] + b[:, None] * x) ** 2).sum(axis=1)
            better = error < best - 1e-15
            best = np.where(better, error, best)
            found = np.where(better, [a, b, np.full(len(ap), power)], found)
        return found[0], found[1], found[2]


def _values(curve: tuple[np.ndarray, np.ndarray, np.ndarray], images: np.ndarray) -> np.ndarray:
    """(m, points) the AP of m curves at these numbers of images."""
    a, b, c = (part[:, None] for part in curve)
    return a - b * images[None] ** -c

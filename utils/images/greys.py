"""Which grey a value becomes in pictures that have more of them than a screen: thermal cameras,
microscopes, 12 and 16 bits.

One project shows one value as one grey in every picture, to annotators, training and prediction
alike. The range is measured once, on a sample of the project's pictures, and kept in its state.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

DARKEST, BRIGHTEST = 0.1, 99.9  # percent of a picture's values; what lies beyond is a dead pixel
_FEWEST, _MOST = 2, 98  # percent of the pictures; what lies beyond is a lens cap
_KINDS = {"I": "32 bits", "F": "floating point"}


@dataclass(frozen=True)
class Greys:
    """For each kind of wide picture, the values that are shown black and white. A picture of a kind
    that was not measured gets the range of its own values.
    """

    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @staticmethod
    def from_json(document) -> "Greys":
        """What `as_json` gave; of anything else the parts that are ranges."""
        found = document.items() if isinstance(document, dict) else ()
        return Greys(
            {
                kind: (float(pair[0]), float(pair[1]))
                for kind, pair in found
                if isinstance(pair, list) and len(pair) == 2 and pair[0] < pair[1]
            }
        )

    def as_json(self) -> dict[str, list[float]]:
        return {kind: [low, high] for kind, (low, high) in sorted(self.ranges.items())}

    def shown(self, values: np.ndarray, kind: str) -> np.ndarray:
        """Values (height, width) as greys, uint8. What is no number is black."""
        low, high = self.ranges.get(kind) or range_of(values)
        shares = (values.astype(np.float32) - np.float32(low)) / np.float32(high - low)
        return np.round(np.nan_to_num(np.clip(shares, 0, 1)) * 255).astype(np.uint8)

    def with_ranges(self, others: Mapping[str, tuple[float, float]]) -> "Greys":
        """With the ranges of further kinds; those that are known stay."""
        return Greys({**others, **self.ranges})

    def in_words(self) -> str:
        """For people, "" when there is no wide picture."""
        return "; ".join(
            f"pictures of {kind}: {low:g} is shown black and {high:g} white, to annotators and to"
            " the model alike"
            for kind, (low, high) in sorted(self.ranges.items())
        )


def kind_of(mode: str) -> str:
    """The kind of a picture of one of Pillow's modes; "" for those of 8 bits."""
    return "16 bits" if mode.startswith("I;16") else _KINDS.get(mode, "")


def range_of(values: np.ndarray) -> tuple[float, float]:
    """The darkest and the brightest value of a picture, but for single pixels; they differ."""
    numbers = values[np.isfinite(values)]
    if not numbers.size:
        return 0.0, 1.0
    low, high = np.percentile(numbers, [DARKEST, BRIGHTEST])
    return _apart(float(low), float(high))


def common_range(ranges: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """One range for pictures of these ranges, without the few that are quite different."""
    lows, highs = zip(*ranges, strict=True)
    return _apart(float(np.percentile(lows, _FEWEST)), float(np.percentile(highs, _MOST)))


def _apart(low: float, high: float) -> tuple[float, float]:
    return (low, high) if high > low else (low, low + 1)

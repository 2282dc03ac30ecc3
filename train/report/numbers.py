"""Numbers as JSON can hold them."""

import math

DECIMALS = 4


def figure(value: float) -> float | None:
    """A figure to four decimals; None where there is none (NaN, or no end)."""
    number = float(value)
    return round(number, DECIMALS) if math.isfinite(number) else None

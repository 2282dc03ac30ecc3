"""Numbers as JSON can hold them."""

import math

DECIMALS = 4


def figure(value: float) -> float | None:
    """A figure to four decimals; None where there is none (NaN)."""
    number = float(value)
    return None if math.isnan(number) else round(number, DECIMALS)

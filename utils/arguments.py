"""Numbers on a command line, with one line that says what was expected."""
import argparse
import math
from collections.abc import Callable


def number(what: str, expected: str, least: float, most: float = math.inf, whole: bool = False) -> Callable[[str], float]:
    """A `type` for argparse: texts that are a number from `least` to `most`. `what` and `expected` are words for the message."""
    def read(text: str) -> float:
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is no {what}; expected {expected}")
        return value
    return read


whole_number = number("number", "a whole number from 1", 1, whole=True)
share = number("share", "a number from 0 to 1", 0, 1)

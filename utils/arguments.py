"""The command line of a program, and the numbers on it: what is wrong is said in one line, with
what was expected.
"""

import argparse
import math
import os
from collections.abc import Callable
from typing import NoReturn

from utils.errors import InputError

# Set by run_steps.sh, which wants to know what is wrong before it begins
ONLY_READ = "ACTIVE_LEARNING_ONLY_READ"


class Parser(argparse.ArgumentParser):
    """The command line of a program that is described by its docstring, with examples. A wrong one
    raises InputError.
    """

    def __init__(self, description: str, examples: str):
        super().__init__(
            description=description,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def parse_args(self, args=None, namespace=None):
        """As argparse does; with ONLY_READ in the environment, a command line that is right ends
        the program.
        """
        read = super().parse_args(args, namespace)
        if os.environ.get(ONLY_READ):
            raise SystemExit(0)
        return read

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; --help shows what there is")


def number(
    what: str, expected: str, least: float, most: float = math.inf, whole: bool = False
) -> Callable[[str], float]:
    """A `type` for argparse: texts that are a number from `least` to `most`. `what` and `expected`
    are words for the message.
    """

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

"""The command line of a program, and numbers on it."""

import argparse

import pytest

from utils.arguments import Parser, number, share, whole_number
from utils.errors import InputError


@pytest.mark.parametrize(
    "read, text, value",
    [
        (whole_number, "1", 1),
        (whole_number, "40", 40),
        (share, "0", 0),
        (share, "0.25", 0.25),
        (share, "1", 1),
    ],
)
def test_a_number_in_bounds_is_taken(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    "read, text",
    [
        (whole_number, ""),
        (whole_number, "0"),
        (whole_number, "-1"),
        (whole_number, "2.5"),
        (whole_number, "config.ini"),
        (share, "1.01"),
        (share, "nan"),
        (share, "half"),
        (number("score", "less than 2", 0, 2), "inf"),
    ],
)
def test_anything_else_is_refused(read, text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"^'{text}' is no "):
        read(text)


def test_the_message_says_what_was_expected():
    with pytest.raises(
        argparse.ArgumentTypeError, match="^'x' is no number of hours; expected 0 or more$"
    ):
        number("number of hours", "0 or more", 0)("x")


def test_a_wrong_command_line_is_one_line():
    parser = Parser("What it does.", "example: program.py 4")
    parser.add_argument("count", type=whole_number)
    for given, said in (
        ([], "required: count"),
        (["0"], "'0' is no number; expected a whole number from 1"),
        (["1", "2"], "arguments: 2"),
    ):
        with pytest.raises(InputError, match=f"{said}; --help shows what there is$"):
            parser.parse_args(given)
    assert "\nexample: program.py 4\n" in parser.format_help()

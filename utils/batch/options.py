"""The options of the programs that hand images out, and the request that they add up to.

Loads nothing that takes long: a wrong command line is answered before.
"""

import argparse
from pathlib import Path

from utils.arguments import number
from utils.batch.request import Request
from utils.errors import InputError
from utils.python_check import quoted
from utils.strategies import STRATEGIES

COUNT = number("number of images", "a whole number from 1", 1, whole=True)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What images are chosen, and what becomes of those that are held already."""
    parser.add_argument(
        "class_map",
        nargs="?",
        type=Path,
        metavar="CLASS_MAP",
        help=(
            "choose from the predictions of the pretrained model (active_learning_init_pred.sh),"
            " with the class names of this JSON file; init_pred_desription.md shows one"
        ),
    )
    parser.add_argument(
        "--strategy",
        choices=STRATEGIES,
        help="how the images are chosen (default: selection_strategy of config.ini)",
    )
    parser.add_argument(
        "--score-between",
        nargs=2,
        type=number("score", "a number from 0 to 1", 0, 1),
        metavar=("A", "B"),
        help="only images with a box whose score is from A to B; none is drawn at random then",
    )
    parser.add_argument(
        "--like",
        action="append",
        default=[],
        metavar="FOLDER/FILE",
        help=(
            "only images that look like this photo of the project, the nearest first, without"
            " near-copies; may be given several times"
        ),
    )
    parser.add_argument(
        "--class",
        dest="of_class",
        metavar="NAME",
        help="only images in which the model found this class, the surest find first",
    )
    parser.add_argument(
        "--minutes",
        type=number("time", "minutes from 1 to 1440", 1, 1440),
        metavar="M",
        help="instead of N: as many images as will probably fit into so many minutes",
    )
    parser.add_argument(
        "--by-folder",
        action="store_true",
        help="one folder for each image folder, instead of one for all",
    )
    parser.add_argument(
        "--whole",
        action="store_true",
        help="in a large project: choose among all images, not only those on the shortlist",
    )
    again = parser.add_argument_group(
        "labelled images, to be looked at again"
    ).add_mutually_exclusive_group()
    again.add_argument(
        "--review",
        action="store_true",
        help=(
            "those that are queued for it (change_classes.py --review); the upload replaces their"
            " boxes"
        ),
    )
    again.add_argument(
        "--review-class",
        metavar="NAME",
        help="those with a box of this class, queued ones first",
    )
    again.add_argument(
        "--review-random",
        action="store_true",
        help="a random sample of all",
    )
    again.add_argument(
        "--review-suspect",
        action="store_true",
        help=(
            "those whose labels are probably wrong: a model that was not trained on them"
            " contradicts them, the strongest first"
        ),
    )
    present = parser.add_argument_group(
        "images that you hold already"
    ).add_mutually_exclusive_group()
    present.add_argument(
        "--again", action="store_true", help="fetch those once more that are no longer on this disk"
    )
    present.add_argument(
        "--discard",
        action="store_true",
        help=(
            "give back what is in tagging_location and not uploaded, and throw away what was drawn"
            " there"
        ),
    )


def check_options(options: argparse.Namespace) -> None:
    """Raises InputError for options that do not go together."""
    reviewing = (
        options.review
        or options.review_class is not None
        or options.review_random
        or options.review_suspect
    )
    finding = [name for name, given in _finding(options).items() if given]
    choosing = [name for name, given in _choosing(options).items() if given]
    if reviewing and (options.class_map or choosing or finding):
        raise InputError(
            "a class map, --strategy, --score-between, --like and --class choose among images to"
            " tag, not for review; leave one of them out"
            + ("; labelled ones of a class: --review-class NAME" if "--class" in finding else "")
        )
    if finding and len(finding + choosing) > 1:
        raise InputError(
            f"{finding[0]} says by itself which images come; leave {(finding + choosing)[1]} out"
            " (with --like or --class go --minutes, --by-folder and a class map)"
        )
    if options.minutes is not None and options.count is not None:
        raise InputError(
            f"{options.count} images or --minutes {options.minutes:g}: leave one of them out"
        )
    if options.score_between and options.score_between[0] > options.score_between[1]:
        raise InputError(
            "--score-between {:g} {:g}: expected the lower score first, then the higher one".format(
                *options.score_between
            )
        )


def _finding(options: argparse.Namespace) -> dict[str, bool]:
    return {"--like": bool(options.like), "--class": options.of_class is not None}


def _choosing(options: argparse.Namespace) -> dict[str, bool]:
    return {
        "--strategy": options.strategy is not None,
        "--score-between": options.score_between is not None,
    }


def request_of(options: argparse.Namespace, tool: str | None) -> Request:
    """What was asked for on a command line with `config`, `count` and these options."""
    from utils.labels import review_queue

    return Request(
        quoted(options.config),
        options.count,
        class_map=options.class_map,
        strategy=options.strategy,
        score_between=options.score_between,
        by_folder=options.by_folder,
        review=review_queue.how(
            options.review, options.review_class, options.review_random, options.review_suspect
        ),
        again=options.again,
        discard=options.discard,
        tool=tool,
        minutes=options.minutes,
        like=tuple(options.like),
        of_class=options.of_class,
        whole=options.whole,
    )

"""Hand out the next images to tag: choose them, reserve them, fetch just these, and write a VoTT
project with their pre-labels.
"""

import _repo_root  # noqa: F401  I001

from pathlib import Path

from utils.arguments import Parser, number
from utils.config import load_config
from utils.config.keys import ANNOTATION_TOOLS
from utils.errors import InputError, run_program
from utils.strategies import STRATEGIES


def main(argv: list[str]) -> int:
    parser = Parser(
        __doc__,
        "example: python download_vott_json.py 40 ../config.ini\nThen open the folder Images of"
        " tagging_location in VoTT, correct the boxes, save, and run upload_vott_json.py.",
    )
    parser.add_argument(
        "count",
        type=number("number of images", "a whole number from 1, then CONFIG", 1, whole=True),
        metavar="N",
        help="how many images, in all",
    )
    parser.add_argument("config", help="config.ini")
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
        "--by-folder",
        action="store_true",
        help="one VoTT folder for each image folder, instead of one for all",
    )
    parser.add_argument(
        "--tool",
        choices=ANNOTATION_TOOLS,
        help="the annotation tool it is for (default: annotation_tool of config.ini)",
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
    options = parser.parse_args(argv)
    reviewing = options.review or options.review_class is not None or options.review_random
    if reviewing and (options.class_map or options.strategy or options.score_between):
        raise InputError(
            "a class map, --strategy and --score-between choose among images to tag, not for"
            " review; leave one of them out"
        )
    if options.score_between and options.score_between[0] > options.score_between[1]:
        raise InputError(
            "--score-between {:g} {:g}: expected the lower score first, then the higher one".format(
                *options.score_between
            )
        )

    config = load_config(options.config)
    config.need("tagging_location")

    from utils.batch.downloading import download
    from utils.batch.request import Request
    from utils.labels import review_queue

    request = Request(
        options.config,
        options.count,
        class_map=options.class_map,
        strategy=options.strategy,
        score_between=options.score_between,
        by_folder=options.by_folder,
        review=review_queue.how(options.review, options.review_class, options.review_random),
        again=options.again,
        discard=options.discard,
        tool=options.tool,
    )
    for line in download(config, request):
        print(line)
    return 0


if __name__ == "__main__":
    run_program(main)

"""Hand out the next images to tag: choose them, reserve them, fetch just these, and write a VoTT
project with their pre-labels.
"""

import _repo_root  # noqa: F401  I001

from pathlib import Path

from utils.labels import review_queue
from utils.labels import tables
from utils.arguments import Parser, number
from utils.batch.batch import at_work, check_place
from utils.config import Config, load_config
from utils.errors import InputError, run_program
from utils.batch.hand_out import HandOut, Request
from utils.labels.store import open_labels
from utils.selection.context import summary
from utils.selection.strategies import STRATEGIES
from utils.formats.vott import drawable


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
    again = parser.add_argument_group(
        "labelled images, to be looked at again"
    ).add_mutually_exclusive_group()
    again.add_argument(
        "--review",
        dest="review",
        action="store_const",
        const=review_queue.QUEUE,
        default="",
        help=(
            "those that are queued for it (change_classes.py --review); the upload replaces their"
            " boxes"
        ),
    )
    again.add_argument(
        "--review-class",
        dest="review",
        metavar="NAME",
        type=lambda name: review_queue.OF_CLASS + name,
        help="those with a box of this class, queued ones first",
    )
    again.add_argument(
        "--review-random",
        dest="review",
        action="store_const",
        const=review_queue.RANDOM,
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
    if options.review and (options.class_map or options.strategy or options.score_between):
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
    place = config.need("tagging_location")
    check_place(place)
    with at_work(place):
        return hand_out_batch(config, Request(**vars(options)))


def hand_out_batch(config: Config, request: Request) -> int:
    """Make or finish the batch in tagging_location, and print what a person must know, the closing
    line last.
    """
    container, labels = open_labels(config)
    state = labels.read(report_foreign=True)
    if state.blob("totag") is None and not request.review:
        raise InputError(
            f"{labels.container.address}: no images are listed there yet; "
            "run train/active_learning_initialize.sh CONFIG on the training machine first"
        )
    request.review = review_queue.under_present_name(request.review, state.classes["renamed"])
    hand_out = HandOut(config, container, labels, request)
    if request.discard:
        state = hand_out.discard()
    batch = hand_out.present(state) or hand_out.restored(state) or hand_out.new()
    if batch.images and not batch.review:
        hand_out.why = labels.table(state, "selection")
    hand_out.complete(batch)

    boxes = sum(
        len(drawable(item.boxes, item.width, item.height)) for item in batch.images.values()
    )
    for line in [
        *hand_out.notes,
        *summary(tables.only(hand_out.why, batch.blobs), hand_out.pool_size),
    ]:
        print(line)
    for blob, reason in hand_out.failed.items():
        print(
            f"{blob}: {reason}; it is labelled still, and no longer to be looked at again"
            if batch.review
            else (
                f"{blob}: {reason}; listed in the table of failed images, and another takes its"
                " place"
            )
        )
    if len(batch.images) < batch.wanted:
        print(f"{batch.wanted} images were asked for; there are no more to hand out")
    projects = ", ".join(str(batch.project(folder)) for folder in batch.folders)
    print(
        f"{len(batch.images)} images{' to look at again' if batch.review else ''}, {boxes} boxes →"
        f" {projects}"
    )
    return 0


if __name__ == "__main__":
    run_program(main)

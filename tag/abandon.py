"""Give reserved images back, so that others get them: your own, those of a tagger, those that are
out for long, or the images named.
"""

import _repo_root  # noqa: F401  I001

import argparse
from collections import Counter
from datetime import UTC, datetime

from utils.labels.pool import pretrained_only
from utils.labels import assignments
from utils.labels import review_queue
from utils.labels import tables
from utils.arguments import Parser, number
from utils.config import load_config
from utils.errors import InputError, run_program
from utils.labels.store import Change, LabelStore, State, open_labels
from utils.labels.tables import image_set


def main(argv: list[str]) -> int:
    parser = Parser(
        __doc__,
        "example: python abandon.py ../config.ini --tagger anna@ship\nWithout a choice: all that"
        " tagger_name of CONFIG (or you, on this machine) holds.\nWork that is uploaded later all"
        " the same is taken as long as nobody else has uploaded the image.",
    )
    parser.add_argument("config", help="config.ini")
    parser.add_argument("images", nargs="*", metavar="IMAGE", help="blob name, folder/filename")
    parser.add_argument(
        "--tagger",
        metavar="NAME",
        help='all that this person holds; "": those that are out to nobody who is known',
    )
    parser.add_argument(
        "--older-than",
        type=number("number of hours", "0 or more", 0, 1e6),
        metavar="HOURS",
        help="all that is out for longer",
    )
    options = parser.parse_args(argv)
    if (
        sum(map(bool, (options.images, options.tagger is not None, options.older_than is not None)))
        > 1
    ):
        raise InputError("give one of --tagger NAME, --older-than HOURS and IMAGE…, not several")

    config = load_config(options.config)
    _, labels = open_labels(config)
    labels.read(report_foreign=True)

    def change(state: State) -> Change:
        released = give_back(labels, state, options, config.tagger_name)
        given = released.pop("given")
        return Change(released, note=given)

    state, given = labels.commit(change, what="giving images back")
    if options.images and (missing := sorted(set(options.images) - set(given))):
        print(f"not out: {', '.join(missing)}")
    by = Counter(given.values())
    labelled = len(set(given) & image_set(labels.table(state, "tagged")))
    of_whom = "".join(f", {count} of {name}" for name, count in sorted(by.items()))
    reviewed = f", {labelled} of them labelled (under review)" if labelled else ""
    print(f"{len(given)} images given back{of_whom}{reviewed} → {state.blob('totag') or 'nothing'}")
    return 0 if given or not options.images else 1


def give_back(labels: LabelStore, state: State, options: argparse.Namespace, tagger: str) -> dict:
    """The tables that change, and `given`: {image: whose it was}. Labelled images under review stay
    tagged, and queued if they were.
    """
    now = datetime.now(UTC)
    tagging, queue = (labels.table(state, name) for name in ("tagging", "review"))
    review = review_queue.reservations(queue)
    chosen, given = {}, {}
    for name, frame in (("tagging", tagging), ("review", review)):
        if options.images:
            chosen[name] = image_set(frame) & set(options.images)
        elif options.older_than is not None:
            chosen[name] = assignments.expired(frame, options.older_than, now)
        else:
            chosen[name] = assignments.held_by(
                frame, tagger if options.tagger is None else options.tagger
            )
        rows = tables.only(frame, chosen[name])
        given |= dict(zip(tables.blob_names(rows), rows["tagger"], strict=True))
    changed = assignments.release(
        labels.table(state, "totag"),
        tagging,
        chosen["tagging"],
        lambda: pretrained_only(labels, state),
    )
    if chosen["review"]:
        changed["review"] = review_queue.given_back(queue, chosen["review"])
    return {**changed, "given": given}


if __name__ == "__main__":
    run_program(main)

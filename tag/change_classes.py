"""Rename, merge or drop classes in everything that is labelled, predicted or out, in one commit;
late work is changed as it comes in.
"""

import _repo_root  # noqa: F401  I001

from utils.arguments import Parser
from utils.labels.class_changes import (
    CHANGED_TABLES,
    ClassChange,
    with_present_names,
    current_classes,
    parse_change,
    recorded,
    to_review,
)
from utils.config import load_config
from utils.config.syntax import quote
from utils.errors import InputError, run_program
from utils.labels.store import Change, State, open_labels
from utils.labels.tables import image_set


def main(argv: list[str]) -> int:
    parser = Parser(
        __doc__,
        'example: python change_classes.py ../config.ini --rename "sea gull=gull" --merge'
        " raven,crow=corvid --drop boat --review\nEach option may be given several times. The next"
        " training gives renamed classes the ids of the old ones.",
    )
    parser.add_argument("config", help="config.ini")
    parser.add_argument(
        "--rename", action="append", default=[], metavar="OLD=NEW", help="give a class another name"
    )
    parser.add_argument(
        "--merge",
        action="append",
        default=[],
        metavar="OLD,OLD=NEW",
        help="make one class of several",
    )
    parser.add_argument(
        "--drop", action="append", default=[], metavar="NAME", help="take all boxes of a class out"
    )
    parser.add_argument(
        "--review",
        action="store_true",
        help="queue the labelled images concerned, to be looked at again",
    )
    options = parser.parse_args(argv)

    config = load_config(options.config)
    asked = parse_change(options.rename, options.merge, options.drop)
    _, labels = open_labels(config)
    labels.read(report_foreign=True)

    def change(state: State) -> Change:
        present = {name: labels.table(state, name) for name in CHANGED_TABLES}
        known = {name for frame in present.values() for name in frame["class"].unique()}
        known |= {*config.classes, *state.classes["renamed"], *state.classes["dropped"]}
        if unknown := sorted(asked.sources - known):
            raise InputError(
                f"{labels.container.address}: there is no class {', '.join(unknown)}; "
                f"there are {', '.join(sorted(known - {'NULL'})) or 'none'}"
            )
        classes = recorded(state.classes, asked)
        used_before = {*state.classes["renamed"], *state.classes["dropped"]}
        done = {"again": sorted(set(asked.renamed.values()) & used_before)}
        changed = {
            name: with_present_names(name, frame, classes) for name, frame in present.items()
        }
        for name, frame in present.items():
            rows = frame[frame["class"].isin(asked.sources)]
            done[name] = (len(rows), len(image_set(rows)))
        if options.review:
            review = labels.table(state, "review")
            changed["review"] = to_review(present["tagged"], review, asked)
            done["review"] = len(changed["review"]) - len(review)
        return Change(changed, {"classes": classes}, note=done)

    state, done = labels.commit(change, what="changing classes")
    return report(config.classes, asked, done, state)


def report(configured: tuple[str, ...], asked: ClassChange, done: dict, state: State) -> int:
    """Print what is left to do by hand, and the counts last."""
    names, _ = current_classes(configured, state.classes)
    if names != tuple(configured):
        print(
            f"in config.ini, on every machine, write: classes={quote(','.join(names))}  "
            " (ideal_class_balance has a share for each)"
        )
    if done["again"]:
        print(
            f"in use again: {', '.join(done['again'])}; a model means by it what it meant when the"
            " model was trained, so train before you predict"
        )
    if "review" in done:
        print(
            f"{done['review']} images were queued to be looked at again: download_vott_json.py N"
            " CONFIG --review"
        )
    counts = ", ".join(
        f"{rows} boxes in {images} images of {name}"
        for name, (rows, images) in ((name, done[name]) for name in CHANGED_TABLES)
    )
    print(
        f"{len(asked.renamed)} classes renamed, {len(asked.dropped)} dropped: {counts} →"
        f" {state.blob('tagged') or 'label_state.json'}"
    )
    return 0


if __name__ == "__main__":
    run_program(main)

"""Classes renamed, merged or dropped in one commit, in everything that is labelled, predicted or
out; and what is left to do by hand.

The rules are those of class_changes.py.
"""

from utils.config.syntax import quote
from utils.errors import InputError
from utils.labels.class_changes import (
    CHANGED_TABLES,
    ClassChange,
    current_classes,
    recorded,
    to_review,
    with_present_names,
)
from utils.labels.effort_table import with_classes
from utils.labels.lineage import OF_CLASSES
from utils.labels.state import Change, State
from utils.labels.store import LabelStore
from utils.labels.tables import image_set
from utils.masking import looks_secret
from utils.reserved import NULL


def change_classes(
    store: LabelStore, configured: tuple[str, ...], asked: ClassChange, review: bool
) -> list[str]:
    """Change the classes; lines that say what is left to do by hand, and the counts last.

    configured: the classes of config.ini. review: queue the labelled images concerned.
    Raises InputError for a class that nothing names, and for a new name that looks like a secret.
    """
    if secret := [name for name in asked.renamed.values() if looks_secret(name)]:
        raise InputError(f"{secret[0]}: a secret is no name of a class")

    def change(state: State) -> Change:
        present = {name: store.table(state, name) for name in CHANGED_TABLES}
        known = {name for frame in present.values() for name in frame["class"].unique()}
        known |= {*configured, *state.classes["renamed"], *state.classes["dropped"]}
        if unknown := sorted(asked.sources - known):
            raise InputError(
                f"{store.container.address}: there is no class {', '.join(unknown)}; "
                f"there are {', '.join(sorted(known - {'NULL'})) or 'none'}"
            )

        classes = recorded(state.classes, asked)
        used_before = {*state.classes["renamed"], *state.classes["dropped"]}
        done = {"again": sorted(set(asked.renamed.values()) & used_before)}
        done["classes"] = {
            name for frame in present.values() for name in frame["class"].unique()
        } - {NULL}
        changed = {}
        for name, frame in present.items():
            changed[name] = with_present_names(name, frame, classes)
            rows = frame[frame["class"].isin(asked.sources)]
            done[name] = (len(rows), len(image_set(rows)))

        changed["effort"] = with_classes(store.table(state, "effort"), classes)
        if review:
            queue = store.table(state, "review")
            changed["review"] = to_review(present["tagged"], queue, asked)
            done["review"] = len(changed["review"]) - len(queue)
        return Change(changed, {"classes": classes}, note=done, marks={OF_CLASSES: "yes"})

    state, done = store.commit(change, what="changing classes")
    return [*_left_to_do(configured, done, state), _counts(asked, done, state)]


def _left_to_do(configured: tuple[str, ...], done: dict, state: State) -> list[str]:
    lines = []
    names, _ = current_classes(configured, state.classes)
    if names != tuple(configured):
        lines.append(
            f"in config.ini, on every machine, write: classes={quote(','.join(names))}  "
            " (ideal_class_balance has a share for each)"
        )
    if done["again"]:
        lines.append(
            f"in use again: {', '.join(done['again'])}; a model means by it what it meant when the"
            " model was trained, so train before you predict"
        )
    if "review" in done:
        lines.append(
            f"{done['review']} images were queued to be looked at again: download_vott_json.py N"
            " CONFIG --review"
        )
    return lines


def _counts(asked: ClassChange, done: dict, state: State) -> str:
    if not any(done[name][0] for name in CHANGED_TABLES):
        present = ", ".join(sorted(done["classes"])) or "none"
        return (
            f"no box is of class {', '.join(sorted(asked.sources))} (any more); the classes of the"
            f" boxes are {present}. That is noted for work that comes in later"
        )
    counts = ", ".join(
        "{} boxes in {} images of {}".format(*done[name], name) for name in CHANGED_TABLES
    )
    return (
        f"{len(asked.renamed)} classes renamed, {len(asked.dropped)} dropped: {counts} →"
        f" {state.blob('tagged') or 'label_state.json'}"
    )

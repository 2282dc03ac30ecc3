"""More of something rare: a batch of images that look like examples, or of the surest finds of a
class. What a person asked for is checked before anything is given back or reserved.
"""

import difflib
from collections.abc import Callable, Collection, Set
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from utils.batch.choosing import Wishes
from utils.config import Config
from utils.errors import InputError
from utils.labels import tables
from utils.labels.class_changes import current_classes
from utils.labels.label_map import current_name
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.names import short
from utils.reserved import NULL
from utils.selection.context import context_of_state
from utils.selection.embeddings import HASH, Embeddings, published_embeddings
from utils.selection.finding import look_alikes, surest_finds
from utils.selection.strategies import Selection

_NEAR = 3  # names that a message proposes
_COMPARED = 5000  # names that are compared with a wrong one
_EMBED = "active_learning_train.sh CONFIG on the training machine"


def checked(wishes: Wishes, config: Config, store: LabelStore, state: State) -> Wishes:
    """The wishes with examples and class under the names that they have in the project.

    Raises InputError, in one line, for a file or class that is not known, and for an example
    without an embedding.
    """
    if wishes.like:
        like = tuple(_known_image(name, store, state) for name in wishes.like)
        _vectors(like, store, state)
        return replace(wishes, like=like)
    if wishes.of_class is not None:
        return replace(wishes, of_class=_known_class(wishes, config, store, state))
    return wishes


def find(
    store: LabelStore,
    state: State,
    rows: pd.DataFrame,
    config: Config,
    wishes: Wishes,
    *,
    batch: Set[str],
    count: int,
    shown_from: Callable[[str], float],
) -> tuple[Selection, int]:
    """As choosing.choose, for wishes with examples or a class; those that `checked` has seen."""
    of_class = wishes.of_class
    if of_class is not None:
        rows = tables.only(rows, tables.image_set(rows[rows["class"] == of_class]))
    strategy = "coreset" if wishes.like else "confident"  # what they look at is looked at here
    context = context_of_state(
        store, state, rows, config, strategy, config.classes, (), batch, shown_from
    )
    if of_class is not None:
        return surest_finds(context, of_class, count), len(context.pool.names)
    examples = _vectors(wishes.like, store, state)
    if context.vectors is None:  # nothing is free
        context = replace(context, vectors=np.zeros((0, examples.shape[1]), np.float16))
    return look_alikes(context, examples, set(wishes.like), count), len(context.pool.names)


def nothing_found(wishes: Wishes, left: int) -> str:
    """Why `find` found none of the images that are left to tag, as one line."""
    if wishes.like:
        return (
            f"--like: of the {left} images to tag all are near-copies of photos that are labelled"
            " or out, or no model has looked at them yet"
        )
    return (
        f"--class {short(wishes.of_class)}: the model found none in the {left} images to tag; show"
        " it a photo that has one: --like FOLDER/FILE"
    )


def _vectors(images: tuple[str, ...], store: LabelStore, state: State) -> np.ndarray:
    """(k, d) the embeddings of these images. Raises InputError where one is missing."""
    embeddings = published_embeddings(store, state)
    if embeddings is None:
        raise InputError(
            "--like: no model has looked at the photos of this project yet (there are no"
            f" embeddings); run {_EMBED}, or active_learning_initialize.sh CONFIG there when it"
            " has weights to begin with"
        )
    if embeddings.basis.kind == HASH:
        raise InputError(
            "--like: the model gives no embeddings, only perceptual hashes, which know near-copies"
            f" and no other likeness; run {_EMBED}"
        )
    _check_each(images, embeddings, store, state)
    return embeddings.of(pa.array(images, pa.large_string()))


def _check_each(
    images: tuple[str, ...], embeddings: Embeddings, store: LabelStore, state: State
) -> None:
    listed = tables.only(store.table(state, "images"), images)
    etags = dict(zip(tables.blob_names(listed), listed["etag"], strict=True))
    etags |= dict.fromkeys(set(images) - etags.keys(), "")  # listed in old containers nowhere
    present = set(embeddings.names.to_pylist())
    current = embeddings.current({name: etags[name] for name in images if etags[name]})
    for name in images:
        if name not in present or (etags[name] and name not in current):
            raise InputError(
                f"--like {short(name)}: no model has looked at this photo as it is now (it has no"
                f" embedding); run {_EMBED}, or name another one"
            )


def _known_image(text: str, store: LabelStore, state: State) -> str:
    """The blob name that a person means. Raises InputError naming near ones where there is none."""
    known: set[str] = set()
    for table in ("images", "totag", "tagging", "tagged"):
        known |= tables.image_set(store.table(state, table))
    for name in (text, text.replace("\\", "/").removeprefix("./")):
        if name in known:
            return name
    near = _near_images(text.replace("\\", "/"), known)
    raise InputError(
        f"--like {short(text)}: this project has no such photo;"
        + (f" near: {', '.join(map(short, near))}" if near else " write it as FOLDER/FILE")
    )


def _near_images(text: str, known: Collection[str]) -> list[str]:
    """Names of images that somebody who wrote this may mean: of the same file in other folders,
    else like it.
    """
    lowered = text.lower()
    filename = lowered.rpartition("/")[2]
    same = sorted(name for name in known if name.lower().rpartition("/")[2] == filename)
    if same:
        return same[:_NEAR]
    alike = sorted(known, key=lambda name: (-_shared(name.lower(), lowered), name))[:_COMPARED]
    return difflib.get_close_matches(text, alike, _NEAR)


def _shared(one: str, other: str) -> int:
    """How many characters two names have in common at their beginnings."""
    for place, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine != theirs:
            return place
    return min(len(one), len(other))


def _known_class(wishes: Wishes, config: Config, store: LabelStore, state: State) -> str:
    """The present name of the class. Raises InputError naming near ones where there is none."""
    name = current_name(wishes.of_class, state.classes["renamed"])
    known = set(current_classes(config.classes, state.classes)[0])
    if wishes.class_map is not None:
        known |= set(wishes.class_map.names.values()) | {wishes.class_map.default}
    for table in ("totag", "tagged"):
        known |= set(store.table(state, table)["class"])
    known -= {NULL}
    if name in known:
        return name
    lowered = {each.lower(): each for each in sorted(known)}
    near = [lowered[each] for each in difflib.get_close_matches(name.lower(), lowered, _NEAR)]
    names = near or sorted(known)[:8]
    raise InputError(
        f"--class {short(wishes.of_class)}: there is no such class;"
        f" {'near' if near else 'there are'}: {', '.join(map(short, names))}"
    )

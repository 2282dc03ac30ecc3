"""Labelled images that are looked at again: which of them wait for it, and who has which. They stay
in tagged all the while.

In the table `review` an image may have two rows: one without a tagger while it is queued, and one
with tagger and time while it is out to somebody (queued or not). So an image that is given back
waits again if it waited before. Functions are from tables to tables.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from utils.labels import tables
from utils.labels.assignments import expired
from utils.labels.label_map import current_name
from utils.labels.tables import blob_names, concat, image_set, split_name, without
from utils.reserved import NULL
from utils.times import utc_text

# how images are chosen; OF_CLASS is followed by the class
QUEUE, RANDOM, OF_CLASS, SUSPECT = "queue", "random", "class ", "suspect"


def queued(review: pd.DataFrame) -> list[str]:
    """The images that are queued, those that are out too, first come first."""
    return list(dict.fromkeys(blob_names(review[review["tagger"] == ""])))


def reservations(review: pd.DataFrame) -> pd.DataFrame:
    """The rows that say who has an image."""
    return review[review["tagger"] != ""].reset_index(drop=True)


def choose(
    tagged: pd.DataFrame,
    review: pd.DataFrame,
    how: str,
    count: int,
    *,
    hours: float,
    now: datetime,
    refused: Iterable[str] = (),
    ranked: Sequence[str] = (),
) -> list[str]:
    """At most `count` labelled images that nobody has, and that are not `refused`.

    `how` QUEUE: in the order of the queue; RANDOM: a uniform sample; OF_CLASS + name: images with a
    box of that class, queued ones first, then a uniform sample; SUSPECT: in the order of `ranked`.
    """
    out = reservations(review)
    free = image_set(tagged) - (image_set(out) - expired(out, hours, now)) - set(refused)
    if how == SUSPECT:
        return [image for image in ranked if image in free][:count]
    if how.startswith(OF_CLASS):
        free &= image_set(tagged[tagged["class"] == how.removeprefix(OF_CLASS)])
    first = [] if how == RANDOM else [image for image in queued(review) if image in free]
    others = [] if how == QUEUE else sorted(free.difference(first))
    drawn = np.random.default_rng().permutation(len(others))[: max(count - len(first), 0)]
    return first[:count] + [others[place] for place in drawn]


def nothing_left(tagged: pd.DataFrame, review: pd.DataFrame, how: str) -> str:
    """Why `choose` found none, as one line."""
    out = len(image_set(reservations(review)))
    if how.startswith(OF_CLASS):
        name, present = how.removeprefix(OF_CLASS), set(tagged["class"]) - {NULL}
        if name not in present:
            return (
                f"no labelled image has a box of {name}; there are"
                f" {', '.join(sorted(present)) or 'no boxes at all'}"
            )
        return f"every labelled image with a box of {name} is out to be looked at again already"
    if how == RANDOM:
        return (
            f"no image is there to be looked at again: {len(image_set(tagged))} are labelled, {out}"
            " of them are out for it"
        )
    return (
        f"nothing waits to be looked at again ({len(queued(review))} queued, {out} out); "
        "change_classes.py --review queues images, --review-random and --review-class NAME take any"
    )


def how(queue: bool, of_class: str | None, random: bool, suspect: bool = False) -> str:
    """How images are chosen, from what was asked for (at most one); "" for no review at all."""
    if of_class is not None:
        return OF_CLASS + of_class
    if queue:
        return QUEUE
    if suspect:
        return SUSPECT
    return RANDOM if random else ""


def under_present_name(how: str, renamed: Mapping[str, str]) -> str:
    """`how`, with a class that was renamed under the name it has now."""
    if not how.startswith(OF_CLASS):
        return how
    return OF_CLASS + current_name(how.removeprefix(OF_CLASS), renamed)


def enqueued(review: pd.DataFrame, images: Iterable[str]) -> pd.DataFrame:
    """review with these images queued, where they are not yet."""
    present = set(queued(review))
    return concat("review", review, _rows([image for image in images if image not in present]))


def handed_out(
    review: pd.DataFrame, images: Iterable[str], tagger: str, now: datetime
) -> pd.DataFrame:
    """review with these images out to `tagger`, and to nobody else."""
    images = list(images)
    return concat("review", given_back(review, images), _rows(images, tagger, utc_text(now)))


def given_back(review: pd.DataFrame, images: Iterable[str]) -> pd.DataFrame:
    """review with these images out to nobody; queued ones are queued still."""
    out = (review["tagger"] != "") & blob_names(review).isin(set(images))
    return review[~out].reset_index(drop=True)


def looked_at(
    review: pd.DataFrame,
    done: Iterable[str],
    conflicts: Iterable[str],
    *,
    first: Iterable[str],
    tagger: str,
    reserved_at: str,
) -> pd.DataFrame:
    """review after an upload of the batch that `tagger` reserved at that time (as the table has
    it).

    `done` images leave it, if they are out in this batch still, or come from it for the `first`
    time (late work): what was queued or handed out after they came concerns another look. With
    `conflicts` the reservations are over, and what is queued stays so.
    """
    own = image_set(review[(review["tagger"] == tagger) & (review["reserved_at"] == reserved_at)])
    return without(given_back(review, own & set(conflicts)), (own | set(first)) & set(done))


def _rows(images: list[str], tagger: str = "", reserved_at: str = "") -> pd.DataFrame:
    folders, filenames = zip(*map(split_name, images), strict=True) if images else ((), ())
    return tables.make(
        "review", filename=filenames, folder=folders, tagger=tagger, reserved_at=reserved_at
    )

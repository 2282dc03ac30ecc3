"""What a person did with the boxes of a photo: those that were shown against those that came back.

A box that came back and one that was shown are the same object when they share at least half of
what both cover (IoU 0.5, as in AP50); less in common, and one was deleted and another drawn. Boxes
are paired one to one: first those of one class, those that have most in common first, then what is
left across classes.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from utils.boxes.iou import intersection_over_union
from utils.effort.seconds import ACTIONS
from utils.labels import tables
from utils.labels.assignments import image_codes
from utils.reserved import NULL

UNMOVED = 0.95  # IoU from which on a box counts as kept
# What people would leave as it is, where the truth stands for what came back: COCO's strict IoU.
GOOD_ENOUGH = 0.75
SAME_OBJECT = 0.5
_ROUNDED = 1e-9
_XYXY = ["xmin", "ymin", "xmax", "ymax"]
_NEEDED = ["filename", "folder", "class", *_XYXY]
COLUMNS = ["filename", "folder", "class", *ACTIONS]


def compare(shown: pd.DataFrame, back: pd.DataFrame, unmoved: float = UNMOVED) -> pd.DataFrame:
    """How many boxes of each class were kept, moved, given another class, deleted and drawn in each
    photo: a row per photo and class, columns COLUMNS. A photo in which nothing was shown and
    nothing came back has one row of class NULL.

    `shown` and `back` have at least the columns filename, folder, class and the four sides; the
    photos are those of `back`, which has a NULL row for each in which nothing is. `unmoved`: the
    IoU from which on a box counts as kept. A box counts for
    the class with which it came back, a deleted one for the class it was shown with.
    """
    shown = tables.only(shown, tables.image_set(back))
    both = pd.concat([shown[_NEEDED], back[_NEEDED]], ignore_index=True)
    image, names = image_codes(both)
    is_box = (both["class"] != NULL).to_numpy(bool)
    of_shown = np.arange(len(both)) < len(shown)
    classes, sides = both["class"].to_numpy(object), both[_XYXY].to_numpy(float)

    counted: dict[tuple[int, str], list[int]] = {}
    for number, (before, after) in enumerate(
        zip(_places(image, is_box & of_shown), _places(image, is_box & ~of_shown), strict=True)
    ):
        for name, action in _actions(
            classes[before], sides[before], classes[after], sides[after], unmoved
        ) or [(NULL, None)]:
            row = counted.setdefault((number, name), [0] * len(ACTIONS))
            if action is not None:
                row[ACTIONS.index(action)] += 1

    blobs = names.to_pylist()
    split = [tables.split_name(blobs[number]) for number, _ in counted]
    counts = np.array(list(counted.values()), np.int64).reshape(-1, len(ACTIONS))
    result = tables.make(
        "effort",
        filename=[filename for _, filename in split],
        folder=[folder for folder, _ in split],
        class_=[name for _, name in counted],
        **dict(zip(ACTIONS, counts.T.tolist(), strict=True)),
    )
    return result[COLUMNS]


def _places(image: np.ndarray, wanted: np.ndarray) -> Iterator[np.ndarray]:
    """For each image (a number from 0 without gaps) the places of its rows that are `wanted`."""
    places = np.flatnonzero(wanted)
    places = places[np.argsort(image[places], kind="stable")]
    ends = np.cumsum(np.bincount(image[places], minlength=image.max(initial=-1) + 1))
    return iter(np.split(places, ends[:-1]) if len(ends) else [])


def _actions(
    shown_class: np.ndarray,
    shown: np.ndarray,
    back_class: np.ndarray,
    back: np.ndarray,
    unmoved: float,
) -> list[tuple[str, str]]:
    """(class, what was done) of each box in one photo; boxes are xyxy, (n, 4) and (m, 4)."""
    if not len(shown):
        return [(name, "drawn") for name in back_class]
    if not len(back):
        return [(name, "deleted") for name in shown_class]
    # a box without area has nothing in common, not even with itself
    identical = (shown[:, None] == back[None]).all(axis=2)
    common = np.where(identical, 1.0, intersection_over_union(shown, back))
    same_class = shown_class[:, None] == back_class[None]
    left, new = np.ones(len(shown), bool), np.ones(len(back), bool)
    done: list[tuple[str, str]] = []
    for of_one_class in (True, False):
        for one, other in _pairs(
            np.where((same_class == of_one_class) & left[:, None] & new, common, 0.0)
        ):
            good = common[one, other] >= unmoved - _ROUNDED
            action = ("kept" if good else "moved") if of_one_class else "class_changed"
            done.append((back_class[other], action))
            left[one], new[other] = False, False
    done += [(name, "deleted") for name in shown_class[left]]
    return done + [(name, "drawn") for name in back_class[new]]


def _pairs(common: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (row, column) that are the same object, each row and column once, those that have most
    in common first.
    """
    pairs: list[tuple[int, int]] = []
    rest = np.where(common >= SAME_OBJECT - _ROUNDED, common, -1.0)
    while rest.max(initial=-1.0) > 0:
        one, other = np.unravel_index(int(rest.argmax()), rest.shape)
        pairs.append((int(one), int(other)))
        rest[one], rest[:, other] = -1.0, -1.0
    return pairs

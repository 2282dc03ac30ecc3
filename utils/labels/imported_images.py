"""Which images of the project the rows of a foreign file mean, and whether its boxes were drawn in
the upright picture.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd

from utils.errors import InputError
from utils.files import path_parts
from utils.images.canvas import same_shape
from utils.images.decoding import is_sideways, upright_corners
from utils.labels import assignments, tables
from utils.labels.tables import blob_names, image_set, without
from utils.reserved import NULL

_CORNERS = ["xmin", "ymin", "xmax", "ymax"]


def located(
    frame: pd.DataFrame, listed: pd.DataFrame, user_folders: bool, has_folder: bool
) -> tuple[pd.DataFrame, list[str]]:
    """(the rows with folder and filename as the project has them, what a person should know of it).

    `listed`: a row for each image of the project. A name may be a path of another machine, of which
    the end is an image; a folder may be missing, or be the last part of the folder, where one image
    fits. Rows that mean no image stay as they are.
    """
    images = image_set(listed)
    frame = frame.assign(folder=frame["folder"] if user_folders else "")
    paths = {name: _by_path(name, images) for name in blob_names(frame).unique()}
    found = [tables.split_name(paths[name]) for name in blob_names(frame)]
    frame = frame.assign(
        folder=pd.Series([folder for folder, _ in found], frame.index, dtype="str"),
        filename=pd.Series([filename for _, filename in found], frame.index, dtype="str"),
    )
    matched = assignments.match_folders(listed, {"tagged": frame}).get("tagged", frame)
    moved = dict(zip(blob_names(frame), blob_names(matched), strict=True))
    moved = {name: now for name, now in moved.items() if name != now}
    if not moved:
        return matched, []
    why = (
        "their file name alone, as the file has no column folder"
        if not has_folder
        else "their file name and the last part of their folder"
    )
    name, now = min(moved.items())
    return matched, [
        f"{len(moved)} images were found by {why} ({name} is taken for {now}); if another one is"
        " meant, correct the file and take it in again with --replace"
    ]


def why_unknown(name: str, listed: pd.DataFrame) -> str:
    """Why a name means no image of the project."""
    folder, filename = tables.split_name(name)
    same = sorted(image_set(listed[listed["filename"] == filename]))
    if len(same) > 1:
        return (
            f"several images have that file name, such as {same[0]} and {same[1]}; name the folder"
        )
    return f"there is no such image{f' (but {same[0]})' if same and folder else ''}"


def upright(
    rows: pd.DataFrame,
    sizes: pd.DataFrame,
    labelled_so: Iterable[str],
    boxes_are: str | None,
    orientations: Callable[[Iterable[str]], Mapping[str, int]],
) -> tuple[pd.DataFrame, dict[str, str]]:
    """(the rows with their boxes and sizes in the upright picture, why images were left out).

    `sizes`: height and width of the upright pictures by blob name, 0 where not known. Tools that
    ignore EXIF draw in the picture as it is stored; `boxes_are` "upright" or "stored" says which it
    was. With None the sizes in the rows must tell; InputError where they do not, but for images of
    `labelled_so`, which have these labels already. `orientations` gives EXIF's 1-8 for blob names.
    """
    first = rows[~rows.duplicated(["folder", "filename"])]
    first = first.set_axis(blob_names(first))
    wanted = sizes.reindex(first.index).fillna(0)
    known = (wanted > 0).all(axis=1) & (first[["height", "width"]] > 0).all(axis=1)
    as_upright = ~known | _same_shape(first, wanted, known)
    as_stored = ~known | _same_shape(first, wanted.rename(columns=_SWAPPED), known)
    boxed = first.index.isin(image_set(rows[rows["class"] != NULL]))

    if boxes_are == "upright":
        looked_at = first.index[:0]
    elif boxes_are == "stored":
        looked_at = first.index[boxed & (as_upright | as_stored)]
    else:
        looked_at = first.index[boxed & as_upright & ~first.index.isin(set(labelled_so))]
    turned = {
        image: orientation
        for image, orientation in orientations(looked_at).items()
        if orientation != 1 and (as_stored[image] or not is_sideways(orientation))
    }
    if turned and boxes_are is None:
        image = min(turned)
        raise InputError(
            f"{len(turned)} images are turned by EXIF, and their size does not tell in which"
            f" picture their boxes were drawn, e.g. {image} (orientation {turned[image]}); look at"
            " one, and say --boxes-are upright (most tools show that one) or --boxes-are stored"
        )
    empty = first.index[~boxed & as_stored] if boxes_are == "stored" else ()
    faults = {
        image: (
            "its size there has another shape than the upright image; the boxes may be those of the"
            " unturned one (then say --boxes-are stored)"
        )
        for image in first.index[~as_upright & ~first.index.isin({*turned, *empty})]
    }
    rows = without(rows, faults)
    names = blob_names(rows)
    size = sizes.reindex(names).fillna(0).set_axis(rows.index)
    for side in ("height", "width"):
        size[side] = size[side].where(size[side] > 0, rows[side]).astype("int64")
    rows = rows.assign(height=size["height"], width=size["width"])
    for orientation in set(turned.values()):
        of_it = names.isin({image for image, value in turned.items() if value == orientation})
        of_it &= rows["class"] != NULL
        corners = rows.loc[of_it, _CORNERS].to_numpy(np.float64)
        rows.loc[of_it, _CORNERS] = upright_corners(corners, orientation)
    return rows, faults


_SWAPPED = {"height": "width", "width": "height"}


def _same_shape(first: pd.DataFrame, sizes: pd.DataFrame, known: pd.Series) -> pd.Series:
    """For each image whether its size in the file has the proportions of `sizes`; False where that
    is not known.
    """
    same = pd.Series(False, first.index)
    sides = [table.loc[known, side] for table in (first, sizes) for side in ("height", "width")]
    same[known] = same_shape(*(side.to_numpy() for side in sides))
    return same


def _by_path(name: str, images: set[str]) -> str:
    """The image that a path means: it itself or what it ends with; else the path with `/`."""
    if name in images:
        return name
    parts = path_parts(name)
    ends = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((end for end in ends if end in images), "/".join(parts) or name)

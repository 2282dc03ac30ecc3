"""Who holds which image: the rules of the label container, as functions from tables to tables.

An image (its blob name) is in the strongest of the tables that hold it: tagged, then tagging, then
failed, then totag. A reservation older than `reservation_hours` counts as free: its image may be
handed out again, until then its rows stay in tagging. Nothing is changed in place. Every function
that returns a dict of tables returns only those that differ from what it was given.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from utils.labels import tables
from utils.labels.tables import blob_names, concat, image_set, only, without
from utils.reserved import NULL
from utils.times import moment, utc_text

HOLDER_OF = "holder of "  # and the name of another tool's file: it does not say who holds an image


def expired(tagging: pd.DataFrame, hours: float, now: datetime) -> set[str]:
    """Images whose reservation is older than `hours`, or carries no readable time (nobody could
    ever say when it ends).
    """
    limit = now.astimezone(UTC) - timedelta(hours=hours)
    old = {
        text
        for text in tagging["reserved_at"].unique()
        if moment(text) is None or moment(text) < limit
    }
    return image_set(tagging[tagging["reserved_at"].isin(old)])


def held_by(tagging: pd.DataFrame, tagger: str) -> set[str]:
    """Images reserved for this tagger, however long ago."""
    return image_set(tagging[tagging["tagger"] == tagger])


def held_by_others(tagging: pd.DataFrame, tagger: str) -> dict[str, str]:
    """{image: whose it is} of the images that are reserved for somebody else who is known by name.
    After a take-over, and from files of other tools, it is not known who holds an image.
    """
    known = ~tagging["tagger"].isin(["", tagger]) & ~tagging["tagger"].str.startswith(HOLDER_OF)
    others = tagging[known.to_numpy(bool)]
    return dict(zip(blob_names(others), others["tagger"], strict=True))


def free_rows(
    totag: pd.DataFrame,
    tagged: pd.DataFrame,
    tagging: pd.DataFrame,
    failed: pd.DataFrame,
    hours: float,
    now: datetime,
    pretrained: Callable[[], Set[str]] = frozenset,
) -> pd.DataFrame:
    """The rows of the images that may be handed out: totag minus tagged, live reservations and
    failed, plus what lies in expired ones. `pretrained` as in `release`.
    """
    late = expired(tagging, hours, now)
    closed = image_set(tagged) | (image_set(tagging) - late) | image_set(failed)
    free = without(totag, closed) if closed else totag
    returned = _as_they_were(only(tagging, late - closed), pretrained)
    return concat("totag", free, without(returned, image_set(free))) if len(returned) else free


def reserve(
    tagging: pd.DataFrame, free: pd.DataFrame, images: Iterable[str], tagger: str, now: datetime
) -> pd.DataFrame:
    """tagging with these images handed out to `tagger`. `free` is what `free_rows` returned; an
    expired reservation is replaced.
    """
    images = set(images)
    rows = only(free, images)
    if missing := images - image_set(rows):
        raise ValueError(f"not free: {sorted(missing)[:3]}")
    return concat(
        "tagging", without(tagging, images), rows.assign(tagger=tagger, reserved_at=utc_text(now))
    )


def release(
    totag: pd.DataFrame,
    tagging: pd.DataFrame,
    images: Iterable[str],
    pretrained: Callable[[], Set[str]] = frozenset,
) -> dict[str, pd.DataFrame]:
    """Give reserved images back, with the boxes they were handed out with where totag (as stored)
    has none for them.

    pretrained: gives the images that only a pretrained model has seen; they are given back as
    unseen, since the names of a class map are for those who asked for it.
    """
    images = set(images) & image_set(tagging)
    if not images:
        return {}
    changed = {"tagging": without(tagging, images)}
    returned = _as_they_were(without(only(tagging, images), image_set(totag)), pretrained)
    if len(returned):
        changed["totag"] = concat("totag", totag, returned)
    return changed


def let_go(tagging: pd.DataFrame, images: Iterable[str]) -> pd.DataFrame:
    """tagging with these images free from now on: their rows stay, and are nobody's, as if their
    time were over. So they are given back without knowing whether totag lists them.
    """
    images = set(images)
    rows = only(tagging, images).assign(tagger="", reserved_at="")
    return concat("tagging", without(tagging, images), rows)


def still_out(tagging: pd.DataFrame) -> pd.DataFrame:
    """The rows of the images that are out, or were until their time was over: without those that
    were let go.
    """
    return tagging[((tagging["tagger"] != "") | (tagging["reserved_at"] != "")).to_numpy(bool)]


def _as_they_were(returned: pd.DataFrame, pretrained: Callable[[], Set[str]]) -> pd.DataFrame:
    """The rows of totag for images that come back."""
    unseen = only(returned, pretrained()) if len(returned) else returned
    if not len(unseen):
        return returned
    first = unseen.drop_duplicates(["folder", "filename"])
    return concat("totag", without(returned, image_set(unseen)), unseen_rows(first))


@dataclass(frozen=True)
class Accepted:
    """What an upload did: the tables it changed, and its images by what became of them."""

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)  # rows replaced or added
    unchanged: set[str] = field(default_factory=set)  # the state says the same already
    # somebody else's rows stand; these are set aside
    conflicts: set[str] = field(default_factory=set)


def accept_upload(
    tagged: pd.DataFrame,
    tagging: pd.DataFrame,
    test: pd.DataFrame,
    conflicts: pd.DataFrame,
    *,
    uploaded: pd.DataFrame,
    tagger: str,
    now: datetime,
    own: Mapping[str, Iterable[str]] | None = None,
    reason: str = "somebody else has tagged this image otherwise",
) -> Accepted:
    """Take in reviewed images: `uploaded` has all rows of each (tagged columns; a NULL row for
    "nothing there").

    That an image was handed out to `tagger` is for the caller to know (batch.json); whether it
    still is does not matter: late work is taken if nobody else has uploaded the image. An image in
    tagged already is changed only by who tagged it: `own` has, per image, the digests
    (`row_digests`) of every version this batch may have uploaded before. The caller writes the new
    version into batch.json BEFORE the commit, so that it is there after a kill. Different work of
    somebody else is set aside in conflicts, once, with `reason`. Of labelled images that are looked
    at again, `own` has the rows that were handed out too. The rows of a test image are replaced in
    test too. Rows of images that are not in `uploaded` stay as they are.
    """
    new, present = row_digests(uploaded), row_digests(only(tagged, image_set(uploaded)))
    set_aside = (
        conflict_digests(only(conflicts[conflicts["tagger"] == tagger], new))
        if len(conflicts)
        else set()
    )
    same = {image for image, digest in new.items() if present.get(image) == digest}
    foreign = {
        image
        for image in new
        if image in present
        and image not in same
        and present[image] not in set((own or {}).get(image, ()))
    }
    known = {image for image in foreign if (image, new[image]) in set_aside}
    taken = set(new) - same - foreign
    changed = {}
    if taken:
        rows = only(uploaded, taken)
        changed["tagged"] = concat("tagged", without(tagged, taken), rows)
        if tested := image_set(test) & taken:
            changed["test"] = concat("test", without(test, tested), only(rows, tested))
    if done := image_set(tagging) & (taken | same):
        changed["tagging"] = without(tagging, done)
    if aside := foreign - known:
        changed["conflicts"] = concat(
            "conflicts",
            conflicts,
            only(uploaded, aside).assign(tagger=tagger, at=utc_text(now), reason=reason),
        )
    if held := held_by(tagging, tagger) & foreign:
        changed["tagging"] = without(changed.get("tagging", tagging), held)
    return Accepted(changed, taken, same | known, foreign - known)


def row_digests(frame: pd.DataFrame) -> dict[str, str]:
    """Per image a digest of its boxes (class and coordinates to six decimals, in any order)."""
    boxes: dict[str, set[str]] = {}
    columns = [frame[column] for column in ("class", "xmin", "xmax", "ymin", "ymax")]
    for image, name, *corners in zip(blob_names(frame), *columns, strict=True):
        boxes.setdefault(image, set()).add(
            ";".join([name, *(f"{corner + 0.0:.6f}" for corner in corners)])
        )
    return {
        image: hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()[:16]
        for image, rows in boxes.items()
    }


def conflict_digests(conflicts: pd.DataFrame) -> set[tuple[str, str]]:
    """The versions of images that were set aside, as (image, digest); one upload's rows share their
    time.
    """
    return {
        pair
        for _, rows in conflicts.groupby(["tagger", "at"])
        for pair in row_digests(rows).items()
    }


def unseen_rows(images: pd.DataFrame) -> pd.DataFrame:
    """A totag row for each image that no model has seen: NULL, empty confidences, the size from the
    images table.
    """
    size = len(images)
    zeros = np.zeros(size)
    return tables.make(
        "totag",
        filename=images["filename"],
        class_=np.full(size, NULL, object),
        xmin=zeros,
        xmax=zeros,
        ymin=zeros,
        ymax=zeros,
        height=images["height"],
        width=images["width"],
        folder=images["folder"],
    )


def add_new_images(
    images: pd.DataFrame,
    failed: pd.DataFrame,
    totag: pd.DataFrame,
    tagged: pd.DataFrame,
    tagging: pd.DataFrame,
) -> pd.DataFrame | None:
    """totag with an unseen row for every image that is in no list yet; None when there is none."""
    new = without(
        images, image_set(totag) | image_set(tagged) | image_set(tagging) | image_set(failed)
    )
    return concat("totag", totag, unseen_rows(new)) if len(new) else None


def publish_totag(
    images: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    totag: pd.DataFrame,
    tagged: pd.DataFrame,
    tagging: pd.DataFrame,
    failed: pd.DataFrame,
    hours: float,
    now: datetime,
) -> pd.DataFrame:
    """The totag table of a cycle: of every image in `images` that is nobody's now (the state of the
    moment of publishing, not of when the cycle began), the new predictions; where there are none,
    its present rows; where there are none either, an unseen row.
    """
    closed = (
        image_set(tagged) | (image_set(tagging) - expired(tagging, hours, now)) | image_set(failed)
    )
    open_images = without(images, closed)
    wanted = image_set(open_images)
    predicted = only(predictions, wanted)
    kept = only(totag, wanted - image_set(predicted))
    unseen = without(open_images, image_set(predicted) | image_set(kept))
    return concat("totag", predicted, kept, unseen_rows(unseen))


def merge_listing(base: pd.DataFrame, present: pd.DataFrame, ours: pd.DataFrame) -> pd.DataFrame:
    """`ours` (images or failed, made from `base` hours ago) with the images that others have added
    to the state (`present`) meanwhile, or found to be replaced (other ETags), and without those
    that they took out (renamed).
    """
    ours = without(ours, image_set(base) - image_set(present))
    of_base = dict(zip(blob_names(base), base["etag"], strict=True))
    replaced = {
        image
        for image, etag in zip(blob_names(present), present["etag"], strict=True)
        if of_base.get(image, etag) != etag
    }
    theirs = only(present, replaced | (image_set(present) - image_set(base) - image_set(ours)))
    return pd.concat([without(ours, replaced), theirs], ignore_index=True) if len(theirs) else ours


def outdated(predicted: pd.DataFrame, images: pd.DataFrame) -> set[str]:
    """Images whose predictions are of a picture (ETag in `predicted`) that was replaced since (ETag
    in `images`).
    """
    etags = dict(zip(blob_names(images), images["etag"], strict=True))
    return {
        image
        for image, etag in zip(blob_names(predicted), predicted["etag"], strict=True)
        if etags.get(image, etag) != etag
    }


def match_folders(
    images: pd.DataFrame, state: Mapping[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    """Full folders for rows of the earlier generation, which kept only the last component of an
    image's folder (or none).

    A row whose image is not in `images` gets the folder of the one image there with the same file
    name and last component (any folder if the row has none). Where several or none fit, or the
    table holds that image already, the row stays; a stale totag row goes.
    """
    listed = image_set(images)
    full = pd.DataFrame(
        {
            "blob": blob_names(images),
            "filename": images["filename"],
            "folder": images["folder"],
            "last": images["folder"].str.rpartition("/")[2] if len(images) else images["folder"],
        }
    )
    by_last = _unambiguous(full, ["last", "filename"])
    by_name = _unambiguous(full, ["filename"])
    changed = {}
    for table, frame in state.items():
        stray = without(frame, listed)
        if not len(stray):
            continue
        pairs = stray[["folder", "filename"]].drop_duplicates()
        present = image_set(frame)
        target, stale = {}, set()
        for folder, filename in zip(pairs["folder"], pairs["filename"], strict=True):
            found = by_name.get((filename,)) if folder == "" else by_last.get((folder, filename))
            if found is None:
                continue
            blob = f"{folder}/{filename}" if folder else filename
            if f"{found}/{filename}".lstrip("/") not in present:
                target[blob] = found
            elif table == "totag":
                stale.add(blob)
        if target or stale:
            names = blob_names(frame)
            folders = names.map(target)
            matched = frame.assign(
                folder=folders.where(folders.notna(), frame["folder"]).astype(frame["folder"].dtype)
            )
            changed[table] = without(matched, stale)
    return changed


def image_codes(frame: pd.DataFrame) -> tuple[np.ndarray, pa.Array]:
    """Each row's image as a number, and the blob names by that number (in order of first
    appearance): grouping millions of rows cheaply.
    """
    starts = tables.image_starts(frame)
    names = pa.array(blob_names(frame[["folder", "filename"]].iloc[starts]), pa.large_string())
    names = names.combine_chunks() if isinstance(names, pa.ChunkedArray) else names
    encoded = pc.dictionary_encode(names)
    return (
        np.repeat(encoded.indices.to_numpy(), np.diff(starts, append=len(frame))),
        encoded.dictionary,
    )


def _unambiguous(full: pd.DataFrame, keys: list[str]) -> dict[tuple, str]:
    single = full[~full.duplicated(keys, keep=False)]
    return dict(zip(single[keys].itertuples(index=False, name=None), single["folder"], strict=True))

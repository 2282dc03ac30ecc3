"""Between the boxes of a batch and the rows of the label container's tables."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import pandas as pd

from utils.batch.batch import Batch, Item
from utils.formats.sheets import Box
from utils.labels import tables
from utils.labels.assignments import row_digests
from utils.reserved import NULL


def class_of(box: Box, tags: Mapping[str, str]) -> str:
    """The class that a box's tag means, by the tags of its batch; other tags mean themselves."""
    return tags.get(box.tag) or " ".join(box.tag.split())


def rows_of(item: Item, boxes: Sequence[Box], tags: Mapping[str, str]) -> pd.DataFrame:
    """The rows of an image in tagged; a NULL row without boxes."""
    named = [(class_of(box, tags), *box.sides) for box in boxes]
    boxed = [row for row in named if row[0] != NULL] or [(NULL, 0.0, 0.0, 0.0, 0.0)]
    labels, xmin, xmax, ymin, ymax = zip(*boxed, strict=True)
    folder, filename = tables.split_name(item.blob)
    return tables.make(
        "tagged",
        filename=[filename] * len(labels),
        class_=labels,
        xmin=xmin,
        xmax=xmax,
        ymin=ymin,
        ymax=ymax,
        folder=[folder] * len(labels),
        height=[item.height] * len(labels),
        width=[item.width] * len(labels),
    )


def boxes_of(rows: pd.DataFrame, tags: Mapping[str, str]) -> dict[str, list[Box]]:
    """{blob name: its boxes} of all images that have rows (columns of totag or tagged), without
    NULL rows. `tags`: {tag: class}, a tag for every class there is.
    """
    tag_of = {name: tag for tag, name in tags.items()}
    blobs = tables.blob_names(rows)
    scores = rows["box_confidence"] if "box_confidence" in rows else [None] * len(rows)
    columns = rows[["class", "xmin", "xmax", "ymin", "ymax"]].itertuples(index=False, name=None)

    boxes: dict[str, list[Box]] = {blob: [] for blob in sorted(set(blobs))}
    for blob, (name, *sides), score in zip(blobs, columns, scores, strict=True):
        if name != NULL:
            boxes[blob].append(Box(tag_of[name], *sides, None if pd.isna(score) else score))
    return boxes


def handed_out_rows(batch: Batch) -> pd.DataFrame:
    """The rows that labelled images had when they were handed out to be looked at again; columns of
    tagged.
    """
    parts = [rows_of(item, item.boxes, batch.tags) for item in batch.images.values()]
    return tables.concat("tagged", *parts)


def note_sent(items: Sequence[Item], rows: pd.DataFrame) -> None:
    """Add the boxes of these rows (columns of tagged) to the versions of their images that were
    sent.
    """
    columns = rows[["class", "xmin", "xmax", "ymin", "ymax"]]
    versions: dict[str, list[Box]] = {}
    for blob, box in zip(
        tables.blob_names(rows), columns.itertuples(index=False, name=None), strict=True
    ):
        versions.setdefault(blob, []).append(Box(*box))

    for item in items:
        if item.blob not in versions:
            continue
        version = [box for box in versions[item.blob] if box.tag != NULL]
        item.sent = [*(other for other in item.sent if other != version), version]


def sent_rows(items: Sequence[Item]) -> Iterator[pd.DataFrame]:
    """The versions that the labels may have from this batch, as rows of tagged: the one that
    arrived last, and later ones. In each table at most one version of each image.
    """
    versions = [_since_arrival(item) for item in items]
    most = max(map(len, versions), default=0)
    for number in range(most):
        yield tables.concat("tagged", *(rows[number] for rows in versions if number < len(rows)))


def arrived(batch: Batch, history: Collection[str]) -> None:
    """Take note of an upload that was cut off after its commit, which is in this history."""
    if batch.sending and batch.sending.commit in history:
        for item in batch.images.values():
            item.uploaded = batch.sending.digests.get(item.blob, item.uploaded)
        batch.sending = None


def _since_arrival(item: Item) -> list[pd.DataFrame]:
    """The rows of each version of an image that was sent, from the one on that arrived last."""
    # the tags of what was sent are classes
    versions = [rows_of(item, boxes, {box.tag: box.tag for box in boxes}) for boxes in item.sent]
    digests = [row_digests(rows)[item.blob] for rows in versions]
    return versions[digests.index(item.uploaded) :] if item.uploaded in digests else versions

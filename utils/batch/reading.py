"""What the annotator's VoTT files say of a batch: which images were reviewed, and their boxes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from utils.batch.batch import Batch, Item
from utils.errors import InputError
from utils.files import folded
from utils.formats.sheets import Box, same_boxes, unmoved
from utils.formats.vott import (
    LISTED,
    BadVott,
    Frame,
    Project,
    drawable,
    is_reviewed,
    read_project,
)
from utils.labels import tables
from utils.labels.assignments import row_digests
from utils.labels.tables import split_name
from utils.reserved import AVERAGE, NULL


@dataclass
class Reviews:
    """`rows`: columns of tagged, all rows of every reviewed image. Images are named as on the
    annotator's disk in everything else.

    `open`: not reviewed. `faults`: images and files that could not be used, `notes`: boxes that
    were left out; one line each. `strays`: what has boxes, or something unreadable, that no upload
    takes ("folder/name"). `outdated`: blob names of images that are other pictures now than when
    they were handed out.
    """

    rows: pd.DataFrame = field(default_factory=lambda: tables.empty("tagged"))
    open: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    outdated: set[str] = field(default_factory=set)


def read_reviews(batch: Batch, everything: bool = False) -> Reviews:
    """Read all VoTT files of a batch. `everything`: every image counts as reviewed, whatever marks
    VoTT left.
    """
    reviews = Reviews()
    parts = []
    for folder in batch.folders:
        path, items = batch.project(folder), batch.inside(folder)
        try:
            project = read_project(path.read_bytes(), items, _listed_now(batch.place / folder))
            project = _matched(project, items)
        except FileNotFoundError:
            reviews.faults.append(
                f"{path}: the file is gone (--again at download restores it); its {len(items)}"
                " images stay reserved"
            )
            reviews.open += items
            continue
        except BadVott as error:
            reviews.faults.append(f"{path}: {error}; its {len(items)} images stay reserved")
            reviews.unreadable.append(path)
            reviews.open += items
            continue
        for name in sorted(set(project.frames) - set(items)):
            reviews.faults.append(f"{path}: {name} is not an image of this batch; left out")
            if project.frames[name] != Frame():
                reviews.strays.append(f"{folder}/{name}")
        for name, item in items.items():
            frame = project.frames.get(name, Frame())
            if frame.fault:
                reviews.strays.append(f"{folder}/{name}")
                reviews.faults.append(f"{path}: {name}: {frame.fault}; the image stays reserved")
                reviews.open.append(name)
            elif not (
                everything or is_reviewed(name, project, _drawn(item), item.width, item.height)
            ):
                reviews.open.append(name)
            elif not (item.width and item.height):
                reviews.faults.append(
                    f"{path}: {name}: its size is known nowhere; the image stays reserved. Run"
                    " train/active_learning_initialize.sh CONFIG on the training machine, then"
                    " upload again"
                )
                reviews.open.append(name)
            elif item.etag and not frame.fits(item.width, item.height):
                reviews.faults.append(
                    f"{path}: {name}: its boxes were drawn in a picture of another shape than the"
                    f" {item.width} x {item.height} pixels that were handed out; the image stays"
                    " reserved. Turn it back, or download it again, and draw them anew"
                )
                reviews.open.append(name)
            elif AVERAGE in {_class(box, batch.tags) for box in frame.boxes}:
                reviews.faults.append(
                    f"{path}: {name}: a box is tagged {AVERAGE}, meaning all classes together; the"
                    " image stays reserved. Give the box another tag, then upload again"
                )
                reviews.open.append(name)
            else:
                reviews.notes.extend(f"{path}: {name}: {note}" for note in frame.notes)
                boxes = _exact(frame.boxes, item)
                if NULL in {_class(box, batch.tags) for box in boxes}:
                    reviews.notes.append(
                        f"{path}: {name}: a box is tagged {NULL}, which means nothing is there; it"
                        " was left out"
                    )
                parts.append(_rows(item, boxes, batch.tags))
    reviews.rows = tables.concat("tagged", *parts)
    return reviews


def handed_out_rows(batch: Batch) -> pd.DataFrame:
    """The rows that labelled images had when they were handed out to be looked at again; columns of
    tagged.
    """
    return tables.concat(
        "tagged", *(_rows(item, item.boxes, batch.tags) for item in batch.images.values())
    )


def note_sent(items: Sequence[Item], rows: pd.DataFrame) -> None:
    """Add the boxes that these rows (columns of tagged) have for each of the images to the versions
    of it that were sent.
    """
    columns = rows[["class", "xmin", "xmax", "ymin", "ymax"]]
    versions: dict[str, list[Box]] = {}
    for blob, *box in zip(
        tables.blob_names(rows), *(columns[name] for name in columns), strict=True
    ):
        versions.setdefault(blob, []).append(Box(*box))
    for item in items:
        version = [box for box in versions[item.blob] if box.tag != NULL]
        if version not in item.sent:
            item.sent.append(version)


def sent_rows(items: Sequence[Item]) -> Iterator[pd.DataFrame]:
    """The versions that were sent, as rows of tagged: in each table at most one version of each
    image.
    """
    for number in range(max((len(item.sent) for item in items), default=0)):
        yield tables.concat(
            "tagged",
            *(
                _rows(item, item.sent[number], {box.tag: box.tag for box in item.sent[number]})
                for item in items
                if number < len(item.sent)
            ),
        )


def unsent(batch: Batch, held: Iterable[str]) -> list[str]:
    """Images of the batch (as on disk) that are still reserved (`held`: blob names) or reviewed
    otherwise than they were uploaded, and strays.

    Raises InputError when a VoTT file cannot be read, because nobody knows then.
    """
    reviews, held = read_reviews(batch), set(held)
    if reviews.unreadable:
        raise InputError(f"{reviews.faults[0]}; repair it, or remove it if nothing in it is wanted")
    digests = row_digests(reviews.rows)
    waiting = [
        local
        for local, item in batch.images.items()
        if item.blob in held or digests.get(item.blob, item.uploaded) != item.uploaded
    ]
    return list(dict.fromkeys([*waiting, *reviews.strays]))


def legacy_batch(
    place: Path, tagger: str, tagging: pd.DataFrame, tagged: pd.DataFrame, images: pd.DataFrame
) -> tuple[Batch | None, list[str]]:
    """A batch of the earlier generation, which has no batch.json, and a line for each image in it
    that cannot be told.

    Its VoTT files name images by file name only: each must be the only one of that name in tagging
    (or tagged), if need be in a folder whose last part is the VoTT file's name. Where these tables
    have no size of an image, `images` says it. None when there is no VoTT file.
    """
    batch, faults = Batch(place, tagger, "", 0, fetched=True), []
    paths = sorted(path for path in place.glob("*.json") if path.is_file())
    candidates = [_by_filename(frame) for frame in (tagging, tagged)]
    sizes = {
        blob: size
        for blob, *size in zip(
            tables.blob_names(images), images["width"], images["height"], strict=True
        )
    }
    for path in paths:
        listing = _listed_now(place / path.stem)
        try:
            project = read_project(path.read_bytes(), listing)
        except BadVott as error:
            faults.append(f"{path}: {error}; its images stay reserved")
            continue
        for name in sorted(set(project.frames) | project.visited & set(listing)):
            named = [found.get(folded(name), {}) for found in candidates]
            item = next(filter(None, (_only(items, path.stem) for items in named)), None)
            if item is None:
                faults.append(
                    f"{path}: {name}: {'several images' if any(named) else 'no image'} of that name"
                    " handed out; left out"
                )
            else:
                if not (item.width and item.height):
                    item.width, item.height = sizes.get(item.blob, (0, 0))
                batch.images[f"{path.stem}/{name}"] = item
    return (batch if paths else None), faults


def _listed_now(folder: Path) -> list[str]:
    """The images that VoTT shows of a folder, as it is now."""
    return [file.name for file in folder.glob("*") if file.suffix.lower() in LISTED]


def _matched(project: Project, items: dict[str, Item]) -> Project:
    """The project with names spelt as in the batch: file systems change case and accents."""
    spelt = {folded(name): name for name in items}
    frames: dict[str, Frame] = {}
    for key, frame in project.frames.items():
        name = spelt.get(folded(key), key)
        if frames.get(name, frame) != frame:
            frame = Frame(fault="it has two keys, with different boxes")
        frames[name] = frame
    return Project(frames, frozenset(spelt.get(folded(name), name) for name in project.visited))


def _drawn(item: Item) -> tuple[Box, ...] | None:
    """The boxes that the image came with in VoTT."""
    return None if item.boxes is None else drawable(item.boxes, item.width, item.height)


def _exact(boxes: Sequence[Box], item: Item) -> Sequence[Box]:
    """The boxes with the coordinates they were handed out with where nobody moved them; all that
    was handed out, if nothing was changed.
    """
    drawn = _drawn(item)
    if drawn is None:
        return boxes
    return (
        item.boxes
        if same_boxes(boxes, drawn, item.width, item.height)
        else unmoved(boxes, drawn, item.width, item.height)
    )


def _class(box: Box, tags: Mapping[str, str]) -> str:
    return tags.get(box.tag) or " ".join(box.tag.split())


def _rows(item: Item, boxes: Sequence[Box], tags: Mapping[str, str]) -> pd.DataFrame:
    """The rows of an image in tagged; a NULL row without boxes."""
    boxed = [(name, *box.sides) for box in boxes if (name := _class(box, tags)) != NULL]
    folder, filename = split_name(item.blob)
    labels, xmin, xmax, ymin, ymax = zip(*(boxed or [(NULL, 0.0, 0.0, 0.0, 0.0)]), strict=True)
    size = {"height": [item.height] * len(labels), "width": [item.width] * len(labels)}
    return tables.make(
        "tagged",
        filename=[filename] * len(labels),
        class_=labels,
        xmin=xmin,
        xmax=xmax,
        ymin=ymin,
        ymax=ymax,
        folder=[folder] * len(labels),
        **size,
    )


def _by_filename(frame: pd.DataFrame) -> dict[str, dict[str, Item]]:
    """{file name as compared: {blob name: Item}}"""
    found: dict[str, dict[str, Item]] = {}
    first = frame.drop_duplicates(["folder", "filename"])
    for blob, filename, width, height in zip(
        tables.blob_names(first), first["filename"], first["width"], first["height"], strict=True
    ):
        found.setdefault(folded(filename), {})[blob] = Item(blob, None, width=width, height=height)
    return found


def _only(items: dict[str, Item], folder: str) -> Item | None:
    """The one image, or the one in a folder of that last name."""
    if len(items) > 1:
        items = {
            blob: item
            for blob, item in items.items()
            if split_name(blob)[0].rpartition("/")[2] == folder
        }
    return next(iter(items.values())) if len(items) == 1 else None

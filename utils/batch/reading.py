"""What annotation tools have saved of a batch: which images were reviewed, and their boxes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from utils.batch.batch import Batch, Item
from utils.batch.rows import class_of, rows_of
from utils.errors import InputError
from utils.files import folded
from utils.formats.answers import find_files, read_answers
from utils.formats.page import UNUSABLE
from utils.formats.sheets import Box, Review, same_boxes, unmoved
from utils.formats.vott import LISTED, drawable
from utils.labels import tables
from utils.labels.assignments import row_digests
from utils.names import short, why_no_class
from utils.reserved import AVERAGE, NULL
from utils.wording import few


@dataclass
class Reviews:
    """`rows`: columns of tagged, all rows of every reviewed image. Images are named as on the
    annotator's disk in everything else.

    `open`: not reviewed; `unmarked`: those of them that only lack a mark. `faults`: images and
    files that could not be used, `notes`: boxes that were left out; one line each. `strays`: what
    has boxes, or something unreadable, that no upload
    takes ("folder/name"). `outdated`: blob names of images that are other pictures now than when
    they were handed out. `thrown_away`: photos that were deleted while tagging and bear no boxes of
    the annotator's, and `unusable`: those that the annotator says are: not usable, which is not
    empty. `given_back`: what the annotator leaves to somebody else. `seconds`: how long a person
    worked on each image, by blob name, where the tool says so.
    """

    rows: pd.DataFrame = field(default_factory=lambda: tables.empty("tagged"))
    open: list[str] = field(default_factory=list)
    unmarked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    outdated: set[str] = field(default_factory=set)
    thrown_away: list[Item] = field(default_factory=list)
    unusable: list[Item] = field(default_factory=list)
    given_back: list[Item] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def let_go(self) -> set[str]:
        """The blob names of what the annotator neither has reviewed nor keeps."""
        items = [*self.thrown_away, *self.unusable, *self.given_back]
        return {item.blob for item in items}


def read_reviews(batch: Batch, everything: bool = False, named: Sequence[Path] = ()) -> Reviews:
    """Read what annotation tools have saved of a batch. `everything`: every image counts as
    reviewed, also those on which the tool left no mark. `named`: files that lie elsewhere.
    """
    handed_out = batch.handed_out
    known = batch.files | batch.leftovers
    files = find_files(handed_out, batch.tool, known, named)
    answers = read_answers(handed_out, batch.tool, files, named)
    reviews = Reviews(
        faults=answers.faults,
        notes=answers.notes,
        unreadable=answers.unreadable,
        strays=answers.strays,
    )
    parts = []
    unreviewed: dict[str, list[str]] = {}
    here = {
        folder: {folded(name) for name in listed_now(batch.place / folder)}
        for folder in batch.folders
    }
    for local, item in batch.images.items():
        folder, _, name = local.rpartition("/")
        path, review = answers.reviews.get(local, (batch.place, Review()))
        if review.fault:
            reviews.strays.append(local)
        elif review.then:
            _let_go(reviews, item, review.then)
            continue
        elif not (review.reviewed or everything and local in answers.reviews and not review.why):
            if review.why:
                unreviewed.setdefault(review.why, []).append(name)
            elif local in answers.reviews:
                reviews.unmarked.append(name)
            reviews.open.append(name)
            continue
        deleted = folded(name) not in here[folder] and _bears_nothing_new(review, item, batch)
        if deleted and here[folder] & {folded(other) for other in batch.inside(folder)}:
            reviews.thrown_away.append(item)
            reviews.notes.append(
                f"{path}: {name}: the photo was deleted while tagging: it is not usable, which is"
                " not empty, and is not handed out again"
            )
            continue
        fault = _fault(review, item, batch)
        if deleted and not fault:
            fault = (
                "the photos of this folder are gone, so it is not taken for empty; the image stays"
                " reserved (--again at download restores it)"
            )
        if fault:
            reviews.faults.append(f"{path}: {name}: {fault}")
            reviews.open.append(name)
            continue

        boxes = _exact(review.boxes, item)
        notes = list(review.notes)
        if NULL in {class_of(box, batch.tags) for box in boxes}:
            notes.append(f"a box is tagged {NULL}, which means nothing is there; it was left out")
        reviews.notes += [f"{path}: {name}: {note}" for note in notes]
        if review.seconds is not None:
            reviews.seconds[item.blob] = review.seconds
        parts.append(rows_of(item, boxes, batch.tags))
    reviews.faults += [
        f"{few(names)}: {why}; not counted as reviewed" for why, names in unreviewed.items()
    ]
    reviews.rows = tables.concat("tagged", *parts)
    return reviews


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


def labelled_here(batch: Batch) -> set[str]:
    """Images (blob names) that were reviewed on this disk otherwise than they were uploaded. Raises
    InputError as `unsent`.
    """
    return {batch.images[local].blob for local in unsent(batch, ()) if local in batch.images}


def _fault(frame: Review, item: Item, batch: Batch) -> str:
    """Why what the file says of an image cannot be taken; "" when it can."""
    if frame.fault:
        return f"{frame.fault}; the image stays reserved"
    if not (item.width and item.height):
        return (
            "its size is known nowhere; the image stays reserved. Run"
            " train/active_learning_initialize.sh CONFIG on the training machine, then upload again"
        )
    if item.etag and not frame.fits(item.width, item.height):
        return (
            "its boxes were drawn in a picture of another shape than the"
            f" {item.width} x {item.height} pixels that were handed out; the image stays reserved."
            " Turn it back, or download it again, and draw them anew"
        )
    if AVERAGE in {class_of(box, batch.tags) for box in frame.boxes}:
        return (
            f"a box is tagged {AVERAGE}, meaning all classes together; the image stays reserved."
            " Give the box another tag, then upload again"
        )
    for tag in dict.fromkeys(box.tag for box in frame.boxes):
        if tag not in batch.tags and (why := why_no_class(tag)):
            return (
                f"a box is tagged {short(tag)}: {why}; the image stays reserved. Give the box"
                " another tag, then upload again"
            )
    return ""


def _let_go(reviews: Reviews, item: Item, then: str) -> None:
    """Note an image that the annotator does not keep; what was uploaded before stands."""
    if not item.uploaded:
        (reviews.unusable if then == UNUSABLE else reviews.given_back).append(item)


def _bears_nothing_new(frame: Review, item: Item, batch: Batch) -> bool:
    """Is there no box that the annotator has drawn, in an image that was fetched whole and never
    uploaded?
    """
    if batch.review or item.uploaded or not item.etag or frame.fault:
        return False
    drawn = _drawn(item)
    return not frame.boxes or (
        drawn is not None and same_boxes(frame.boxes, drawn, item.width, item.height)
    )


def listed_now(folder: Path) -> list[str]:
    """The images that VoTT shows of a folder, as it is now."""
    return [file.name for file in folder.glob("*") if file.suffix.lower() in LISTED]


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
    if same_boxes(boxes, drawn, item.width, item.height):
        return item.boxes
    return unmoved(boxes, drawn, item.width, item.height)

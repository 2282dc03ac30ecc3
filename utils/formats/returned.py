"""Files that came back from an annotator, before anybody knows which tool wrote them."""

import io
import json
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree

from utils.formats.sheets import Review, same_boxes

SUFFIXES = (".json", ".xml", ".zip", ".txt")  # of files that annotation tools write
_FINE = 1000  # boxes are the same that differ by less than a twentieth of a thousandth of the image
_LARGEST = 1_000_000_000  # bytes of a file in a zip


class BadFile(ValueError):
    """Nothing in the file can be used; the message says what is wrong with it."""


class Doubled(dict):
    """An object of a JSON file in which a key stands twice; `pairs`: all that stands in it."""

    def __init__(self, pairs: list[tuple[str, object]]):
        super().__init__(pairs)
        self.pairs = pairs


def read_json(data: bytes) -> tuple[object, list[str]]:
    """A JSON file, and the keys that stand twice in one of its objects; such an object is Doubled.
    Raises ValueError or RecursionError for anything else.
    """
    twice: list[str] = []

    def members(pairs: list[tuple[str, object]]) -> dict:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        twice.extend(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        return Doubled(pairs)

    return json.loads(data.decode("utf-8-sig"), object_pairs_hook=members), twice


@dataclass(frozen=True)
class File:
    """A file that may be a person's work. path: for messages; `folder`: the image folder of the
    batch that it lies in, or is named after; "" for any other. beside: the image names that lie in
    that folder now; None: not known.
    """

    path: Path
    data: bytes
    folder: str = ""
    beside: tuple[str, ...] | None = None

    @cached_property
    def _read(self) -> tuple[object, list[str]]:
        try:
            return read_json(self.data)
        except (ValueError, RecursionError):
            return None, []

    @property
    def json(self) -> object:
        """The file as JSON; None when it is none."""
        return self._read[0]

    def refuse_doubled(self) -> None:
        """Raises BadFile when a key stands twice in one object of the file."""
        if twice := self._read[1]:
            raise BadFile(f"{twice[0]!r} stands there twice in one place, and one would be lost")

    @cached_property
    def xml(self) -> ElementTree.Element | None:
        """The root of the file as XML; None when it is none."""
        if not self.data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            return None
        try:
            return ElementTree.fromstring(self.data)
        except (ElementTree.ParseError, ValueError, LookupError):
            return None


@dataclass
class Reading:
    """What one file says. reviews: by image of the batch. strangers: names in it that are no images
    of this batch, of which some are `drawn`: they have boxes, or something unreadable. others: how
    many images of other batches it has, which it says itself.
    """

    reviews: dict[str, Review] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)
    drawn: set[str] = field(default_factory=set)
    others: int = 0

    def add(self, key: str, review: Review) -> None:
        """Take in what the file says of an image, perhaps not for the first time."""
        before = self.reviews.get(key)
        self.reviews[key] = review if before is None else merged(before, review)


def merged(one: Review, other: Review) -> Review:
    """What two statements on one image say together: a decision stands above none, the later one
    above the earlier one; two that differ, and do not say when they were made, are a fault.
    """
    for review in (one, other):
        if review.fault:
            return review
    if one.reviewed and other.reviewed:
        if same_boxes(one.boxes, other.boxes, _FINE, _FINE):
            return max(one, other, key=lambda review: review.at)
        if one.at and other.at and one.at != other.at:
            return max(one, other, key=lambda review: review.at)
        return Review(fault="it was reviewed twice, with different boxes")
    return max(one, other, key=lambda review: (review.reviewed, bool(review.why)))


def _may_be_labels(entry: zipfile.ZipInfo) -> bool:
    return entry.filename.lower().endswith((".json", ".xml")) and entry.file_size <= _LARGEST


def unpacked(files: Iterable[File]) -> Iterator[File]:
    """The files, a zip as the JSON and XML files in it. Raises BadFile for a damaged zip."""
    for file in files:
        if not zipfile.is_zipfile(io.BytesIO(file.data)):
            yield file
            continue
        try:
            with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
                entries = [entry for entry in archive.infolist() if _may_be_labels(entry)]
                for entry in entries:
                    yield File(file.path / entry.filename, archive.read(entry), file.folder)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as bad:
            raise BadFile(f"a damaged zip ({' '.join(str(bad).split())[:120]})") from None
        if not entries:
            raise BadFile("a zip without any JSON or XML in it")

"""All that came back of a batch, whichever tools wrote it: the files are found, each is read by the
tool that knows it, and what they say of one image is put together.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from utils.formats import listed
from utils.formats.returned import BadFile, File, merged, unpacked
from utils.formats.sheets import HandedOut, Review
from utils.formats.tools import READERS, TOOLS, Reader

_AT_TOP = (".json", ".xml", ".zip")
_BESIDE_IMAGES = (".json", ".xml", ".txt")
_PICTURES = (".jpg", ".jpeg", ".png", ".gif")
_SHOWN = 10  # names of a file


@dataclass
class Answers:
    """What came back. reviews: of each image of which a file says something, with that file.

    faults: files and images that cannot be used, a line each; unreadable: those of them in which
    the answers should be. notes: what else a person should know of files. strays: "folder/name" of
    what has boxes and is no image of the batch.
    """

    reviews: dict[str, tuple[Path, Review]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)


def find_files(
    batch: HandedOut, tool: str, known: Mapping[str, str], named: Sequence[Path] = ()
) -> list[File]:
    """The files that may be a person's work: where the tool leaves its answers, any other of their
    kinds in the place of the batch and beside its images, and those that the person has `named`.

    known: {path below the place: SHA-256} of files that are no answer as long as they are
    unchanged: what the tool was given, and what lay there before the batch.
    """
    expected = TOOLS[tool].answers(batch)
    paths = [batch.place / name for name in expected]
    paths += sorted(path for path in batch.place.glob("*") if path.suffix.lower() in _AT_TOP)
    for folder in batch.folders:
        inside = sorted((batch.place / folder).glob("*"))
        paths += [path for path in inside if path.suffix.lower() in _BESIDE_IMAGES]
    found = []
    for path in dict.fromkeys([*paths, *named]):
        below = path.relative_to(batch.place).as_posix() if path not in named else ""
        if path.name.startswith(".") or below == "batch.json" or not path.is_file():
            continue
        data = path.read_bytes()
        if below in expected or known.get(below) != hashlib.sha256(data).hexdigest():
            found.append(_file(path, data, batch))
    return found


def leftovers(place: Path, known: Mapping[str, str]) -> dict[str, str]:
    """{name: SHA-256} of files in a place that an annotation tool may have written for an earlier
    batch, without those `known`.
    """
    found = {}
    for path in place.glob("*"):
        ours = path.name in known or path.name == "batch.json" or path.name.startswith(".")
        if path.suffix.lower() in _AT_TOP and path.is_file() and not ours:
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def read_answers(
    batch: HandedOut, tool: str, files: Iterable[File], named: Sequence[Path] = ()
) -> Answers:
    """What these files say. `named`: those that the person has named for this batch, whatever batch
    they say they are of.
    """
    answers = Answers()
    expected = TOOLS[tool].answers(batch)
    there = set()
    unanswered: dict[str, list[str]] = {}
    for file in files:
        there.add(file.path)
        below = _below(file.path, batch.place)
        mine = batch if file.path not in named else replace(batch, number="")
        try:
            for piece in unpacked([file]):
                reader = _reader(piece) or (TOOLS[tool] if below in expected else None)
                _take(answers, piece, reader, mine, asked=file.path in named)
        except BadFile as error:
            concerned = expected.get(below, [])
            if below in expected:
                answers.unreadable.append(file.path)
            answers.faults.append(f"{file.path}: {error}{_stay(len(concerned))}")
    for below, images in expected.items():
        if batch.place / below not in there and not answers.reviews.keys() >= set(images):
            unanswered[below] = images
    if unanswered:
        answers.faults.append(_gone(batch.place, unanswered))
    if not expected and not answers.reviews:
        answers.faults.append(
            f"{batch.place}: nothing has come back from {tool} yet; {TOOLS[tool].AWAITED}"
        )
    return answers


def _take(
    answers: Answers, file: File, reader: Reader | None, batch: HandedOut, asked: bool
) -> None:
    """Take in what one file says. Raises BadFile."""
    if reader is None:
        kind = listed.kind(file, batch)
        if kind:
            raise BadFile(listed.NO_REVIEW.format(kind=kind))
        if asked:
            raise BadFile(f"no tool is known here that writes such a file; known are {_known()}")
        if _is_broken(file):
            answers.notes.append(f"{file.path}: cut short or damaged; left out")
        return
    if reader is not TOOLS["vott"]:  # it tells which image that concerns
        file.refuse_doubled()
    reading = reader.read(file, batch)
    if reading.others:
        answers.notes.append(f"{file.path}: {reading.others} images of other batches; left out")
    for name in reading.strangers[:_SHOWN]:
        answers.faults.append(f"{file.path}: {name} is not an image of this batch; left out")
    if len(reading.strangers) > _SHOWN:
        more = len(reading.strangers) - _SHOWN
        answers.faults.append(f"{file.path}: and {more} more that are not of this batch; left out")
    answers.strays += [
        f"{file.folder}/{name}" if file.folder else name for name in sorted(reading.drawn)
    ]
    for key, review in reading.reviews.items():
        path, before = answers.reviews.get(key, (file.path, review))
        together = review if before is review else merged(before, review)
        if together.fault and not (before.fault or review.fault):
            together = replace(together, fault=f"{together.fault} (also in {path.name})")
        answers.reviews[key] = (path if together is before else file.path, together)


def _reader(file: File) -> Reader | None:
    """The tool that wrote the file; None when it is none that is known."""
    return next((reader for reader in READERS if reader.recognises(file)), None)


def _is_broken(file: File) -> bool:
    suffix = file.path.suffix.lower()
    return (suffix == ".json" and file.json is None) or (suffix == ".xml" and file.xml is None)


def _known() -> str:
    return f"{', '.join(TOOLS)} and verified Pascal VOC files"


def _file(path: Path, data: bytes, batch: HandedOut) -> File:
    """A file with the image folder that it belongs to."""
    below = _below(path, batch.place)
    folder = below.rpartition("/")[0] if "/" in below else path.stem
    if folder not in batch.folders:
        return File(path, data)
    pictures = (batch.place / folder).glob("*")
    beside = tuple(file.name for file in pictures if file.suffix.lower() in _PICTURES)
    return File(path, data, folder, beside)


def _below(path: Path, place: Path) -> str:
    return path.relative_to(place).as_posix() if path.is_relative_to(place) else path.name


def _stay(images: int) -> str:
    if not images:
        return ""
    return f"; its {images} images stay reserved" if images > 1 else "; its image stays reserved"


def _gone(place: Path, unanswered: Mapping[str, list[str]]) -> str:
    """A line on files of the tool that are no longer there."""
    first = place / next(iter(unanswered))
    images = sum(map(len, unanswered.values()))
    if len(unanswered) == 1:
        return (
            f"{first}: the file is gone (--again at download restores it); its {images} images stay"
            " reserved"
        )
    return (
        f"{first} and {len(unanswered) - 1} more files are gone (--again at download restores"
        f" them); their {images} images stay reserved"
    )

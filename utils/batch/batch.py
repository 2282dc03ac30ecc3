"""A batch of images on the annotator's disk: `tagging_location/` with `batch.json` and, per VoTT
folder, `<folder>/` and `<folder>.json`.

batch.json is our marker and the way back from local names to images. It is written before the
images are reserved, so that a run which died at any moment can go on from it. A folder without it
is not ours, and nothing in it is ever removed.
"""

import hashlib
import json
import os
import re
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from utils.batch.document import FORMAT, not_a_batch, read_document
from utils.batch.local_names import LONGEST, SHORTEST_LIMIT, folder_names, local_names
from utils.errors import InputError
from utils.files import is_link, local_path, sha256_of, write_text
from utils.formats.sheets import Box, HandedOut, Sheet
from utils.formats.tools import TOOLS
from utils.formats.vott import drawable
from utils.json_shape import read_regular
from utils.labels.tables import split_name

MARKER = "batch.json"
TOP = "Images"  # the VoTT folder
# characters; what VoTT and most programs on Windows can open
LONGEST_PATH = 259 if os.name == "nt" else None
PIECE = re.compile(r"\.[0-9a-f]{16}\.part")  # what files.write_beside has not finished


@dataclass
class Item:
    """An image of the batch. `boxes`: those handed out (of labelled images all, also those that
    VoTT cannot show), None when not known. ETag, bytes and pixels (of the file as handed out), and
    the MD5 of what was fetched, are known once it is; `sha256`: of the file, "" in batches of
    earlier versions. `uploaded`: the digest of the version that arrived last; `sent`: that version,
    and those whose upload was begun since (boxes with the class as tag). `why`: the person is
    told why this image is shown, "" for nothing.
    """

    blob: str
    boxes: list[Box] | None
    etag: str = ""
    md5: str = ""
    size: int = 0
    width: int = 0
    height: int = 0
    sha256: str = ""
    sent: list[list[Box]] = field(default_factory=list)
    uploaded: str = ""
    why: str = ""


@dataclass
class Sending:
    """An upload that was begun: the `commit` that makes it part of the labels, and the digest of
    each image in it, by blob name.
    """

    commit: str
    digests: dict[str, str]


@dataclass
class Batch:
    """`images`: {"Images/local name": Item}. `tags`: {tag in VoTT: class}. `wanted`: how many
    images were asked for.

    `fetched`: all images and VoTT files are in place. `commit`: the state in which they are
    reserved, "" before. `review`: how labelled images were chosen that are looked at again (as in
    review_queue), "" for a batch of images to tag. `class_changes`: how many changes of classes had
    been recorded by then. `of_project`: State.project of the labels that it is reserved in, "" when
    not known. `discarded`: its images were given back, and what was drawn is not wanted.
    `tool`: the annotation tool it was made for; `files`: what that tool was given, {path: SHA-256};
    `leftovers`: files of annotation tools that lay there before, likewise. `sending`: an upload of
    which nobody knows yet whether it arrived.
    """

    place: Path
    tagger: str
    reserved_at: str
    wanted: int
    by_folder: bool = False
    commit: str = ""
    fetched: bool = False
    review: str = ""
    class_changes: int = 0
    of_project: str = ""
    discarded: bool = False
    tool: str = "vott"
    files: dict[str, str] = field(default_factory=dict)
    leftovers: dict[str, str] = field(default_factory=dict)
    sending: Sending | None = None
    tags: dict[str, str] = field(default_factory=dict)
    images: dict[str, Item] = field(default_factory=dict)

    @property
    def handed_out(self) -> HandedOut:
        """The batch as annotation tools see it."""
        sheets = {}
        for local, item in self.images.items():
            boxes = item.boxes
            if boxes is not None:
                boxes = drawable(boxes, item.width, item.height)
            sheets[local] = Sheet(local.rpartition("/")[2], item.width, item.height, boxes)
        return HandedOut(self.place, sheets, tuple(self.tags), self.number)

    @property
    def number(self) -> str:
        """A text that no other batch has."""
        text = f"{self.of_project}|{self.tagger}|{self.reserved_at}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def blobs(self) -> set[str]:
        return {item.blob for item in self.images.values()}

    @property
    def digests(self) -> dict[str, str]:
        """{blob name: MD5 of what was fetched, "" where not known}"""
        return {item.blob: item.md5 for item in self.images.values()}

    @property
    def folders(self) -> list[str]:
        """The VoTT folders, in order."""
        return list(dict.fromkeys(local.rpartition("/")[0] for local in self.images))

    def check_project(self, project: str, labels: str) -> None:
        """Raises InputError when this batch is of another project than the one whose labels lie
        there.
        """
        if self.of_project and project and self.of_project != project:
            raise InputError(
                f"{self.place}: the batch there is of another project than {labels}; use the CONFIG"
                " that it was downloaded with"
            )

    def inside(self, folder: str) -> dict[str, Item]:
        """{file name: Item} of one VoTT folder."""
        return {
            local.rpartition("/")[2]: item
            for local, item in self.images.items()
            if local.rpartition("/")[0] == folder
        }

    def path(self, local: str) -> Path:
        return local_path(self.place, local)

    def whole(self, local: str) -> bool:
        """Is the image on this disk, all of it? A power failure may leave a file of the right name
        that is cut short.
        """
        try:
            return self.path(local).stat().st_size >= self.images[local].size
        except OSError:
            return False

    def ours(self, local: str) -> bool:
        """Is the file there the one that this program wrote, and nobody has changed since? Behind a
        link to another folder none is.
        """
        path, item = self.path(local), self.images[local]
        if is_link(path) or is_link(path.parent) or not path.is_file():
            return False
        if not item.etag:  # nothing lay there when the name was given; it was not noted yet
            return True
        if item.sha256:
            return sha256_of(path) == item.sha256
        return path.stat().st_size == item.size

    def project(self, folder: str) -> Path:
        """The VoTT file of a folder."""
        return self.place / f"{folder}.json"

    def add(self, boxes: dict[str, list[Box]], going: Container[str] = ()) -> None:
        """Give these images (blob names, with the boxes to show) their local names and take them
        in. No name is that of a file that lies there, but for those that are `going` (local names
        of the batch before).
        """
        known = {
            split_name(item.blob)[0]: local.rpartition("/")[0]
            for local, item in self.images.items()
        }
        if self.by_folder:
            new = sorted({split_name(blob)[0] for blob in boxes} - set(known))
            known |= folder_names(
                new,
                TOP,
                taken=[*known.values(), Path(MARKER).stem],
                longest=self._longest_name(inside_too=True),
            )
        places: dict[str, list[str]] = {}
        for blob in sorted(boxes):
            places.setdefault(known[split_name(blob)[0]] if self.by_folder else TOP, []).append(
                blob
            )
        for place, blobs in places.items():
            names = local_names(
                blobs,
                taken=[*self.inside(place), *self._lying_in(place, going)],
                with_folder=not self.by_folder,
                longest=self._longest_name(place),
                unique_stems=TOOLS[self.tool].UNIQUE_STEMS,
            )
            self.images.update(
                {f"{place}/{name}": Item(blob, list(boxes[blob])) for blob, name in names.items()}
            )

    def _longest_name(self, folder: str = "", inside_too: bool = False) -> int:
        """How many characters a name in this folder of the batch may have; `inside_too`: when as
        many are for the names in it.

        Raises InputError when Windows leaves too few.
        """
        if LONGEST_PATH is None:
            return LONGEST
        room = LONGEST_PATH - len(str(self.place.absolute() / folder)) - 1
        room = min(LONGEST, room // 2 - 1 if inside_too else room)
        if room < SHORTEST_LIMIT:
            raise InputError(
                f"tagging_location={self.place}: so long a path leaves no room for image names, as"
                f" Windows allows {LONGEST_PATH} characters in all; name a shorter one"
            )
        return room

    def _lying_in(self, folder: str, going: Container[str]) -> list[str]:
        with suppress(FileNotFoundError, NotADirectoryError):
            names = [entry.name for entry in (self.place / folder).iterdir()]
            return [name for name in names if f"{folder}/{name}" not in going]
        return []

    def rename(self, names: Mapping[str, str]) -> None:
        """Let images that have another name in the container now ({before: now}) have it here."""
        for item in self.images.values():
            item.blob = names.get(item.blob, item.blob)
        if self.sending:
            digests = self.sending.digests.items()
            self.sending.digests = {names.get(blob, blob): digest for blob, digest in digests}

    def drop(self, blobs: Iterable[str]) -> None:
        """Take these images out, and our files of them off the disk."""
        blobs = set(blobs)
        for local in [local for local, item in self.images.items() if item.blob in blobs]:
            if self.ours(local):
                self.path(local).unlink()
            del self.images[local]

    def write(self) -> None:
        """Write batch.json."""
        members = {
            name: value for name, value in vars(self).items() if name not in ("place", "images")
        }
        members["sending"] = self.sending and vars(self.sending)
        images = {}
        for local, item in self.images.items():
            folder, filename = split_name(item.blob)
            others = {name: value for name, value in vars(item).items() if name != "blob"}
            images[local] = {"folder": folder, "filename": filename, **others}
        write_text(
            self.place / MARKER,
            json.dumps(
                {"format": FORMAT, **members, "images": images}, ensure_ascii=False, indent=1
            ),
        )

    def sweep(self) -> None:
        """Remove the unfinished pieces of files that a killed run left behind."""
        for folder in (self.place, *(self.place / name for name in self.folders)):
            for piece in folder.glob(".*.part"):
                if PIECE.fullmatch(piece.name):
                    piece.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove the files of this batch, and nothing else; batch.json goes last."""
        self.sweep()
        folders = self.folders
        for name in self.files or [f"{folder}.json" for folder in folders]:
            self.path(name).unlink(missing_ok=True)
        for local in self.images:
            if self.ours(local):
                self.path(local).unlink()
        for folder in folders:
            try:
                (self.place / folder).rmdir()
            except OSError:
                pass  # somebody's own files are in it, or it is gone
        (self.place / MARKER).unlink(missing_ok=True)


def read_batch(place: Path) -> Batch | None:
    """The batch in a folder; None where there is no batch.json. Raises InputError when it is
    damaged or of a newer format.
    """
    path = place / MARKER
    try:
        data = read_regular(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InputError(not_a_batch(path, error)) from None
    return batch_of(data, place)


def batch_of(data: bytes, place: Path) -> Batch:
    """The batch that these bytes of a batch.json describe. Raises InputError as `read_batch`."""
    path = place / MARKER
    document = read_document(data, path)
    del document["format"]
    try:
        images = {local: _item(member) for local, member in document.pop("images").items()}
        if sending := document.pop("sending", None):
            sending = Sending(**sending)
        batch = Batch(place, images=images, sending=sending, **document)
        if len(batch.blobs) < len(images):
            raise ValueError("two images in it are the same")
        return batch
    except (TypeError, ValueError) as error:  # members that this version does not know
        raise InputError(not_a_batch(path, error)) from None


def _item(member: dict) -> Item:
    folder, filename = member.pop("folder"), member.pop("filename")
    boxes, sent = member.pop("boxes"), member.pop("sent")
    return Item(
        f"{folder}/{filename}" if folder else filename,
        boxes if boxes is None else [Box(*box) for box in boxes],
        sent=[[Box(*box) for box in version] for version in sent],
        **member,
    )

"""Names for image files on the annotator's disk: safe on every file system and in VoTT, unique, and
still readable.

`survey 3/site B/IMG_0001.JPG` becomes `survey 3__site B__IMG_0001.JPG`. The way back is never
guessed from the name: batch.json maps it.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from utils.files import folded
from utils.labels.tables import split_name

LONGEST = 100  # characters
SHORTEST_LIMIT = 32  # below this, names could not be told apart
_LONGEST_BYTES = 200  # of UTF-8; Linux and macOS allow 255
# besides letters and digits; VoTT fails silently on # ? %, Windows refuses : * " < > | and others
_KEPT = " ._-()[]"
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin|conout)\W*", re.IGNORECASE)
# these stay as they are; a TIFF becomes .jpg, everything else .png
_HANDED_OUT = {
    ".jpg",
    ".jpeg",
    ".png",
}
_TIFF = {".tif", ".tiff"}


def local_names(
    blobs: Iterable[str],
    *,
    taken: Iterable[str] = (),
    with_folder: bool = True,
    longest: int = LONGEST,
    unique_stems: bool = False,
) -> dict[str, str]:
    """{blob name: file name} for images handed out together; no two are equal when case and the
    encoding of accents are ignored.

    `taken`: names that are already in use in the same folder. `with_folder=False` leaves the
    image's folder out of its name. `longest`: characters, SHORTEST_LIMIT or more. `unique_stems`:
    no two are equal without their endings either.
    """

    def compared(name: str) -> str:
        return folded(PurePosixPath(name).stem if unique_stems else name)

    used = {compared(name) for name in taken}
    names = {}
    for blob in blobs:
        path = PurePosixPath((blob if with_folder else split_name(blob)[1]).replace("/", "__"))
        keep = path.suffix.lower() in _HANDED_OUT
        stem, suffix = (
            (path.stem, path.suffix)
            if keep
            else (path.name, ".jpg" if path.suffix.lower() in _TIFF else ".png")
        )
        name = _safe(stem, suffix, longest)
        number = 2
        while compared(name) in used:
            name = _safe(stem, f"_{number}{suffix}", longest)
            number += 1
        used.add(compared(name))
        names[blob] = name
    return names


def folder_names(
    folders: Iterable[str], top: str, *, taken: Iterable[str] = (), longest: int = LONGEST
) -> dict[str, str]:
    """{image folder: name of one local folder} likewise; `top` is the name for images that lie in
    no folder.
    """
    used = {folded(name) for name in taken}
    names = {}
    for folder in folders:
        name = plain = _safe(folder.replace("/", "__"), "", longest) if folder else top
        number = 2
        while folded(name) in used:
            name = _safe(plain, f"_{number}", longest)
            number += 1
        used.add(folded(name))
        names[folder] = name
    return names


def _safe(stem: str, ending: str, longest: int) -> str:
    """stem + ending as a file name; what is too long is shortened, with 8 digits of its hash so
    that it stays recognisable.
    """
    text = unicodedata.normalize("NFC", stem)
    text = (
        "".join(char if char.isalnum() or char in _KEPT else "_" for char in text).strip(" .")
        or "_"
    )
    if _RESERVED.fullmatch(text.split(".")[0]):
        text = f"_{text}"
    if not _fits(text + ending, longest):
        ending = f"-{hashlib.sha256(stem.encode()).hexdigest()[:8]}{ending}"
        while not _fits(text + ending, longest):
            text = text[:-1]
    return text + ending


def _fits(name: str, longest: int) -> bool:
    return len(name) <= longest and len(name.encode()) <= _LONGEST_BYTES

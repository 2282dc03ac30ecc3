"""Which file below a folder is meant by the name that a labelled data set gives it.

Other machines write backslashes, `./0.jpg`, or the whole path from their own disk. A name means the
file whose path below the folder it is, or ends with, or is the end of; never one in another folder.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from utils.files import path_parts

_LABEL_STUDIO = re.compile(r"^.*\?d=")  # its address of a local file


class Ambiguous(ValueError):
    """Several files could be meant; the message names two."""


class ImageNames:
    """The files below a folder, found by the names that data sets give them. The folder is listed
    when a name is not simply a path below it.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._by_filename: dict[str, list[PurePosixPath]] | None = None

    def find(self, name: str, stem: bool = False) -> str | None:
        """The path below the folder, with `/`, of the image that is meant; None when there is none.
        `stem`: the name is without its ending. Raises Ambiguous.
        """
        if stem:
            return self._find_stem(path_parts(name))
        return self._find(path_parts(_LABEL_STUDIO.sub("", name))) or self._find(
            path_parts(unquote(name))
        )

    def _find(self, parts: tuple[str, ...]) -> str | None:
        if not parts:
            return None
        plain = "/".join(parts)
        if (self.folder / plain).is_file():
            return plain
        listed = self._listed().get(parts[-1], [])
        inside = [path for path in listed if parts[-len(path.parts) :] == path.parts]
        if inside:
            return max(inside, key=lambda path: len(path.parts)).as_posix()
        longer = [path for path in listed if path.parts[-len(parts) :] == parts]
        if len(longer) > 1:
            raise Ambiguous(f"it may be {longer[0]} or {longer[1]}")
        return longer[0].as_posix() if longer else None

    def _find_stem(self, parts: tuple[str, ...]) -> str | None:
        """The picture whose path without its ending ends with these parts."""
        pictures = [path for paths in self._listed().values() for path in paths if _pictured(path)]
        found = [path for path in pictures if _stem(path)[-len(parts) :] == parts]
        if len(found) > 1:
            raise Ambiguous(f"it may be {found[0]} or {found[1]}")
        return found[0].as_posix() if found else None

    def _listed(self) -> dict[str, list[PurePosixPath]]:
        if self._by_filename is None:
            self._by_filename = defaultdict(list)
            for path in sorted(_files(self.folder)):
                self._by_filename[path.name].append(path)
        return self._by_filename


def _pictured(path: PurePosixPath) -> bool:
    return path.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff")


def _stem(path: PurePosixPath) -> tuple[str, ...]:
    return path.with_suffix("").parts


def _files(folder: Path) -> Iterator[PurePosixPath]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield PurePosixPath(path.relative_to(folder).as_posix())

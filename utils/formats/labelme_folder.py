"""A data set in labelme's form, which is X-AnyLabeling's too: a JSON file beside each image."""

from collections.abc import Iterator
from pathlib import Path

from utils.formats import labelme
from utils.formats.pictures import Picture
from utils.formats.returned import BadFile, File


def recognises(folder: Path) -> bool:
    """Is there such a file in the folder?"""
    return any(labelme.recognises(_file(path)) for path in folder.rglob("*.json"))


def pictures(folder: Path, bad: list[str]) -> Iterator[Picture]:
    """The images of the set; what cannot be read goes to `bad`, a line each."""
    for path in sorted(folder.rglob("*.json")):
        file, below = _file(path), path.relative_to(folder)
        if file.json is None:
            bad.append(f"{below.as_posix()}: not readable as JSON")
        elif labelme.recognises(file):
            try:
                file.refuse_doubled()
                yield labelme.picture(file, below.parent.as_posix())
            except BadFile as error:
                bad.append(f"{below.as_posix()}: {error}")


def _file(path: Path) -> File:
    try:
        return File(path, path.read_bytes())
    except OSError:
        return File(path, b"")

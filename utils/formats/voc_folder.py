"""A data set in Pascal VOC's form: a folder with an XML file for each image, in `Annotations` or
anywhere. An image that is only listed in `ImageSets/Main` has no boxes.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from utils.errors import InputError
from utils.files import path_parts
from utils.formats import voc
from utils.formats.pictures import Picture

_OF_LABEL_STUDIO = re.compile(r"^[0-9a-f]{8}__(?=.)")  # what it puts before a name
_WITH_CLASS = re.compile(r"(.*\S)\s+-?[01]")  # a line of a list for one class


def recognises(folder: Path) -> bool:
    """Is there such a file in the folder?"""
    return any(_is_annotation(file) for file in _files(folder))


def pictures(folder: Path, bad: list[str]) -> Iterator[Picture]:
    """The images of the set; what cannot be read goes to `bad`, a line each. Raises InputError when
    there is no XML file.
    """
    annotations, files = _annotations(folder), _files(folder)
    if not files:
        raise InputError(f"{folder}: no .xml file in this folder or its Annotations")
    seen = set()
    for file in files:
        seen.add(file.relative_to(annotations).with_suffix("").as_posix())
        try:
            root = ElementTree.parse(file).getroot()
            boxes = voc.boxes_of(root)
        except (ElementTree.ParseError, ValueError, OSError) as error:
            bad.append(f"{file.relative_to(folder).as_posix()}: {error}")
            continue
        below = file.parent.relative_to(annotations)
        width, height = voc.size_of(root) or (0, 0)
        verified = True if root.get("verified") == "yes" else None
        name = (below / _name(root, file)).as_posix()
        yield Picture(name, boxes, width=width, height=height, reviewed=verified)
    for stem in sorted(_listed(folder) - seen):
        yield Picture(stem, stem=True)


def _annotations(folder: Path) -> Path:
    return folder / "Annotations" if (folder / "Annotations").is_dir() else folder


def _files(folder: Path) -> list[Path]:
    return sorted(_annotations(folder).rglob("*.xml"))


def _is_annotation(file: Path) -> bool:
    try:
        for _, element in ElementTree.iterparse(file, events=("start",)):
            return element.tag == "annotation"
    except (ElementTree.ParseError, OSError, ValueError):
        return True  # a damaged one
    return False


def _name(root: ElementTree.Element, file: Path) -> str:
    listed = path_parts(root.findtext("filename") or "")
    name = listed[-1] if listed else f"{file.stem}.jpg"
    of_label_studio = root.findtext("owner/name") == "Label Studio"
    return _OF_LABEL_STUDIO.sub("", name) if of_label_studio else name


def _listed(folder: Path) -> set[str]:
    """The images that the lists of the set name, without the endings of their files."""
    found: set[str] = set()
    for file in sorted((folder / "ImageSets" / "Main").glob("*.txt")):
        try:
            lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
        except (OSError, ValueError):
            continue
        lines = [line for line in lines if line]
        with_class = [_WITH_CLASS.fullmatch(line) for line in lines]
        found |= {match[1] for match in with_class} if all(with_class) else set(lines)
    return found

"""A data set in YOLO's form: a text file for each image, a box a line (class, centre x, centre y,
width, height as fractions of the picture), and a list of the classes, which count from 0.

The text files bear the names of the images without their endings. darknet, CVAT and datumaro name
the classes in `obj.names` and list the images in `train.txt` …, Ultralytics in `data.yaml`, Label
Studio and labelImg in `classes.txt`. A file without a line is an image without boxes.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from utils.errors import InputError
from utils.formats.pictures import Picture

NAMES = ("obj.names", "classes.txt", "data.yaml", "data.yml", "dataset.yaml")
_LISTS = re.compile(r"(train|val|valid|validation|test|trainval)\.txt", re.IGNORECASE)
_BESIDE = {"classes.txt", "notes.txt", "labels.txt", "readme.txt"}
_PARTS = {"labels", "obj_train_data", "obj_valid_data", "obj_test_data", "obj_validation_data"}
_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def recognises(folder: Path) -> bool:
    """Is there a list of classes and a text file of boxes in the folder?"""
    return _names_file(folder) is not None and next(_files(folder), None) is not None


def pictures(folder: Path, bad: list[str]) -> Iterator[Picture]:
    """The images of the set; what cannot be read goes to `bad`, a line each. Raises InputError when
    the classes cannot be told.
    """
    names = class_names(folder)
    listed = _listed(folder)
    for file in _files(folder):
        below = file.relative_to(folder)
        stem = "/".join(part for part in below.with_suffix("").parts if part not in _PARTS)
        try:
            boxes = _boxes(file.read_text(encoding="utf-8-sig"), names)
        except (OSError, ValueError) as error:
            bad.append(f"{below.as_posix()}: {error}")
            continue
        name = listed.get(file.stem)
        yield Picture(name or stem, boxes, fractions=True, stem=name is None)


def class_names(folder: Path) -> list[str]:
    """The classes of a set in the order of their numbers. Raises InputError."""
    file = _names_file(folder)
    if file is None:
        raise InputError(f"{folder}: no list of classes; expected one of {', '.join(NAMES)}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: not readable ({error})") from None
    names = _from_yaml(text) if file.suffix in (".yaml", ".yml") else text.splitlines()
    names = [name.strip() for name in names]
    while names and not names[-1]:
        names.pop()
    if not names or not all(names):
        raise InputError(f"{file}: no list of classes; write one name a line into classes.txt")
    return names


def text_of(boxes: Sequence[tuple[str, float, float, float, float]], names: Sequence[str]) -> str:
    """The file of an image; boxes are (class, xmin, ymin, xmax, ymax) as fractions."""
    numbers = {name: number for number, name in enumerate(names)}
    lines = []
    for label, xmin, ymin, xmax, ymax in boxes:
        values = ((xmin + xmax) / 2, (ymin + ymax) / 2, xmax - xmin, ymax - ymin)
        lines.append(f"{numbers[label]} {' '.join(f'{value:.8f}' for value in values)}\n")
    return "".join(lines)


def _boxes(text: str, names: Sequence[str]) -> list[tuple[str, float, float, float, float]]:
    """(class, xmin, ymin, xmax, ymax) as fractions. Raises ValueError."""
    boxes = []
    for place, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if len(words) not in (5, 6):  # a score may follow
            what = "a polygon, and only boxes are read" if len(words) > 6 else "no box"
            raise ValueError(f"line {place} is {what}")
        try:
            number = int(words[0])
            x, y, width, height = map(float, words[1:5])
        except ValueError:
            raise ValueError(f"line {place} is no class and box") from None
        if not 0 <= number < len(names):
            raise ValueError(f"line {place} is of class {number}, and there are {len(names)}")
        sides = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        boxes.append((names[number], *sides))
    return boxes


def _names_file(folder: Path) -> Path | None:
    for place in (folder, folder.parent) if folder.name == "labels" else (folder,):
        for name in NAMES:
            if (place / name).is_file():
                return place / name
    return None


def _files(folder: Path) -> Iterator[Path]:
    """The text files of images."""
    for file in sorted(folder.rglob("*.txt")):
        if file.name.lower() not in _BESIDE and not _LISTS.fullmatch(file.name):
            yield file


def _listed(folder: Path) -> dict[str, str]:
    """{name without ending: name of the image} as far as the set names them, each once."""
    found: dict[str, set[str]] = {}
    for file in folder.glob("*.txt"):
        if _LISTS.fullmatch(file.name):
            try:
                lines = file.read_text(encoding="utf-8-sig").splitlines()
            except (OSError, ValueError):
                continue
            for line in filter(None, map(str.strip, lines)):
                path = PurePosixPath(line.replace("\\", "/"))
                found.setdefault(path.stem, set()).add(_below_parts(path))
    for file in folder.rglob("*"):
        if file.suffix.lower() in _PICTURES:
            path = PurePosixPath(file.relative_to(folder).as_posix())
            found.setdefault(path.stem, set()).add(_below_parts(path))
    return {stem: names.pop() for stem, names in found.items() if len(names) == 1}


def _below_parts(path: PurePosixPath) -> str:
    """A path below the folders that the form asks for."""
    parts = path.parts
    for place, part in enumerate(parts):
        if part in _PARTS | {"images"}:
            return "/".join(parts[place + 1 :])
    return path.name


def _from_yaml(text: str) -> list[str]:
    """The member `names` of Ultralytics' data.yaml, as it is usually written: `[a, b]`, or a list
    or map below it. (For this one member YAML's whole parser would be a new dependency.)
    """
    found = re.search(r"^names:[ \t]*(.*(?:\n(?:[ \t]+.*|-.*|[ \t]*))*)", text, re.MULTILINE)
    if found is None:
        return []
    body = found[1].strip()
    if body.startswith(("[", "{")):
        entries = body.strip("[]{}").replace("\n", " ").split(",")
    else:
        entries = [line.split(" #")[0] for line in body.splitlines() if line.strip()]
    entries = [entry.strip() for entry in entries if entry.strip()]
    mapped = [re.fullmatch(r"(\d+)\s*:\s*(.+)", entry) for entry in entries]
    if all(mapped):
        numbered = {int(match[1]): match[2] for match in mapped}
        entries = [numbered.get(number, "") for number in range(max(numbered, default=-1) + 1)]
    return [entry.removeprefix("- ").strip().strip("'\"") for entry in entries]

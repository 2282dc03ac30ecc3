"""Files that list images with their boxes, and do not say whether anybody has looked at them: COCO,
YOLO. An image without boxes in them is empty, or nobody has opened it.
"""

from pathlib import PurePosixPath

from utils.formats.returned import File
from utils.formats.sheets import HandedOut

NO_REVIEW = (
    "{kind} does not tell an image in which nothing is from one that nobody has opened, so it is no"
    " review; when somebody has looked at every image that it lists, import_labels.py FILE CONFIG"
    " --listed-means-reviewed takes it"
)
_NUMBERS = 5  # class, centre x, centre y, width, height; a score may follow


def kind(file: File, batch: HandedOut) -> str:
    """What kind of list the file is; "" when it is none."""
    document = file.json
    if isinstance(document, dict) and isinstance(document.get("images"), list):
        return "COCO" if isinstance(document.get("annotations"), list) else ""
    stems = {PurePosixPath(key).with_suffix("").as_posix() for key in batch.images}
    own = f"{file.folder}/{file.path.stem}" in stems
    return "YOLO" if file.path.suffix.lower() == ".txt" and own and _yolo(file.data) else ""


def _yolo(data: bytes) -> bool:
    """Are all lines a class and a box?"""
    try:
        lines = [list(map(float, line.split())) for line in data.decode("utf-8-sig").splitlines()]
    except ValueError:
        return False
    return all(len(numbers) >= _NUMBERS for numbers in lines if numbers)

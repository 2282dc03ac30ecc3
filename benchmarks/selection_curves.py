"""What ways of choosing images are worth: learning curves on data sets in which what matters is
rare.

    python benchmarks/selection_curves.py animals|drawn|bccd ../shared/data \
        ../shared/models/mobilenet_v2_imagenet --folder FOLDER

animals: photos of raccoons and kangaroos, a twentieth as many of pigeons, and as empty images what
lies beside the animals in the photos. drawn: boards in bursts of 8 photos, 90 % of them without a
fault, 9 % with knots, 1 % with cracks. Among the images set aside rare classes are not rare, so
that they can be measured. bccd: blood cells, many red ones in each photo, a platelet or a white
cell in some; every third photo is set aside. Names and folders of images say nothing about what
they show. Makes the data set, then runs train/simulate_active_learning.py on it, which goes on
where it was; other options are passed on to it. The figure: images that a strategy needs for the AP
that random reaches at the end; 30 % fewer are wanted.
"""

import argparse
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from train.demo.pictures import HEIGHT, WIDTH, board, draw_fault, free_place
from utils.files import write_bytes
from utils.images.decoding import decode
from utils.labels import tables
from utils.reserved import NULL

RARE, RARITY = "pigeons", 20
_NAMES = 10_000  # more than there are images
_LEAST_SIDE = 96  # pixels of an empty image
_BURST = 8
_EMPTY_BURSTS, _KNOT_BURSTS, _CRACK_BURSTS = 162, 16, 2  # 90 %, 9 %, 1 %
# many scenes rather than many photos of one
_TEST_BURSTS, _TEST_FRAMES = (
    {"": 24, "knot": 60, "crack": 60},
    2,
)
_EXIF_IFD, _EXIF_TAKEN_AT = 0x8769, 0x9003


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("set", choices=("animals", "drawn", "bccd"))
    parser.add_argument(
        "data",
        type=Path,
        help="the folder with raccoon, kangaroo, pigeons and bccd, each with labels.csv",
    )
    parser.add_argument("weights", type=Path, help="a checkpoint with the object backbone")
    parser.add_argument(
        "--folder", type=Path, required=True, help="where data set and models are kept"
    )
    arguments, options = parser.parse_known_args()
    folder = arguments.folder.absolute() / arguments.set
    make(arguments.set, arguments.data, folder)
    command = [
        sys.executable,
        str(ROOT / "train/simulate_active_learning.py"),
        str(folder / "labels.csv"),
        "--images",
        str(folder / "images"),
        "--test",
        str(folder / "test.csv"),
        "--out",
        str(folder),
        "--checkpoint",
        str(arguments.weights.absolute()),
        *options,
    ]
    print("$", *command, flush=True)
    sys.exit(subprocess.run(command).returncode)


def make(name: str, data: Path, folder: Path) -> None:
    """Write the data set of this name into a folder, unless it is there: images/, labels.csv, and
    test.csv with what is set aside.
    """
    if not (folder / "test.csv").exists():
        rows, test = {"animals": animals, "drawn": drawn, "bccd": bccd}[name](
            data, folder / "images"
        )
        for part, chosen in (
            ("labels", rows),
            ("test", [row for row in rows if row["image"] in test]),
        ):
            write_bytes(
                folder / f"{part}.csv", tables.to_csv("tagged", _table(chosen), user_folders=True)
            )


def animals(data: Path, images: Path) -> tuple[list[dict], set[str]]:
    """Rows for _table, and the images set aside: every third photo of each animal. Of the pool's
    pigeons one in RARITY is there.
    """
    rows, test = [], set()
    names = (
        f"site {number % 3}/IMG_{number:04d}.jpg"
        for number in np.random.default_rng(0).permutation(_NAMES).tolist()
    )
    for animal in ("raccoon", "kangaroo", RARE):
        common = 0
        for place, picture, _, corners in _photos(data / animal):
            height, width = picture.shape[:2]
            aside = place % 3 == 0
            common += not aside
            if aside or animal != RARE or common % RARITY == 1:
                blob = next(names)
                rows += [_row(blob, height, width, animal, corner) for corner in corners]
                _save(picture, images / blob)
                test |= {blob} if aside else set()
            beside = _beside(corners, height, width)
            if beside is not None:
                left, top, right, bottom = beside
                blob = next(names)
                _save(picture[top:bottom, left:right], images / blob)
                rows.append(_row(blob, bottom - top, right - left))
                test |= {blob} if aside else set()
    return rows, test


def bccd(data: Path, images: Path) -> tuple[list[dict], set[str]]:
    """Rows for _table, and the images set aside."""
    rows, test = [], set()
    for place, picture, classes, corners in _photos(data / "bccd"):
        blob = f"BloodImage_{place:05d}.jpg"
        rows += [
            _row(blob, *picture.shape[:2], name, corner)
            for name, corner in zip(classes, corners, strict=True)
        ]
        test |= {blob} if place % 3 == 0 else set()
        _save(picture, images / blob)
    return rows, test


def drawn(_: Path, images: Path) -> tuple[list[dict], set[str]]:
    """Rows for _table, and the images set aside, all from bursts in which camera and light move a
    little.
    """
    rows, test = [], set()
    number, bursts_of = 0, Counter()  # each kind's bursts lie in all folders
    pool = [""] * _EMPTY_BURSTS + ["knot"] * _KNOT_BURSTS + ["crack"] * _CRACK_BURSTS
    for aside, kinds in (
        (False, pool),
        (True, [kind for kind, bursts in _TEST_BURSTS.items() for _ in range(bursts)]),
    ):
        for kind in np.random.default_rng(0).permutation(kinds):
            for blob, picture, objects in _burst(
                number, str(kind), f"saw {bursts_of[kind] % 3}", _TEST_FRAMES if aside else _BURST
            ):
                _save(
                    picture,
                    images / blob,
                    datetime(2026, 5, 1) + timedelta(hours=number, seconds=2 * int(blob[-6:-4])),
                )
                rows += [_row(blob, HEIGHT, WIDTH, name, box) for name, box in objects] or [
                    _row(blob, HEIGHT, WIDTH)
                ]
                test |= {blob} if aside else set()
            number += 1
            bursts_of[kind] += 1
    return rows, test


def _photos(folder: Path):
    """(place, picture, classes, corners) of each readable photo below a folder with labels.csv,
    corners (n, 4) in pixels of the picture.
    """
    labels = pd.read_csv(folder / "labels.csv", dtype={"filename": str}, keep_default_na=False)
    for place, (name, boxes) in enumerate(labels.groupby("filename")):
        try:
            picture = decode(next(folder.rglob(name.replace("[", "[[]"))).read_bytes())
        except ValueError:
            continue
        height, width = picture.shape[:2]
        yield (
            place,
            picture,
            boxes["class"].tolist(),
            np.clip(
                boxes[["xmin", "ymin", "xmax", "ymax"]].to_numpy(float),
                0,
                [width, height, width, height],
            ),
        )


def _burst(number: int, kind: str, folder: str, frames: int):
    """(blob name, picture, objects) of one burst: a board with one to three faults of a kind, seen
    from a little further each time.
    """
    random = np.random.default_rng((7, number))
    wood, taken = board(random), np.zeros((HEIGHT, WIDTH), bool)
    places = (
        [
            free_place(random, kind, taken)
            for _ in range(int(random.integers(1, 4)) if kind == "knot" else 1)
        ]
        if kind
        else []
    )
    for place in filter(None, places):
        draw_fault(wood, kind, place, random)
    for frame in range(frames):
        x, y = (int(step) for step in random.integers(-4, 5, 2))
        picture = np.roll(wood, (y, x), axis=(0, 1)) * random.uniform(0.93, 1.07) + random.normal(
            0, 4, wood.shape
        )
        objects = [
            (kind, np.clip(np.array(place) + [x, y, x, y], 0, [WIDTH, HEIGHT, WIDTH, HEIGHT]))
            for place in places
            if place
        ]
        yield (
            f"{folder}/IMG_{number:04d}_{frame:02d}.jpg",
            np.clip(picture, 0, 255).astype(np.uint8),
            objects,
        )


def _beside(corners: np.ndarray, height: int, width: int) -> tuple[int, int, int, int] | None:
    """The largest strip (left, top, right, bottom) along an edge of the photo without any animal;
    None when all are small.
    """
    (left, top), (right, bottom) = (
        corners[:, :2].min(axis=0).astype(int),
        np.ceil(corners[:, 2:].max(axis=0)).astype(int),
    )
    strips = [
        (0, 0, left, height),
        (right, 0, width, height),
        (0, 0, width, top),
        (0, bottom, width, height),
    ]
    wide = [
        strip for strip in strips if min(strip[2] - strip[0], strip[3] - strip[1]) >= _LEAST_SIDE
    ]
    return max(wide, key=lambda strip: (strip[2] - strip[0]) * (strip[3] - strip[1]), default=None)


def _save(picture: np.ndarray, path: Path, taken: datetime | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if taken:
        exif.get_ifd(_EXIF_IFD)[_EXIF_TAKEN_AT] = f"{taken:%Y:%m:%d %H:%M:%S}"
    Image.fromarray(picture).save(path, "JPEG", quality=90, exif=exif)


def _row(blob: str, height: int, width: int, name: str = NULL, box=(0, 0, 0, 0)) -> dict:
    """A box (xmin, ymin, xmax, ymax in pixels) of an image."""
    shares = np.array(box, float) / [width, height, width, height]
    corners = dict(zip(("xmin", "ymin", "xmax", "ymax"), shares.tolist(), strict=True))
    return {"image": blob, "class": name, "height": height, "width": width, **corners}


def _table(rows: list[dict]) -> pd.DataFrame:
    folders, filenames = zip(*(tables.split_name(row["image"]) for row in rows), strict=True)
    columns = {
        ("class_" if name == "class" else name): [row[name] for row in rows]
        for name in rows[0]
        if name != "image"
    }
    return tables.make("tagged", filename=filenames, folder=folders, **columns)


if __name__ == "__main__":
    main()

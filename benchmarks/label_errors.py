"""How many planted mistakes come early in the queue of --review-suspect: of each kind, how many
times as many in its first tenth as in the first tenth of a random order.

    python benchmarks/label_errors.py ../shared/data/pigeons \
        ../shared/models/ssd_mobilenet_v1_coco/frozen_inference_graph.pb

The photos show pigeons, and the model, trained on COCO, knows them as birds; it has never seen
these labels. In 5 % of the photos a box is taken away, in 5 % one is called a cat, in 5 % one is
moved and resized so that it shares 0.2 to 0.5 with what it was, and in 5 % one (a bird or a cat) is
added where nothing is. Means of 50 draws. Wanted: 3 times as many, per kind.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from selection_curves import ROOT

sys.path.insert(0, str(ROOT))

from train.network.quiet import silence
from utils.boxes.detections import totag_rows
from utils.boxes.iou import intersection_over_union
from utils.boxes.suspects import KINDS, OFF, OVERLOOKED, SWAPPED, UNSUPPORTED, suspects
from utils.images.decoding import decode
from utils.labels import tables
from utils.labels.tables import blob_names
from utils.reserved import NULL

CLASSES = {16: "bird", 17: "cat"}  # ids of COCO
SHARE, FIRST, DRAWS = 0.05, 0.1, 50
_CORNERS = ["xmin", "ymin", "xmax", "ymax"]
_LEAST_AREA = 0.01  # of a box that is planted, as a share of the photo
_TRIES = 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="the folder with labels.csv and the photos")
    parser.add_argument("model", type=Path, help="a frozen graph with COCO's ids")
    arguments = parser.parse_args()
    labelled, files = labels_of(arguments.data)
    predicted = found_by(arguments.model, labelled, files)
    counts = {kind: [] for kind in KINDS}
    ranks = []
    for seed in range(DRAWS):
        wrong, planted = with_mistakes(
            labelled, list(CLASSES.values()), np.random.default_rng(seed)
        )
        queue = [suspect.image for suspect in suspects(wrong, predicted)]
        first = set(queue[: round(FIRST * len(files))])
        ranks.append(len(set().union(*planted.values()) & first) / len(first))
        for kind in KINDS:
            counts[kind].append(len(planted[kind] & first) / len(planted[kind]))
    print(
        f"{len(files)} photos, {len(first)} of them first, {np.mean(ranks):.2f} of these with a"
        " planted mistake"
    )
    for kind in KINDS:
        share = np.mean(counts[kind])
        print(f"  {kind:12} {share:.2f} of them first, {share / FIRST:.1f} times random")


def labels_of(data: Path) -> tuple[pd.DataFrame, dict[str, Path]]:
    """Rows of tagged, and the file of each photo, by short names."""
    listed = pd.read_csv(data / "labels.csv", dtype={"filename": str}, keep_default_na=False)
    columns: dict[str, list] = {name: [] for name in ("filename", "height", "width", *_CORNERS)}
    files = {}
    for place, (name, boxes) in enumerate(listed.groupby("filename")):
        file = next(data.rglob(name.replace("[", "[[]")))
        try:
            height, width = decode(file.read_bytes()).shape[:2]
        except ValueError:
            continue
        files[f"{place}.jpg"] = file
        shares = np.clip(boxes[_CORNERS].to_numpy(float) / [width, height, width, height], 0, 1)
        for corners in shares.tolist():
            for column, value in zip(
                columns, (f"{place}.jpg", height, width, *corners), strict=True
            ):
                columns[column].append(value)
    return tables.make("tagged", **columns, class_=CLASSES[16], folder=""), files


def found_by(model: Path, labelled: pd.DataFrame, files: dict[str, Path]) -> pd.DataFrame:
    """Rows of totag."""
    silence()
    from train.prediction.frozen_detector import FrozenDetector
    from train.prediction.pipeline import predict

    seen = predict(FrozenDetector(model), files.items(), batch_size=8, largest_side=1024)
    sizes = labelled.drop_duplicates("filename").set_index("filename")[["height", "width"]]
    return totag_rows(((name, *sizes.loc[name].tolist(), found) for name, found in seen), CLASSES)


def with_mistakes(
    boxes: pd.DataFrame, classes: list[str], random
) -> tuple[pd.DataFrame, dict[str, set[str]]]:
    """The labels with mistakes, one in a photo, and which photos have which kind."""
    rows = boxes.reset_index(drop=True)
    names = blob_names(rows)
    number = round(SHARE * names.nunique())
    with_box = random.permutation(sorted(set(names[rows["class"] != NULL]))).tolist()
    planted: dict[str, set[str]] = {}
    gone = pd.Series(False, rows.index)
    for kind in (OVERLOOKED, SWAPPED, OFF):
        images, with_box = with_box[:number], with_box[number:]
        planted[kind] = set(images)
        for image in images:
            row = random.choice(np.flatnonzero((names == image) & (rows["class"] != NULL)))
            if kind == OVERLOOKED:
                gone[row] = True
            elif kind == SWAPPED:
                others = [name for name in classes if name != rows.at[row, "class"]]
                rows.at[row, "class"] = str(random.choice(others))
            else:
                rows.loc[row, _CORNERS] = _moved(rows.loc[row, _CORNERS].to_numpy(float), random)
    taken = set().union(*planted.values())
    free = random.permutation(sorted(set(names) - taken)).tolist()
    added, planted[UNSUPPORTED] = [], set()
    for image in free:
        own = rows[names == image]
        box = _beside(own[own["class"] != NULL][_CORNERS].to_numpy(float), random)
        if box is not None and len(added) < number:
            new = own.iloc[:1].assign(**dict(zip(_CORNERS, box.tolist(), strict=True)))
            added.append(new.assign(**{"class": str(random.choice(classes))}))
            planted[UNSUPPORTED].add(image)
    changed = tables.without_boxes(rows, gone)
    bare = (changed["class"] == NULL) & blob_names(changed).isin(planted[UNSUPPORTED])
    return tables.concat("tagged", changed[~bare], *added), planted


def _moved(box: np.ndarray, random) -> np.ndarray:
    """A box that shares 0.2 to 0.5 with this one."""
    size = np.tile(box[2:] - box[:2], 2)
    for _ in range(_TRIES):
        other = np.clip(box + random.uniform(-0.6, 0.6, 4) * size, 0, 1)
        valid = (other[2:] > other[:2]).all()
        if valid and 0.2 <= intersection_over_union(box[None], other[None])[0, 0] <= 0.5:
            return other
    raise RuntimeError("no such box was found")


def _beside(boxes: np.ndarray, random) -> np.ndarray | None:
    """A box where nothing is; None where there is hardly room."""
    for _ in range(_TRIES):
        corners = np.sort(random.uniform(0, 1, (2, 2)), axis=0).ravel()
        big = (corners[2:] - corners[:2]).prod() >= _LEAST_AREA
        if big and intersection_over_union(corners[None], boxes).max(initial=0) == 0:
            return corners
    return None


if __name__ == "__main__":
    main()

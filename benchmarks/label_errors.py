"""How many planted mistakes come early in the queue of --review-suspect: of each kind, how many
times as many in its first tenth as in the first tenth of a random order.

    python benchmarks/label_errors.py animals|bccd ../shared/data \
        ../shared/models/mobilenet_v2_imagenet --folder FOLDER [--steps 600]
    python benchmarks/label_errors.py pigeons ../shared/data \
        ../shared/models/ssd_mobilenet_v1_coco/frozen_inference_graph.pb

animals and bccd are the sets of selection_curves.py, whole. They are cross-checked as
active_learning_crosscheck.sh does it: four models, each trained as a new config.ini has it on the
labels, mistakes and all, of three quarters of the photos, judge the last quarter (256 pixels; a
quarter of an hour of one core; what they found is kept in FOLDER). The photos of pigeons are judged
by a model that was trained on COCO, which knows them as birds.

In 5 % of the photos a box is taken away, in 5 % one gets another class, in 5 % one is moved and
resized so that it shares 0.2 to 0.5 with what it was, and in 5 % one is added where nothing is. The
figures are means of 50 draws of such mistakes. Models are trained on one more draw: to a photo that
they were not trained on it is the same which mistakes are in the others. Wanted: 3 times as many,
per kind.

bccd itself has many mistakes, which take the first places of the queue, as they should. So there
are two lines of figures: with all photos, and without those in which somebody who looked at the
first 60 of the queue of its own labels saw that they are wrong.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from selection_curves import ROOT, make

sys.path.insert(0, str(ROOT))

from train.network.quiet import silence
from utils.boxes.detections import totag_rows
from utils.boxes.iou import intersection_over_union
from utils.boxes.suspects import KINDS, OFF, OVERLOOKED, SWAPPED, UNSUPPORTED, suspects
from utils.files import write_beside
from utils.formats.annotated_sets import AnnotatedSet, read_annotated
from utils.images.decoding import decode
from utils.labels import tables
from utils.labels.splits import folds
from utils.labels.tables import blob_names
from utils.reserved import NULL

CLASSES = {16: "bird", 17: "cat"}  # ids of COCO
SHARE, FIRST, DRAWS = 0.05, 0.1, 50
FOLDS, SIDE = 4, 256
# of 60 photos that were looked at: a cell without a box, a box of another class, half a cell
SEEN_WRONG = {
    f"BloodImage_{number:05d}.jpg"
    for number in (
        (59, 71, 102, 114, 116, 120, 133, 147, 150, 153, 155, 165, 186, 197, 223, 225, 230, 238)
        + (247, 258, 260, 261, 262, 274, 277, 286, 287, 298, 315, 337)
    )
}
_CORNERS = ["xmin", "ymin", "xmax", "ymax"]
_LEAST_AREA = 0.01  # of a box that is planted, as a share of the photo
_TRIES = 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", choices=("animals", "bccd", "pigeons"))
    parser.add_argument("data", type=Path, help="the folder with the sets")
    parser.add_argument("model", type=Path, help="a backbone's checkpoint; pigeons: a frozen graph")
    parser.add_argument("--folder", type=Path, help="where a set and what was found is kept")
    parser.add_argument("--steps", type=int, default=600, help="of a model's training")
    arguments = parser.parse_args()
    if arguments.set == "pigeons":
        labelled, files = labels_of(arguments.data / "pigeons")
        classes, predicted = list(CLASSES.values()), found_by(arguments.model, labelled, files)
    else:
        if arguments.folder is None:
            parser.error("--folder is needed")
        annotated, predicted = cross_checked(arguments)
        labelled, classes = annotated.boxes, annotated.classes
    say_found(labelled, classes, predicted)
    if arguments.set == "bccd":
        print(f"without {len(SEEN_WRONG)} photos that are wrong in the set itself:")
        say_found(tables.without(labelled, SEEN_WRONG), classes, predicted)


def say_found(labelled: pd.DataFrame, classes: list[str], predicted: pd.DataFrame) -> None:
    """Print how early mistakes come that are planted in these labels (rows of tagged), judged by
    what models found (rows of totag).
    """
    counts = {kind: [] for kind in KINDS}
    ranks = []
    total = len(tables.image_set(labelled))
    for seed in range(1, DRAWS + 1):
        wrong, planted = with_mistakes(labelled, classes, np.random.default_rng(seed))
        queue = [suspect.image for suspect in suspects(wrong, predicted)]
        first = set(queue[: round(FIRST * total)])
        ranks.append(len(set().union(*planted.values()) & first) / len(first))
        for kind in KINDS:
            counts[kind].append(len(planted[kind] & first) / len(planted[kind]))
    print(
        f"{total} photos, {len(first)} of them first, {np.mean(ranks):.2f} of these with a"
        " planted mistake"
    )
    for kind in KINDS:
        times = np.array(counts[kind]) / FIRST
        spread = times.std(ddof=1)
        print(f"  {kind:12} {times.mean():.1f} times random, ± {spread:.1f} from draw to draw")


def cross_checked(arguments: argparse.Namespace) -> tuple[AnnotatedSet, pd.DataFrame]:
    """A set, and what models found in it that were trained on the other folds of it."""
    folder = arguments.folder.absolute() / arguments.set
    make(arguments.set, arguments.data, folder)
    annotated = read_annotated(folder / "labels.csv", folder / "images")
    if arguments.set == "bccd":
        annotated = where_red_cells_are_labelled(annotated)
    kept = folder / f"crosscheck_{arguments.steps}.csv"
    if not kept.exists():
        wrong, _ = with_mistakes(annotated.boxes, annotated.classes, np.random.default_rng(0))
        found = found_by_folds(annotated, wrong, arguments, folder)
        with write_beside(kept) as piece:
            piece.write_bytes(tables.to_csv("totag", found, user_folders=True))
    return annotated, tables.parse("totag", kept)


def where_red_cells_are_labelled(annotated: AnnotatedSet) -> AnnotatedSet:
    """Without the 15 photos in which no red cell is labelled: each photo shows dozens, so that they
    are mistakes of the set, and the first that are found.
    """
    names = blob_names(annotated.boxes)
    labelled = set(names[annotated.boxes["class"] == "RBC"])
    return dataclasses.replace(
        annotated,
        boxes=tables.only(annotated.boxes, labelled),
        images=tables.only(annotated.images, labelled),
        files={name: annotated.files[name] for name in labelled},
    )


def found_by_folds(
    annotated: AnnotatedSet, wrong: pd.DataFrame, arguments: argparse.Namespace, folder: Path
) -> pd.DataFrame:
    """Rows of totag: each image is judged by a model that was not trained on it."""
    silence()
    from train.network.weights_digest import weights_digest
    from train.simulation.outcomes import DataSet, Recipe
    from train.simulation.training import ChildTrainer
    from utils.images.canvas import canvas_for

    nothing = annotated.boxes[:0]
    data = DataSet(annotated.boxes, nothing, annotated.images, annotated.files)
    sizes = annotated.images.set_axis(blob_names(annotated.images))[["height", "width"]]
    checkpoint = str(arguments.model.absolute())
    recipe = Recipe(
        model_name="faster_rcnn_mobilenet_v2_fpn",
        checkpoint=checkpoint,
        weights=weights_digest(checkpoint),
        freeze_backbone=False,
        canvas=canvas_for(sizes.to_numpy(), round(SIDE * 3 / 4), SIDE),
        steps=arguments.steps,
        batch_size=4,
        on_features=False,
        few_labels=True,
    )
    train = ChildTrainer(data, recipe, folder / "weights", threads=0)
    names = {number: name for name, number in data.classes.items()}
    parts = []
    for number, part in enumerate(folds(wrong, annotated.images, FOLDS, 0)):
        judged = sorted(part)
        work = folder / f"work_{arguments.steps}_{number}"
        found = train(tables.without(wrong, part), number, judged, False, work)
        rows = totag_rows(
            ((name, *sizes.loc[name].tolist(), found[name]) for name in judged), names
        )
        parts.append(rows)
        print(f"fold {number}: {len(judged)} photos judged", flush=True)
    return tables.concat("totag", *parts)


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

"""What ways of training are worth with few labelled images: AP50 of each against the number of
labelled images.

    python benchmarks/recipe.py animals|drawn|bccd ../shared/data \
        ../shared/models/mobilenet_v2_imagenet --folder FOLDER \
        [--images 40] [--seeds 1] [--variants all,frozen,new] [--steps 300]

The sets are those of benchmarks/selection_curves.py. The images of a seed are drawn at random, the
fewer ones being among the more, and the same for every variant; so are the 150 images that are
tested. Rows go to benchmarks/results/recipe.csv; those that are there are not measured again. Draws
recipe.png. Trainings are made one after the other in this process.
"""

import argparse
import dataclasses
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from selection_curves import make

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from train.evaluation.average_precision import measure
from train.network.augmentation import Augmentation
from train.network.quiet import silence
from train.network.tuning import TUNINGS, Tuning
from train.simulation.labelling import divide
from train.simulation.outcomes import DataSet
from utils.boxes.detections import totag_rows
from utils.files import write_bytes
from utils.formats.annotated_sets import read_annotated
from utils.images.canvas import canvas_for
from utils.labels import tables
from utils.labels.tables import blob_names, image_set, only
from utils.reserved import AVERAGE, NULL

RESULTS = ROOT / "benchmarks/results/recipe.csv"
KEY = ["set", "images", "seed", "variant", "steps"]
MODEL, SIDE, BATCH, TESTED = "faster_rcnn_mobilenet_v2_fpn", 256, 4, 150


@dataclasses.dataclass(frozen=True)
class Variant:
    """One way of training. rate: of the learning rate that is the default. filled: images with
    boxes are shown as often as those without.
    """

    frozen: bool = False
    augmentation: Augmentation = Augmentation()
    tuning: Tuning = Tuning()
    rate: float = 1.0
    filled: bool = False
    bfloat16: bool = False


GENTLE, ZOOM = TUNINGS["gentle"], Augmentation(zoom=True)
NEW = Variant(augmentation=ZOOM, tuning=GENTLE, filled=True)
VARIANTS = {
    "all": Variant(),
    "frozen": Variant(frozen=True),
    "gentle+zoom+filled": NEW,
    "gentle+zoom": dataclasses.replace(NEW, filled=False),
    "gentle+filled": dataclasses.replace(NEW, augmentation=Augmentation()),
    "zoom+filled": dataclasses.replace(NEW, tuning=Tuning()),
    "frozen+zoom+filled": dataclasses.replace(NEW, tuning=Tuning(), frozen=True),
    "gentle+zoom+filled+rate 0.5": dataclasses.replace(NEW, rate=0.5),
    "gentle+zoom+filled+bfloat16": dataclasses.replace(NEW, bfloat16=True),
    "unfrozen+zoom+filled": dataclasses.replace(NEW, tuning=Tuning(backbone_rate=0.1)),
}

SHOWN = {
    "all": "all layers (without the keys)",
    "frozen": "freeze_backbone=True",
    "gentle+zoom+filled": "a new config.ini",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", type=_list, help="of animals,drawn,bccd")
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path, help="a checkpoint with the object backbone")
    parser.add_argument("--folder", type=Path, required=True, help="where the sets are kept")
    parser.add_argument("--images", type=_list, default=["40"])
    parser.add_argument("--seeds", type=_list, default=["0"])
    parser.add_argument("--variants", type=_list, default=["all", "frozen"])
    parser.add_argument("--steps", type=int, default=300)
    arguments = parser.parse_args()
    silence()
    sets = {}
    for seed in map(int, arguments.seeds):
        for number in map(int, arguments.images):
            for variant in arguments.variants:
                for name in arguments.sets:
                    key = (name, number, seed, variant, arguments.steps)
                    if key in _measured():
                        continue
                    if name not in sets:
                        sets[name] = _data_set(name, arguments)
                    found = _measure(sets[name], *key[1:], arguments)
                    _keep(dict(zip(KEY, key, strict=True)) | found)
    results = pd.read_csv(RESULTS)
    print(table(results))
    plot(results)


def _list(text: str) -> list[str]:
    return text.split(",")


def _data_set(name: str, arguments: argparse.Namespace) -> DataSet:
    folder = arguments.folder.absolute() / name
    make(name, arguments.data, folder)
    annotated = read_annotated(folder / "labels.csv", folder / "images")
    test = image_set(read_annotated(folder / "test.csv", folder / "images").boxes)
    return divide(annotated, test, 0.3, "burst", 60)


def _measure(
    data: DataSet,
    number: int,
    seed: int,
    variant: str,
    steps: int,
    arguments: argparse.Namespace,
) -> dict:
    """Train on so many images, look at the tested ones: AP50 and what the training took."""
    from train.network import pretrained_weights, training
    from train.network.detector import Settings
    from train.network.device import choose_device
    from train.network.input import repeat_factors
    from train.network.labelled_images import Plan
    from train.network.records import read_records, write_records
    from train.network.run import Run
    from train.network.schedule import default_learning_rate
    from train.prediction.pipeline import predict
    from train.simulation.training import _Network

    recipe = VARIANTS[variant]
    names = np.random.default_rng(seed).permutation(sorted(image_set(data.pool)))
    rows = only(data.pool, set(names[:number]))
    tested = np.random.default_rng(0).permutation(sorted(image_set(data.test)))[:TESTED].tolist()
    sizes = data.images.set_axis(blob_names(data.images))[["height", "width", "bytes", "etag"]]
    canvas = canvas_for(
        sizes.loc[data.names, ["height", "width"]].to_numpy(), round(SIDE * 3 / 4), SIDE
    )
    work = arguments.folder.absolute() / f"work-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    nothing = tables.empty("tagged")
    plan = Plan(
        classes=data.classes,
        canvas=canvas,
        seed=seed,
        parts={"train": rows, "validation": nothing, "test": nothing},
        sizes=sizes.loc[sorted(image_set(rows))],
        greys=data.greys,
    )
    place = work / "records" / "images.record"
    write_records(plan, place, data.files.__getitem__)
    records = read_records(place)
    settings = Settings(
        MODEL, canvas, data.classes, freeze_backbone=recipe.frozen, most_boxes=data.most_boxes
    )
    start = pretrained_weights.choose_start(
        MODEL, str(arguments.weights.absolute()), None, work / "weights"
    )
    part = records.train
    repeats = (
        repeat_factors(part.images_of_class, part.empty)
        if recipe.filled
        else repeat_factors(part.images_of_class)
    )
    run = Run(
        settings=settings,
        augmentation=recipe.augmentation,
        digest=records.digest,
        shards=[str(shard) for shard in part.shards],
        images=part.images,
        repeats=repeats,
        validation_shards=[],
        validation_batches=0,
        iterations=steps,
        batch_size=BATCH,
        learning_rate=recipe.rate * default_learning_rate(BATCH),
        seed=seed,
        start=start.said,
        tuning=recipe.tuning,
        bfloat16=recipe.bfloat16,
    )
    wall, processor = time.monotonic(), time.process_time()
    record = training.train(
        run,
        choose_device(),
        work,
        lambda model: pretrained_weights.load(model, start, data.classes),
        lambda text: None,
    )
    wall, processor = time.monotonic() - wall, time.process_time() - processor
    found = {}
    for name, outcome in predict(
        _Network(settings, record["checkpoint"]),
        ((name, data.files[name]) for name in tested),
        batch_size=8,
        largest_side=max(canvas),
        mirror=False,
        greys=data.greys,
    ):
        found[name] = outcome
    predictions = totag_rows(
        (
            (name, int(sizes.at[name, "height"]), int(sizes.at[name, "width"]), found[name])
            for name in tested
        ),
        {identity: name for name, identity in data.classes.items()},
    )
    performance = measure(only(data.test, set(tested)), predictions, list(data.classes))
    shutil.rmtree(work)
    of_class = performance.set_index("Class Name")["coco_ap50"]
    return {
        "ap50": round(float(of_class[AVERAGE]), 4),
        "processor_seconds": round(processor, 1),
        "wall_seconds": round(wall, 1),
        "boxes": int((rows["class"] != NULL).sum()),
        "of_class": " ".join(
            f"{name}={value:.3f}" for name, value in of_class.items() if name != AVERAGE
        ),
    }


def table(results: pd.DataFrame) -> str:
    """Mean and, of several seeds, standard deviation of AP50, in Markdown: a row for each variant,
    number of images and of steps, a column for each set.
    """
    names = sorted(results["set"].unique())
    lines = [
        f"| images | steps | variant | {' | '.join(names)} |",
        "|---|---|---|" + "---|" * len(names),
    ]
    for (number, steps, variant), rows in results.groupby(["images", "steps", "variant"]):
        cells = []
        for name in names:
            ap50 = rows.loc[rows["set"] == name, "ap50"]
            spread = f" ± {ap50.std():.3f} ({len(ap50)} seeds)" if len(ap50) > 1 else ""
            cells.append(f"{ap50.mean():.3f}{spread}" if len(ap50) else "")
        lines.append(f"| {number} | {steps} | {variant} | {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(results: pd.DataFrame) -> None:
    """Write recipe.png: of each set, AP50 against the number of labelled images, after 300 steps;
    a line for each way of training goes through the means of the seeds, which are dots.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = sorted(results["set"].unique())
    figure, axes = pyplot.subplots(1, len(names), figsize=(12, 4), layout="constrained")
    for name, axis in zip(names, axes, strict=True):
        for variant, said in SHOWN.items():
            chosen = results[["set", "variant", "steps"]] == [name, variant, 300]
            rows = results[chosen.all(axis=1)]
            means = rows.groupby("images")["ap50"].mean()
            (line,) = axis.plot(means.index, means, label=said)
            axis.scatter(rows["images"], rows["ap50"], s=14, color=line.get_color())
        axis.set(title=name, xlabel="labelled images", ylim=(0, 1))
    axes[0].set_ylabel("coco_ap50")
    axes[0].legend()
    figure.savefig(RESULTS.with_suffix(".png"), dpi=100)


def _measured() -> set[tuple]:
    if not RESULTS.exists():
        return set()
    return set(pd.read_csv(RESULTS)[KEY].itertuples(index=False, name=None))


def _keep(row: dict) -> None:
    before = pd.read_csv(RESULTS) if RESULTS.exists() else pd.DataFrame()
    table = pd.concat([before, pd.DataFrame([row])])
    write_bytes(RESULTS, table.sort_values(KEY, kind="stable").to_csv(index=False).encode())
    print(row, flush=True)


if __name__ == "__main__":
    main()

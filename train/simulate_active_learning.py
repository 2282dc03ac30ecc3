"""Plays a labelling project through on a data set that is labelled already, to see what a way of
choosing images is worth on it.

For each strategy and seed: label a few images drawn at random, train, let the model look at the
rest, label what the strategy picks, train again, … Each model is measured on images set aside
(coco_ap50). What is trained is kept: run it again after an interruption, or with more seeds, cycles
or strategies, and only what is missing is calculated (with more cycles, the last model of each
project once more, as nothing was chosen by it before). Writes results.csv, learning_curves.png and
simulation.json; results.csv keeps what strategies were worth that are not played now.
"""

import _repo_root  # noqa: F401

# isort: split

import argparse
import dataclasses
import functools
import json
import os
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from train.network.quiet import silence
from train.network.weights_digest import weights_digest
from train.simulation import learning_curves
from train.simulation.choice import TODAYS_RULE, Rules
from train.simulation.labelling import Schedule, classes_of, divide, play
from train.simulation.outcomes import DataSet, Recipe, TrainedSets, Trainer
from train.simulation.training import ChildTrainer, use_threads
from utils.arguments import Parser, number, share, whole_number
from utils.config.keys import MODEL_NAMES
from utils.errors import InputError, run_program
from utils.files import write_text
from utils.formats.annotated_sets import read_annotated
from utils.images.canvas import canvas_for
from utils.labels.tables import blob_names, image_set
from utils.strategies import STRATEGIES

_EXAMPLE = """examples:
  python train/simulate_active_learning.py labels/tagged.csv --images photos --out simulation
  python train/simulate_active_learning.py coco.json --images photos --out simulation \\
    --fast --seeds 1     (a look)
  python train/simulate_active_learning.py VOC2012 --out simulation --strategies random,hybrid \\
    --batch 200 --cycles 8"""
_SHOWN_BAD = 5


def main(argv: list[str]) -> None:
    arguments = _parser().parse_args(argv)
    schedule = Schedule(
        _strategies(arguments.strategies),
        arguments.seeds,
        arguments.start,
        arguments.batch,
        arguments.cycles,
    )
    annotated = read_annotated(arguments.labels, arguments.images)
    for line in annotated.bad[:_SHOWN_BAD]:
        print(f"left out: {line}", flush=True)
    if len(annotated.bad) > _SHOWN_BAD:
        print(f"left out: {len(annotated.bad) - _SHOWN_BAD} more", flush=True)
    test = (
        image_set(read_annotated(arguments.test, arguments.images).boxes)
        if arguments.test
        else None
    )
    data = divide(
        annotated, test, arguments.test_share, arguments.split_by, arguments.burst_seconds
    )
    recipe = _recipe(arguments, data)
    out = arguments.out.absolute()
    said = {
        "labels": str(arguments.labels),
        "images": len(data.names),
        "to choose from": len(image_set(data.pool)),
        "set aside": len(image_set(data.test)),
        "classes": list(data.classes),
        "left out": annotated.bad,
        "checkpoint": recipe.checkpoint,
        "schedule": dataclasses.asdict(schedule),
        "same for all": {
            "data": data.digest,
            "recipe": recipe.key,
            "start": schedule.start,
            "batch": schedule.batch,
            "random_share": arguments.random_share,
            "max_per_burst": arguments.max_per_burst,
            "burst_seconds": arguments.burst_seconds,
        },
    }
    earlier = _earlier_results(out, said["same for all"])
    write_text(out / "simulation.json", json.dumps(said, indent=1, ensure_ascii=False) + "\n")
    print(
        f"{said['to choose from']} images to choose from, {said['set aside']} set aside;"
        f" {', '.join(data.classes)}; {schedule.steps} models of {recipe.steps} steps at"
        f" {recipe.canvas[1]}x{recipe.canvas[0]} pixels"
        + (", on features of the frozen backbone" if recipe.on_features else ""),
        flush=True,
    )

    trained = TrainedSets(
        data, recipe, out / "models", _trainer(data, recipe, out, arguments.threads)
    )
    rules = Rules(
        tuple(data.classes),
        arguments.random_share,
        arguments.max_per_burst,
        burst_seconds=arguments.burst_seconds,
    )
    rows: list[pd.DataFrame] = []
    with tqdm(total=schedule.steps, desc="simulation", unit="model", disable=None) as progress:
        for looked_at, part in play(data, schedule, trained, rules):
            rows.append(part)
            progress.update()
            progress.write(looked_at) if not progress.disable else print(looked_at, flush=True)
            results = learning_curves.continued(earlier, pd.concat(rows))
            learning_curves.write(results, out / "results.csv")
    strategies = list(dict.fromkeys([*schedule.strategies, *results["strategy"]]))
    measured = [
        name
        for name in classes_of(results)
        if results[results["class"] == name]["ap50"].notna().any()
    ]
    learning_curves.plot(
        results,
        strategies,
        measured,
        out / "learning_curves.png",
        f"{arguments.labels.name}: {said['set aside']} images set aside,"
        f" {results['seed'].nunique()} seeds",
    )
    for line in learning_curves.in_words(results, strategies):
        print(line)
    print(
        f"{len(rows)} models, {trained.trained} of them trained now → {out}/results.csv,"
        " learning_curves.png"
    )


def _parser() -> Parser:
    parser = Parser(__doc__, _EXAMPLE)
    parser.add_argument(
        "labels",
        type=Path,
        help="a tagged CSV, a COCO .json, or a Pascal VOC folder; every image fully labelled",
    )
    parser.add_argument(
        "--images",
        type=Path,
        help="folder of the images (default: beside the labels; VOC: its JPEGImages)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for results and trained models"
    )
    parser.add_argument(
        "--strategies",
        default=f"random,{TODAYS_RULE},hybrid",
        help=f"of {', '.join(STRATEGIES)} (default %(default)s)",
    )
    parser.add_argument(
        "--seeds",
        type=whole_number,
        default=3,
        help="projects played with each strategy (default %(default)s)",
    )
    parser.add_argument(
        "--start",
        type=whole_number,
        default=40,
        help="images of the cold start (default %(default)s)",
    )
    parser.add_argument(
        "--batch",
        type=whole_number,
        default=40,
        help="images of each further cycle (default %(default)s)",
    )
    parser.add_argument(
        "--cycles", type=whole_number, default=5, help="further cycles (default %(default)s)"
    )
    parser.add_argument(
        "--random-share",
        type=share,
        default=0.1,
        help="random_share, but of lowest_box (default %(default)s)",
    )
    parser.add_argument(
        "--max-per-burst",
        type=whole_number,
        default=2,
        help="max_per_burst, but of lowest_box (default %(default)s)",
    )
    parser.add_argument(
        "--test",
        type=Path,
        help="labels that name the images to set aside, such as a project's test_<ms>.csv",
    )
    parser.add_argument(
        "--test-share",
        type=share,
        default=0.3,
        help="share of the images that is set aside (default %(default)s)",
    )
    parser.add_argument(
        "--split-by",
        choices=("burst", "folder", "image"),
        default="burst",
        help="what stays on one side (default %(default)s)",
    )
    parser.add_argument(
        "--burst-seconds",
        type=number("time", "seconds from 0 to 1000000000", 0, 1e9),
        default=60,
        help="photos of a folder this close in time are a burst (default %(default)s)",
    )
    parser.add_argument(
        "--model-name",
        choices=MODEL_NAMES,
        default="faster_rcnn_mobilenet_v2_fpn",
        help="default %(default)s",
    )
    parser.add_argument(
        "--checkpoint",
        type=_checkpoint,
        default="",
        help="as fine_tune_checkpoint in config.ini (default: the published weights)",
    )
    parser.add_argument(
        "--train-backbone", action="store_true", help="train the backbone too (default: frozen)"
    )
    parser.add_argument(
        "--side",
        type=whole_number,
        default=256,
        help="longer side of what the model sees, in pixels (default %(default)s)",
    )
    parser.add_argument(
        "--steps",
        type=whole_number,
        help="training steps of each model (default 600; 300 with --fast)",
    )
    parser.add_argument(
        "--batch-size",
        type=whole_number,
        default=4,
        help="images of a training step (default %(default)s)",
    )
    parser.add_argument(
        "--threads",
        type=number("number", "a whole number from 0", 0, whole=True),
        default=0,
        help="threads of TensorFlow (default: all cores)",
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help=(
            "calculate the frozen backbone's features once and train only what follows it, mirrored"
            " images being the only augmentation, for half the steps: a look, several times as fast"
        ),
    )
    return parser


def _recipe(arguments: argparse.Namespace, data: DataSet) -> Recipe:
    if arguments.fast and arguments.train_backbone:
        raise InputError(
            "--fast keeps the backbone as it is, and --train-backbone trains it; leave one of"
            " them out"
        )
    sizes = (
        data.images.set_axis(blob_names(data.images))
        .loc[data.names, ["height", "width"]]
        .to_numpy()
    )
    return Recipe(
        model_name=arguments.model_name,
        checkpoint=arguments.checkpoint,
        weights=weights_digest(arguments.checkpoint),
        freeze_backbone=not arguments.train_backbone,
        canvas=canvas_for(sizes, round(arguments.side * 3 / 4), arguments.side),
        steps=arguments.steps or (300 if arguments.fast else 600),
        batch_size=arguments.batch_size,
        on_features=arguments.fast,
    )


def _trainer(data: DataSet, recipe: Recipe, out: Path, threads: int) -> Trainer:
    weights = out / "weights"
    if not recipe.on_features:
        return ChildTrainer(data, recipe, weights, threads)

    @functools.cache
    def opened() -> Trainer:  # only when something is to be trained: it loads TensorFlow
        silence()
        use_threads(threads)
        from train.simulation import frozen_features

        return frozen_features.open_trainer(data, recipe, weights, out / "features")

    return lambda *arguments: opened()(*arguments)


def _earlier_results(out: Path, same_for_all: dict) -> pd.DataFrame:
    """The results in this folder if they are of the same data and settings, so that they can be
    compared; others are removed.
    """
    written, said = out / "results.csv", out / "simulation.json"
    if not written.is_file():
        return pd.DataFrame(columns=learning_curves.COLUMNS)
    before = (
        json.loads(said.read_text(encoding="utf-8")).get("same for all") if said.is_file() else None
    )
    if json.dumps(before) == json.dumps(same_for_all):
        return learning_curves.read(written)
    print(f"{written}: of other labels, images or settings; begun anew", flush=True)
    written.unlink()
    return pd.DataFrame(columns=learning_curves.COLUMNS)


def _checkpoint(text: str) -> str:
    return text.lower() if text.lower() in ("", "scratch") else os.path.abspath(text)


def _strategies(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in STRATEGIES]
    if unknown or not names:
        raise InputError(
            f"--strategies {text}: {', '.join(unknown) or 'none'} is no strategy; expected some of "
            f"{', '.join(STRATEGIES)}"
        )
    return names


if __name__ == "__main__":
    run_program(main)

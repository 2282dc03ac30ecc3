"""A simulation from its command line to its results: the data set divided, the projects played, the
learning curves written as they come.
"""

import argparse
import dataclasses
import functools
import json
from pathlib import Path

import pandas as pd

from train.network.quiet import silence
from train.network.weights_digest import weights_digest
from train.simulation import learning_curves
from train.simulation.choice import Rules
from train.simulation.labelling import Schedule, classes_of, divide, play
from train.simulation.outcomes import DataSet, Recipe, TrainedSets, Trainer
from train.simulation.training import ChildTrainer, side_by_side, use_threads
from utils.errors import InputError
from utils.files import write_text
from utils.formats.annotated_sets import read_annotated
from utils.images.canvas import canvas_for
from utils.labels.tables import blob_names, image_set
from utils.progress import progress_bar, say_beside
from utils.terminal import say

_SHOWN_BAD = 5


def simulate(arguments: argparse.Namespace, strategies: tuple[str, ...]) -> None:
    """Play the projects; what is found on the way and the closing line are printed. `arguments`:
    those of simulate_active_learning.py.
    """
    schedule = Schedule(
        strategies,
        arguments.seeds,
        arguments.start,
        arguments.batch,
        arguments.cycles,
    )
    annotated = read_annotated(arguments.labels, arguments.images)
    for line in annotated.bad[:_SHOWN_BAD]:
        say(f"left out: {line}")
    if len(annotated.bad) > _SHOWN_BAD:
        say(f"left out: {len(annotated.bad) - _SHOWN_BAD} more")
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
    say(
        f"{said['to choose from']} images to choose from, {said['set aside']} set aside;"
        f" {', '.join(data.classes)}; {schedule.steps} models of {recipe.steps} steps at"
        f" {recipe.canvas[1]}x{recipe.canvas[0]} pixels"
        + (", on features of the frozen backbone" if recipe.on_features else "")
    )

    at_once, threads = 1, arguments.threads
    if not recipe.on_features:
        at_once, threads = side_by_side(threads, len(schedule.strategies) * schedule.seeds)
    trained = TrainedSets(data, recipe, out / "models", _trainer(data, recipe, out, threads))
    rules = Rules(
        tuple(data.classes),
        arguments.random_share,
        arguments.max_per_burst,
        burst_seconds=arguments.burst_seconds,
    )
    rows: list[pd.DataFrame] = []
    with progress_bar(what="simulation", total=schedule.steps, unit="model") as progress:
        for looked_at, part in play(data, schedule, trained, rules, at_once):
            rows.append(part)
            progress.update()
            say_beside(progress, looked_at)
            results = learning_curves.continued(earlier, pd.concat(rows))
            learning_curves.write(results, out / "results.csv")
    shown = list(dict.fromkeys([*schedule.strategies, *results["strategy"]]))
    measured = [
        name
        for name in classes_of(results)
        if results[results["class"] == name]["ap50"].notna().any()
    ]
    learning_curves.plot(
        results,
        shown,
        measured,
        out / "learning_curves.png",
        f"{arguments.labels.name}: {said['set aside']} images set aside,"
        f" {results['seed'].nunique()} seeds",
    )
    for line in learning_curves.in_words(results, shown):
        say(line)
    for line in learning_curves.sensitivity_in_words(results, shown):
        say(line)
    say(
        f"{len(rows)} models, {trained.trained} of them trained now → {out}/results.csv,"
        " learning_curves.png"
    )


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
        freeze_backbone=arguments.fast or arguments.frozen_backbone,
        canvas=canvas_for(sizes, round(arguments.side * 3 / 4), arguments.side),
        steps=arguments.steps or (300 if arguments.fast else 600),
        batch_size=arguments.batch_size,
        on_features=arguments.fast,
        few_labels=not (arguments.fast or arguments.frozen_backbone or arguments.train_backbone),
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
    say(f"{written}: of other labels, images or settings; begun anew")
    written.unlink()
    return pd.DataFrame(columns=learning_curves.COLUMNS)

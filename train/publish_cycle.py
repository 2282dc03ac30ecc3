"""Publishes what a cycle made, in one commit: model, label map, predictions for the images that are
nobody's now, performance. Step 8.

Hours have passed since the cycle read the labels: images that were handed out or reviewed meanwhile
stay where they are, images that others took in meanwhile stay known. Stopped at any point, it is
run again; what is published already is not published twice.
"""

import _repo_root  # noqa: F401, I001

import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pandas as pd
from create_predictions import table_of_cycle
from train.prediction.embedding_file import FILE
from evaluate_model import cell, performance_text

from utils.labels import tables
from utils.arguments import Parser
from utils.labels.assignments import merge_listing, outdated, publish_totag
from utils.times import utc_text
from utils.labels.class_changes import with_present_names, used_again
from utils.config import Config, load_config
from train.cycle.files import training_cycle, update_cycle
from utils.errors import InputError, run_program
from utils.labels.store import Change, LabelStore, State, open_labels
from utils.labels.tables import image_set, only, without
from utils.reserved import NULL

PACKAGES = ("tensorflow", "tf-models-official", "tf_keras", "numpy", "pandas")
LIVE = ("model", "label_map", "config", "embeddings")
FIGURES = ("AP", "coco_ap", "coco_ap50")


def main(argv: list[str]) -> None:
    parser = Parser(
        __doc__, "example: python train/publish_cycle.py config.ini   (after evaluate_model.py)"
    )
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)
    _, store = open_labels(config)
    publish(config, store, CycleOutputs.read(config))


def publish(
    config: Config,
    store: LabelStore,
    made: "CycleOutputs",
    check: Callable[[State], object] = lambda _: None,
) -> None:
    """Publish the cycle, unless that was done already, and say what it was. `check` raises for a
    state that it must not be published to.
    """

    def checked(now: State) -> Change | None:
        if position_of(now, made.number) is None:
            check(now)
        return change(now, store, made, entry)

    state = store.read()
    if position_of(state, made.number) is None:
        entry = entry_of(made, publish_files(config, store, made), config)
        state, _ = store.commit(checked, what="publishing the cycle")
    else:
        print("this cycle was published already")
    print(performance_text(made.performance))
    print(published_text(state, made.number))


@dataclass(frozen=True)
class CycleOutputs:
    """What the steps before have left in their files (a candidate is published without the last
    three). `number` is a digest of it all: the same work has the same.
    """

    number: str
    cycle: dict
    training: dict
    images: pd.DataFrame
    failed: pd.DataFrame
    tagged: pd.DataFrame
    test: pd.DataFrame
    predictions: pd.DataFrame
    predicted: pd.DataFrame
    performance: pd.DataFrame | None = None
    model: Path | None = None
    label_map: Path | None = None

    @classmethod
    def read(cls, config: Config) -> "CycleOutputs":
        """Raises InputError naming the step to run when a file is not there."""
        model, training = (
            config.inference_output_dir / "frozen_inference_graph.pb",
            config.train_dir / "training.json",
        )
        for path, step in ((model, "export_model.py"), (training, "train_detector.py")):
            if not path.exists():
                raise InputError(
                    f"{path}: not there; {step} writes it, so run the steps of"
                    " train/active_learning_train.sh in their order"
                )
        cycle = training_cycle(config)
        files = {
            "images": (config.data_dir / "images.csv", "sync_images.py"),
            "failed": (config.data_dir / "failed.csv", "sync_images.py"),
            "tagged": (config.tagged_output, "sync_images.py"),
            "test": (config.test_output, "repartition_test_set.py --top-up"),
            "totag": (config.untagged_output, "create_predictions.py"),
            "predicted": (config.data_dir / "predicted.csv", "create_predictions.py"),
            "performance": (config.data_dir / "performance.csv", "evaluate_model.py"),
        }
        read = {table: table_of_cycle(table, path, step) for table, (path, step) in files.items()}
        label_map = model.with_name("label_map.pbtxt")
        try:
            trained = json.loads(training.read_bytes())
        except ValueError:
            raise InputError(
                f"{training}: not readable as JSON; run the steps of train/active_learning_train.sh"
                " again, from train_detector.py"
            ) from None
        return cls(
            number=_digest(
                [cycle["base"], cycle["started_at"]],
                [model, label_map, *(path for path, _ in files.values())],
            ),
            cycle=cycle,
            training=trained,
            model=model,
            label_map=label_map,
            predictions=read.pop("totag"),
            **read,
        )

    def base(self, store: LabelStore, table: str) -> pd.DataFrame:
        """A table as it was when the cycle began."""
        return store.table(State({"tables": self.cycle["base_tables"]}), table)


def position_of(state: State, number: str) -> int | None:
    """Where in the state's cycles the one of that number stands."""
    return next(
        (place for place, entry in enumerate(state.cycles) if entry.get("id") == number), None
    )


def published_text(state: State, number: str) -> str:
    """One line about the cycle of that number."""
    position = position_of(state, number)
    entry = state.cycles[position]
    average = entry["metrics"]["Average"]["AP"]
    return (
        f"cycle {position + 1}: {entry['images_labelled']} images, {entry['boxes_labelled']} boxes"
        f" labelled, average AP {cell(average)} → {entry['model']}, {entry['totag']},"
        f" {entry['performance']}"
    )


def publish_files(
    config: Config, store: LabelStore, made: CycleOutputs, own_tables: tuple[str, ...] = ()
) -> dict[str, str]:
    """Write model, label map, settings, performance and `own_tables` as blobs; what an interrupted
    run has written is not written again.
    """
    frames = {
        "images": made.images,
        "failed": made.failed,
        "totag": made.predictions,
        "test": made.test,
        "predicted": made.predicted,
        "performance": made.performance,
    }
    sources = {
        "model": (".pb", made.model),
        "label_map": (".pbtxt", made.label_map),
        "config": (".ini", config.public_text().encode()),
        **{
            name: (".csv", tables.to_csv(name, frames[name], config.user_folders))
            for name in ("performance", *own_tables)
        },
    }
    if (embeddings := config.data_dir / FILE).exists():
        sources["embeddings"] = (".parquet", embeddings)
    published = made.cycle.get("published", {})
    blobs = published["blobs"] if published.get("id") == made.number else {}
    for kind, (suffix, source) in sources.items():
        if kind not in blobs:
            blobs = {**blobs, kind: store.publish_file(kind, suffix, source, made.number)}
            update_cycle(config, published={"id": made.number, "blobs": blobs})
    return blobs


def entry_of(made: CycleOutputs, blobs: dict[str, str], config: Config) -> dict:
    """What label_state.json says about a cycle, but for the tables that its commit makes."""
    boxes = made.tagged[made.tagged["class"] != NULL]
    return {
        "id": made.number,
        "at": utc_text(datetime.now(UTC)),
        "started_at": made.cycle["started_at"],
        "base": made.cycle["base"],
        "class_changes": made.cycle.get("class_changes"),
        "tagged": made.cycle["base_tables"].get("tagged"),
        **blobs,
        "images_labelled": len(image_set(made.tagged)),
        "boxes_labelled": len(boxes),
        "metrics": metrics(made.performance),
        "weights": made.training.get("weights"),
        "seed": config.seed,
        "versions": versions(),
        "durations": made.cycle.get("durations", {}),
        "training": made.training,
        "predicted": made.cycle.get("predicted", {}),
        "random_share": made.cycle.get("random_share"),
    }


def next_test(now: State, store: LabelStore, made: CycleOutputs) -> tuple[pd.DataFrame, bool]:
    """The test set that the state has after the cycle, and whether it was drawn anew since the
    cycle began (then it stands).
    """
    present = {table: store.table(now, table) for table in ("tagged", "test")}
    redrawn = bool(now.document.get("pretrained_next")) and image_set(present["test"]) != image_set(
        made.base(store, "test")
    )
    return present["test"] if redrawn else merged_test(made, present), redrawn


def change(now: State, store: LabelStore, made: CycleOutputs, entry: dict) -> Change | None:
    """The commit of the cycle on the state as it is now; None when that cycle is in it already."""
    if position_of(now, made.number) is not None:
        return None
    present = {
        table: store.table(now, table)
        for table in ("images", "failed", "totag", "tagged", "tagging", "test", "predicted")
    }
    images, failed = merged_listings(
        {table: made.base(store, table) for table in ("images", "failed")},
        present,
        made.images,
        made.failed,
        made.cycle.get("pred_dir"),
    )
    check_classes(now, made.cycle)
    stale = outdated(made.predicted, images)
    predictions = without(with_present_names("totag", made.predictions, now.classes), stale)
    totag = publish_totag(
        images,
        predictions,
        totag=present["totag"],
        tagged=present["tagged"],
        tagging=present["tagging"],
        failed=failed,
        hours=store.reservation_hours,
        now=datetime.now(UTC),
    )
    test, redrawn = next_test(now, store, made)

    def finished(names: dict[str, str]) -> dict:
        """The entry with the blobs of this commit; after a redraw the cycle's own test set is in no
        table, and gets a blob of its own.
        """
        own = (
            store.publish_file(
                "test", ".csv", tables.to_csv("test", made.test, store.user_folders), made.number
            )
            if redrawn
            else None
        )
        return {
            **entry,
            "totag": names["totag"],
            "test": own or names["test"],
            **({"fresh": True} if reset else {}),
        }

    reset = bool(now.document.get("pretrained_next")) and not redrawn
    predicted = merged_predicted(without(made.predicted, stale), present["predicted"], totag)
    return Change(
        {"images": images, "failed": failed, "totag": totag, "test": test, "predicted": predicted},
        {
            "predicted_by": models_of(predicted, now, made.predicted, entry["model"]),
            "live": {
                **{kind: blob for kind, blob in now.live.items() if kind not in LIVE},
                **{kind: entry[kind] for kind in LIVE if kind in entry},
            },
            **({"candidate": None} if now.document.get("candidate") else {}),
            **({"pretrained_next": False} if reset else {}),
        },
        cycle=finished,
    )


def check_classes(now: State, cycle: dict) -> None:
    """Raises InputError when a class name means another class now than when the cycle (or run
    without training) began.
    """
    known = cycle.get("class_changes")
    if known is not None and (again := used_again(now.classes, known)):
        raise InputError(
            f"classes were changed since this run began, and {', '.join(sorted(again))} means"
            " another class now; begin it again"
        )


def merged_listings(
    base: dict[str, pd.DataFrame],
    present: dict[str, pd.DataFrame],
    images: pd.DataFrame,
    failed: pd.DataFrame,
    pred_dir: str | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(images, failed): those of this sync, with what others have found out since it began
    (`base`), and what lies outside pred_dir.
    """
    broken_since = image_set(present["failed"]) - image_set(base["failed"])
    images = without(merge_listing(base["images"], present["images"], images), broken_since)
    failed = without(merge_listing(base["failed"], present["failed"], failed), image_set(images))
    if pred_dir:
        images, failed = (
            tables.concat(
                table,
                frame,
                _outside(without(present[table], image_set(images) | image_set(failed)), pred_dir),
            )
            for table, frame in (("images", images), ("failed", failed))
        )
    return images, failed


def merged_test(made: CycleOutputs, present: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The cycle's test images and those that others have added, unless the cycle has trained on
    them; rows as in tagged now.
    """
    trained = image_set(made.tagged) - image_set(made.test)
    wanted = image_set(made.test) | (image_set(present["test"]) - trained)
    return only(present["tagged"], wanted)


def merged_predicted(new: pd.DataFrame, present: pd.DataFrame, totag: pd.DataFrame) -> pd.DataFrame:
    """Which model and ETag the rows of totag come from, of the images there: the new entries, and
    the present ones of other images.
    """
    return only(tables.concat("predicted", without(present, image_set(new)), new), image_set(totag))


def models_of(
    predicted: pd.DataFrame, now: State, new: pd.DataFrame, model: str | None
) -> dict[str, str]:
    """The member `predicted_by` for a table `predicted`, when its entries `new` are by that
    published model (None: it has no blob).
    """
    known = now.predicted_by | (dict.fromkeys(new["model"], model) if model else {})
    return {key: known[key] for key in predicted["model"].unique() if key in known}


def metrics(performance: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """AP, coco_ap and coco_ap50 of the average and of each class; None for an empty cell."""
    return {
        row["Class Name"]: {
            figure: None if pd.isna(row[figure]) else row[figure] for figure in FIGURES
        }
        for row in performance.to_dict("records")
    }


def versions() -> dict[str, str]:
    """What the cycle ran on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _outside(frame: pd.DataFrame, folder: str) -> pd.DataFrame:
    inside = (frame["folder"] == folder) | frame["folder"].str.startswith(f"{folder}/")
    return frame[~inside]


def _digest(texts: list[str], files: list[Path]) -> str:
    digest = hashlib.sha256("\n".join(texts).encode())
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]


if __name__ == "__main__":
    run_program(main)

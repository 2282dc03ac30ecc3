"""What a cycle is to train on, and what is wrong with it, before hours are spent on it."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from train.network import labelled_images
from train.network.labelled_images import Plan
from utils.config import Config
from utils.labels import tables
from utils.labels.label_map import current_name
from utils.labels.state import State
from utils.labels.store import LabelStore

_MUCH_LARGER = 1.5


def plan_of_cycle(config: Config, store: LabelStore, state: State, classes: dict[str, int]) -> Plan:
    """The labelled images of the cycle's files, divided. classes: {name: id} of the label map."""
    return labelled_images.plan(
        _read(config.tagged_output, "tagged"),
        _read(config.test_output, "test"),
        _read(config.data_dir / "images.csv", "images"),
        _read(config.data_dir / "failed.csv", "failed"),
        classes=classes,
        renamed=state.classes["renamed"],
        dropped=state.classes["dropped"],
        config=config,
        greys=state.greys,
        where=f"{state.blob('tagged') or 'tagged'} in {store.container.address}",
    )


def class_warnings(config: Config, state: State, classes: Iterable[str]) -> list[str]:
    """Classes of config.ini that are not trained on."""
    return [
        f"class {name!r} stands in classes= but is recorded as dropped, so it is not trained on;"
        f" take it out of {config.path}, or take it up again: bash"
        f" train/active_learning_update_label_map.sh {config.path}"
        for name in config.classes
        if current_name(name, state.classes["renamed"]) not in classes
    ]


def plan_warnings(config: Config, plan: Plan) -> list[str]:
    """What makes the model worse than it could be."""
    lines = []
    times = labelled_images.enlarged_in_tiles(plan, config.max_tile_size) if config.tile else 0.0
    if times > _MUCH_LARGER:
        lines.append(
            f"tile=True: objects are {times:.1f} times as large in the tiles that are predicted as"
            " in the whole images that are trained on; label pictures cut to"
            f" {config.max_tile_size} pixels, or set tile=False in {config.path}"
        )
    if said := labelled_images.fuller_than(plan, config.max_detections):
        lines.append(f"{said} ({config.path})")
    if reshaped := labelled_images.of_other_shape(plan):
        more = ", …" if len(reshaped) > 3 else ""
        lines.append(
            f"{len(reshaped)} images have another shape now than when they were labelled"
            f" ({', '.join(reshaped[:3])}{more}), so their boxes lie wrong; label them again"
        )
    return lines


def _read(path: Path, table: str) -> pd.DataFrame:
    return tables.parse(table, path) if path.exists() else tables.empty(table)

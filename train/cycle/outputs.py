"""What the steps of a cycle have left in their files, as it is published."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from train.cycle.files import (
    TRAINING_FILE,
    exported_label_map,
    exported_model,
    read_working,
    training_cycle,
    working_path,
)
from utils.config import Config
from utils.errors import InputError
from utils.labels.store import LabelStore
from utils.reserved import AVERAGE


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
        model, training = exported_model(config), config.train_dir / TRAINING_FILE
        for path, step in ((model, "export_model.py"), (training, "train_detector.py")):
            if not path.exists():
                raise InputError(
                    f"{path}: not there; {step} writes it, so run the steps of"
                    " train/active_learning_train.sh in their order"
                )
        cycle = training_cycle(config)
        files = ("images", "failed", "tagged", "test", "totag", "predicted", "performance")
        read = {name: read_working(config, name) for name in files}
        if list(read["performance"]["Class Name"][:1]) != [AVERAGE]:
            raise InputError(
                f"{working_path(config, 'performance')}: cut short; run the steps of"
                " train/active_learning_train.sh again, from evaluate_model.py"
            )
        label_map = exported_label_map(config)
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
                [model, label_map, *(working_path(config, name) for name in files)],
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
        return store.table_at(self.cycle["base_tables"].get(table), table)


def _digest(texts: list[str], files: list[Path]) -> str:
    digest = hashlib.sha256("\n".join(texts).encode())
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]

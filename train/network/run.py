"""What a training run is: all that its result depends on."""

import dataclasses
import hashlib
import json
from pathlib import Path

from train.network.augmentation import Augmentation
from train.network.detector import Settings
from train.network.ending import Limits
from train.network.tuning import Tuning


@dataclasses.dataclass(frozen=True)
class Run:
    """One training run. The fingerprint covers everything that the result depends on.

    shards, validation_shards: record files; images: number of training images; repeats: see
    training_input.repeat_factors. validation_batches: 0 = all. start: text that names the weights
    it starts from. bfloat16: whether a CPU calculates in 16 bits.
    """

    settings: Settings
    augmentation: Augmentation
    digest: str
    shards: list[str]
    images: int
    repeats: dict[int, float]
    validation_shards: list[str]
    validation_batches: int
    iterations: int
    batch_size: int
    learning_rate: float
    seed: int
    start: str
    tuning: Tuning = Tuning()
    limits: Limits = Limits()
    bfloat16: bool = False

    @property
    def fingerprint(self) -> str:
        parts = [
            self.digest,
            self.settings.as_json(),
            self.augmentation.as_parts(),
            self.iterations,
            self.batch_size,
            self.learning_rate,
            self.seed,
            self.start,
            self.validation_batches,
        ]
        later = self.tuning.as_parts() | self.limits.as_parts()
        if self.bfloat16:
            later["bfloat16"] = True
        if later:
            parts.append(later)
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def for_others(self, finished: bool) -> dict:
        """What the chief tells the other machines: what comes of its weights, and by what they know
        that they train the same.
        """
        return {
            "fingerprint": self.fingerprint,
            "start": self.start,
            "freeze_backbone": self.settings.freeze_backbone,
            "tuning": dataclasses.asdict(self.tuning),
            "finished": finished,
        }

    def folder(self, train_dir: Path) -> Path:
        return train_dir / f"run-{self.fingerprint}"

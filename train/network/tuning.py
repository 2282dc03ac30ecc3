"""What is done so that few labelled images teach much: how much of a pretrained backbone may move,
and which images are shown.
"""

import dataclasses

import tensorflow as tf
import tf_keras

from train.network.augmentation import Augmentation
from train.network.freezing import freeze_stages, freeze_statistics


@dataclasses.dataclass(frozen=True)
class Tuning:
    """backbone_rate: the backbone's learning rate, as a share of the others'. frozen_stages: see
    freeze_stages. frozen_statistics: the backbone's normalisation stays as it came.
    balance_empty: see repeat_factors.
    """

    backbone_rate: float = 1.0
    frozen_stages: int = 0
    frozen_statistics: bool = False
    balance_empty: bool = False

    def as_parts(self) -> dict:
        """What differs from the default, for a run's fingerprint."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }

    def freeze(self, model: tf_keras.Model) -> None:
        """Freeze what is to stay of this network's backbone."""
        if self.frozen_stages:
            freeze_stages(model.backbone, self.frozen_stages)
        if self.frozen_statistics:
            freeze_statistics(model.backbone)

    def slower(self, model: tf_keras.Model) -> list[tf.Variable]:
        """The variables to which backbone_rate applies."""
        return [] if self.backbone_rate == 1.0 else model.backbone.trainable_variables


# The words of `fine_tuning` in config.ini. Gentle: what a backbone knows of edges and colours stays
# as it is, and so does its normalisation (as in detectron2 and torchvision); the rest moves little.
TUNINGS = {
    "all": Tuning(),
    "gentle": Tuning(backbone_rate=0.1, frozen_stages=2, frozen_statistics=True),
}


def tuning_of(fine_tuning: str, pretrained: bool, balance_empty: bool) -> Tuning:
    """What these words of config.ini mean. A backbone that starts from nothing must learn
    everything.
    """
    tuning = TUNINGS[fine_tuning if pretrained else "all"]
    return dataclasses.replace(tuning, balance_empty=balance_empty)


def for_few_labels(pretrained: bool) -> tuple[Tuning, Augmentation]:
    """What a new config.ini says (a test compares), for those who train without one."""
    return tuning_of("gentle", pretrained, balance_empty=True), Augmentation(zoom=True)

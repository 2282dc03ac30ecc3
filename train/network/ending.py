"""When a training ends: after its steps, or sooner, because it learns no more or its time is up.

An end that comes nearer is an end in order: the rate falls along the rest of its cosine until it.
"""

import dataclasses
import math

import tensorflow as tf

_PASSES = 30
_LEAST_STEPS, _ENOUGH_STEPS = 300, 20_000
MOST_STEPS = 10_000_000
_PATIENCE = 4  # measurements without a better one
_LAST_SHARE = 0.25  # of the steps done, for the rate to fall
TO_TELL_BY = 20  # fewer steps say nothing of the speed; fewer boxes nothing of the model


@dataclasses.dataclass(frozen=True)
class Limits:
    """patience: measurements of the validation part in a row that may be no better than the best
    before; 0: any number. minutes: how long the training may take; None: as long as it takes.
    """

    patience: int = 0
    minutes: float | None = None

    def as_parts(self) -> dict:
        """What differs from no limits, for a run's fingerprint."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value}


def auto_steps(images: int, batch_size: int) -> int:
    """Steps for so many images: 30 passes, 300 to 20 000 steps."""
    return min(max(math.ceil(_PASSES * images / batch_size), _LEAST_STEPS), _ENOUGH_STEPS)


def patience_for(validation_boxes: int) -> int:
    """The patience with a validation part of so many boxes; 0: too few to stop a training by."""
    return _PATIENCE if validation_boxes >= TO_TELL_BY else 0


class Ending(tf.Module):
    """The last step of a run. As a part of a checkpoint it stays where it has come to."""

    def __init__(self, last: int, limits: Limits):
        super().__init__()
        self._limits = limits
        self._last = tf.Variable(last, dtype=tf.int64, trainable=False)
        self._no_better = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._best = tf.Variable(-1.0, trainable=False)
        self._planned = last

    @property
    def steps(self) -> int | tf.Variable:
        """The last step for a schedule: a variable where it may change."""
        return self._last if self._limits.as_parts() else self._planned

    @property
    def last(self) -> int:
        return int(self._last)

    def follow(self, last: int) -> None:
        """The last step is this one: another machine decides it."""
        self._last.assign(last)

    def measured(self, step: int, ap50: float) -> str | None:
        """After a measurement at this step; a line for people when the end comes nearer by it."""
        if not self._limits.patience:
            return None
        better = ap50 > float(self._best)
        self._best.assign(max(ap50, float(self._best)))
        stale = int(self._no_better.assign(0 if better else self._no_better + 1))
        if stale != self._limits.patience:
            return None
        nearer = step + math.ceil(_LAST_SHARE * step)
        if not self._come(nearer):
            return None
        return (
            f"step {step}: no better on the validation part for {stale} measurements; the training"
            f" ends at step {nearer} instead of {self._planned}"
        )

    def timed(self, step: int, spent: float, done: int, seconds: float) -> str | None:
        """After this step, when the training has taken `spent` seconds in all, and `done` steps of
        it `seconds`; a line for people when the end comes nearer for the first time.
        """
        if self._limits.minutes is None or done < TO_TELL_BY:
            return None
        left = 60 * self._limits.minutes - spent
        before = self.last
        if not self._come(step + max(1, math.floor(left * done / seconds))):
            return None
        if before != self._planned:
            return None
        return (
            f"the training ends at about step {self.last} instead of {self._planned}, after"
            f" train_minutes={self._limits.minutes:g}"
        )

    def _come(self, nearer: int) -> bool:
        if nearer >= self.last:
            return False
        self._last.assign(nearer)
        return True

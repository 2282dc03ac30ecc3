"""How fast which weights learn: the rate over a run's steps, and that of the backbone beside it."""

import math
from collections.abc import Iterable

import tensorflow as tf
import tf_keras

_WARM_UP_STEPS = 200
_WEIGHT_DECAY = 4e-5
_RATE_OF_IMAGE = 0.005  # learning rate for each image of a batch


def default_learning_rate(batch_size: int) -> float:
    """In proportion to the batch: 0.02 for a batch of 4."""
    return _RATE_OF_IMAGE * batch_size


def make_optimizer(
    learning_rate: float,
    iterations: int | tf.Variable,
    policy: str,
    slower: Iterable[tf.Variable] = (),
    share: float = 1.0,
) -> tf_keras.optimizers.Optimizer:
    """Gradient descent with momentum for a run of that many steps. The `slower` variables learn at
    this share of the rate.
    """
    options = {
        "learning_rate": Rate(learning_rate, iterations),
        "momentum": 0.9,
        "global_clipnorm": 10.0,
        "weight_decay": _WEIGHT_DECAY,
        "jit_compile": False,
    }
    optimizer = (
        tf_keras.optimizers.SGD(**options)
        if share == 1.0
        else _TwoRates(slower=slower, share=share, **options)
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return (
        tf_keras.mixed_precision.LossScaleOptimizer(optimizer)
        if policy == "mixed_float16"
        else optimizer
    )


class Rate(tf_keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then half a cosine down to zero at the last step, which may come nearer
    where it is a variable.
    """

    def __init__(self, peak: float, iterations: int | tf.Variable):
        self._peak, self._steps = peak, iterations
        self._warm_up = max(1, min(_WARM_UP_STEPS, int(iterations) // 5))

    def __call__(self, step):
        done, steps = tf.cast(step, tf.float32), tf.cast(self._steps, tf.float32)
        return self._peak * tf.minimum(
            (done + 1) / self._warm_up, 0.5 * (1 + tf.cos(math.pi * done / steps))
        )


class _TwoRates(tf_keras.optimizers.SGD):
    """What is scaled is the gradient, after all of them were clipped together."""

    def __init__(self, slower: Iterable[tf.Variable], share: float, **options):
        super().__init__(**options)
        self._slower = {self._var_key(variable) for variable in slower}
        self._share = share

    def update_step(self, gradient, variable):
        if self._var_key(variable) in self._slower:
            gradient = gradient * self._share
        super().update_step(gradient, variable)

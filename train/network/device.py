"""Where training runs: the GPUs of this machine or its CPU, or several machines together."""

import dataclasses
import os

import tensorflow as tf

from train.network.machines import Machines
from train.network.quiet import without_notes


@dataclasses.dataclass(frozen=True)
class Device:
    """Where training runs. `policy` is the Keras precision policy, `said` one line about it;
    `machines`: which ones train together, None for this one alone.
    """

    strategy: tf.distribute.Strategy
    policy: str
    images_at_once: int
    said: str
    machines: Machines | None = None


def choose_device(machines: Machines | None = None) -> Device:
    """All GPUs of this machine, else the CPU; of all `machines` when several train together. Then
    it waits for the others, and nothing may have been calculated before.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return device_of(
        {
            f"GPU:{number}": (
                tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
            )
            for number, gpu in enumerate(gpus)
        },
        machines,
    )


def device_of(gpus: dict[str, str], machines: Machines | None = None) -> Device:
    """How to train on these GPUs, {TensorFlow's name: what it is}: in 16-bit arithmetic; on the CPU
    when there is none.
    """
    said = device_text(list(gpus.values()))
    if machines is not None:
        with without_notes():
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
        policy, images = ("mixed_float16", 8) if gpus else ("float32", 4)
        at_once = images * strategy.num_replicas_in_sync
        return Device(strategy, policy, at_once, f"{machines.said}: {said}", machines)
    if gpus:
        strategy = (
            tf.distribute.MirroredStrategy(list(gpus))
            if len(gpus) > 1
            else tf.distribute.get_strategy()
        )
        return Device(strategy, "mixed_float16", 8 * len(gpus), said)
    return Device(tf.distribute.get_strategy(), "float32", 4, said)


def device_text(gpus: list[str]) -> str:
    """One line on what training runs on; `gpus`: their names. devops/dsvm/setup-tensorflow.sh tells
    by it whether a GPU is used.
    """
    if len(gpus) > 1:
        return f"training on {len(gpus)} GPUs, mixed precision"
    if gpus:
        return f"training on one GPU ({gpus[0]}), mixed precision"
    return (
        f"training on the CPU, {os.cpu_count()} cores: good for trying out and small sets; a GPU is"
        " 10 to 50 times as fast"
    )

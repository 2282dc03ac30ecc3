"""A network that learns, and the steps by which it does."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator

import tensorflow as tf
import tf_keras
from official.vision.tasks.maskrcnn import MaskRCNNTask

from train.network import together
from train.network.arithmetic import first_without_notes
from train.network.detector import build_model, make_task, model_config
from train.network.device import Device
from train.network.ending import Ending, Limits
from train.network.input import training_dataset
from train.network.run import Run
from train.network.schedule import make_optimizer
from train.network.whole_batch import WholeBatchTask
from utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class Network:
    """A network that can be trained, when that ends, and the checkpoint of all that one step leaves
    to the next.
    """

    task: MaskRCNNTask
    model: tf_keras.Model
    optimizer: tf_keras.optimizers.Optimizer
    step: tf.Variable
    ending: Ending
    checkpoint: tf.train.Checkpoint


def prepare(run: Run, device: Device) -> Network:
    """The network of a run, from random weights. Over several machines its normalisation and its
    losses are of the whole batch, as on one machine.
    """
    machines = device.machines
    tf_keras.mixed_precision.set_global_policy(device.policy)
    tf_keras.utils.set_random_seed(run.seed + (machines.index if machines else 0))
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    ending = Ending(run.iterations, run.limits)
    config = model_config(run.settings)
    kind, own = MaskRCNNTask, contextlib.nullcontext()
    if machines:
        config.norm_activation.use_sync_bn = True
        kind, own = WholeBatchTask, tf.variable_creator_scope(together.kept_by_the_first)
    with device.strategy.scope(), own:
        task = make_task(run.settings, config, kind)
        model = build_model(task)
        run.tuning.freeze(model)
        optimizer = make_optimizer(
            run.learning_rate,
            ending.steps,
            device.policy,
            run.tuning.slower(model),
            run.tuning.backbone_rate,
        )
        optimizer.build(model.trainable_variables)  # else the first step is traced twice
        checkpoint = tf.train.Checkpoint(
            model=model, optimizer=optimizer, step=step, **model.checkpoint_items
        )
        if run.limits != Limits():
            checkpoint.ending = ending
    _ = checkpoint.save_counter  # made here, on every machine: restoring would make it on one
    return Network(task, model, optimizer, step, ending, checkpoint)


def batches_from(run: Run, device: Device, step: int) -> Iterator:
    """The batches from that step on; each machine decodes only its share of the images."""

    def dataset(batch_size: int, part: int = 0, parts: int = 1) -> tf.data.Dataset:
        return training_dataset(
            run.shards,
            run.images,
            run.settings,
            run.augmentation,
            batch_size,
            run.seed + step + part,
            run.repeats,
            part=(part, parts),
        )

    if device.machines is None:
        return iter(device.strategy.experimental_distribute_dataset(dataset(run.batch_size)))
    return iter(
        device.strategy.distribute_datasets_from_function(
            lambda context: dataset(
                context.get_per_replica_batch_size(run.batch_size),
                context.input_pipeline_id,
                context.num_input_pipelines,
            )
        )
    )


def training_step(network: Network, device: Device) -> Callable:
    """One step on the next batch; it gives the loss, the mean of all replicas'."""
    task, model, optimizer = network.task, network.model, network.optimizer

    @tf.function(autograph=False)
    def train_step(inputs):
        losses = device.strategy.run(
            lambda images, labels: task.train_step((images, labels), model, optimizer)["loss"],
            args=inputs,
        )
        return device.strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)

    return first_without_notes(train_step)


def last_step(run: Run, device: Device, ending: Ending) -> int:
    """The last step as it is known now. Where it may come nearer the chief says it to the others,
    before each step: the rate depends on it.
    """
    if device.machines and run.limits != Limits():
        ending.follow(together.number(device.strategy, device.machines, ending.last))
    return ending.last


def check_loss(loss: float, number: int) -> None:
    if not math.isfinite(loss):
        raise InputError(
            f"the loss became {loss} at step {number}: training has run away; set a lower"
            " learning_rate in config.ini"
        )

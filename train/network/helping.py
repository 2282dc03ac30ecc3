"""Training on a machine that is not the chief: it calculates its share of every batch, and writes
nothing.
"""

import dataclasses
from collections.abc import Callable

from train.network import together
from train.network.arithmetic import calculating_in
from train.network.device import Device
from train.network.learning import batches_from, check_loss, last_step, prepare, training_step
from train.network.run import Run
from train.network.training import arithmetic_of
from train.network.training_progress import Progress, until_told
from train.network.tuning import Tuning
from utils.errors import InputError


def help_train(run: Run, device: Device, say: Callable[[str], None]) -> None:
    """Train with the chief until it has the model; `run` is what this machine's config and records
    mean. Ctrl-C and SIGTERM raise KeyboardInterrupt, and end the training of all. Raises InputError
    when the chief trains something else.
    """
    strategy, machines = device.strategy, device.machines
    told = together.told(strategy, machines, None)
    settings = dataclasses.replace(run.settings, freeze_backbone=told["freeze_backbone"])
    tuning = Tuning(**told["tuning"])
    run = dataclasses.replace(run, start=told["start"], settings=settings, tuning=tuning)
    if run.fingerprint != told["fingerprint"]:
        raise InputError(
            f"the settings or the records of this machine are not those of {machines.chief};"
            " expected the same config file, and tf_record_location in a folder that all machines"
            " see"
        )
    if told["finished"]:
        say(f"{machines.chief} has trained already with these labels and settings")
        return
    with calculating_in(arithmetic_of(run, device)):
        _help(run, device, say)


def _help(run: Run, device: Device, say: Callable[[str], None]) -> None:
    """Calculate this machine's share of every batch, until the chief has the model."""
    strategy, machines = device.strategy, device.machines
    network = prepare(run, device)
    together.take_from_chief(strategy, machines, network.checkpoint)
    step, ending, train_step = network.step, network.ending, training_step(network, device)
    batches = batches_from(run, device, int(step))
    with until_told() as ended, Progress(int(step), ending.last, say) as progress:
        while int(step) < last_step(run, device, ending):
            loss = train_step(next(batches))
            number = int(step.assign_add(1))
            if progress.due(number) or number == ending.last:
                check_loss(float(loss), number)
            progress.at(number, loss)
            if ended():
                raise KeyboardInterrupt
    together.told(strategy, machines, None)  # when it has been written
    say(f"{ending.last} steps; {machines.chief} exports and publishes the model")

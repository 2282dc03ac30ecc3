"""What the chief and the other machines say to each other while they train: all by TensorFlow's own
collective operations, so that no other way has to be open between them.
"""

import contextlib
import json
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from train.network.machines import Machines
from utils.errors import OutsideError

# what collective operations end with when a machine is gone
_GONE = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
    tf.errors.UnknownError,
)


def told(strategy: tf.distribute.Strategy, machines: Machines, document: dict | None) -> dict:
    """What the chief says; every machine calls it at the same point, the chief with a document."""
    text = json.dumps(document).encode() if machines.is_chief else b""
    length = int(_sum(strategy, machines, np.array([len(text)], np.int32))[0])
    signs = np.zeros(length, np.int32)
    signs[: len(text)] = np.frombuffer(text, np.uint8)
    return json.loads(bytes(_sum(strategy, machines, signs).astype(np.uint8)))


def number(strategy: tf.distribute.Strategy, machines: Machines, value: int) -> int:
    """The chief's value; every machine calls it at the same point."""
    own = value if machines.is_chief else 0
    return int(_sum(strategy, machines, np.array([own], np.int64))[0])


def take_from_chief(
    strategy: tf.distribute.Strategy, machines: Machines, checkpoint: tf.train.Checkpoint
) -> None:
    """Give all variables of a checkpoint the values that they have on the chief."""
    found = tf.train.TrackableView(checkpoint).descendants()
    variables = [part for part in found if isinstance(part, tf.Variable)]
    for dtype in {variable.dtype: None for variable in variables}:
        those = [variable for variable in variables if variable.dtype == dtype]
        flat = np.concatenate([variable.numpy().ravel() for variable in those])
        values = _sum(strategy, machines, flat if machines.is_chief else np.zeros_like(flat))
        ends = np.cumsum([variable.shape.num_elements() for variable in those])[:-1]
        for variable, value in zip(those, np.split(values, ends), strict=True):
            variable.assign(value.reshape(variable.shape))


def kept_by_the_first(make, **how) -> tf.Variable:
    """A variable as a strategy makes it; of one that each replica has for itself (statistics of a
    normalisation, which all replicas share here) the first replica's is saved. Reading it then
    needs no other machine.
    """
    if how.get("synchronization") == tf.VariableSynchronization.ON_READ:
        how["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
    return make(**how)


@contextlib.contextmanager
def reaching(machines: Machines | None) -> Iterator[None]:
    """Training with other machines: raises OutsideError, one line, when one of them is gone."""
    try:
        yield
    except _GONE as error:
        if machines is None:
            raise
        others = [address for address in machines.addresses if address != machines.own]
        raise OutsideError(
            f"training has stopped: {' or '.join(others)} has ended, or cannot be reached any more;"
            " see what it said. Start the same command on every machine, and training goes on from"
            f" the last checkpoint ({_short(error)})"
        ) from None


def _short(error: tf.errors.OpError) -> str:
    """The last line of what TensorFlow says, at most 120 signs of it."""
    lines = [line.strip() for line in error.message.splitlines() if "Additional GRPC" not in line]
    return next((line for line in reversed(lines) if line), type(error).__name__)[:120]


def _sum(strategy: tf.distribute.Strategy, machines: Machines, values: np.ndarray) -> np.ndarray:
    """The sum of the machines' values, each counted once however many GPUs it has."""
    nothing = np.zeros_like(values)
    first = strategy.num_replicas_in_sync // len(machines.addresses) * machines.index
    each = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(
            values if context.replica_id_in_sync_group == first else nothing
        )
    )
    return strategy.reduce(tf.distribute.ReduceOp.SUM, each, axis=None).numpy()

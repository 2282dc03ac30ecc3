"""With how many bits a network is trained on a CPU.

In 16 bits it is TensorFlow's rewrite of a graph for oneDNN: convolutions and products are
calculated in 16 bits; weights, what they learn and the losses stay in 32. In 32 bits on a CPU
graphs run as they were traced: TensorFlow's passes over them take more than a second for each and
make a step no faster (0.99 times, MobileNet at 256 pixels; 1.00, ResNet-18 at 320).
"""

import contextlib
from collections.abc import Callable, Iterator

import tensorflow as tf

from train.network.quiet import without_notes

BFLOAT16, FLOAT32 = "bfloat16", "float32"
_AS_TRACED = "disable_meta_optimizer"
_REWRITE = "auto_mixed_precision_onednn_bfloat16"


@contextlib.contextmanager
def calculating_in(arithmetic: str) -> Iterator[None]:
    """Meanwhile TensorFlow runs graphs as they were traced where this is FLOAT32, and rewrites them
    for 16 bits where it is BFLOAT16.
    """
    wanted = {_REWRITE: arithmetic == BFLOAT16}
    if arithmetic == FLOAT32:
        wanted[_AS_TRACED] = True
    now = tf.config.optimizer.get_experimental_options()
    before = {option: now.get(option, False) for option in wanted}
    tf.config.optimizer.set_experimental_options(wanted)
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options(before)


def first_without_notes(function: Callable) -> Callable:
    """The function; where graphs are rewritten it is called `without_notes` the first time, as the
    rewrite prints what it did.
    """
    called = []

    def quietly(*arguments):
        if called:
            return function(*arguments)
        called.append(True)
        rewritten = tf.config.optimizer.get_experimental_options().get(_REWRITE, False)
        with without_notes() if rewritten else contextlib.nullcontext():
            return function(*arguments)

    return quietly

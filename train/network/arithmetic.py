"""With how many bits a network is trained on a CPU.

In 16 bits it is TensorFlow's rewrite of a graph for oneDNN: convolutions and products are
calculated in 16 bits; weights, what they learn and the losses stay in 32.
"""

import contextlib
from collections.abc import Callable, Iterator

import tensorflow as tf

from train.network.quiet import without_notes

BFLOAT16 = "bfloat16"
_REWRITE = "auto_mixed_precision_onednn_bfloat16"


@contextlib.contextmanager
def calculating_in(arithmetic: str) -> Iterator[None]:
    """Meanwhile TensorFlow rewrites what it traces where this is BFLOAT16; else it does not."""
    before = tf.config.optimizer.get_experimental_options().get(_REWRITE, False)
    tf.config.optimizer.set_experimental_options({_REWRITE: arithmetic == BFLOAT16})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({_REWRITE: before})


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

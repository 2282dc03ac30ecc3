"""With how many bits a network is trained on a CPU.

In 16 bits it is TensorFlow's rewrite of a graph for oneDNN: convolutions and products are
calculated in 16 bits; weights, what they learn and the losses stay in 32.
"""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

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

"""The host of train/cycle/host.py as tests use it:

    python -m tests.helpers_host ADDRESS PARENT

It is without TensorFlow's optimiser of graphs, which takes longer than the few steps of a test.
"""

import sys

from train.cycle.host import load_tensorflow, main


def load() -> None:
    load_tensorflow()
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), load)

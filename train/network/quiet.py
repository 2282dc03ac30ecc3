"""Keeping what TensorFlow remarks about drivers, instructions and passes off the terminal. Python's
errors still come.
"""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator


def silence() -> None:
    """To be called before TensorFlow is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # tf-models works with Keras 2; Keras 3 takes a second and a half to load
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    # mobilenet's backbone has one level more than is used
    warnings.filterwarnings("ignore", message="Input dict contained keys")
    # a checkpoint that does not fit would name each variable at the end
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    import absl.logging

    absl.logging.set_verbosity(absl.logging.ERROR)


@contextlib.contextmanager
def without_notes() -> Iterator[None]:
    """Keep away what the C++ parts write to stderr in spite of `silence`: notes of their graph
    passes.
    """
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)

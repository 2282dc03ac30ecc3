"""Weights are known by their content, wherever their checkpoint lies. Loads no TensorFlow."""

import glob
import hashlib
from pathlib import Path

from utils.files import sha256_of


def weights_digest(checkpoint: str) -> str:
    """What a checkpoint (a prefix, one of its files, or a folder) or a published model holds, as a
    digest; "" and scratch stand for themselves, and so does what is not there.
    """
    if checkpoint in ("", "scratch"):
        return checkpoint

    given = Path(checkpoint.removesuffix(".index").removesuffix(".data-00000-of-00001"))
    if given.suffix == ".pb" and given.is_file():  # a published model
        return sha256_of(given)[:32]
    if given.is_dir():
        files = sorted(given.glob("**/*"))
    else:
        files = sorted(given.parent.glob(f"{glob.escape(given.name)}.*"))

    contents = [
        sha256_of(file)
        for file in files
        if file.suffix == ".index" or file.suffix.startswith(".data-")
    ]
    return hashlib.sha256("".join(contents).encode()).hexdigest()[:32] if contents else checkpoint

"""Whether the checkpoint that the config names lies on this machine."""

from pathlib import Path

from utils.config.settings import Config

SCRATCH = "scratch"  # the value of fine_tune_checkpoint that means none


def lies_here(checkpoint: str) -> bool:
    """Whether there is a file or folder that the name of a checkpoint may mean."""
    return Path(checkpoint + ".index").is_file() or Path(checkpoint).exists()


def missing_checkpoint(config: Config) -> str:
    """A sentence when training on this machine would stop because its checkpoint is missing; else
    "".
    """
    named = config.fine_tune_checkpoint
    if not named or named.lower() == SCRATCH or config.tf_url or lies_here(named):
        return ""
    return f"fine_tune_checkpoint={named} is not on this machine; training here would stop"

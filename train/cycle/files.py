"""data_dir/cycle.json: what the steps of one training cycle hand to each other."""

import json

from utils.config import Config
from utils.errors import InputError
from utils.files import write_text


def read_cycle(config: Config) -> dict:
    """The members of cycle.json. Raises InputError when no cycle has been begun here, or the file
    is damaged.
    """
    path = config.data_dir / "cycle.json"
    begin = f"begin the cycle with its first step: train/active_learning_train.sh {config.path}"
    try:
        cycle = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no cycle has been begun here; {begin}") from None
    except ValueError:
        raise InputError(f"{path}: not readable as JSON; {begin}") from None
    if not isinstance(cycle, dict):
        raise InputError(f"{path}: expected an object; {begin}")
    return cycle


def training_cycle(config: Config) -> dict:
    """`read_cycle` for the steps that train and publish: raises InputError when another program has
    used data_dir since the cycle began.
    """
    cycle = read_cycle(config)
    if "model" in cycle:
        raise InputError(
            f"{config.data_dir}: a run without training (of {cycle['model_blob']}) has used it"
            " since this cycle began; begin the cycle again: train/active_learning_train.sh"
            f" {config.path} (labels and a finished training are kept)"
        )
    return cycle


def begin_cycle(config: Config, **members) -> dict:
    """Start a new cycle.json with just these members."""
    write_text(config.data_dir / "cycle.json", json.dumps(members, indent=1, ensure_ascii=False))
    return members


def update_cycle(config: Config, **members) -> dict:
    """cycle.json with these members set and all others kept; the whole is returned."""
    return begin_cycle(config, **{**read_cycle(config), **members})

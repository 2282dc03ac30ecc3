"""How far the cycle in data_dir is that the loop runs by itself: noted in cycle.json, so that it
goes on there after a kill.
"""

import hashlib

from train.cycle.files import read_cycle, update_cycle
from train.cycle.steps import TRAINING, name_of
from utils.config import Config
from utils.errors import InputError

NAMES = tuple(map(name_of, TRAINING))


def interrupted_at(config: Config) -> str | None:
    """The step at which the cycle goes on; None when it was finished, or the settings are others
    now.
    """
    try:
        going = read_cycle(config).get("watcher") or {}
    except InputError:
        return None
    same = going.get("settings") == _settings(config)
    return going["next"] if same and going.get("next") in NAMES else None


def note_next(config: Config, step: str | None) -> None:
    """Note the step that comes next; None: the cycle is finished, or is to begin anew."""
    try:
        update_cycle(config, watcher={"next": step, "settings": _settings(config)})
    except InputError:  # no cycle has been begun
        return


def _settings(config: Config) -> str:
    return hashlib.sha256(config.public_text().encode()).hexdigest()[:16]

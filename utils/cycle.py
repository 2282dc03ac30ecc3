"""cycle.json in data_dir: what the steps of a training cycle tell those after them."""
import json
from typing import Any

from utils.errors import InputError
from utils.files import write_text


def begin_cycle(config, **members: Any) -> None:
    """Begin a cycle: what the last one left is forgotten."""
    _write(config, members)


def read_cycle(config) -> dict[str, Any]:
    """What the steps have said so far. Raises InputError when no cycle was begun."""
    file = config.data_dir / "cycle.json"
    try:
        return json.loads(file.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{file} is not there; begin the cycle with train/sync_images.py {config.path}") from None
    except ValueError:
        raise InputError(f"{file} is damaged; begin the cycle anew with train/sync_images.py {config.path}") from None


def update_cycle(config, **members: Any) -> dict[str, Any]:
    """Add members, or replace those of the same name; returns all."""
    cycle = {**read_cycle(config), **members}
    _write(config, cycle)
    return cycle


def _write(config, members: dict[str, Any]) -> None:
    write_text(config.data_dir / "cycle.json", json.dumps(members, indent=1, ensure_ascii=False) + "\n")

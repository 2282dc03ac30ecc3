"""Which predictions a batch shows: what `prelabel_confidence` means in the present state."""

from utils.boxes.prelabels import UNMEASURED, Thresholds, measured_thresholds
from utils.config import AUTO, Config
from utils.labels.label_map import current_name
from utils.labels.state import State


def thresholds_of(config: Config, state: State, *, pretrained: bool = False) -> Thresholds:
    """From which score the boxes of each class are shown, and why. `pretrained`: the boxes are a
    pretrained model's, which no cycle has measured.
    """
    chosen = config.prelabel_confidence
    if chosen != AUTO:
        return Thresholds(other=chosen, only_surest=False)

    entry = None if pretrained else _measured(state)
    if entry is None:
        seen = pretrained or state.live.get("model")
        why = f"boxes are shown from {UNMEASURED:g}: not measured yet" if seen else ""
        return Thresholds(why=why)
    renamed = state.classes["renamed"]
    return measured_thresholds(entry, lambda name: current_name(name, renamed))


def _measured(state: State) -> dict | None:
    """What the live model's cycle has measured of its pre-labels."""
    live = state.live.get("model")
    for cycle in reversed(state.cycles):
        if live and cycle.get("model") == live:
            return cycle.get("prelabels")
    return None

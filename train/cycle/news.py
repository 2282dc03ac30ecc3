"""Whether there is anything that a training cycle could learn since the last one."""

import pandas as pd

from utils.config import Config
from utils.labels.state import State
from utils.labels.store import LabelStore

NOTHING_NEW = 4  # exit code of a step that finds the work done; run_steps.sh ends with it as with 0


def nothing_new(config: Config, store: LabelStore, state: State, images: pd.DataFrame) -> str:
    """A sentence when labels, images, settings and the live model are those of the last cycle; else
    "".

    `images`: the table as the container is now.
    """
    if not state.cycles:
        return ""
    last = state.cycles[-1]
    same = (
        last.get("model") == state.live.get("model")
        and all(last.get(name) == state.blob(name) for name in ("tagged", "test", "images"))
        and not state.document.get("pretrained_next")
        and images.equals(store.table(state, "images"))
    )
    if not same or not last.get("config"):
        return ""
    published = store.cached_file(last["config"]).read_text(encoding="utf-8")
    if published != config.public_text():
        return ""
    return (
        f"nothing new since cycle {len(state.cycles)} ({last['at']}): the same labels, images and"
        " settings"
    )

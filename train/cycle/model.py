"""The model that a cycle runs, and what its ids are called."""

from collections.abc import Sequence
from pathlib import Path

from train.cycle.files import exported_label_map, exported_model, read_cycle
from utils.config import Config
from utils.labels.class_changes import current_classes
from utils.labels.label_map import current_name, label_map_for, read_label_map
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.storage.container import Missing


def model_of_cycle(config: Config, recorded: dict) -> tuple[Path, dict[int, str]]:
    """The model to run and {id: class}, of several ids perhaps the same: what fetch_model.py has
    fetched, of the classes that config.ini knows (`recorded`: `State.classes`); else what was
    exported.
    """
    cycle = read_cycle(config)
    if "model" in cycle:
        known, _ = current_classes(config.need("classes"), recorded)
        return Path(cycle["model"]), {
            int(number): name for number, name in cycle["names"].items() if name in known
        }
    graph = exported_model(config)
    return graph, {
        number: name for name, number in read_label_map(exported_label_map(config)).items()
    }


def names_of_model(
    store: LabelStore, state: State, model: str, classes: Sequence[str]
) -> tuple[dict[int, str], str]:
    """{id: class by its present name} of a model in the label container, and for people where that
    comes from: the label map that was published with it, else the order of `classes`. Classes that
    were made one since have several ids.
    """
    published = [
        entry["label_map"]
        for entry in _entries(state)
        if entry.get("model") == model and entry.get("label_map")
    ]
    beside = model.replace("model_", "label_map_", 1).rpartition(".")[0] + ".pbtxt"
    label_map, origin = (
        label_map_for(classes),
        "no label map was published with it: numbered in the order of classes",
    )
    for blob in [*published, beside]:
        try:
            label_map, origin = (
                read_label_map(store.container.read(blob)[0].decode("utf-8-sig", "replace"), blob),
                blob,
            )
            break
        except Missing:
            continue
    return {
        number: current_name(name, state.classes["renamed"]) for name, number in label_map.items()
    }, origin


def is_published(store: LabelStore, state: State, file: Path) -> bool:
    """Whether a file has the content of a model that is in the label container."""
    size, content = file.stat().st_size, file.read_bytes()
    for name in {entry.get("model") for entry in _entries(state)} - {None}:
        try:
            if store.container.info(name).size != size:
                continue
            if store.container.read(name)[0] == content:
                return True
        except Missing:
            continue
    return False


def _entries(state: State) -> list[dict]:
    return [state.live, state.document.get("candidate") or {}, *state.cycles]

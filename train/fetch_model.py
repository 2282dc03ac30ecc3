"""Fetches the model that pred_model_name means (None: the newest published one) with its label map, for the steps that predict with it."""
import _repo_root  # noqa: F401, I001

import argparse
from pathlib import Path

from utils.config import Config, load_config
from utils.cycle import update_cycle
from utils.errors import InputError, run_program
from utils.label_map import current_name, label_map_for, read_label_map, write_label_map
from utils.label_state import LabelStore, State, open_labels
from utils.storage import Missing


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="example: python train/fetch_model.py config.ini   (after sync_images.py)")
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)
    _, store = open_labels(config)
    state = store.read()
    blob = config.pred_model_name or state.live.get("model")
    if not blob:
        raise InputError(f"{store.container.address}: no model has been published yet; train one with train/active_learning_train.sh, or "
                         f"name a model file of the label container in pred_model_name of {config.path}")
    try:
        model = store.fetch_file(blob, config.download_location / blob)
    except Missing:
        raise InputError(f"{config.path}: pred_model_name={blob}: there is no such model in {store.container.address}") from None
    label_map, origin = _label_map(config, store, state, blob)
    update_cycle(config, model=str(model), model_blob=blob, label_map=str(label_map))
    names = read_label_map(label_map)
    known = set(config.need("classes"))
    if foreign := [name for name in names if name not in known]:
        print(f"the model's classes are {', '.join(names)}; {', '.join(foreign)} stand not in classes of {config.path}: "
              "its boxes of these are left out")
    print(f"{blob}, {len(names)} classes ({origin}) → {model}")


def _label_map(config: Config, store: LabelStore, state: State, model: str) -> tuple[Path, str]:
    """The model's own label map as a file of this machine, with renamed classes under their new names; and where it comes from."""
    target = config.download_location / f"{model}.label_map.pbtxt"
    published = [entry["label_map"] for entry in [state.live, *state.cycles] if entry.get("model") == model and entry.get("label_map")]
    beside = model.replace("model_", "label_map_", 1).rpartition(".")[0] + ".pbtxt"
    for blob in [*published, beside]:
        try:
            text = store.container.read(blob)[0].decode("utf-8-sig", "replace")
        except Missing:
            continue
        renamed = state.classes["renamed"]
        write_label_map(target, {current_name(name, renamed): number for name, number in read_label_map(text, blob).items()})
        return target, blob
    write_label_map(target, label_map_for(config.need("classes")))
    return target, "no label map was published with it: numbered in the order of classes"


if __name__ == "__main__":
    run_program(main)

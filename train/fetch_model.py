"""Fetches the model that pred_model_name means (None: the newest published one), for the steps that
predict with it.
"""

import _repo_root  # noqa: F401

# isort: split

from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import InputError, run_program
from utils.terminal import say


def main(argv: list[str]) -> None:
    parser = Parser(
        __doc__, "example: python train/fetch_model.py config.ini   (after sync_images.py)"
    )
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)

    from train.cycle.files import update_cycle
    from train.cycle.model import names_of_model
    from utils.files import local_path
    from utils.labels.class_changes import current_classes
    from utils.labels.store import open_labels
    from utils.storage.container import Missing

    _, store = open_labels(config)
    state = store.read()
    blob = config.pred_model_name or state.live.get("model")
    if not blob:
        raise InputError(
            f"{store.container.address}: no model has been published yet; train one with"
            " train/active_learning_train.sh, or name a model file of the label container in"
            f" pred_model_name of {config.path}"
        )
    try:
        model = store.fetch_file(blob, local_path(config.download_location, blob))
    except Missing:
        raise InputError(
            f"{config.path}: pred_model_name={blob}: there is no such model in"
            f" {store.container.address}"
        ) from None
    names, origin = names_of_model(store, state, blob, config.need("classes"))
    update_cycle(config, model=str(model), model_blob=blob, names=names)
    known, _ = current_classes(config.need("classes"), state.classes)
    if foreign := [name for name in dict.fromkeys(names.values()) if name not in known]:
        say(
            f"the model's classes are {', '.join(dict.fromkeys(names.values()))};"
            f" {', '.join(foreign)} stand not in classes of {config.path}: its boxes of these are"
            " left out"
        )
    say(f"{blob}, {len(names)} classes ({origin}) → {model}")


if __name__ == "__main__":
    run_program(main)

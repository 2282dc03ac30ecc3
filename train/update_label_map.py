"""After `classes` was changed in config.ini: a new label map in which every class that stays keeps
its id.

A class that is not in `classes` any more is recorded as dropped: its id stays unused and its boxes
stay in the labels, but are left out of training. A class that comes back gets its old id.
"""

import _repo_root  # noqa: F401

# isort: split

from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import run_program
from utils.terminal import say


def main(argv: list[str]) -> None:
    parser = Parser(__doc__, "example: bash train/active_learning_update_label_map.sh config.ini")
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)

    from utils.labels.label_map import (
        current_name,
        label_map_for,
        previous_label_map,
        read_label_map,
        read_retired,
        retired_from,
        write_label_map,
    )
    from utils.labels.state import Change, State
    from utils.labels.store import open_labels

    wanted = config.need("classes")
    _, store = open_labels(config)

    def change(state: State) -> Change:
        renamed = state.classes["renamed"]
        classes = [current_name(name, renamed) for name in wanted]
        local = config.label_map_path
        here = {**read_retired(local), **read_label_map(local)} if local.exists() else {}
        previous = {**here, **previous_label_map(store, state)}
        before = [current_name(name, renamed) for name in previous]
        dropped = {current_name(name, renamed) for name in state.classes["dropped"]}
        dropped = sorted((dropped | set(before)) - set(classes))
        label_map = label_map_for(classes, previous, (), renamed)
        found = dict(
            label_map=label_map,
            retired=retired_from(label_map, previous),
            classes=classes,
            added=[
                name for name in classes if name not in before or name in state.classes["dropped"]
            ],
            dropped=[name for name in dropped if name not in state.classes["dropped"]],
            boxes=store.table(state, "tagged")["class"]
            .map(lambda name: current_name(name, renamed))
            .value_counts(),
        )
        return Change(members={"classes": {**state.classes, "dropped": dropped}}, note=found)

    _, found = store.commit(change, what="recording the classes")
    write_label_map(config.label_map_path, found["label_map"], found["retired"])
    for name in found["added"]:
        say(
            f"added: {name} (id {found['label_map'][name]}), {found['boxes'].get(name, 0)} boxes in"
            " the labels"
        )
    for name in found["dropped"]:
        say(
            f"dropped: {name}, {found['boxes'].get(name, 0)} boxes in the labels; they stay there"
            " and are left out of training"
        )
    say(
        f"{len(found['label_map'])} classes, {len(found['added'])} added, {len(found['dropped'])}"
        f" dropped → {config.label_map_path}"
    )


if __name__ == "__main__":
    run_program(main)

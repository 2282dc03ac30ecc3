"""Publishes what a cycle made if compare_models.py allows it: the last step of the loop that runs
by itself.

A model that is worse is kept as the `candidate` of label_state.json, with everything that it takes
to publish it later (`accept`); the live model and the rows of totag stay as they are. New images
are listed, as images that no model has seen; the candidate's test images join the test set: it was
not trained on them.
"""

import _repo_root  # noqa: F401, I001

from pathlib import Path

from publish_cycle import (
    CycleOutputs,
    change,
    entry_of,
    merged_listings,
    next_test,
    position_of,
    publish,
    publish_files,
    published_text,
)
from utils.arguments import Parser
from utils.labels.assignments import add_new_images
from utils.config import Config, load_config
from utils.errors import InputError, OutsideError, run_program
from utils.labels.store import Change, LabelStore, State, open_labels

TABLES = ("images", "failed", "totag", "test", "predicted")
MERGED = ("images", "failed", "test")  # whose state when the cycle began is needed to publish it


def main(argv: list[str]) -> None:
    parser = Parser(
        __doc__, "example: python train/publish_guarded.py config.ini   (after compare_models.py)"
    )
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)
    _, store = open_labels(config)
    made, state = CycleOutputs.read(config), store.read()
    published = position_of(state, made.number) is not None
    verdict = {} if published else verdict_of_cycle(made, state)
    if published or verdict["publish"]:
        publish(config, store, made, lambda now: verdict_of_cycle(made, now))
    else:
        keep(config, store, made, verdict)
        print(
            f"kept as a candidate, not published: {verdict['why']}; train/active_learning_auto.sh"
            " CONFIG --accept publishes it"
        )


def verdict_of_cycle(made: CycleOutputs, state: State) -> dict:
    """What compare_models.py found. Raises InputError without it, OutsideError when another model
    is live by now.
    """
    verdict = made.cycle.get("verdict")
    if verdict is None:
        raise InputError(
            "cycle.json has no verdict; compare_models.py writes it, so run that step first"
        )
    if verdict["live"] != state.live.get("model"):
        raise OutsideError(
            f"the model was compared with {verdict['live']}, but {state.live.get('model')} is live"
            " now; compare it again"
        )
    return verdict


def keep(config: Config, store: LabelStore, made: CycleOutputs, verdict: dict) -> None:
    """Commit the cycle as the candidate (an earlier one gives way), unless it is that already."""
    if (store.read().document.get("candidate") or {}).get("id") == made.number:
        return
    blobs = publish_files(config, store, made, TABLES)
    own = {f"made_{table}": blobs.pop(table) for table in TABLES}
    base = {f"base_{table}": made.cycle["base_tables"].get(table) for table in MERGED}
    candidate = {
        **entry_of(made, blobs, config),
        "test": own["made_test"],
        **own,
        **base,
        "verdict": verdict,
    }

    def kept(now: State) -> Change:
        present = {
            table: store.table(now, table)
            for table in ("images", "failed", "totag", "tagged", "tagging")
        }
        images, failed = merged_listings(
            {table: made.base(store, table) for table in ("images", "failed")},
            present,
            made.images,
            made.failed,
            made.cycle.get("pred_dir"),
        )
        totag = add_new_images(
            images, failed, present["totag"], present["tagged"], present["tagging"]
        )
        return Change(
            {
                "images": images,
                "failed": failed,
                "test": next_test(now, store, made)[0],
                **({} if totag is None else {"totag": totag}),
            },
            {"candidate": candidate},
        )

    store.commit(kept, what="keeping the candidate")


def accept(store: LabelStore) -> str:
    """Publish the candidate as its cycle would have been, and return one line about it. Raises
    InputError when there is none.
    """
    candidate = store.read().document.get("candidate")
    if not candidate:
        raise InputError(
            f"{store.container.address}: there is no candidate to accept; tag/status.py shows what"
            " is there"
        )
    base = {table: candidate[f"base_{table}"] for table in MERGED}
    blobs = {table: candidate[f"made_{table}"] for table in TABLES} | {
        "tagged": candidate["tagged"]
    }
    frames = {table: store.table(State({"tables": blobs}), table) for table in blobs}
    made = CycleOutputs(
        number=candidate["id"],
        cycle={"base_tables": base, "class_changes": candidate.get("class_changes")},
        training=candidate["training"],
        predictions=frames.pop("totag"),
        **frames,
    )
    entry = {
        name: value
        for name, value in candidate.items()
        if name != "verdict" and not name.startswith(("base_", "made_"))
    }
    entry["accepted"] = candidate["verdict"]["why"]

    def accepted(now: State) -> Change | None:
        if (
            position_of(now, made.number) is None
            and (now.document.get("candidate") or {}).get("id") != made.number
        ):
            raise InputError(
                f"{store.container.address}: the candidate is no longer there, or another one;"
                " tag/status.py shows it"
            )
        return change(now, store, made, entry)

    state, _ = store.commit(accepted, what="accepting the candidate")
    return published_text(state, made.number)


if __name__ == "__main__":
    run_program(main)

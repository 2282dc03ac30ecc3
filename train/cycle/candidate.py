"""The candidate: a cycle's model that is not published because it was measured worse.

label_state.json keeps it with everything that it takes to publish it later.
"""

from train.cycle.merging import merged_listings
from train.cycle.outputs import CycleOutputs
from train.cycle.publishing import (
    change,
    entry_of,
    next_test,
    position_of,
    publish_files,
    published_text,
)
from utils.config import Config
from utils.errors import InputError, OutsideError
from utils.labels.assignments import add_new_images
from utils.labels.state import Change, State
from utils.labels.store import LabelStore

TABLES = ("images", "failed", "totag", "test", "predicted")
MERGED = ("images", "failed", "test")  # whose state when the cycle began is needed to publish it


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
    frames = {table: store.table_at(blob, table) for table, blob in blobs.items()}
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

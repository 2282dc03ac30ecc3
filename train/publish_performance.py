"""Publishes how an existing model does on the test set: a performance table, and what it found
there, named in `evaluations` of the state. Nothing else changes.
"""

import _repo_root  # noqa: F401

# isort: split

from datetime import UTC, datetime
from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import run_program
from utils.terminal import say


def main(argv: list[str]) -> None:
    parser = Parser(
        __doc__,
        "example: python train/publish_performance.py config.ini   (after evaluate_model.py)",
    )
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)

    from train.cycle.files import read_cycle, read_working, working_path
    from train.cycle.publishing import metrics, versions
    from train.evaluation.words import cell
    from utils.labels import tables
    from utils.labels.state import Change, State
    from utils.labels.store import open_labels
    from utils.times import utc_text

    performance = read_working(config, "performance")
    cycle = read_cycle(config)
    _, store = open_labels(config)
    blob = store.publish_file(
        "performance", ".csv", tables.to_csv("performance", performance, config.user_folders)
    )
    tested = store.publish_file("tested", ".csv", working_path(config, "test_predictions"))
    entry = {
        "at": utc_text(datetime.now(UTC)),
        "model": cycle.get("model_blob"),
        "test": cycle["base_tables"].get("test"),
        "performance": blob,
        "tested": tested,
        "metrics": metrics(performance),
        "versions": versions(),
    }

    def change(now: State) -> Change:
        return Change(members={"evaluations": [*now.document.get("evaluations", []), entry]})

    store.commit(change, what="publishing the performance")
    say(f"{entry['model']}: average AP {cell(performance['AP'].iloc[0])} → {blob}")


if __name__ == "__main__":
    run_program(main)

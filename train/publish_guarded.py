"""Publishes what a cycle made if compare_models.py allows it: the last step of the loop that runs
by itself.

A model that is worse is kept as the `candidate` of label_state.json, with everything that it takes
to publish it later (`accept`); the live model and the rows of totag stay as they are. New images
are listed, as images that no model has seen; the candidate's test images join the test set: it was
not trained on them.
"""

import _repo_root  # noqa: F401

# isort: split

from pathlib import Path

from utils.arguments import Parser
from utils.config import load_config
from utils.errors import run_program
from utils.terminal import say


def main(argv: list[str]) -> None:
    parser = Parser(
        __doc__, "example: python train/publish_guarded.py config.ini   (after compare_models.py)"
    )
    parser.add_argument("config", type=Path, help="config.ini")
    config = load_config(parser.parse_args(argv).config)

    from train.cycle.candidate import keep, verdict_of_cycle
    from train.cycle.outputs import CycleOutputs
    from train.cycle.publishing import position_of, publish
    from utils.labels.store import open_labels

    _, store = open_labels(config)
    made, state = CycleOutputs.read(config), store.read()
    published = position_of(state, made.number) is not None
    verdict = {} if published else verdict_of_cycle(made, state)
    if published or verdict["publish"]:
        publish(config, store, made, lambda now: verdict_of_cycle(made, now))
    else:
        keep(config, store, made, verdict)
        say(
            f"kept as a candidate, not published: {verdict['why']}; train/active_learning_auto.sh"
            " CONFIG --accept publishes it"
        )


if __name__ == "__main__":
    run_program(main)

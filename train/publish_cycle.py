"""Publishes what a cycle made, in one commit: model, label map, predictions for the images that are
nobody's now, performance. Step 9.

A model that compare_models.py found worse is kept as the `candidate` of label_state.json instead,
with everything that it takes to publish it later; the live model and the rows of totag stay as they
are. New images are listed, as images that no model has seen; the candidate's test images join the
test set: it was not trained on them.

Hours have passed since the cycle read the labels: images that were handed out or reviewed meanwhile
stay where they are, images that others took in meanwhile stay known. Stopped at any point, it is
run again; what is published already is not published twice.
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
        __doc__, "example: python train/publish_cycle.py config.ini   (after compare_models.py)"
    )
    parser.add_argument("config", type=Path, help="config.ini")
    parser.add_argument(
        "--anyway", action="store_true", help="publish the model even if it was found worse"
    )
    arguments = parser.parse_args(argv)
    config = load_config(arguments.config)

    from train.cycle.candidate import keep, verdict_of_cycle
    from train.cycle.outputs import CycleOutputs
    from train.cycle.publishing import position_of, publish
    from utils.labels.store import open_labels

    _, store = open_labels(config)
    made, state = CycleOutputs.read(config), store.read()
    if arguments.anyway or position_of(state, made.number) is not None:
        done = publish(config, store, made)
        _shortlist(config, store)
        say(done)
        return
    verdict = verdict_of_cycle(made, state)
    if verdict["publish"]:
        done = publish(config, store, made, lambda now: verdict_of_cycle(made, now))
        _shortlist(config, store)
        say(done)
    else:
        keep(config, store, made, verdict)
        say(
            f"kept as a candidate, not published: {verdict['why']}; train/active_learning_auto.sh"
            " CONFIG --accept publishes it"
        )


def _shortlist(config, store) -> None:
    """A run that was stopped behind the cycle's commit does it when it is run again."""
    from train.cycle.shortlisting import publish_shortlist

    if said := publish_shortlist(config, store):
        say(said)


if __name__ == "__main__":
    run_program(main)

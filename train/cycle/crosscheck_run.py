"""A cross-check from its begin to what it publishes: fold after fold, each once."""

from collections.abc import Set

from train.cycle import alone, crosscheck
from train.cycle.crosscheck import CrossCheck
from train.network.quiet import silence
from utils.batch.suspecting import not_judged
from utils.config import Config
from utils.labels.state import State
from utils.labels.store import LabelStore, open_labels
from utils.labels.tables import image_set, only
from utils.storage.container import Container
from utils.storage.sync import image_path
from utils.terminal import say


def cross_check(config: Config, folds: int, iterations: int | str) -> str:
    """Judge the labelled images that were never judged, by models trained without them, and publish
    what they find; goes on where it was. A line for people on what was done.

    Raises InputError when there are no labels, or too few.
    """
    container, store = open_labels(config)
    alone.take(config.data_dir)
    state = store.read_project()
    begun = crosscheck.going_on(config, store)
    if begun and (begun.wanted, begun.iterations) == (folds, iterations):
        say(f"going on with the cross-check that was begun {begun.at}")
    else:
        if begun:
            say("a cross-check was begun with other options: begun anew")
        begun = crosscheck.begin(config, container, store, state, folds, iterations)
    if begun is None:
        return "of each labelled image a model has spoken that was not trained on it"

    labelled, total = image_set(begun.labelled), len(begun.folds)
    say(
        f"{len(begun.images)} of {len(labelled)} labelled images were never judged by a model that"
        f" was not trained on them: {total} models, each trained without a part of these"
        f" (iterations: {iterations})"
    )
    here = crosscheck.fetched(config, container, begun.frames["images"], labelled)
    for number in range(total):
        _judge(config, container, store, state, begun, number, here)
        crosscheck.clear(config, number)
    state, judged = crosscheck.publish(config, store, begun)
    crosscheck.clear(config)
    if rest := len(not_judged(store, state)):
        say(
            f"{rest} labelled images were never judged still: they were labelled since, or are not"
            " there as they were listed"
        )
    return f"{judged} labelled images judged by {total} models → {state.blob('crosscheck')}"


def _judge(
    config: Config,
    container: Container,
    store: LabelStore,
    state: State,
    begun: CrossCheck,
    number: int,
    here: Set[str],
) -> None:
    """Train the model of a fold and let it look at its images, unless that is done. here: images
    that are on this machine.
    """
    found = crosscheck.found_in(config, number)
    if found.exists():
        return
    silence()
    from train.cycle.crosscheck_fold import judge  # loads TensorFlow, which takes seconds

    plan = crosscheck.plan_of_fold(config, store, state, begun, number, here)
    judged = only(begun.frames["images"], here & set(begun.folds[number]))
    say(
        f"model {number + 1} of {len(begun.folds)}: trained on"
        f" {len(image_set(plan.parts['train']))}, to judge {len(judged)}"
    )
    judge(
        config,
        container,
        plan,
        judged,
        crosscheck.fold_place(config, number),
        found,
        iterations=begun.iterations,
        path_of=lambda image: image_path(container, config.image_dir, image),
    )

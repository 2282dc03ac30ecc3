"""Whether a project's first model is better than the pre-labels that people have already: what a
pretrained model, or somebody else's detector, had found in the test images before these were
labelled.
"""

import pandas as pd

from train.cycle.verdicts import verdict_of
from train.evaluation.bootstrap import compare
from utils.config import Config
from utils.labels import tables
from utils.labels.class_changes import current_classes, with_present_names
from utils.labels.class_map import ClassMap, apply_class_map, noted_class_map
from utils.labels.label_map import with_current_classes
from utils.labels.model_classes import init_classes
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.labels.tables import image_set

NOTHING_LIVE = {"publish": True, "why": "no model is live yet", "live": None}


def judge_first(
    config: Config, store: LabelStore, state: State, truth: pd.DataFrame, found: pd.DataFrame
) -> dict:
    """The verdict on a model while none is live: it is published unless the pretrained predictions
    have the higher AP.

    truth: rows of test whose images are there; found: what the cycle's model finds in them.
    """
    pretrained = pretrained_predictions(config, store, state, image_set(truth))
    if pretrained is None:
        return NOTHING_LIVE
    renamed, dropped = state.classes["renamed"], state.classes["dropped"]
    truth = with_current_classes(tables.only(truth, image_set(pretrained)), renamed, dropped)
    classes, _ = current_classes(list(config.need("classes")), state.classes)
    kept = found[~(found["box_confidence"] < config.min_confidence)]
    kept = with_present_names("totag", kept, state.classes)
    comparison = compare(truth, pretrained, kept, classes, config.seed)
    if not comparison.measured:
        return NOTHING_LIVE
    verdict = verdict_of(comparison, "the pretrained predictions")
    better = comparison.new >= comparison.live
    if not better:
        verdict["why"] += "; these stay what people are shown until a model is better"
    return {**verdict, "publish": better, "live": None}


def pretrained_predictions(
    config: Config, store: LabelStore, state: State, images: set[str]
) -> pd.DataFrame | None:
    """What a pretrained model found in these images, as rows of totag under the present names of
    our classes; None where it has seen none of them, or knows none of our classes.
    """
    if state.blob("init_totag") is None:
        return None
    rows = tables.only(store.table(state, "init_totag"), images)
    class_map = noted_class_map(state.document.get("class_map")) or _of_same_names(config, state)
    if not len(rows) or class_map is None:
        return None
    return with_present_names("totag", apply_class_map(rows, class_map), state.classes)


def _of_same_names(config: Config, state: State) -> ClassMap | None:
    """A class map for a model that calls some classes as we do; None where it calls none so."""
    classes = set(config.need("classes"))
    known = init_classes(state, config.init_label_map)
    names = {str(number): name for number, name in known.items() if name in classes}
    if not names:
        return None
    others = frozenset(map(str, known)) - names.keys()
    return ClassMap(names, others, default=next(iter(names.values())), shares={}, empty_share=0)

"""How the model became better from cycle to cycle, measured on the same test images."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from train.evaluation.bootstrap import interval, matched, mean_ap
from train.report.material import Material
from train.report.numbers import figure
from utils.errors import InputError, OutsideError
from utils.labels import tables
from utils.labels.tables import image_set

SHOWN = 12  # cycles
MIDDLE = 0.9  # of the draws lies between low and high
DRAWS = 400
_STILL_THE_SAME = 0.5  # of the images: fewer in common, and a cycle is not compared


def measured(material: Material, truth: pd.DataFrame, found: pd.DataFrame) -> dict | None:
    """Average AP at overlap 0.5 with its interval, on the images of `truth`; None without boxes."""
    images = sorted(image_set(truth))
    classes = matched(truth, found, material.classes, images)
    ap = mean_ap(classes, np.ones(len(images), np.int64))
    if np.isnan(ap):
        return None
    low, high = interval(classes, len(images), MIDDLE, DRAWS, material.config.seed)
    return {"AP": figure(ap), "low": figure(low), "high": figure(high), "images": len(images)}


def course(material: Material, work: Sequence[Mapping] | None) -> list[dict]:
    """One entry per cycle, the newest last: what was labelled, in how many hours since the one
    before it and how many of these pre-labels saved (`work` of all cycles, hours and saved_hours of
    each; None where that is not known), the AP that was measured then, and `same`: the AP on the
    test images that all of these models have seen. Going back, a cycle that would leave fewer than
    half of the images is not among them.
    """
    cycles = list(enumerate(material.state.cycles, 1))[-SHOWN:]
    entries = [
        {
            "cycle": number,
            "at": cycle.get("at"),
            "images": cycle.get("images_labelled"),
            "boxes": cycle.get("boxes_labelled"),
            "hours": work[number - 1]["hours"] if work else None,
            "saved_hours": work[number - 1]["saved_hours"] if work else None,
            "AP_then": ((cycle.get("metrics") or {}).get("Average") or {}).get("AP"),
            "same": None,
        }
        for number, cycle in cycles
    ]
    common, compared = _comparable(material, [cycle for _, cycle in cycles])
    truth = tables.only(material.truth, common)
    for place, found in compared.items():
        entries[place]["same"] = measured(material, truth, found)
    return entries


def _comparable(material: Material, cycles: list[dict]) -> tuple[set[str], dict[int, pd.DataFrame]]:
    """The images that count, and what the models of these cycles found in images, by place."""
    common = image_set(material.truth) - material.trained
    least = _STILL_THE_SAME * len(common)
    compared: dict[int, pd.DataFrame] = {}
    for place in range(len(cycles) - 1, -1, -1):
        blob = cycles[place].get("tested")
        if not blob or not common:
            continue
        try:
            found = material.tested(blob)
        except (InputError, OutsideError):
            continue  # gone or damaged: status.py --check says so
        both = common & image_set(found)
        if both and len(both) >= least:
            common, compared[place] = both, found
    return common, compared

"""The class map of a cold start: what a pretrained model's class ids are called here, and how many
images of each to hand out.

A JSON file: {"classmap": [{"initclass": id, "map": name, "balance": share}, …], "unmapclass": [id,
…], "default_class": name}. Several ids may map to one name. Boxes of an id in `unmapclass` are
dropped; ids named nowhere become `default_class`. `initclass` "NULL" carries the share of images
without detections.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from utils.errors import InputError
from utils.labels import tables
from utils.labels.tables import blob_names
from utils.names import short, why_no_class
from utils.reserved import NULL

_KEYS = ("classmap", "unmapclass", "default_class")
_ENTRY_KEYS = ("initclass", "map", "balance")
_TOLERANCE = 0.01


@dataclass(frozen=True)
class ClassMap:
    """`names`: id → class name. `shares`: class name → share of a batch; `empty_share` that of
    images without detections. Sum 1.
    """

    names: dict[str, str]
    unmapped: frozenset[str]
    default: str
    shares: dict[str, float]
    empty_share: float

    def as_json(self) -> dict:
        """The member `class_map` of a state: the one by which images were handed out last."""
        return {
            "names": self.names,
            "unmapped": sorted(self.unmapped),
            "default": self.default,
            "shares": self.shares,
            "empty_share": self.empty_share,
        }


def noted_class_map(document: dict | None) -> ClassMap | None:
    """What `as_json` has noted; None where nothing is."""
    if not document:
        return None
    return ClassMap(**{**document, "unmapped": frozenset(document["unmapped"])})


def read_class_map(
    path: Path, known_ids: set[str] | None = None, names: Mapping[int, str] | None = None
) -> ClassMap:
    """Read and check a class map. `known_ids`: the ids that the model has; None when that is not
    known. `names`: what the model calls them, which may stand for an id.

    Raises InputError naming the file and the key, id or value that is wrong.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: the class map cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: not JSON ({error}); init_pred_desription.md shows a class map"
        ) from None
    return parse_class_map(document, str(path), known_ids, names)


def parse_class_map(
    document: object,
    where: str,
    known_ids: set[str] | None = None,
    names_of_model: Mapping[int, str] | None = None,
) -> ClassMap:
    """The same from the parsed JSON; `where` names its origin in errors."""
    ids = {name: str(number) for number, name in (names_of_model or {}).items()}
    _check_keys(document, _KEYS, where)
    entries, unmapped, default = (document[key] for key in _KEYS)
    if not isinstance(entries, list) or not isinstance(unmapped, list):
        raise InputError(f"{where}: classmap and unmapclass are lists")
    if not isinstance(default, str) or not default.strip() or default.strip() == NULL:
        raise InputError(
            f"{where}: default_class={default!r}: expected the class name for all other ids"
        )
    if why := why_no_class(default.strip()):
        raise InputError(f"{where}: default_class={short(default)}: {why}")
    names: dict[str, str] = {}
    shares: dict[str, float] = {}
    empty_share = 0.0
    for number, entry in enumerate(entries, 1):
        place = f"{where}: classmap entry {number}"
        _check_keys(entry, _ENTRY_KEYS, place)
        identity, share = (
            _identity(entry["initclass"], f"{place}: initclass", ids),
            _share(entry["balance"], place),
        )
        name = entry["map"].strip() if isinstance(entry["map"], str) else ""
        if identity in names or (identity == NULL and empty_share):
            raise InputError(f"{place}: initclass {identity} is there twice")
        if identity == NULL:
            empty_share = share
            continue
        if not name or name == NULL:
            raise InputError(
                f"{place}: map={entry['map']!r}: expected a class name (ids whose boxes are dropped"
                " go into unmapclass)"
            )
        if why := why_no_class(name):
            raise InputError(f"{place}: map={short(name)}: {why}")
        names[identity] = name
        shares[name] = shares.get(name, 0.0) + share
    dropped = frozenset(_identity(value, f"{where}: unmapclass", ids) for value in unmapped)
    if both := sorted(dropped & set(names)):
        raise InputError(f"{where}: {', '.join(both)} stands in classmap and in unmapclass")
    if known_ids is not None and (foreign := sorted((dropped | set(names)) - known_ids - {NULL})):
        raise InputError(
            f"{where}: the model has no class {', '.join(foreign)}; its ids are"
            f" {_sample(known_ids)}"
        )
    total = sum(shares.values()) + empty_share
    if abs(total - 1) > _TOLERANCE:
        raise InputError(f"{where}: the balances sum to {total:g}, expected 1")
    return ClassMap(names, dropped, default.strip(), shares, empty_share)


def apply_class_map(predictions: pd.DataFrame, class_map: ClassMap) -> pd.DataFrame:
    """Predictions (totag columns, classes are ids) with class names. An image whose last box is
    dropped gets a NULL row (seen empty), and `image_confidence` is that of the boxes that stay.
    """
    identity = predictions["class"]
    is_box = identity != NULL
    dropped = identity.isin(class_map.unmapped) & is_box
    kept = predictions[~dropped].copy()
    kept["class"] = (
        kept["class"]
        .map(lambda text: text if text == NULL else class_map.names.get(text, class_map.default))
        .astype(predictions["class"].dtype)
    )
    image = blob_names(kept)
    boxes = kept["class"] != NULL
    lowest = kept["box_confidence"].groupby(image.to_numpy()).transform("min")
    kept["image_confidence"] = np.where(boxes, lowest, kept["image_confidence"])
    emptied = predictions[dropped & ~blob_names(predictions).isin(set(image))]
    emptied = emptied[~blob_names(emptied).duplicated()].assign(
        xmin=0.0, xmax=0.0, ymin=0.0, ymax=0.0, box_confidence=0.0, image_confidence=0.0
    )
    emptied["class"] = pd.Series(NULL, index=emptied.index, dtype=predictions["class"].dtype)
    return tables.concat("totag", kept, emptied)


def _check_keys(value: object, keys: tuple[str, ...], where: str) -> None:
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected an object with {', '.join(keys)}")
    if missing := [key for key in keys if key not in value]:
        raise InputError(f"{where}: {', '.join(missing)} is missing")
    if unknown := [key for key in value if key not in keys]:
        raise InputError(
            f"{where}: unknown key {', '.join(map(repr, unknown))}; allowed are {', '.join(keys)}"
        )


def _identity(value: object, where: str, ids: Mapping[str, str]) -> str:
    text = (
        str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else ""
    )
    text = ids.get(text, text)
    if text != NULL and not (text.isascii() and text.isdigit()):
        raise InputError(
            f"{where}={value!r}: expected the number of a"
            f" class{' or NULL' if where.endswith('initclass') else ''}{_or_name(ids)}"
        )
    return text if text == NULL else str(int(text))


def _or_name(ids: Mapping[str, str]) -> str:
    return f", or its name ({', '.join(list(ids)[:5])}{', …' if len(ids) > 5 else ''})" * bool(ids)


def _share(value: object, where: str) -> float:
    try:
        share = (
            float(value)
            if isinstance(value, (str, int, float)) and not isinstance(value, bool)
            else math.nan
        )
    except (ValueError, OverflowError):
        share = math.nan
    if not 0 <= share <= 1:
        raise InputError(f"{where}: balance={value!r}: expected a number from 0 to 1")
    return share


def _sample(identities: set[str]) -> str:
    ordered = sorted(identities, key=lambda text: int(text) if text.isdigit() else -1)
    return (
        ", ".join(ordered) if len(ordered) <= 6 else f"{', '.join(ordered[:3])}, …, {ordered[-1]}"
    )

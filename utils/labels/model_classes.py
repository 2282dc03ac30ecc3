"""The classes that a pretrained model knows: {id: name}, for COCO's models or from a label map
(pbtxt or JSON).
"""

import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from utils.errors import InputError
from utils.labels.label_map import read_label_map
from utils.labels.state import State

# The 80 classes of COCO 2014/2017 by their published ids, which have gaps.
COCO = {
    number: name
    for number, name in enumerate(
        "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire"
        " hydrant,,stop sign,parking"
        " meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,,backpack"
        ",umbrella,,,handbag,tie,suitcase,frisbee,skis,snowboard,sports"
        " ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,,wine"
        " glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot"
        " dog,pizza,donut,cake,chair,couch,potted plant,bed,,dining"
        " table,,,toilet,,tv,laptop,mouse,remote,keyboard,cell"
        " phone,microwave,oven,toaster,sink,refrigerator,,book,clock,vase,scissors,teddy bear,hair"
        " drier,toothbrush".split(","),
        start=1,
    )
    if name
}


def read_model_classes(setting: str) -> dict[int, str]:
    """The classes that `init_label_map` means: COCO's, or those of a label map file (pbtxt; JSON as
    {id: name} or {name: id}).

    Raises InputError naming the file and what is wrong with it.
    """
    if setting == "COCO":
        return COCO
    path = Path(setting)
    if path.suffix.lower() != ".json":
        return {number: name for name, number in read_label_map(path).items()}
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: the label map cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f'{path}: not JSON ({error}); expected {{"1": "animal", …}}') from None
    classes = dict(filter(None, map(_pair, document.items()))) if isinstance(document, dict) else {}
    if not classes or len(classes) != len(document):
        raise InputError(
            f'{path}: no label map; expected whole numbers from 1 and names, each once: {{"1":'
            ' "animal", …}'
        )
    return dict(sorted(classes.items()))


def init_classes(state: State, setting: str) -> dict[int, str]:
    """What the numbers in init_totag mean: as imported predictions say (`init_classes` of the
    state), else the classes that `init_label_map` means; {} while there is no init_totag.
    """
    if renumbered(state):
        listed = state.document["init_classes"]
        return {int(number): name for number, name in listed.items() if number.isdecimal()}
    return read_model_classes(setting) if state.blob("init_totag") else {}


def with_names(classes: dict[int, str], names: Iterable[str]) -> dict[int, str]:
    """These classes, and the next numbers for those of `names` that are not among them."""
    classes = dict(classes)
    for name in names:
        if name not in classes.values():
            classes[max(classes, default=0) + 1] = name
    return classes


def renumbered(state: State) -> bool:
    """Have the numbers in init_totag meanings of their own, since predictions were imported?"""
    return isinstance(state.document.get("init_classes"), dict)


def with_numbers(
    rows: pd.DataFrame, names: dict[int, str], numbers: dict[int, str]
) -> pd.DataFrame:
    """Rows of init_totag by a model whose classes are `names`, with the numbers that these names
    have in `numbers`.
    """
    number_of = {name: number for number, name in numbers.items()}
    texts = {str(number): str(number_of[name]) for number, name in names.items()}
    return rows.assign(**{"class": rows["class"].map(lambda text: texts.get(text, text))})


def _pair(item: tuple[str, object]) -> tuple[int, str] | None:
    key, value = item
    number, name = (
        (value, key) if isinstance(value, int) and not isinstance(value, bool) else (key, value)
    )
    whole = isinstance(number, int) or (number.isascii() and number.isdigit())
    return (
        (int(number), name)
        if whole and int(number) >= 1 and isinstance(name, str) and name.strip()
        else None
    )

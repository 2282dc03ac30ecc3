"""Batches of the earlier generation of the toolkit, which left no batch.json."""

from pathlib import Path

import pandas as pd

from utils.batch.batch import Batch, Item
from utils.batch.reading import listed_now
from utils.files import folded
from utils.formats.vott import BadVott, read_project
from utils.labels import tables
from utils.labels.assignments import held_by_others


def legacy_batch(
    place: Path, tagger: str, tagging: pd.DataFrame, tagged: pd.DataFrame, images: pd.DataFrame
) -> tuple[Batch | None, list[str]]:
    """A batch of the earlier generation, which has no batch.json, and a line for each image in it
    that cannot be told.

    Its VoTT files name images by file name only: each must be the only one of that name in tagging
    (or tagged), if need be in a folder whose last part is the VoTT file's name, and out to nobody
    else. Where these tables have no size of an image, `images` says it. None when there is no VoTT
    file.
    """
    batch, faults = Batch(place, tagger, "", 0, fetched=True), []
    others = held_by_others(tagging, tagger)
    keys: dict[str, list[str]] = {}  # of each image
    paths = sorted(path for path in place.glob("*.json") if path.is_file())
    candidates = [_by_filename(frame) for frame in (tagging, tagged)]
    sizes = {
        blob: size
        for blob, *size in zip(
            tables.blob_names(images), images["width"], images["height"], strict=True
        )
    }
    for path in paths:
        listing = listed_now(place / path.stem)
        try:
            project = read_project(path.read_bytes(), listing)
        except BadVott as error:
            faults.append(f"{path}: {error}; its images stay reserved")
            continue
        for name in sorted(set(project.frames) | project.visited & set(listing)):
            named = [found.get(folded(name), {}) for found in candidates]
            item = next(filter(None, (_only(items, path.stem) for items in named)), None)
            if item is None:
                faults.append(
                    f"{path}: {name}: {'several images' if any(named) else 'no image'} of that name"
                    " handed out; left out"
                )
            elif item.blob in others:
                faults.append(
                    f"{path}: {name}: {item.blob} is out to {others[item.blob]}; left out"
                )
            else:
                keys.setdefault(item.blob, []).append(f"{path.stem}/{name}")
                if not (item.width and item.height):
                    item.width, item.height = sizes.get(item.blob, (0, 0))
                batch.images[f"{path.stem}/{name}"] = item
    for blob, names in keys.items():
        if len(names) > 1:
            faults.append(
                f"{place}: {' and '.join(names)} are both {blob}; it is left out. Keep the one that"
                " is right"
            )
            for name in names:
                del batch.images[name]
    return (batch if paths else None), faults


def _by_filename(frame: pd.DataFrame) -> dict[str, dict[str, Item]]:
    """{file name as compared: {blob name: Item}}"""
    found: dict[str, dict[str, Item]] = {}
    first = frame.drop_duplicates(["folder", "filename"])
    for blob, filename, width, height in zip(
        tables.blob_names(first), first["filename"], first["width"], first["height"], strict=True
    ):
        found.setdefault(folded(filename), {})[blob] = Item(blob, None, width=width, height=height)
    return found


def _only(items: dict[str, Item], folder: str) -> Item | None:
    """The one image, or the one in a folder of that last name."""
    if len(items) > 1:
        items = {
            blob: item
            for blob, item in items.items()
            if tables.split_name(blob)[0].rpartition("/")[2] == folder
        }
    return next(iter(items.values())) if len(items) == 1 else None

"""Small tables from text that can be read at a glance."""

import numpy as np
import pandas as pd

from utils.effort.seconds import ACTIONS
from utils.labels import tables

_DEFAULTS = {"height": 100, "width": 200}


def labels(text: str, table: str = "tagged") -> pd.DataFrame:
    """A table from lines `image class xmin xmax ymin ymax [box_confidence image_confidence [tagger
    reserved_at]]`.

    `image` is a blob name; a line of only `image NULL` is an image without boxes (its confidences
    empty). Images are 200 x 100 pixels.
    """
    names = [
        "class",
        "xmin",
        "xmax",
        "ymin",
        "ymax",
        "box_confidence",
        "image_confidence",
        "tagger",
        "reserved_at",
    ]
    rows = []
    for line in text.strip().splitlines():
        image, *cells = line.split()
        folder, filename = tables.split_name(image)
        row = {
            **_DEFAULTS,
            "filename": filename,
            "folder": folder,
            **dict.fromkeys(("xmin", "xmax", "ymin", "ymax"), 0.0),
        }
        for name, cell in zip(names, cells, strict=False):
            row[name] = (
                cell
                if name in ("class", "tagger", "reserved_at")
                else None
                if cell == "-"
                else float(cell)
            )
        rows.append(row)
    given = {name for row in rows for name in row if name in tables.COLUMNS[table]}
    columns = {
        "class_" if name == "class" else name: [
            row.get(name, tables._missing(name)) for row in rows
        ]
        for name in given
    }
    return tables.make(table, **columns)


def images(*names: str) -> pd.DataFrame:
    """An images table of these blob names, each 200 x 100 pixels."""
    folders, filenames = zip(*map(tables.split_name, names), strict=True) if names else ((), ())
    return tables.make(
        "images",
        filename=filenames,
        folder=folders,
        height=[100] * len(names),
        width=[200] * len(names),
        bytes=[1] * len(names),
        etag="e",
    )


def effort_rows(*lines: str, batch="b1", at="2026-01-01T00:00:00Z", seconds=None, tagger="anna"):
    """Rows of `effort`: `image class kept moved class_changed deleted drawn`, numbers at the end
    left out being 0.
    """
    cells = [line.split() for line in lines]
    folders, filenames = zip(*(tables.split_name(row[0]) for row in cells), strict=True)
    counts = [
        [int(row[2 + place]) if len(row) > 2 + place else 0 for row in cells] for place in range(5)
    ]
    return tables.make(
        "effort",
        filename=filenames,
        folder=folders,
        class_=[row[1] for row in cells],
        batch=batch,
        tagger=tagger,
        at=at,
        images=1.0,
        seconds=np.nan if seconds is None else seconds,
        **dict(zip(ACTIONS, counts, strict=True)),
    )

"""What a model found in photographs, beside what is on them, as one picture.

Boxes are (label, (xmin, ymin, xmax, ymax)) in pixels of the upright picture; a label is a class, or
a class and a score.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from utils.files import write_beside
from utils.labels import tables
from utils.reserved import NULL

COLORS = ("#00e5ff", "#ffea00", "#ff4081", "#76ff03")  # seen on wood, leaves and snow alike
_INCHES = (3.2, 2.55)  # one photograph with its title
_DOTS = 100  # an inch
_PLACES = ["xmin", "ymin", "xmax", "ymax"]
_SIDES = ["width", "height", "width", "height"]

Boxes = tuple[tuple[str, tuple[float, float, float, float]], ...]


@dataclass(frozen=True)
class Shown:
    """One photograph of the picture, (h, w, 3) uint8 RGB, with its boxes."""

    title: str
    picture: np.ndarray
    boxes: Boxes


def choose(truth: pd.DataFrame, number: int) -> list[str]:
    """At most `number` images (blob names) of a table of true boxes: of each class one, the rarest
    first, then one without boxes, and so on in turn. In each turn by name, never by how well the
    model does.
    """
    by_image = truth.assign(image=tables.blob_names(truth)).sort_values("image")
    frequency = by_image["class"].value_counts()
    classes = [name for name in frequency.index[::-1] if name != NULL]

    queues = {name: [] for name in [*classes, NULL]}
    for image, rows in by_image.groupby("image"):
        present = set(rows["class"])
        queues[next(name for name in queues if name in present)].append(image)

    chosen = []
    while len(chosen) < number and any(queues.values()):
        chosen += [queue.pop(0) for queue in queues.values() if queue]
    return chosen[:number]


def boxes_of(rows: pd.DataFrame, image: str) -> Boxes:
    """The boxes of one image in a table, in pixels, with their scores where the table has them."""
    rows = tables.only(rows, [image])
    rows = rows[rows["class"] != NULL]
    places = rows[_PLACES].to_numpy() * rows[_SIDES].to_numpy()
    labels = rows["class"].tolist()
    if "box_confidence" in rows:
        labels = [
            f"{name} {score:.2f}"
            for name, score in zip(labels, rows["box_confidence"], strict=True)
        ]
    return tuple(zip(labels, map(tuple, places.tolist()), strict=True))


def draw(shown: Sequence[Shown], columns: int, path: Path, title: str = "") -> None:
    """Write the photographs with their boxes as a PNG, `columns` beside each other. A class (the
    first word of a label) has one colour throughout.
    """
    lines = -(-len(shown) // columns)
    size = (_INCHES[0] * columns, _INCHES[1] * lines + 0.35 * bool(title))
    figure = Figure(size, layout="constrained")
    figure.get_layout_engine().set(h_pad=0.08)
    FigureCanvasAgg(figure)

    names = sorted({label.split()[0] for one in shown for label, _ in one.boxes})
    colors = {name: COLORS[index % len(COLORS)] for index, name in enumerate(names)}

    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel, one in zip(panels, shown, strict=False):
        panel.imshow(one.picture)
        panel.set_title(one.title, fontsize=9, parse_math=False)
        for label, box in one.boxes:
            _draw_box(panel, label, box, colors[label.split()[0]], one.picture.shape[1])
    for panel in panels:
        panel.set_axis_off()

    if title:
        figure.suptitle(title, parse_math=False)
    with write_beside(path) as piece:
        figure.savefig(piece, format="png", dpi=_DOTS)


def _draw_box(panel, label: str, box, color: str, width: int) -> None:
    """A box in a picture `width` pixels wide; its label stands above it, and stays inside."""
    left, upper, right, lower = box
    for edge, line in (("black", 3), (color, 1.6)):
        panel.add_patch(
            Rectangle(
                (left, upper),
                right - left,
                lower - upper,
                fill=False,
                edgecolor=edge,
                linewidth=line,
            )
        )
    beyond = left > 0.7 * width
    panel.text(
        right if beyond else left,
        upper,
        label,
        fontsize=8,
        horizontalalignment="right" if beyond else "left",
        verticalalignment="bottom" if upper > 20 else "top",
        bbox={"facecolor": color, "edgecolor": "black", "linewidth": 0.5, "pad": 1},
        clip_on=True,
        parse_math=False,
    )

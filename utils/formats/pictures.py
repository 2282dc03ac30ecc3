"""What labelled data sets say of each image, whatever their form."""

from dataclasses import dataclass, field

CORNERS = ["xmin", "ymin", "xmax", "ymax"]


@dataclass
class Picture:
    """One image of a data set: its name there, and (class, xmin, ymin, xmax, ymax) each, in pixels
    unless `fractions`. width, height: of the picture in which they were drawn, 0 where the set does
    not say it. With `fault` it cannot be used. `reviewed`: the set says that a person has looked at
    it (True), has not (False), or nothing (None). `stem`: the name is without its ending.
    """

    name: str
    boxes: list[tuple[str, float, float, float, float]] = field(default_factory=list)
    fractions: bool = False
    fault: str = ""
    width: float = 0
    height: float = 0
    reviewed: bool | None = None
    stem: bool = False

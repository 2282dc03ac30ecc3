"""What a detector that ran elsewhere says of each image, whatever the form of its file."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from utils.formats.pictures import Picture

_OUTSIDE = 0.01  # of the picture; detectors round, and reach a little beyond its edge


@dataclass
class Predicted:
    """One image: its name in the file, and (class, xmin, ymin, xmax, ymax, score) of each box, as
    fractions of the upright picture. No boxes: the detector looked, and found nothing.

    failure: why the detector did not look; fault: why what it says cannot be used; "" for neither.
    flat: how many boxes without area were left out.
    """

    name: str
    boxes: list[tuple[str, float, float, float, float, float]] = field(default_factory=list)
    failure: str = ""
    fault: str = ""
    flat: int = 0

    def add(self, label: str, sides: Sequence[object], score: object) -> None:
        """Take in a box: xmin, ymin, xmax, ymax as fractions. What is out of range is a fault of
        the whole image: its other boxes would say that nothing else is there.
        """
        numbers = [value for value in (*sides, score) if _is_number(value)]
        if len(numbers) != len(sides) + 1:
            self.fault = f"a box of {label} has a coordinate or score that is no number"
            return
        xmin, ymin, xmax, ymax, confidence = map(float, numbers)
        if not 0 <= confidence <= 1:
            self.fault = f"a box of {label} has the score {confidence:g}, outside 0 to 1"
        elif min(xmin, ymin) < -_OUTSIDE or max(xmax, ymax) > 1 + _OUTSIDE:
            furthest = max((xmin, ymin, xmax, ymax), key=lambda side: abs(side - 0.5))
            self.fault = f"a box of {label} reaches to {furthest:g} of the picture, outside 0 to 1"
        elif xmin > xmax or ymin > ymax:
            self.fault = f"a box of {label} has a width or height below 0"
        else:
            corners = [min(max(side, 0.0), 1.0) for side in (xmin, ymin, xmax, ymax)]
            if corners[0] < corners[2] and corners[1] < corners[3]:
                self.boxes.append((label, *corners, confidence))
            else:
                self.flat += 1


def shares(picture: Picture, sides: Sequence[object]) -> list[object]:
    """xmin, ymin, xmax, ymax in pixels as fractions of a picture whose size is known; what is no
    number stays what it is.
    """
    units = (picture.width, picture.height) * 2
    return [
        float(side) / unit if _is_number(side) else side
        for side, unit in zip(sides, units, strict=True)
    ]


def _is_number(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value)

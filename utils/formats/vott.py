"""VoTT 1.x project files: `<folder>.json` beside `<folder>/`. Written so that VoTT 1.7 and 2.2 open
them, read as all of 1.x saves them.

Outside this module coordinates are fractions of the image as it is shown, in the order xmin, xmax,
ymin, ymax; in the file they are pixels. Everything is pure: bytes and tuples in, bytes and tuples
out.
"""

import colorsys
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from utils.formats.returned import BadFile, Doubled, read_json
from utils.formats.sheets import Box, Sheet, fit_all, fractions, same_boxes

LISTED = (".jpg", ".jpeg", ".png", ".gif")  # what VoTT shows of a folder
_SHAPES = {"rectangle", "square"}  # what VoTT's settings offer and has two corners
_TWICE = object()  # in place of regions: they are there twice, and differ
_NAMES_WANTED = "write the file names as its keys, or draw the boxes anew in VoTT 1.7"


class BadVott(BadFile):
    """The file is not a VoTT 1.x project; the message says what is wrong with it."""


@dataclass(frozen=True)
class Frame:
    """What a saved project says of one image. `displayed`: VoTT drew one of its boxes, so somebody
    saw it.

    `notes` are boxes that were left out, and why. With `fault` the image's boxes cannot be read,
    and `boxes` is empty. `views`: the (width, height) in pixels in which the boxes were drawn.
    """

    boxes: tuple[Box, ...] = ()
    displayed: bool = False
    notes: tuple[str, ...] = ()
    fault: str | None = None
    views: frozenset[tuple[float, float]] = field(default=frozenset(), compare=False)

    def fits(self, width: int, height: int) -> bool:
        """Were all boxes drawn in views with the proportions of such an image?"""
        return fit_all(self.views, width, height)


@dataclass(frozen=True)
class Project:
    """A saved project: what it says of each image that has a key, and the names that VoTT stepped
    past.
    """

    frames: dict[str, Frame]
    visited: frozenset[str]


def tag_names(classes: Iterable[str], known: Mapping[str, str] | None = None) -> dict[str, str]:
    """{tag as VoTT can hold it: class}, in the order of the classes, each class once; what is
    `known` stays as it is, in front.

    White space and commas become `_`. A class that needs no change keeps its name; where another
    one would get the same, it gets a number.
    """
    tags = dict(known or {})
    classes = [name for name in dict.fromkeys(classes) if name not in tags.values()]
    taken = set(tags)
    unchanged = {name for name in classes if _as_tag(name) == name} - taken
    taken |= unchanged
    for name in classes:
        tag = plain = _as_tag(name)
        number = 2
        while name not in unchanged and tag in taken:
            tag = f"{plain}_{number}"
            number += 1
        taken.add(tag)
        tags[tag] = name
    return tags


def write_project(sheets: Sequence[Sheet], tags: Sequence[str]) -> bytes:
    """The JSON for a folder of these images; `tags` are those on offer, and every tag used is added
    to them.
    """
    sheets = sorted(sheets, key=lambda sheet: sheet.name)
    numbers = iter(range(1, 1 + sum(len(sheet.boxes) for sheet in sheets)))
    frames = {
        sheet.name: [
            _region(box, sheet, place, next(numbers)) for place, box in enumerate(sheet.boxes, 1)
        ]
        for sheet in sheets
        if sheet.boxes
    }
    offered = list(dict.fromkeys([*tags, *(box.tag for sheet in sheets for box in sheet.boxes)]))
    project = {
        "frames": frames,
        "framerate": "1",
        "inputTags": ",".join(offered),
        "suggestiontype": "track",
        "scd": False,
        "tag_colors": [_color(number) for number in range(len(offered))],
    }
    # VoTT shows the first image of its listing, or the one after the smallest key: an empty list
    # keeps it at the first.
    # Systems list upper and lower case differently; the member may be left out only where both
    # orders agree.
    first = {
        min(names, key=order, default=None)
        for names in (frames, [sheet.name for sheet in sheets])
        for order in (str, str.lower)
    }
    if len(first) > 1 or None in first:
        project["visitedFrames"] = []
    return json.dumps(project, ensure_ascii=False, indent=1).encode()


def read_project(data: bytes, *listings: Iterable[str]) -> Project:
    """Read a project as VoTT 1.x saved it.

    Up to 1.5 the keys are places in a listing of the folder, in the order of its file system, which
    is not known here. `listings`: the image names that it may have had (those handed out, those
    there now), in any order. Places are taken when all these listings, in all orders that file
    systems have, give the same images and boxes.

    Raises BadVott when nothing in the file can be used; what is wrong with one image only is that
    frame's fault or note.
    """
    try:
        document, _ = read_json(data)
    except (ValueError, RecursionError) as error:
        raise BadVott(f"it is not JSON ({' '.join(str(error).split())[:120]})") from None
    frames = _frames(document)
    visited = document.get("visitedFrames")
    if any(other != visited for other in _all(document, "visitedFrames")):
        raise BadVott('it has "visitedFrames" twice, with different images')
    visited = (
        [str(key) for key in visited if isinstance(key, (str, int))]
        if isinstance(visited, list)
        else []
    )
    readings = [_named(frames, visited, names) for names in _plausible(listings)]
    if any(reading != readings[0] for reading in readings):
        raise BadVott(
            "it names images by their place in a list (as VoTT up to 1.5 does), and file systems"
            f" list these images in different orders; {_NAMES_WANTED}"
        )
    regions, seen = readings[0]
    return Project({name: _frame(boxes) for name, boxes in regions.items()}, frozenset(seen))


def _frames(document: object) -> dict[str, object]:
    """What the file says of each key, `_TWICE` where it says different things. Raises BadVott."""
    found: dict[str, object] = {}
    members = _all(document, "frames") if isinstance(document, dict) else []
    if not members or not all(isinstance(frames, dict) for frames in members):
        raise BadVott('it has no "frames", which every VoTT 1.x file has')
    for frames in members:
        for key, regions in _pairs(frames):
            found[key] = regions if _alike(found.get(key, regions), regions) else _TWICE
    return found


def _pairs(members: dict) -> Iterable[tuple[str, object]]:
    return members.pairs if isinstance(members, Doubled) else members.items()


def _all(members: dict, key: str) -> list[object]:
    """Everything that stands under this key."""
    return [value for name, value in _pairs(members) if name == key]


def drawable(boxes: Iterable[Box], width: int, height: int) -> tuple[Box, ...]:
    """The boxes that still have an area as the file writes them; VoTT destroys what has none."""
    return tuple(
        box for box in boxes if all(low < high for low, high in _pixels(box, width, height))
    )


def is_reviewed(
    name: str, project: Project, handed_out: Sequence[Box] | None, width: int, height: int
) -> bool:
    """Did a person look at the image? `handed_out`: the boxes it came with; None when that is not
    known, and then its key is enough.
    """
    frame = project.frames.get(name)
    if frame is not None and frame.fault:
        return False
    if name in project.visited:
        return True
    if frame is None:
        return False
    if handed_out is None or frame.displayed or not frame.boxes and not frame.notes:
        return True
    return bool(frame.notes) or not same_boxes(frame.boxes, handed_out, width, height)


def _as_tag(name: str) -> str:
    return re.sub(r"[\s,]", "_", name)


def _pixels(box: Box, width: int, height: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """(x1, x2), (y1, y2) to the hundredth of a pixel."""
    return (round(box.xmin * width, 2), round(box.xmax * width, 2)), (
        round(box.ymin * height, 2),
        round(box.ymax * height, 2),
    )


def _region(box: Box, sheet: Sheet, place: int, number: int) -> dict:
    (x1, x2), (y1, y2) = _pixels(box, sheet.width, sheet.height)
    return {
        "x1": x1,
        "y1": y1,
        "x2": x2,
        "y2": y2,
        "width": sheet.width,
        "height": sheet.height,
        "id": number,
        "name": place,
        "type": "Rectangle",
        "tags": [box.tag],
        "UID": f"{number:08x}",
    }


def _color(number: int) -> str:
    """Colours that differ as much as they can, however many there are: steps of the golden ratio
    round the colour circle.
    """
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.75, 0.95)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def _plausible(listings: Iterable[Iterable[str]]) -> list[list[str]]:
    """The listings, each in every order in which a file system or a share may give it."""
    orders = [sorted(set(names), key=order) for names in listings for order in _ORDERS]
    return orders or [[]]


def _in_numbers(name: str) -> list:
    """The name for an order in which 9 comes before 10."""
    return [int(part) if part.isdecimal() else part for part in re.split("([0-9]+)", name.lower())]


_ORDERS = (
    str,  # by code points: Linux, and macOS today
    str.upper,  # NTFS; `_` comes behind the letters
    str.lower,  # some network shares; `_` comes before the letters
    lambda name: unicodedata.normalize("NFD", name).lower(),  # macOS before
    _in_numbers,  # shares that list as people count
)


def _named(
    frames: Mapping[str, object], visited: Iterable[str], listing: Sequence[str]
) -> tuple[dict[str, object], set[str]]:
    """(regions by image name, names that VoTT stepped past), for keys that are names, paths, or
    places in this listing.

    Raises BadVott when a place and a name speak of one image, and do not say the same of it, or a
    place with boxes is none of this listing.
    """
    if beyond := [key for key in frames if _is_place(key) and int(key) >= len(listing) > 0]:
        raise BadVott(
            f"it names image {beyond[0]} of a list (as VoTT up to 1.5 does) that has"
            f" {len(listing)} images now; {_NAMES_WANTED}"
        )
    places = {
        key: listing[int(key)]
        for key in {*frames, *visited}
        if _is_place(key) and key not in listing and int(key) < len(listing)
    }
    by_place = {places[key]: regions for key, regions in frames.items() if key in places}
    by_name: dict[str, object] = {}
    for key, regions in frames.items():
        if key and key not in places:
            name = _file_name(key)
            by_name[name] = regions if _alike(by_name.get(name, regions), regions) else _TWICE
    for name in places.values():
        if name in by_name and not _alike(by_name[name], by_place.get(name, [])):
            raise BadVott(
                f"it has two keys for {name}, its name and its place in a list (as VoTT up to 1.5"
                f" has it), that do not say the same of it; {_NAMES_WANTED}"
            )
    return by_place | by_name, {places.get(key) or _file_name(key) for key in visited}


def _alike(regions, others) -> bool:
    """Do two keys say the same of an image? `[{}]` is the earlier generation's empty list."""
    return regions == others or (regions in ([], [{}]) and others in ([], [{}]))


def _is_place(key: str) -> bool:
    return key.isascii() and key.isdigit() and len(key) < 10 and key == str(int(key))


def _file_name(key: str) -> str:
    return re.split(r"[\\/]", key)[-1]


def _frame(regions) -> Frame:
    if regions is _TWICE:
        return Frame(fault="it has two keys, with different boxes")
    if not isinstance(regions, list):
        return Frame(fault="its boxes are not a list")
    boxes: list[Box] = []
    views: set[tuple[float, float]] = set()
    notes: list[str] = []
    for place, region in enumerate(regions, 1):
        if region == {}:  # an empty image of the earlier generation is [{}]
            continue
        if not isinstance(region, dict):
            return Frame(fault=f"box {place} is not a VoTT region")
        if isinstance(region, Doubled):
            return Frame(fault=f"box {place} has two values of one kind")
        if fault := _wrong_shape(region):
            return Frame(fault=f"box {place} {fault}")
        try:
            sides = _fractions(region)
            views.add((float(region["width"]), float(region["height"])))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            return Frame(
                fault=(
                    f"box {place} has no usable"
                    f" {error.args[0] if isinstance(error, KeyError) else 'coordinates'}"
                )
            )
        tags = region.get("tags", [])
        fault = _wrong_tags(tags)
        if sides is None:
            named = "no tag" if fault else ", ".join(tags)
            notes.append(f"box {place} ({named}) has no area inside the image and was left out")
        elif fault:
            return Frame(fault=f"box {place} {fault}")
        else:
            boxes.extend(Box(tag, *sides) for tag in tags)
    displayed = any(
        "points" in region or "box" in region for region in regions if isinstance(region, dict)
    )
    return Frame(tuple(boxes), displayed, tuple(notes), views=frozenset(views))


def _wrong_shape(region: Mapping) -> str:
    """Why a region is no box; "" when it is one."""
    shape = region.get("type", "Rectangle")
    if isinstance(shape, str) and shape.lower() in _SHAPES:
        return ""
    return f"is of the shape {json.dumps(shape)}, and only rectangles are boxes"


def _wrong_tags(tags) -> str:
    """Why these are not the tags of a box; "" when they are.

    A box whose tag cannot be told is not nothing: the image would count as empty without it.
    """
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        return f"has tags that are no list of names: {json.dumps(tags)[:60]}"
    if any("\ud800" <= char <= "\udfff" for tag in tags for char in tag):
        return "has a tag that is not valid Unicode"
    if not tags or not all(tag.strip() for tag in tags):
        return "has no tag; give it one, or delete the box"
    return ""


def _fractions(region: Mapping) -> tuple[float, float, float, float] | None:
    """xmin, xmax, ymin, ymax, ordered and clipped to the image; None without area. Raises on
    anything but finite numbers and a size.
    """
    xs, ys = ([float(region[key]) for key in corners] for corners in (("x1", "x2"), ("y1", "y2")))
    return fractions(xs, ys, float(region["width"]), float(region["height"]))

"""What an annotator asks of a download."""

from dataclasses import dataclass
from pathlib import Path


@dataclass
class Request:
    """What the annotator asks for, as tag/download_vott_json.py --help says. `count` images, or as
    many as fit into so many `minutes`; `review`: as review_queue has it, "" for images to tag;
    `class_map`: a JSON file; `config`: the path as it was given, for messages; `tool`: the
    annotation tool, None for the config's; `like`, `of_class`, `whole`: as in choosing.Wishes.
    """

    config: str
    count: int | None
    class_map: Path | None = None
    strategy: str | None = None
    score_between: tuple[float, float] | None = None
    by_folder: bool = False
    review: str = ""
    again: bool = False
    discard: bool = False
    tool: str | None = None
    minutes: float | None = None
    like: tuple[str, ...] = ()
    of_class: str | None = None
    whole: bool = False

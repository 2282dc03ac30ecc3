"""The annotation tools that a batch can be reviewed in, by their names in `annotation_tool`, and
what each of them does. README.md in this folder says how to add one.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from utils.formats import cvat, label_studio, labelme, page, voc, vott_folder
from utils.formats.returned import File, Reading
from utils.formats.sheets import HandedOut


class Reader(Protocol):
    """A module that reads what a tool saved."""

    def recognises(self, file: File) -> bool:
        """Did this tool write the file?"""

    def read(self, file: File, batch: HandedOut) -> Reading:
        """What the file says of each image. Raises BadFile when nothing in it can be used; what is
        wrong with one image only is the fault of its Review.
        """


class Tool(Reader, Protocol):
    """A module that makes a batch for a tool, and reads what came back."""

    NAME: str  # in config.ini
    UNIQUE_STEMS: bool  # would a.jpg and a.png have one file between them?
    MARK: str  # how images are marked as reviewed, for those that are not
    AWAITED: str  # how the answer comes back, where it is in none of `answers`

    def how(self, batch: HandedOut) -> str:
        """What to do with the batch, in a line for people."""

    def tag_names(
        self, classes: Iterable[str], known: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """{tag as the tool can hold it: class}; what is `known` stays as it is, in front."""

    def write(self, batch: HandedOut) -> dict[str, bytes]:
        """{path below the place of the batch: content} of all that the tool is given."""

    def answers(self, batch: HandedOut) -> dict[str, list[str]]:
        """{file below the place of the batch in which an answer comes back: images it is about}, as
        far as the names are known beforehand.
        """


TOOLS: dict[str, Tool] = {
    tool.NAME: tool for tool in (page, vott_folder, labelme, label_studio, cvat)
}
# labelImg is nothing that a batch is made for, but a person may have used it.
READERS: tuple[Reader, ...] = (*TOOLS.values(), voc)

"""Image names as files from elsewhere spell them: with either slash, from another base folder."""

import unicodedata
from collections.abc import Callable, Iterable

from utils.files import path_parts


class Names:
    """Image names that are known ("folder/name"), to be found again by how a file spells them.

    `fold`: the form in which spellings are compared (default: accents composed, case as it is).
    """

    def __init__(self, names: Iterable[str], fold: Callable[[str], str] | None = None):
        self._fold = fold or (lambda name: unicodedata.normalize("NFC", name))
        self._known: dict[str, list[str]] = {}
        self._endings: dict[int, dict[str, list[str]]] = {}
        for name in names:
            self._known.setdefault(self._fold(name), []).append(name)

    def find(self, name: str) -> list[str]:
        """The known names that `name` may stand for: it itself, else the longest that it ends with,
        else those that end with it (of several nobody can tell which is meant). Only whole parts of
        a path count.
        """
        parts = path_parts(self._fold(name))
        endings = ["/".join(parts[start:]) for start in range(len(parts))]
        if not endings:
            return []
        inside = next((self._known[ending] for ending in endings if ending in self._known), None)
        return inside or self._ending_in(endings[0], len(parts))

    def _ending_in(self, ending: str, parts: int) -> list[str]:
        """The longer known names that end in these parts."""
        if parts not in self._endings:
            found: dict[str, list[str]] = {}
            for folded, names in self._known.items():
                pieces = folded.split("/")
                if len(pieces) > parts:
                    found.setdefault("/".join(pieces[-parts:]), []).extend(names)
            self._endings[parts] = found
        return self._endings[parts].get(ending, [])

"""Image names as files from elsewhere spell them: with either slash, from another base folder."""

import unicodedata
from collections.abc import Callable, Iterable


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
        """The known names that `name` may stand for, the whole name or an ending of whole parts of
        the other: one, several (nobody can tell which), or none.
        """
        parts = [part for part in self._fold(name).replace("\\", "/").split("/") if _counts(part)]
        endings = ["/".join(parts[start:]) for start in range(len(parts))]
        if not endings:
            return []
        if endings[0] in self._known:
            return self._known[endings[0]]
        shorter = [name for ending in endings[1:] for name in self._known.get(ending, [])]
        return shorter + self._ending_in(endings[0], len(parts))

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


def _counts(part: str) -> bool:
    return part not in ("", ".")

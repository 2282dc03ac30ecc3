"""What names of classes and people may be, wherever they come from: without control characters,
and no longer than a person can read.
"""

from utils.terminal import visible

LONGEST_CLASS = 200  # characters
LONGEST_TAGGER = 100
LONGEST_BLOB = 1024  # Azure has no longer ones


def why_no_class(name: str) -> str:
    """Why nobody may call a new class so, "" when it is allowed."""
    return _why_not(name, LONGEST_CLASS)


def why_no_tagger(name: str) -> str:
    """Why nobody may be called so, "" when it is allowed."""
    return _why_not(name, LONGEST_TAGGER)


def short(name: str) -> str:
    """A name as a message may have it, however long it is."""
    return visible(name[:60]) + ("…" if len(name) > 60 else "")


def _why_not(name: str, longest: int) -> str:
    if visible(name) != name:
        return "it has a control character"
    if len(name) > longest:
        return f"it has {len(name)} characters; {longest} are the most"
    return ""

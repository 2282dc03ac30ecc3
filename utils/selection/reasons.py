"""Why one image was chosen, in words for people."""

from collections.abc import Callable, Mapping

from utils.boxes.suspects import OFF, OVERLOOKED, SWAPPED, UNSUPPORTED
from utils.selection.finding import LIKE, SUREST

UNSEEN = "no model has seen it yet"
RANDOM = "drawn at random, as a fair sample of all photos"


def reason(row: Mapping, seen: bool = True) -> str:
    """Why this image, by its row of the table `selection`; has a model seen it?"""
    if row["random"] == "1" or row["strategy"] == "random":
        return RANDOM
    if not seen:
        return UNSEEN
    words = next((by[row["strategy"]] for by in _TABLES if row["strategy"] in by), None)
    return words(row["score"], row["class"]) if words else f"chosen by {row['strategy']}"


def _about(name: str) -> str:
    return f", mostly about {name}" if name else ""


def _hybrid(score: float, name: str) -> str:
    return f"to learn about {name} (worth {score:.2f})" if name else _SPREAD


def _hybrid_per_second(score: float, name: str) -> str:
    return f"to learn about {name} (worth {score:.1f} a minute)" if name else _SPREAD


def _entropy(score: float, name: str) -> str:
    return f"the model is unsure{_about(name)} (by {score:.2f})" if name else _SPREAD


def _least_confidence(score: float, name: str) -> str:
    if not name:
        return "nothing was found in it" if score < 0 else _SPREAD
    return f"its surest box, {name}, has a score of only {1 - score:.2f}"


def _confident(score: float, name: str) -> str:
    return f"a sure find of {name}, which has few labels" if name else _SPREAD


def _disagreement(score: float, name: str) -> str:
    return f"the model sees it otherwise in a mirror (by {score:.2f})"


def _coreset(score: float, name: str) -> str:
    return "it looks unlike the photos that are labelled"


def _lowest_box(score: float, name: str) -> str:
    return f"its least sure box has a score of {abs(score):.2f}" if score else "no box was found"


def _like(score: float, name: str) -> str:
    return f"it looks like an example (likeness {score:.2f}; 1 would be the same photo)"


def _surest(score: float, name: str) -> str:
    return f"a sure find of {name} (score {score:.2f})"


def _suspect(words: str) -> Callable[[float, str], str]:
    return lambda score, name: f"{words.format(name)} (suspicion {score:.2f})"


_SPREAD = "for variety"
# one for each record of utils/strategies.py
WORDS: dict[str, Callable[[float, str], str]] = {
    "hybrid": _hybrid,
    "hybrid_per_second": _hybrid_per_second,
    "entropy": _entropy,
    "least_confidence": _least_confidence,
    "coreset": _coreset,
    "confident": _confident,
    "disagreement": _disagreement,
    "random": lambda score, name: RANDOM,
    "lowest_box": _lowest_box,
}
# what was asked for by --like and --class
FINDING: dict[str, Callable[[float, str], str]] = {LIKE: _like, SUREST: _surest}
# what --review-suspect says of a labelled image
SUSPECTING: dict[str, Callable[[float, str], str]] = {
    OVERLOOKED: _suspect("the model sees {} where nothing is labelled"),
    SWAPPED: _suspect("the model sees {} where another class is labelled"),
    OFF: _suspect("a box of {} may be off"),
    UNSUPPORTED: _suspect("the model sees nothing where {} is labelled"),
}
_TABLES = (WORDS, FINDING, SUSPECTING)

"""What a project has cost in people's time, and what more of it will probably bring: as figures,
and in words.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from utils.effort.forecast import Gain, LearningCurve
from utils.effort.work import ProjectWork, Work

NEXT = 100  # images
_HOUR = 3600  # seconds


def work_figures(work: Work) -> dict:
    """As plain data; times in hours."""
    return {
        "photos": work.photos,
        "measured": work.measured,
        "hours": round(work.seconds / _HOUR, 4),
        "saved_hours": round(work.saved / _HOUR, 4),
    }


def project_figures(done: ProjectWork, prelabel_confidence: float | str) -> dict:
    """All work, that since the last cycle began, by person; the seconds that things take here, and
    a proposal where pre-labels cost more than they save ("" where they do not).
    """
    return {
        **work_figures(done.total),
        "since": work_figures(done.since),
        "taggers": {name: work_figures(work) for name, work in sorted(done.taggers.items())},
        "seconds": {name: round(value, 2) for name, value in asdict(done.seconds).items()},
        "fitted": done.fitted,
        "prelabels": _proposal(done.newest, prelabel_confidence),
    }


def forecast_figures(cycles: Sequence[Mapping], seconds_each: float) -> dict:
    """What the next images, and the next hour, will probably bring, from the AP of these cycles (as
    in State.cycles); `missing`: what is missing for that. seconds_each: of an image, NaN where that
    is not known.
    """
    curve = LearningCurve(
        (cycle.get("images_labelled"), _average(cycle)) for cycle in cycles if cycle
    )
    if curve.missing:
        return {"missing": curve.missing}
    shown = {
        "missing": "",
        "cycles": len(curve.images),
        "same_test": len({cycle.get("test") for cycle in cycles}) == 1,
        "images": _gain(curve.gain(NEXT)),
        "hour": None,
    }
    if seconds_each > 0:
        shown["hour"] = _gain(curve.gain(max(1, round(_HOUR / seconds_each))))
    return shown


def work_lines(work: Mapping) -> Iterator[str]:
    """All work, for people."""
    if not work["photos"]:
        return
    each = work["hours"] * _HOUR / work["photos"]
    how = (
        f"{work['measured']} of them measured" if work["measured"] else "as seconds_… of config say"
    )
    yield (
        f"work       {_time(work['hours']):>7}   ({work['photos']} photos of {each:.0f} s, {how};"
        f" {_saved(work['saved_hours'])} against drawing every box)"
    )
    if len(work["taggers"]) > 1:
        for name, own in work["taggers"].items():
            yield (
                f"           {_time(own['hours']):>7} {name or '(nobody)'}, {own['photos']} photos"
            )
    if work["prelabels"]:
        yield f"warning: {work['prelabels']}"


def cycle_line(work: Mapping) -> Iterator[str]:
    """The work that a cycle was the first to learn from."""
    if work["photos"]:
        yield (
            f"    from {_time(work['hours'])} of work in {work['photos']} photos;"
            f" {_saved(work['saved_hours'])}"
        )


def forecast_lines(forecast: Mapping) -> Iterator[str]:
    """What more work will probably bring."""
    if forecast["missing"]:
        yield f"what more images will bring is not known yet: {forecast['missing']}"
        return
    text = f"the next {forecast['images']['images']} images {_brings(forecast['images'])}"
    if hour := forecast["hour"]:
        text += f"; the next hour ({hour['images']} images) {_brings(hour)}"
    yield f"to be expected: {text}"
    notes = [f"a power law through {forecast['cycles']} cycles"]
    if not forecast["same_test"]:
        notes.append("which were not all measured on the same test images")
    if forecast["images"]["little"]:
        notes.append("more images of this kind will hardly make it better")
    yield f"    ({'; '.join(notes)})"


def _proposal(work: Work, prelabel_confidence: float | str) -> str:
    """A higher prelabel_confidence, where pre-labels cost more than they save."""
    if not work.prelabels_cost:
        return ""
    said = f"pre-labels cost more than they save: {work.deleted} of {work.shown} were deleted"
    if isinstance(prelabel_confidence, str):
        return f"{said}; the next cycle counts anew from which scores they are worth showing"
    higher = math.ceil((1 + prelabel_confidence) * 50) / 100
    try_this = f"{higher:g} or auto" if higher > prelabel_confidence else "auto"
    return f"{said}; try prelabel_confidence={try_this} (now {prelabel_confidence:g})"


def _average(cycle: Mapping) -> float | None:
    row = (cycle.get("metrics") or {}).get("Average")
    return row.get("AP") if isinstance(row, Mapping) else None


def _gain(gain: Gain) -> dict:
    figures = {name: round(value, 4) for name, value in asdict(gain).items()}
    return {**figures, "little": gain.little}


def _brings(gain: Mapping) -> str:
    return f"AP {gain['gain']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})"


def _saved(hours: float) -> str:
    if hours < 0:
        return f"pre-labels cost {_time(-hours)} more than they saved"
    return f"pre-labels saved {_time(hours)}"


def _time(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 2 else f"{hours * 60:.0f} min"

"""The verdict on a cycle's model, as cycle.json and a candidate have it: {"publish": bool, "why":
text, "live": the model it was compared with or None, and the figures, where there are some}.
"""

from train.evaluation.bootstrap import SAMPLES, Comparison
from train.evaluation.words import cell


def verdict_of(comparison: Comparison, live: str) -> dict:
    """A comparison as the verdict that publish_cycle.py follows and status.py shows. What cannot be
    measured does not go live.
    """
    if not comparison.measured:
        return {
            "publish": False,
            "why": (
                "there is no test image with boxes on which the new model can be compared with"
                f" {live}"
            ),
            "live": live,
            "images": comparison.images,
        }
    low, high = comparison.low, comparison.high
    why = (
        f"average AP {cell(comparison.new)}, {cell(comparison.live)} of {live} on the same"
        f" {comparison.images} test images; difference {low:+.2f} to {high:+.2f} in 90 % of"
        f" {SAMPLES} draws"
    )
    return {
        "publish": not comparison.worse,
        "why": why,
        "live": live,
        "images": comparison.images,
        "AP": {"new": comparison.new, "live": comparison.live},
        "difference": [low, high],
    }

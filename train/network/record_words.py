"""What stands in records.json, as lines for people."""

from train.network import labelled_images
from train.network.labelled_images import PARTS, counts_table


def record_lines(document: dict) -> list[str]:
    """Images and boxes per class of each part, and what was left out."""
    height, width = document["canvas"]
    lines = [
        *counts_table(_counts(document)),
        f"the model sees images fitted into {width} x {height} pixels",
    ]

    skipped = document["skipped"]
    left_out = [
        (skipped["gone"], "labelled images are not in the image container any more: skipped"),
        (
            skipped["failed"],
            "labelled images cannot be read (they are in the failed table): skipped",
        ),
        (skipped["boxes_without_area"], "boxes without area: left out"),
    ]
    for name, number in skipped["boxes_of_dropped_classes"].items():
        left_out.append((number, f"boxes of the dropped class {name!r}: left out"))
    lines += [f"{number} {what}" for number, what in left_out if number]

    if not document["validation_usable"]:
        lines.append(
            f"no best checkpoint can be chosen ({document['validation_note']}): the last one will"
            " be exported"
        )
    return lines


def record_warnings(document: dict) -> list[str]:
    """What a person should look at before training."""
    return [
        *(
            f"{image}: {reason}; skipped"
            for image, reason in document["skipped"]["undecodable"].items()
        ),
        *labelled_images.warnings(_counts(document)),
    ]


def _counts(document: dict) -> dict:
    return {part: document[part] for part in PARTS}

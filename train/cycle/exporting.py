"""Writing all labels of the project for other programs."""

import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from utils.config import Config
from utils.errors import InputError
from utils.files import local_path, refused
from utils.formats.exporting import (
    FILE_EACH,
    IN_PIXELS,
    TEST,
    WRITERS,
    Labelled,
    labelled_images,
    shared_files,
)
from utils.labels.class_changes import current_classes
from utils.labels.store import open_labels
from utils.labels.tables import image_set, without
from utils.wording import few


def export_labels(config: Config, form: str, output: Path) -> list[str]:
    """Write the labels of the project into a new folder; the lines that a person should read, the
    closing one last. Raises InputError, and leaves no folder behind, when that cannot be done.
    """
    _, store = open_labels(config)
    state = store.read_project()
    tagged, test, images = (store.table(state, name) for name in ("tagged", "test", "images"))
    replaced = image_set(store.table(state, "replaced")) & image_set(tagged)
    tagged = without(tagged, replaced)
    found = labelled_images(tagged, test, images)
    if not found:
        raise InputError(f"{store.container.address}: nothing is labelled there yet")
    usable = [image for image in found if not _why_not(image, form)]
    left_out = [f"{image.blob} ({why})" for image in found if (why := _why_not(image, form))]
    if form in FILE_EACH and (pairs := shared_files(usable)):
        one, other = pairs[0]
        raise InputError(
            f"{len(pairs)} images differ from another in the ending of their name only ({one} and"
            f" {other}), and {form} has one file for both; --format coco tells them apart"
        )
    known, _ = current_classes(config.classes, state.classes)
    others = {label for image in usable for label, *_ in image.boxes} - set(known)
    _write(usable, [*known, *sorted(others)], form, output)

    lines = []
    if replaced:
        lines.append(
            f"{len(replaced)} images are left out, as they are other pictures now than when they"
            f" were labelled: {few(sorted(replaced))}"
        )
    if left_out:
        lines.append(f"{len(left_out)} images are left out: {few(left_out)}")
    if others:
        lines.append(f"not in classes of {config.path.name}, and exported: {few(sorted(others))}")
    boxes = sum(len(image.boxes) for image in usable)
    empty = sum(not image.boxes for image in usable)
    held_out = sum(image.part == TEST for image in usable)
    lines.append(
        f"{len(usable)} images ({empty} of them empty, {held_out} in the test set), {boxes} boxes"
        f" → {output}"
    )
    return lines


def _why_not(image: Labelled, form: str) -> str:
    """Why an image cannot be exported; "" when it can."""
    if form in IN_PIXELS and not (image.width and image.height):
        return "its size is known nowhere; run train/active_learning_initialize.sh CONFIG"
    return refused(image.blob) or ""


def _write(images: Sequence[Labelled], classes: Sequence[str], form: str, output: Path) -> None:
    """Write the files beside `output`, and give them its name when all are there."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"{output}: it is there already; name a new folder with --output")
    output.parent.mkdir(parents=True, exist_ok=True)
    beside = output.with_name(f".{secrets.token_hex(8)}.part")
    try:
        for name, text in WRITERS[form](images, classes):
            path = local_path(beside, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        if output.exists():
            output.rmdir()
        beside.rename(output)
    finally:
        shutil.rmtree(beside, ignore_errors=True)

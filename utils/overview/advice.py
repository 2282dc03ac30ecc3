"""What to do next."""

from collections.abc import Mapping

from utils.batch.batch import read_batch
from utils.config import Config
from utils.errors import InputError


def advice(shown: Mapping, config: Config) -> str:
    """What this person, or the one at the training machine, does next."""
    try:
        batch = read_batch(config.tagging_location) if config.tagging_location else None
    except InputError as error:
        return str(error)
    mine = sum(
        shown[name].get(config.tagger_name, {}).get("images", 0) for name in ("out", "review_out")
    )
    since = shown["tagged"] - (
        shown["cycles"][-1]["images_labelled"] or 0 if shown["cycles"] else 0
    )
    if not shown["images"] and not shown["to_tag"] and not shown["tagged"]:
        return "take the images in: train/active_learning_initialize.sh CONFIG"
    if mine and batch is None:
        return (
            f"you hold {mine} images that are not in tagging_location: download_vott_json.py N"
            " CONFIG --again, or abandon.py CONFIG"
        )
    if mine and config.annotation_tool == "page":
        return f"review your {mine} images in {config.tagging_location}: tag/review.py CONFIG"
    if mine:
        return (
            f"review your {mine} images in {config.tagging_location} with {config.annotation_tool},"
            " then upload_vott_json.py CONFIG"
        )
    if shown["tagged"] and since >= (config.auto_retrain_images if shown["cycles"] else 1):
        then = (
            f"train/active_learning_train.sh CONFIG ({since} images were labelled since the last"
            " cycle)"
        )
        return f"train: {then}" + (
            ", or label more: download_vott_json.py 40 CONFIG" if shown["to_tag"] else ""
        )
    if shown["to_tag"]:
        return "download_vott_json.py 40 CONFIG"
    if shown["review_queue"]:
        return "look at labelled images again: download_vott_json.py 40 CONFIG --review"
    return (
        "nothing is left to tag; add images to the container and run"
        " train/active_learning_initialize.sh CONFIG"
    )

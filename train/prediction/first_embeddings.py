"""What images look like before there is a model of ours, so that the first batches differ:
embeddings of the pretrained backbone that training will start from, and perceptual hashes until
these are there, or where there is no such backbone.
"""

import hashlib
from contextlib import closing

import pandas as pd
from filelock import FileLock, Timeout

from train.network.quiet import silence
from train.network.weights_digest import weights_digest
from train.prediction.embedding_file import FILE, EmbeddingFile
from train.prediction.journal import PredictionJournal
from utils.boxes.detections import Detections
from utils.config import Config
from utils.config.checkpoints import SCRATCH
from utils.errors import OutsideError
from utils.images.canvas import canvas_for
from utils.images.decoding import BadImage
from utils.images.greys import Greys
from utils.labels import tables
from utils.labels.listed import listed_photos
from utils.labels.state import State
from utils.labels.store import LabelStore
from utils.progress import progress_bar
from utils.selection.embeddings import Embeddings, published_embeddings
from utils.selection.picture_hashes import (
    HASHES,
    LOCK,
    etags_of,
    publish_hashes,
    publish_unless_model,
)
from utils.storage.container import Container
from utils.storage.photos import Photos, arriving
from utils.terminal import say

SIDES = (192, 256)  # shorter and longer side of what the backbone sees, in pixels
_BATCH = 16  # images that the backbone sees at once


def describe_images(config: Config, container: Container, store: LabelStore) -> str:
    """Publish what the images look like, those only that are new or replaced, as long as there is
    no model of ours, whose embeddings are better; returns a sentence for people, "" when there was
    nothing to do.

    Interrupted, it goes on where it was. Images that cannot be decoded are left out; prediction and
    hand-out will say so. Raises InputError when fine_tune_checkpoint is no checkpoint.
    """
    config.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(config.data_dir / LOCK, timeout=0):
            return _describe(config, container, store)
    except Timeout:
        return (
            "what the images look like is left to the other program that looks at them in"
            f" {config.data_dir}"
        )


def _describe(config: Config, container: Container, store: LabelStore) -> str:
    state = store.read()
    images = store.table(state, "images")
    if state.live.get("model") or not len(images):
        return ""
    present = published_embeddings(store, state)
    hashed = ""
    if present is None or present.model == HASHES:
        count = publish_hashes(container, store, state, config.image_dir, present)
        hashed = f"perceptual hashes of {count} images are published" if count else ""
    if config.fine_tune_checkpoint and config.fine_tune_checkpoint.lower() == SCRATCH:
        why_not = "training starts from scratch"
    else:
        silence()
        from train.network import pretrained_weights  # loads TensorFlow, which takes seconds

        try:
            start = pretrained_weights.choose_start(
                config.model_name,
                config.fine_tune_checkpoint,
                config.tf_url,
                config.download_location,
            )
            why_not = "" if start.prefix else f"training starts from {start.said}"
        except OutsideError as error:
            why_not = f"there are no pretrained weights: {error}"
    if not why_not:
        return (
            _publish_pretrained(config, container, store, state, images, present, start) or hashed
        )
    if present is not None and present.model != HASHES:
        left = len(images) - len(present.current(etags_of(images)))
        return (
            f"{left} images are not compared with others until there is a model, because {why_not}"
            if left
            else ""
        )
    return (
        f"images are compared by perceptual hashes until there is a model, because {why_not}"
        if hashed
        else ""
    )


def _publish_pretrained(
    config: Config,
    container: Container,
    store: LabelStore,
    state: State,
    images: pd.DataFrame,
    present: Embeddings | None,
    start,
) -> str:
    canvas = canvas_for(images[["height", "width"]].to_numpy(), *SIDES)
    model = hashlib.sha256(
        f"{config.model_name} {canvas} {weights_digest(start.prefix)}".encode()
    ).hexdigest()[:32]
    if present is not None and (present.model != model or not present.basis.serves(len(images))):
        present = None
    etags = etags_of(images)
    missing = tables.without(images, present.current(etags)) if present else images
    wanted = etags_of(missing)
    journal_file = config.data_dir / "pretrained.journal"
    with (
        PredictionJournal(journal_file, model) as journal,
        EmbeddingFile(config.data_dir / FILE, model, present) as file,
    ):
        unseen = {blob for blob, etag in wanted.items() if journal.done.get(blob) != etag}
        if unseen:
            say(
                f"{len(unseen)} images are shown to the backbone of {start.said}, so that the first"
                " batches differ; they can be handed out already, and without this if you stop"
                " here"
            )
            backbone = (config.model_name, canvas, start)
            unseen_rows = tables.only(missing, unseen)
            _look_at(config, container, backbone, state.greys, unseen_rows, journal)
        bad = {}
        for blob, found in journal.entries(wanted):
            if isinstance(found, Detections):
                file.add(blob, found, etags[blob])
            else:
                bad[blob] = found
        count = file.finish(set(etags)) if len(wanted) > len(bad) else 0
    published = count and publish_unless_model(store, config.data_dir / FILE)
    journal_file.unlink()
    if bad:  # are not looked at again
        with PredictionJournal(journal_file, model) as journal:
            for blob, found in bad.items():
                journal.add(blob, etags[blob], found)
    return (
        f"what {count} images look like to that backbone is published ({len(unseen)} looked at now)"
        if published
        else ""
    )


def _look_at(
    config: Config,
    container: Container,
    backbone: tuple,
    greys: Greys,
    images: pd.DataFrame,
    journal: PredictionJournal,
) -> None:
    """Put the embeddings of these images into the journal."""
    from train.prediction.pipeline import predict
    from train.prediction.pretrained_embeddings import PretrainedBackbone

    detector = PretrainedBackbone(*backbone)
    etags = etags_of(images)
    photos = Photos(container, config.image_dir)
    with closing(arriving(photos, listed_photos(images))) as coming:
        outcomes = predict(
            detector,
            ((photo.name, source) for photo, source in coming),
            batch_size=_BATCH,
            largest_side=max(SIDES),
            greys=greys,
        )
        for blob, outcome in progress_bar(outcomes, "describe", len(images), unit=" images"):
            if isinstance(outcome, (Detections, BadImage)):
                journal.add(blob, etags[blob], outcome)

"""What images look like before there is a model of ours, so that the first batches differ: embeddings of the pretrained backbone that
training will start from, and perceptual hashes until these are there, or where there is no such backbone."""
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
from embedding_file import FILE, EmbeddingFile, published_embeddings
from prediction_journal import PredictionJournal
from tensorflow_notes import silence
from tqdm import tqdm
from trained_sets import weights_digest

from utils import tables
from utils.canvas import canvas_for
from utils.config import Config
from utils.detections import Detections
from utils.errors import OutsideError
from utils.images import BadImage, decode
from utils.label_state import Change, LabelStore, State
from utils.storage import Container
from utils.sync import image_path

HASHES = "pictures"  # instead of a model's digest
SIDES = (192, 256)   # shorter and longer side of what the backbone sees, in pixels
_AT_ONCE = 512       # images whose hashes are under way
_SIDE = 256          # pixels of the longer side, at least, from which a hash is made
_BATCH = 16          # images that the backbone sees at once
_SCRATCH = "scratch"


def describe_images(config: Config, container: Container, labels: LabelStore) -> str:
    """Publish what the images look like, those only that are new, as long as there is no model of ours, whose embeddings are better;
    returns a sentence for people, "" when there was nothing to do.

    Interrupted, it goes on where it was. Images that cannot be decoded are left out; prediction and hand-out will say so.
    Raises InputError when fine_tune_checkpoint is no checkpoint.
    """
    state = labels.read()
    if state.live.get("model"):
        return ""
    said = _publish_hashes(config, container, labels, state)
    if config.fine_tune_checkpoint and config.fine_tune_checkpoint.lower() == _SCRATCH:
        return said
    return _publish_pretrained(config, container, labels) or said


def _publish_hashes(config: Config, container: Container, labels: LabelStore, state: State) -> str:
    from perceptual_hash import perceptual_hash  # takes a second to load

    def load(blob: str) -> np.ndarray | None:
        try:
            return perceptual_hash(decode(image_path(container, config.image_dir, blob).read_bytes(), max_side=_SIDE))
        except (BadImage, OSError):
            return None

    present = published_embeddings(labels, state)
    known = set(present.names.to_pylist()) if present is not None else set()
    names = tables.image_set(labels.table(state, "images"))
    missing = sorted(names - known)
    if not missing or (present is not None and present.model != HASHES):
        return ""
    nothing = (np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))
    config.data_dir.mkdir(parents=True, exist_ok=True)
    with (EmbeddingFile(config.data_dir / FILE, HASHES, present) as file, ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool,
          tqdm(None, "compare", len(missing), unit=" images", disable=None) as progress):
        for start in range(0, len(missing), _AT_ONCE):
            part = missing[start:start + _AT_ONCE]
            for blob, vector in zip(part, pool.map(load, part), strict=True):
                progress.update()
                if vector is not None:
                    file.add(blob, Detections(*nothing, vector))
        count = file.finish(names)
    if not count or not _publish(config, labels):
        return ""
    return f"perceptual hashes of {count} images are published, so that the first batches hold no near-copies"


def _publish_pretrained(config: Config, container: Container, labels: LabelStore) -> str:
    silence()
    import pretrained_weights  # loads TensorFlow, which takes seconds

    try:
        start = pretrained_weights.choose_start(config.model_name, config.fine_tune_checkpoint, config.tf_url, config.download_location)
    except OutsideError as error:
        return f"images are compared by perceptual hashes until there is a model, because there are no pretrained weights: {error}"
    if start.prefix is None:
        return f"images are compared by perceptual hashes until there is a model: {start.said}"
    state = labels.read()
    images = labels.table(state, "images")
    canvas = canvas_for(images[["height", "width"]].to_numpy(), *SIDES)
    model = hashlib.sha256(f"{config.model_name} {canvas} {weights_digest(start.prefix)}".encode()).hexdigest()[:32]
    present = published_embeddings(labels, state)
    known = set(present.names.to_pylist()) if present is not None and present.model == model else set()
    missing = tables.without(images, known)
    if not len(missing):
        return ""
    print(f"{len(missing)} images are shown to the backbone of {start.said}, so that the first batches differ; they can be handed out "
          "already, and without this if you stop here", flush=True)
    journal_file = config.data_dir / "pretrained.journal"
    with PredictionJournal(journal_file, model) as journal, EmbeddingFile(config.data_dir / FILE, model, present) as file:
        new = _look_at(config, container, missing, (config.model_name, canvas, start), journal)
        for blob, found in journal.entries(dict(zip(tables.blob_names(missing), missing["etag"], strict=True))):
            if isinstance(found, Detections):
                file.add(blob, found)
        count = file.finish(tables.image_set(images))
    published = count and _publish(config, labels)
    journal_file.unlink(missing_ok=True)
    return f"what {count} images look like to that backbone is published ({new} looked at now)" if published else ""


def _look_at(config: Config, container: Container, images: pd.DataFrame, backbone: tuple, journal: PredictionJournal) -> int:
    """Put the embeddings of those of `images` into the journal that it lacks; how many."""
    etags = dict(zip(tables.blob_names(images), images["etag"], strict=True))
    missing = [blob for blob, etag in etags.items() if journal.done.get(blob) != etag]
    if not missing:
        return 0
    from prediction import predict
    from pretrained_embeddings import PretrainedBackbone

    paths = ((blob, image_path(container, config.image_dir, blob)) for blob in missing)
    outcomes = predict(PretrainedBackbone(*backbone), paths, batch_size=_BATCH, largest_side=max(SIDES))
    for blob, outcome in tqdm(outcomes, total=len(missing), desc="describe", unit=" images", disable=None):
        if isinstance(outcome, (Detections, BadImage)):
            journal.add(blob, etags[blob], outcome)
    return len(missing)


def _publish(config: Config, labels: LabelStore) -> bool:
    """Publish the file of embeddings in data_dir; False when a model was published meanwhile, whose embeddings stay."""
    blob = labels.publish_file("embeddings", ".parquet", config.data_dir / FILE)

    def change(now: State) -> Change | None:
        return None if now.live.get("model") else Change({}, {"live": {**now.live, "embeddings": blob}})

    return labels.commit(change, what="publishing what images look like").live.get("embeddings") == blob

"""What images look like before there is a model: perceptual hashes, by which the first batches are spread over different pictures."""
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from embedding_file import FILE, EmbeddingFile, published_embeddings
from tqdm import tqdm

from utils import tables
from utils.config import Config
from utils.detections import Detections
from utils.images import BadImage, decode
from utils.label_state import Change, LabelStore, State
from utils.storage import Container
from utils.sync import image_path

SOURCE = "pictures"  # instead of a model's digest
_AT_ONCE = 512       # images that are under way
_SIDE = 256          # pixels of the longer side, at least, from which a hash is made


def publish_hashes(config: Config, container: Container, labels: LabelStore) -> int:
    """Publish a perceptual hash of every image that has none, unless there is a model of ours, whose embeddings are better; how many.

    Images that cannot be decoded are left out; prediction and hand-out will say so.
    """
    from perceptual_hash import perceptual_hash  # takes a second to load

    def load(blob: str) -> np.ndarray | None:
        try:
            return perceptual_hash(decode(image_path(container, config.image_dir, blob).read_bytes(), max_side=_SIDE))
        except (BadImage, OSError):
            return None

    state = labels.read()
    present = published_embeddings(labels, state)
    known = set(present.names.to_pylist()) if present is not None else set()
    names = tables.image_set(labels.table(state, "images"))
    missing = sorted(names - known)
    if state.live.get("model") or not missing or (present is not None and present.model != SOURCE):
        return 0
    nothing = (np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))
    config.data_dir.mkdir(parents=True, exist_ok=True)
    with (EmbeddingFile(config.data_dir / FILE, SOURCE, present) as file, ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool,
          tqdm(None, "compare", len(missing), unit=" images", disable=None) as progress):
        for start in range(0, len(missing), _AT_ONCE):
            part = missing[start:start + _AT_ONCE]
            for blob, vector in zip(part, pool.map(load, part), strict=True):
                progress.update()
                if vector is not None:
                    file.add(blob, Detections(*nothing, vector))
        count = file.finish(names)
    if not count:
        return 0
    blob = labels.publish_file("embeddings", ".parquet", config.data_dir / FILE)

    def change(now: State) -> Change | None:
        return None if now.live.get("model") else Change({}, {"live": {**now.live, "embeddings": blob}})

    labels.commit(change, what="publishing what images look like")
    return count

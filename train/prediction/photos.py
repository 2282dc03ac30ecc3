"""What a detector finds in photos that come in, by the settings of a project."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from utils.config import Config
from utils.images.greys import Greys
from utils.storage.container import Listed
from utils.storage.photos import Source

if TYPE_CHECKING:
    from train.prediction.frozen_detector import FrozenDetector
    from train.prediction.pipeline import Outcome


def predict_photos(
    config: Config,
    detector: "FrozenDetector",
    coming: Iterable[tuple[Listed, Source]],
    *,
    batch_size: int,
    mirror: bool,
    greys: Greys,
) -> Iterator[tuple[str, "Outcome"]]:
    """(blob name, what the detector found, BadImage or Unreadable) of photos that come in
    (`utils.storage.photos.arriving`), by the settings of `config`, in their order.
    """
    describe = None
    if not detector.embeds:
        from utils.images.perceptual_hash import perceptual_hash as describe
    images = ((photo.name, source) for photo, source in coming)
    options = {"batch_size": batch_size, "describe": describe, "mirror": mirror, "greys": greys}
    if config.tile:
        from train.prediction.tiled import predict_tiled

        return predict_tiled(detector, images, side=config.max_tile_size, **options)

    from train.prediction.pipeline import predict

    return predict(detector, images, largest_side=config.max_tile_size, **options)

"""What a process of a Ray cluster does: it holds one detector, fetches photos from the container,
decodes them, and says what it found.
"""

import io
import os
import pickle
import tarfile
import traceback
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from utils.config import load_config
from utils.errors import InputError, OutsideError
from utils.images.greys import Greys
from utils.storage.container import Listed
from utils.storage.opening import open_containers

if TYPE_CHECKING:
    from train.prediction.pipeline import Outcome

_PATIENCE = 600.0  # seconds for which the container may be away
_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Work:
    """What every worker is told. There is no secret in it: a cluster keeps it. config: the text of
    a config file; model: a reference to the archive of the model, `model_name` in it; cpus: cores
    of a worker.
    """

    config: str
    model: Any
    model_name: str
    batch_size: int
    bfloat16: bool
    mirror: bool
    greys: Greys
    cpus: int


class Worker:
    """Looks at blocks of photos, one block after the other. Secrets come from its environment.

    It never raises: what goes wrong is its answer, as an exception.
    """

    def __init__(self, work: Work):
        for variable in _THREADS:  # before TensorFlow is loaded
            os.environ[variable] = str(work.cpus)
        self._work = work
        self._fault: Exception | None = None
        try:
            self._prepare()
        except Exception as error:
            self._fault = _answer(error)

    def __call__(self, block: dict) -> dict:
        """One row of a data set: {"photos": [pickled photos]} to {"found": [answer]}."""
        return {"found": [self.answer(block["photos"][0])]}

    def answer(self, photos: bytes) -> bytes:
        """What was found in pickled photos, pickled: (blob name, outcome) of each."""
        return pickle.dumps(self._fault or self._looked_at(pickle.loads(photos)))

    def _prepare(self) -> None:
        import ray

        from train.prediction.frozen_detector import FrozenDetector

        with TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "config.ini").write_text(self._work.config, encoding="utf-8")
            self._config = load_config(folder / "config.ini")
            with tarfile.open(fileobj=io.BytesIO(ray.get(self._work.model))) as archive:
                archive.extractall(folder / "model", filter="data")
            model = folder / "model" / self._work.model_name
            self._detector = FrozenDetector(model, self._work.bfloat16)
        self._container, _ = open_containers(self._config)

    def _looked_at(self, photos: list[Listed]) -> list[tuple[str, "Outcome"]] | Exception:
        """What was found in each photo. While the container is away, it is waited for."""
        from tenacity import Retrying, retry_if_exception_type, stop_after_delay
        from tenacity import wait_random_exponential as wait

        tries = Retrying(
            retry=retry_if_exception_type(OutsideError),
            wait=wait(max=30),
            stop=stop_after_delay(_PATIENCE),
            reraise=True,
        )
        try:
            return tries(lambda: list(self._outcomes(photos)))
        except Exception as error:
            return _answer(error)

    def _outcomes(self, photos: list[Listed]) -> Iterator[tuple[str, "Outcome"]]:
        from train.prediction.photos import predict_photos
        from utils.storage.photos import Photos, arriving

        work = self._work
        source = Photos(self._container, self._config.image_dir)
        with closing(arriving(source, photos)) as coming:
            yield from predict_photos(
                self._config,
                self._detector,
                coming,
                batch_size=work.batch_size,
                mirror=work.mirror,
                greys=work.greys,
            )


def _answer(error: Exception) -> Exception:
    """An expected error as it is; a bug with its traceback as text, which goes over the network."""
    if isinstance(error, (InputError, OutsideError)):
        return error
    return RuntimeError("in a worker of the Ray cluster:\n" + traceback.format_exc())

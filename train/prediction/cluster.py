"""Predicting on a cluster, with Ray Data: this machine says which photos, workers anywhere fetch
and decode them and look at them, and what they found comes back block by block.

A block is made of whole batches, the same ones as on one machine, and blocks come back in their
order: what is written is the same. When a worker dies, its block is given out again in smaller
pieces; so an image that ends every worker is found, and said by name. Nothing but three deaths
makes an image bad: any other error ends the run.
"""

import io
import logging
import os
import pickle
import tarfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from train.prediction.cluster_worker import Work, Worker
from utils.config import Config
from utils.config.credentials import environment_of
from utils.errors import InputError, OutsideError
from utils.images.decoding import BadImage
from utils.images.greys import Greys
from utils.storage.container import Listed
from utils.terminal import say
from utils.wording import few

if TYPE_CHECKING:
    from train.prediction.pipeline import Outcome

_INSTALL = "bash train/set_up.sh requirements-cluster.txt"
_REPOSITORY = Path(__file__).resolve().parent.parent.parent
_MOST_BATCHES = 32  # of a block
_BLOCKS_EACH = 4  # or more for every worker, so that all end at about the same time
_LOCAL_STORE = 256 << 20  # bytes for what was found and is not written yet
_MANY = 100  # photos: to look at each alone would take long
_TRIES = 3
_KILLS_WORKERS = "each of three workers that read it alone died: out of memory, or a crash"


@contextmanager
def on_cluster(
    config: Config,
    model: Path,
    photos: Iterable[Listed],
    *,
    batch_size: int,
    bfloat16: bool,
    mirror: bool,
    greys: Greys,
) -> Iterator[Iterator[tuple[str, "Outcome"]]]:
    """While it lasts, the cluster of `ray_address` (empty: one on this machine) is connected; what
    it gives are the outcomes of the photos, in their order, as `predict_photos` gives them.

    Raises InputError when Ray is not installed or a worker finds something wrong, OutsideError when
    the cluster cannot be reached, or a worker does not reach the container for ten minutes.
    """
    ray = _ray()
    with _connected(ray, config):
        total = ray.cluster_resources()
        cpus, gpus = int(total.get("CPU", 1)), config.ray_gpus_per_worker
        if not config.ray_address and gpus > total.get("GPU", 0):
            raise InputError(
                f"{config.path}: ray_gpus_per_worker={gpus:g}, and this machine has"
                f" {total.get('GPU', 0):g} GPUs; expected 0, or ray_address of a cluster with GPUs"
            )
        workers = max(1, int(total.get("GPU", 0) / gpus) if gpus else cpus)
        each = max(1, cpus // workers)
        alive = sum(node["Alive"] for node in ray.nodes())
        say(f"on a Ray cluster of {alive} machines, with {workers} workers of {each} cores")
        model_put = ray.put(_packed(model))
        work = Work(
            config.public_text(), model_put, model.name, batch_size, bfloat16, mirror, greys, each
        )
        pool = {"num_cpus": each, "num_gpus": gpus or None}
        try:
            yield _outcomes(ray, work, list(photos), workers, pool)
        except ray.exceptions.RayError as error:
            text = str(error).strip().splitlines() or [type(error).__name__]
            raise OutsideError(f"the Ray cluster failed: {text[-1]}") from error


def _outcomes(
    ray: ModuleType, work: Work, photos: Sequence[Listed], workers: int, pool: dict
) -> Iterator[tuple[str, "Outcome"]]:
    """What was found in each photo. First in blocks of many batches; what is missing then, because
    its worker died, by single batches, as long as that helps; at last each alone.
    """
    batches = len(photos) // (work.batch_size * workers * _BLOCKS_EACH)
    size, waiting = work.batch_size * min(max(batches, 1), _MOST_BATCHES), 2
    rest, answered, helps = photos, False, True
    while rest and helps:
        found = set()
        for blob, outcome in _found(ray, work, _blocks(rest, size), workers, waiting, pool):
            found.add(blob)
            yield blob, outcome
        helps = size > work.batch_size or len(found) >= min(len(rest) / 2, _MANY)
        rest = [photo for photo in rest if photo.name not in found]
        answered = answered or bool(found)
        size, waiting = work.batch_size, 1
    yield from _alone(ray, work, rest, answered, pool)


def _alone(
    ray: ModuleType, work: Work, photos: Sequence[Listed], answered: bool, pool: dict
) -> Iterator[tuple[str, "Outcome"]]:
    """What was found in each photo, looked at by a worker that has no other one: if three die over
    it, it is bad. Raises OutsideError when no photo was `answered` and workers die all the same.
    """
    new_worker = ray.remote(**pool)(Worker)
    worker, deadly = None, []
    for photo in photos:
        for _ in range(_TRIES):
            worker = worker or new_worker.remote(work)
            try:
                found = _answered(ray.get(worker.answer.remote(pickle.dumps([photo]))))
            except ray.exceptions.RayActorError as error:
                if getattr(error, "actor_init_failed", False):
                    raise
                worker = None
            else:
                answered = True
                yield from found
                break
        else:
            deadly.append(photo)
        if len(deadly) >= _TRIES and not answered:
            break
    if deadly and not answered:
        raise OutsideError(
            "every worker of the Ray cluster died before it had looked at one photo, over"
            f" {few([photo.name for photo in deadly])}; its logs say why (session_latest/logs in"
            " Ray's folder)"
        )
    for photo in deadly:
        yield photo.name, BadImage(_KILLS_WORKERS)


def _found(
    ray: ModuleType,
    work: Work,
    blocks: list[bytes],
    workers: int,
    waiting: int,
    pool: dict,
) -> Iterator[tuple[str, "Outcome"]]:
    """What was found in the photos of the blocks, but of those whose worker died, and of those that
    waited for it: `waiting` blocks are with a worker at a time.
    """
    rows = ray.data.from_items(
        [{"photos": block} for block in blocks], override_num_blocks=len(blocks)
    )
    compute = ray.data.ActorPoolStrategy(
        min_size=1,
        max_size=len(blocks),
        initial_size=min(workers, len(blocks)),
        max_tasks_in_flight_per_actor=waiting,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that two of these have other names from Ray 2.64 on
        outcomes = rows.map_batches(
            Worker,
            fn_constructor_args=(work,),
            batch_size=1,
            compute=compute,
            max_restarts=-1,
            max_task_retries=0,
            **pool,
        )
    for row in outcomes.iter_rows():
        yield from _answered(row["found"])


def _answered(answer: bytes) -> list[tuple[str, "Outcome"]]:
    """What a worker has found. Raises what it says went wrong."""
    found = pickle.loads(answer)
    if isinstance(found, Exception):
        raise found
    return found


def _blocks(photos: Sequence[Listed], size: int) -> list[bytes]:
    return [pickle.dumps(photos[start : start + size]) for start in range(0, len(photos), size)]


def _ray() -> ModuleType:
    """Ray, quiet. Raises InputError when it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError:
        raise InputError(f"prediction_engine=ray: Ray is not installed; run: {_INSTALL}") from None
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = -1  # their photos come again
    context.execution_options.preserve_order = True
    return ray


@contextmanager
def _connected(ray: ModuleType, config: Config) -> Iterator[None]:
    """Connected to the cluster of `ray_address`, or to a new one on this machine, whose workers get
    what secrets there are by their environment.
    """
    if ray.is_initialized():
        yield
        return
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if config.ray_address:
            ray.init(address=config.ray_address, **quiet)
        else:
            with _in_environment(environment_of(config)):
                ray.init(
                    address="local",
                    include_dashboard=False,
                    object_store_memory=_LOCAL_STORE,
                    **quiet,
                )
    except (OSError, RuntimeError, ValueError, TimeoutError) as error:
        where = config.ray_address or "this machine"
        raise OutsideError(
            f"ray_address: no Ray cluster answers at {where} ({str(error).splitlines()[0]})"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _in_environment(secrets: dict[str, str]) -> Iterator[None]:
    """Processes that are started meanwhile have these variables, and find this repository."""
    paths = filter(None, (str(_REPOSITORY), os.environ.get("PYTHONPATH")))
    wanted = {**secrets, "PYTHONPATH": os.pathsep.join(paths)}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _packed(model: Path) -> bytes:
    """The model, a file or a folder, as one archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(model, arcname=model.name)
    return buffer.getvalue()

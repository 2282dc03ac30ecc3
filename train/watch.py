"""Watches the label container and trains by itself: when enough images were reviewed, or some a
while ago, it runs a cycle and publishes the model, unless it is worse than the live one (then it is
kept as a candidate; --accept publishes that).

Each step of the cycle is a process of its own. A step that fails stops the cycle: the live model
stays, the error is shown by tag/status.py, and the cycle is tried again after a pause that doubles
each time. SIGTERM or Ctrl-C: the step that runs is finished or notes how far it is; started again,
the watcher goes on there, also after a kill.
"""

import _repo_root  # noqa: F401

# isort: split

from pathlib import Path

from utils.arguments import Parser
from utils.config import Config, load_config
from utils.errors import InputError, OutsideError, run_program
from utils.terminal import say


def main(argv: list[str]) -> int | None:
    parser = Parser(
        __doc__, "example: bash train/active_learning_auto.sh config.ini --once   (for cron)"
    )
    parser.add_argument("config", type=Path, help="config.ini")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--once", action="store_true", help="look once, run a cycle if one is due, and end"
    )
    how.add_argument(
        "--accept",
        action="store_true",
        help="publish the candidate, which was measured worse than the live model, and end",
    )
    arguments = parser.parse_args(argv)
    config = load_config(arguments.config)

    from filelock import FileLock, Timeout

    from train.cycle.candidate import accept
    from train.cycle.shortlisting import publish_shortlist
    from train.cycle.watch_loop import Watcher
    from train.network.machines import refuse_beside_the_chief
    from utils.labels.store import open_labels

    refuse_beside_the_chief()
    if arguments.accept:
        store = open_labels(config)[1]
        done = accept(store)
        if said := publish_shortlist(config, store):
            say(said)
        say(done)
        return 0
    config.data_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(config.data_dir / "watcher.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"{config.data_dir}: a watcher of this machine is at work{_who(config)}; stop that one"
            " first"
        ) from None
    with lock:
        return Watcher(config, arguments.once).run()


def _who(config: Config) -> str:
    """Who watches, as far as the container says so."""
    from utils.labels.lease import holder_text, read_watcher
    from utils.labels.store import open_labels

    try:
        document = read_watcher(open_labels(config)[1].container)
    except (OutsideError, InputError, OSError):
        return ""
    return f", {holder_text(document)}" if document else ""


if __name__ == "__main__":
    run_program(main)

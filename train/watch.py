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

import getpass
import hashlib
import signal
import socket
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from train.cycle.candidate import accept
from train.cycle.files import read_cycle, update_cycle
from train.cycle.retraining import Backlog, backlog
from train.cycle.steps import GUARDED, name_of
from train.cycle.watched_step import run_step
from utils.arguments import Parser
from utils.config import Config, load_config
from utils.errors import InputError, OutsideError, one_line, run_program
from utils.labels.lease import IDLE, RELEASED, Lease, LeaseLost, holder_text, read_watcher
from utils.labels.store import STATE, LabelStore, open_labels
from utils.storage.container import Missing
from utils.times import moment, utc_text

NAMES = tuple(map(name_of, GUARDED))
LONGEST_PAUSE = 6 * 3600.0  # seconds between two tries of a failing cycle
LONGEST_OUTAGE_PAUSE = 600.0  # seconds between two looks at a storage that does not answer
_TRIES_OF_A_STEP = 3  # then the cycle begins anew
_SHOWN = 300  # characters of an error


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
    if arguments.accept:
        print(accept(open_labels(config)[1]))
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


class Watcher:
    """The loop. It only looks, waits and starts steps; all that must not be lost lies in the
    container and in cycle.json.
    """

    def __init__(self, config: Config, once: bool):
        self.config, self.once = config, once
        self.stopping = False
        self.store: LabelStore | None = None
        self.lease: Lease | None = None
        self.etag: str | None = None
        self.backlog = Backlog(0, None)
        self.outages = 0  # in a row
        self.next_try = 0.0  # of a storage that does not answer
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    def run(self) -> int:
        """Watch until told to stop; 1 when the cycle of --once failed, or another watcher has taken
        over.
        """
        try:
            self._open()
            failed = False
            while not self.stopping:
                failed = self._look() is False
                if self.once:
                    break
                self._sleep(self._pause())
            if self.lease:
                self._report(**RELEASED)
        except LeaseLost as error:
            raise OutsideError(str(error)) from None
        said = (
            f"{self.backlog.images} images were reviewed since the last cycle →"
            f" {self.config.label_container_name}"
        )
        print("the watcher has ended" if self.stopping else f"looked once: {said}", flush=True)
        return 1 if failed and self.once else 0

    def _open(self) -> None:
        """Open the containers and take the lease, as soon as storage answers."""
        while not self.stopping:
            try:
                _, self.store = open_labels(self.config)
                self.lease = Lease(self.store.container, _user_at_host(), self.config.data_dir)
                self.lease.take()
                self._answers()
                print(
                    f"watching {self.store.container.address}: a cycle after"
                    f" {self.config.auto_retrain_images} reviewed images, or after"
                    f" {self.config.auto_retrain_hours:g} hours with at least one",
                    flush=True,
                )
                return
            except (OutsideError, OSError) as error:
                self.lease = None
                if self.once:
                    raise
                self._outage(error)
                self._sleep(self._pause())

    def _look(self) -> bool | None:
        """One look at the container, and a cycle if one is due: whether it went well, None when
        there was none.
        """
        try:
            why = self._due()
            self._answers()
            if self.lease.due(datetime.now(UTC)):
                self.lease.beat()
        except (OutsideError, InputError, OSError) as error:
            self._outage(error)
            return False
        if not why:
            return None
        print(f"\n{why}: a cycle begins", flush=True)
        return self._cycle()

    def _due(self) -> str | None:
        """Why a cycle is to run now. One small request, unless the state has changed."""
        try:
            etag = self.store.container.info(STATE).etag
        except Missing:
            open_labels(self.config)  # raises when it is the container that is not there
            if self.etag is not None:
                raise OutsideError(f"{STATE} is gone from {self.store.container.address}") from None
            return None
        now = datetime.now(UTC)
        if etag != self.etag:
            self.backlog, self.etag = backlog(self.store, self.store.read()), etag
            if bool(self.backlog.images) != bool(self.lease.document["new_since"]):
                self.lease.beat(new_since=utc_text(now) if self.backlog.images else None)
        retry_at = moment(self.lease.document["retry_at"])
        if retry_at and now < retry_at:
            return None
        if self._interrupted():
            return f"an interrupted cycle goes on at {self._interrupted()}"
        if retry_at:
            return "the cycle that failed is tried again"
        return self.backlog.reason(
            self.config.auto_retrain_images,
            self.config.auto_retrain_hours,
            moment(self.lease.document["new_since"]),
            now,
        )

    def _cycle(self) -> bool:
        """Run the steps, from where an interrupted cycle was. False when one failed."""
        first = NAMES.index(self._interrupted() or NAMES[0])
        for place in range(first, len(GUARDED)):
            (program, *options), name = GUARDED[place], NAMES[place]
            print(f"\n[{place + 1}/{len(GUARDED)}] {name}", flush=True)
            try:
                self._beat(phase=name)
                code, said = run_step(
                    program, tuple(options), self.config.path, self._while_running
                )
            except (OutsideError, OSError) as error:
                code, said = 1, one_line(error)
            last = place + 1 == len(GUARDED)
            if code == 0:
                self._note(None if last else NAMES[place + 1])
            if self.stopping and (code or not last):
                print(
                    f"{name} was {'stopped' if code else 'finished'}; the cycle goes on when the"
                    " watcher is started again",
                    flush=True,
                )
                return True
            if code:
                self._failed(name, code, said)
                return False
        self._report(phase=IDLE, failures=0, retry_at=None, error=None, new_since=None)
        self.etag = None  # what came during the cycle is new
        return True

    def _failed(self, name: str, code: int, said: str) -> None:
        """Remember the error, and when the cycle is tried again: at this step if the outside world
        failed, else from the start.
        """
        failures = self.lease.document["failures"] + 1
        pause = _doubled(self.config.auto_poll_seconds, failures, LONGEST_PAUSE)
        if code != 1 or failures % _TRIES_OF_A_STEP == 0:
            self._note(None)
        elif name == "publish_guarded":
            self._note("compare_models")  # perhaps another model is live now
        now = datetime.now(UTC)
        said = self._public(said) or f"exit code {code}"
        self._report(
            phase=IDLE,
            failures=failures,
            retry_at=utc_text(now + timedelta(seconds=pause)),
            error={"at": utc_text(now), "phase": name, "text": said},
        )
        print(
            f"watch.py: step {name} failed (exit {code}): {said}; the live model stays, next try in"
            f" {pause:.0f} s",
            file=sys.stderr,
            flush=True,
        )

    def _report(self, **members) -> None:
        """Write the news into watcher.json now, or with a later heartbeat when storage does not
        answer.
        """
        try:
            self._beat(**members)
        except (OutsideError, OSError) as error:
            self._outage(error)

    def _beat(self, **members) -> None:
        self.lease.beat(**members)
        self._answers()

    def _while_running(self) -> bool:
        if self.lease.due(datetime.now(UTC)) and time.monotonic() >= self.next_try:
            self._report()
        return self.stopping

    def _interrupted(self) -> str | None:
        """The step at which the cycle in data_dir goes on; None when it was finished, or the
        settings are others now.
        """
        try:
            going = read_cycle(self.config).get("watcher") or {}
        except InputError:
            return None
        return (
            going.get("next")
            if going.get("settings") == self._settings() and going.get("next") in NAMES
            else None
        )

    def _note(self, following: str | None) -> None:
        try:
            update_cycle(self.config, watcher={"next": following, "settings": self._settings()})
        except InputError:  # no cycle has been begun
            return

    def _settings(self) -> str:
        return hashlib.sha256(self.config.public_text().encode()).hexdigest()[:16]

    def _outage(self, error: Exception) -> None:
        """Say it once, and wait longer each time."""
        self.outages += 1
        self.next_try = time.monotonic() + self._pause()
        if self.outages == 1 or self.once:
            print(
                f"watch.py: {self._public(one_line(error))}; trying again",
                file=sys.stderr,
                flush=True,
            )

    def _answers(self) -> None:
        if self.outages:
            print("storage answers again", flush=True)
        self.outages, self.next_try = 0, 0.0

    def _pause(self) -> float:
        seconds = self.config.auto_poll_seconds
        return (
            max(seconds, _doubled(seconds, self.outages - 1, LONGEST_OUTAGE_PAUSE))
            if self.outages
            else seconds
        )

    def _sleep(self, seconds: float) -> None:
        """Wait, but end soon when told to stop, and keep the heartbeat up."""
        until = time.monotonic() + seconds
        while not self.stopping and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.5))
            if self.lease and not self.outages and self.lease.due(datetime.now(UTC)):
                self._report()

    def _public(self, text: str) -> str:
        for secret in self.config.secrets:
            text = text.replace(secret, "***")
        return text[:_SHOWN]

    def _stop(self, *_) -> None:
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True


def _doubled(seconds: float, times: int, longest: float) -> float:
    """`seconds`, doubled so many times, but no more than `longest`."""
    return min(seconds * 2.0 ** min(times, 99), longest)


def _who(config: Config) -> str:
    """Who watches, as far as the container says so."""
    try:
        document = read_watcher(open_labels(config)[1].container)
    except (OutsideError, InputError, OSError):
        return ""
    return f", {holder_text(document)}" if document else ""


def _user_at_host() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return f"user@{socket.gethostname()}"


if __name__ == "__main__":
    run_program(main)

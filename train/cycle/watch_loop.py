"""The loop that trains by itself: it looks, waits and starts steps. What it decides stands in
`retrying.py`.
"""

import getpass
import signal
import socket
import time
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

from train.cycle.host import host
from train.cycle.progress import NAMES, interrupted_at, note_next
from train.cycle.retraining import Backlog, backlog
from train.cycle.retrying import Policy, step_after_failure
from train.cycle.steps import LOADED_ONCE_BEFORE, ONLY_HELPS, TRAINING
from train.cycle.watched_step import run_step
from utils.config import Config
from utils.errors import InputError, OutsideError, one_line
from utils.labels.lease import IDLE, RELEASED, Lease, LeaseLost
from utils.labels.store import STATE, LabelStore, open_labels
from utils.masking import masked
from utils.storage.container import Missing
from utils.terminal import say
from utils.times import moment, utc_text

_SHOWN = 300  # characters of an error


class Watcher:
    """The loop. It only looks, waits and starts steps; all that must not be lost lies in the
    container and in cycle.json.
    """

    def __init__(self, config: Config, once: bool):
        self.config, self.once = config, once
        self.policy = Policy.of(config)
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
            self.open()
            failed = False
            while not self.stopping:
                failed = self._look() is False
                if self.once:
                    break
                self._sleep(self.policy.pause(self.outages))
            if self.lease:
                self._report(**RELEASED)
        except LeaseLost as error:
            raise OutsideError(str(error)) from None
        said = (
            f"{self.backlog.images} images were reviewed since the last cycle →"
            f" {self.config.label_container_name}"
        )
        say("the watcher has ended" if self.stopping else f"looked once: {said}")
        return 1 if failed and self.once else 0

    def open(self) -> None:
        """Open the containers and take the lease, as soon as storage answers."""
        while not self.stopping:
            try:
                _, self.store = open_labels(self.config)
                self.lease = Lease(self.store.container, _user_at_host(), self.config.data_dir)
                self.lease.take()
                self._answers()
                say(
                    f"watching {self.store.container.address}: a cycle after"
                    f" {self.config.auto_retrain_images} reviewed images, or after"
                    f" {self.config.auto_retrain_hours:g} hours with at least one"
                )
                return
            except (OutsideError, OSError) as error:
                self.lease = None
                if self.once:
                    raise
                self._outage(error)
                self._sleep(self.policy.pause(self.outages))

    def _look(self) -> bool | None:
        """One look at the container, and a cycle if one is due: whether it went well, None when
        there was none.
        """
        try:
            why = self.due()
            self._answers()
            if self.lease.due(datetime.now(UTC)):
                self.lease.beat()
        except (OutsideError, InputError, OSError) as error:
            self._outage(error)
            return False
        if not why:
            return None
        say("", f"{why}: a cycle begins")
        return self._cycle()

    def due(self) -> str | None:
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
        return self.policy.due(
            self.backlog,
            interrupted=interrupted_at(self.config),
            retry_at=moment(self.lease.document["retry_at"]),
            waiting_since=moment(self.lease.document["new_since"]),
            now=now,
        )

    def _cycle(self) -> bool:
        """Run the steps, from where an interrupted cycle was. False when one failed."""
        first = NAMES.index(interrupted_at(self.config) or NAMES[0])
        with host() if first < NAMES.index(LOADED_ONCE_BEFORE) else nullcontext() as address:
            return self._steps(first, address)

    def _steps(self, first: int, address: str | None) -> bool:
        """Run the steps from this place on, all but the first in the host at this address."""
        for place in range(first, len(TRAINING)):
            (program, *options), name = TRAINING[place], NAMES[place]
            say("", f"[{place + 1}/{len(TRAINING)}] {name}")
            try:
                self._beat(phase=name)
                code, said = run_step(
                    program,
                    tuple(options),
                    self.config.path,
                    self.while_running,
                    None if place == first else address,  # it loads while the first step runs
                )
            except (OutsideError, OSError) as error:
                code, said = 1, one_line(error)
            last = place + 1 == len(TRAINING)
            if code and name in ONLY_HELPS:
                say(f"watch.py: {name} failed: {self._public(said)}; the cycle counts", error=True)
                code = 0
            if code == 0:
                note_next(self.config, None if last else NAMES[place + 1])
            if self.stopping and (code or not last):
                say(
                    f"{name} was {'stopped' if code else 'finished'}; the cycle goes on when the"
                    " watcher is started again"
                )
                return True
            if code:
                self.failed(name, code, said)
                return False
        self._report(phase=IDLE, failures=0, retry_at=None, error=None, new_since=None)
        self.etag = None  # what came during the cycle is new
        return True

    def failed(self, name: str, code: int, said: str) -> None:
        """Remember the error, and when the cycle is tried again: at this step if the outside world
        failed, else from the start.
        """
        failures = self.lease.document["failures"] + 1
        pause = self.policy.pause_after_failure(failures)
        then = step_after_failure(name, code, failures)
        if then != name:
            note_next(self.config, then)
        now = datetime.now(UTC)
        said = self._public(said) or f"exit code {code}"
        self._report(
            phase=IDLE,
            failures=failures,
            retry_at=utc_text(now + timedelta(seconds=pause)),
            error={"at": utc_text(now), "phase": name, "text": said},
        )
        say(
            f"watch.py: step {name} failed (exit {code}): {said}; the live model stays, next try in"
            f" {pause:.0f} s",
            error=True,
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

    def while_running(self) -> bool:
        if self.lease.due(datetime.now(UTC)) and time.monotonic() >= self.next_try:
            self._report()
        return self.stopping

    def _outage(self, error: Exception) -> None:
        """Say it once, and wait longer each time."""
        self.outages += 1
        self.next_try = time.monotonic() + self.policy.pause(self.outages)
        if self.outages == 1 or self.once:
            say(f"watch.py: {self._public(one_line(error))}; trying again", error=True)

    def _answers(self) -> None:
        if self.outages:
            say("storage answers again")
        self.outages, self.next_try = 0, 0.0

    def _sleep(self, seconds: float) -> None:
        """Wait, but end soon when told to stop, and keep the heartbeat up."""
        until = time.monotonic() + seconds
        while not self.stopping and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.5))
            if self.lease and not self.outages and self.lease.due(datetime.now(UTC)):
                self._report()

    def _public(self, text: str) -> str:
        return masked(text)[:_SHOWN]

    def _stop(self, *_) -> None:
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True


def _user_at_host() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return f"user@{socket.gethostname()}"

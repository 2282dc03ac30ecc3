"""When the loop that runs by itself looks, trains, and tries again. Only arithmetic: no clock, no
storage, no process.
"""

from dataclasses import dataclass
from datetime import datetime

from train.cycle.retraining import Backlog
from utils.config import Config

LONGEST_PAUSE = 6 * 3600.0  # seconds between two tries of a failing cycle
LONGEST_OUTAGE_PAUSE = 600.0  # seconds between two looks at a storage that does not answer
TRIES_OF_A_STEP = 3  # then the cycle begins anew


@dataclass(frozen=True)
class Policy:
    """After how many reviewed images, or hours with at least one, a cycle is due; `poll`: seconds
    between two looks.
    """

    images: int
    hours: float
    poll: float

    @classmethod
    def of(cls, config: Config) -> "Policy":
        return cls(config.auto_retrain_images, config.auto_retrain_hours, config.auto_poll_seconds)

    def pause(self, outages: int) -> float:
        """Seconds until the next look, when storage has not answered so many times in a row."""
        if not outages:
            return self.poll
        return max(self.poll, _doubled(self.poll, outages - 1, LONGEST_OUTAGE_PAUSE))

    def pause_after_failure(self, failures: int) -> float:
        """Seconds until a cycle that has failed so many times in a row is tried again."""
        return _doubled(self.poll, failures, LONGEST_PAUSE)

    def due(
        self,
        backlog: Backlog,
        *,
        interrupted: str | None,
        retry_at: datetime | None,
        waiting_since: datetime | None,
        now: datetime,
    ) -> str | None:
        """Why a cycle is to run now, None when not.

        interrupted: the step at which one goes on; retry_at: when one that failed is tried again;
        waiting_since: when the first label came since the last cycle.
        """
        if retry_at and now < retry_at:
            return None
        if interrupted:
            return f"an interrupted cycle goes on at {interrupted}"
        if retry_at:
            return "the cycle that failed is tried again"
        return backlog.reason(self.images, self.hours, waiting_since, now)


def step_after_failure(name: str, code: int, failures: int) -> str | None:
    """Where a cycle goes on whose step `name` has failed: there if the outside world failed (code
    1), from the start (None) if not, or after too many tries.
    """
    if code != 1 or failures % TRIES_OF_A_STEP == 0:
        return None
    # perhaps another model is live now
    return "compare_models" if name == "publish_cycle" else name


def _doubled(seconds: float, times: int, longest: float) -> float:
    """`seconds`, doubled so many times, but no more than `longest`."""
    return min(seconds * 2.0 ** min(times, 99), longest)

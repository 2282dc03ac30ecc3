"""What things take a person here, from photos whose seconds were measured: the model's seconds are
fitted to them.

Measured times are skewed, and some hold a phone call. So a photo counts by how its time compares
with what the model expects of it, photos far off count less (Huber, Robust Estimation of a Location
Parameter, 1964), and each of the five times is drawn towards the model's proportions (ridge
regression, Hoerl and Kennard, 1970): what nobody has done yet keeps its proportion to the rest. At
the end all are scaled so that together they are what was measured.
"""

import numpy as np
import pandas as pd

from utils.effort.seconds import ACTIONS, Seconds

MEASURED_FROM = 50  # photos
_TRUSTED = 0.5  # deviation of a time from the model's proportions that is as one expects
_LEAST_RIDGE = 0.01
_ROUNDS = 50
_HUBER = 1.345  # deviations; 95 % as good as least squares where errors are normal
_NORMAL = 1.4826  # deviations in a median absolute deviation
_FACTOR = (0.1, 10.0)  # what one of the times may become, beside the others
_BREAK, _SHORTEST_BREAK = 5.0, 120.0  # times what a photo should take; seconds


def measured(photos: pd.DataFrame) -> np.ndarray:
    """(n,) bool: which rows are single photos whose seconds were measured."""
    return ((photos["images"] == 1) & (photos["seconds"] > 0)).to_numpy(bool)


def fitted(photos: pd.DataFrame, model: Seconds) -> Seconds:
    """The model's seconds, fitted to the measured ones of these photos (columns images, ACTIONS,
    seconds); the model itself while fewer than MEASURED_FROM were measured.
    """
    known = photos[measured(photos)]
    if len(known) < MEASURED_FROM:
        return model
    expected, times = model.spent(1, known), known["seconds"].to_numpy(float)
    known, times = known[expected > 0], times[expected > 0]
    if not len(known):
        return model
    expected = expected[expected > 0]

    scale = np.median(times / expected)
    factors = _factors(_done(known) * _parts(model) / expected[:, None], times / expected / scale)
    found = Seconds(*(_parts(model) * scale * factors))
    usual = times < limit(found.spent(1, known))
    share = times[usual].sum() / found.spent(1, known)[usual].sum() if usual.any() else 1.0
    return Seconds(*(_parts(found) * share))


def limit(expected: np.ndarray) -> np.ndarray:
    """(n,) the seconds from which on a photo holds a break, of photos that should take so many."""
    return np.maximum(_BREAK * expected, _SHORTEST_BREAK)


def counted(photos: pd.DataFrame, seconds: Seconds) -> np.ndarray:
    """(n,) the seconds that each row of photos counts: what was measured, up to a break; else what
    is expected. What was counted before, of several photos together, stands.
    """
    expected = seconds.spent(photos["images"].to_numpy(float), photos)
    known = photos["seconds"].to_numpy(float)
    single = np.where(measured(photos), np.minimum(known, limit(expected)), expected)
    return np.where((photos["images"] > 1).to_numpy(bool) & (known >= 0), known, single)


def _parts(seconds: Seconds) -> np.ndarray:
    """(5,) look, keep, change, draw, delete."""
    return np.array(list(seconds))


def _done(photos: pd.DataFrame) -> np.ndarray:
    """(n, 5) how often each of these five was done in a photo."""
    kept, moved, class_changed, deleted, drawn = photos[list(ACTIONS)].to_numpy(float).T
    return np.stack([np.ones(len(photos)), kept, moved + class_changed, drawn, deleted], axis=1)


def _factors(shares: np.ndarray, relative: np.ndarray) -> np.ndarray:
    """(5,) the factors by which these shares (n, 5) of the expected times become the relative times
    (n,).
    """
    number = shares.shape[1]
    factors = np.ones(number)
    for _ in range(_ROUNDS):
        off = relative - shares @ factors
        deviation = max(_NORMAL * np.median(np.abs(off)), 1e-6)
        weight = np.minimum(1.0, _HUBER * deviation / np.maximum(np.abs(off), 1e-12))
        weighted = shares * weight[:, None]
        ridge = max((deviation / _TRUSTED) ** 2, _LEAST_RIDGE)
        left = shares.T @ weighted + ridge * np.eye(number)
        right = weighted.T @ relative + ridge * np.ones(number)
        before, factors = factors, np.linalg.solve(left, right)
        if np.abs(factors - before).max() < 1e-9:
            break
    return np.clip(factors, *_FACTOR)

"""The array types that the generator passes around, and how it draws from them."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]


def pick_weighted(random: np.random.Generator, weights: Floats, count: int) -> Ints:
    """Draw `count` indices with probability proportional to `weights`."""
    edges = np.cumsum(weights)
    places = np.searchsorted(edges, random.random(count) * edges[-1], side="right")
    return np.asarray(places, dtype=np.int64)


def pick_by_row(random: np.random.Generator, profiles: Floats, rows: Ints) -> Ints:
    """Draw one column index for every entry of `rows`; row r of `profiles` holds that row's probabilities."""
    edges = np.cumsum(profiles, axis=1)
    edges /= edges[:, -1:]
    passed = random.random(len(rows))[:, None] >= edges[rows][:, :-1]
    return np.asarray(passed.sum(axis=1), dtype=np.int64)


def uneven_weights(random: np.random.Generator, count: int, spread: float) -> Floats:
    """Positive weights as traffic has them: a few large, many small (lognormal with sigma `spread`)."""
    return np.exp(random.normal(0.0, spread, count))


def chance(random: np.random.Generator, probability: float) -> bool:
    """Return true with that probability."""
    return bool(random.random() < probability)

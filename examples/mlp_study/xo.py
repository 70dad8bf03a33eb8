"""The XO data: points that belong to an X, an O behind it, or the background; and a grid over both.

Standard library only: the driver of each step and tests import it.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

# A perceptron's output neurons, in this order: green X, red O, blue background.
LABELS = ("X", "O", "B")
# Half of the thickness of the X's strokes, radius of the O, half of a stroke's length, and the standard
# deviation of the noise that makes edges fuzzy: those of https://github.com/joehahn/spark-one-off (2017).
STROKE, RADIUS, LENGTH, NOISE = 0.5, 3.5, 7.1, 0.4
# Half of the grid's side: strokes end at its corners.
SIDE = 5.0


class Point(NamedTuple):
    """A point, and the label of the place where it was before the noise."""

    x: float
    y: float
    label: str


def label(x: float, y: float) -> str:
    """Return to which of LABELS a place belongs. The strokes of the X are the diagonals."""
    if min(abs(place) for place in _turned(x, y)) < STROKE:
        return "X"
    return "O" if math.hypot(x, y) < RADIUS else "B"


def points(count: int, seed: int) -> Iterator[Point]:
    """Yield `count` random points; the same ones for the same seed on every machine.

    They fill a square that stands on a corner, so that the strokes end in the middle of its sides.
    """
    chance = random.Random(seed)  # noqa: S311  # no secret
    for _ in range(count):
        x, y = _turned(chance.uniform(-LENGTH, LENGTH), chance.uniform(-LENGTH, LENGTH))
        yield Point(x + chance.gauss(0, NOISE), y + chance.gauss(0, NOISE), label(x, y))


def _turned(x: float, y: float) -> tuple[float, float]:
    """Return a place turned by 45 degrees about the middle."""
    return (x - y) / math.sqrt(2), (x + y) / math.sqrt(2)


def grid(steps: int) -> list[tuple[float, float]]:
    """Return the places of a grid of `steps` by `steps`, rows from below."""
    axis = [round(SIDE * (2 * number / (steps - 1) - 1), 6) for number in range(steps)]
    return [(x, y) for y in axis for x in axis]

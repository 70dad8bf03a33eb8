"""The picture of a run: accuracy against neurons with its spread, and the decision surfaces."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING

from report.figures import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from report.figures import Study

_SVG = "http://www.w3.org/2000/svg"
_COLOURS = {"X": "#16a34a", "O": "#dc2626", "B": "#2563eb"}
_TEST, _TRAIN, _LINE, _TEXT = "#c2410c", "#94a3b8", "#cbd5e1", "#1e293b"
_STYLE = (
    f"text{{font:12px sans-serif;fill:{_TEXT}}}.t{{font-weight:bold;font-size:13px}}"
    ".m{text-anchor:middle}.n{text-anchor:end}"
)
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 860, 60, 840, 40, 290
_COLUMNS, _SURFACE, _GAP, _FIRST = 5, 150, 17, 360


def plot(study: Study) -> str:
    """Return the whole picture as SVG."""
    height = _FIRST + math.ceil(len(study.sizes()) / _COLUMNS) * (_SURFACE + 34)
    head = (
        f'<svg xmlns="{_SVG}" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" role="img">',
        "<title>Accuracy and decision surfaces of perceptrons of different sizes</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
    )
    return "\n".join([*head, *_accuracy(study), *_surfaces(study), "</svg>"]) + "\n"


def _accuracy(study: Study) -> Iterator[str]:
    sizes = study.sizes()
    values = [value for one in study.trainings for value in (one.train_accuracy, one.test_accuracy)]
    low, high = math.floor(min(values) * 50) / 50, math.ceil(max(values) * 50) / 50
    width = math.log(sizes[-1] / sizes[0])

    def x(neurons: int) -> float:
        return _LEFT + 20 + (_RIGHT - _LEFT - 40) * math.log(neurons / sizes[0]) / width

    def y(accuracy: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * (accuracy - low) / (high - low)

    yield f'<text class="t" x="10" y="20">Accuracy, mean and spread of {len(study.of(sizes[0]))} seeds</text>'
    for step in range(round((high - low) * 50) + 1):
        level = low + step / 50
        yield f'<path d="M{_LEFT} {y(level):.1f}H{_RIGHT}" stroke="{_LINE}" stroke-width="0.5"/>'
        yield f'<text class="n" x="{_LEFT - 6}" y="{y(level) + 4:.1f}">{level:.0%}</text>'
    for neurons in sizes:
        yield f'<text class="m" x="{x(neurons):.1f}" y="{_BOTTOM + 18}">{neurons}</text>'
    yield f'<text class="m" x="{(_LEFT + _RIGHT) / 2}" y="{_BOTTOM + 36}">neurons of the hidden layer</text>'
    at = x(study.knee())
    yield f'<path d="M{at:.1f} {_TOP}V{_BOTTOM}" stroke="{_TEXT}" stroke-dasharray="4 3"/>'
    yield f'<text x="{at + 5:.1f}" y="{_BOTTOM - 8}">knee: {study.knee()}</text>'
    for name, colour, shift, row in (("train", _TRAIN, -3, 0), ("test", _TEST, 3, 1)):
        found = {size: spread(getattr(one, f"{name}_accuracy") for one in study.of(size)) for size in sizes}
        yield from _curve(found, x, y, colour, shift)
        yield f'<path d="M{_RIGHT - 130} {_BOTTOM - 60 + 18 * row}h20" stroke="{colour}" stroke-width="2"/>'
        yield f'<text x="{_RIGHT - 104}" y="{_BOTTOM - 56 + 18 * row}">{name} accuracy</text>'


def _curve(
    found: dict[int, tuple[float, float, float]],
    x: Callable[[int], float],
    y: Callable[[float], float],
    colour: str,
    shift: int,
) -> Iterator[str]:
    """Yield a line through the means, and the spread at each; `shift` keeps those of two curves apart."""
    points = " ".join(f"{x(size) + shift:.1f},{y(middle):.1f}" for size, (middle, _, _) in found.items())
    yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for size, (middle, least, most) in found.items():
        at = x(size) + shift
        yield f'<path d="M{at:.1f} {y(least):.1f}V{y(most):.1f}" stroke="{colour}" stroke-width="1.5"/>'
        yield f'<circle cx="{at:.1f}" cy="{y(middle):.1f}" r="3" fill="{colour}"/>'


def _surfaces(study: Study) -> Iterator[str]:
    yield f'<text class="t" x="10" y="{_FIRST - 10}">Decision surfaces: green X, red O, blue ground</text>'
    for number, size in enumerate(study.sizes()):
        left = 10 + (number % _COLUMNS) * (_SURFACE + _GAP)
        top = _FIRST + (number // _COLUMNS) * (_SURFACE + 34)
        rows = study.surfaces[size]
        scale = _SURFACE / len(rows)
        middle, _, _ = spread(one.test_accuracy for one in study.of(size))
        yield f'<g transform="translate({left} {top}) scale({scale:.4f})">'
        for label, colour in _COLOURS.items():
            yield f'<path stroke="{colour}" stroke-width="1.05" d="{_runs(rows, label)}"/>'
        yield "</g>"
        yield f'<text x="{left}" y="{top + _SURFACE + 16}">{size} neurons, {middle:.1%}</text>'


def _runs(rows: list[str], label: str) -> str:
    """Return the path of horizontal strokes over all places of a label."""
    found = []
    for row, letters in enumerate(rows):
        place = 0
        for letter, group in groupby(letters):
            length = len(list(group))
            if letter == label:
                found.append(f"M{place} {row}.5h{length}")
            place += length
    return "".join(found)

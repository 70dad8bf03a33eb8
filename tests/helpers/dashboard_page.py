"""The dashboard in a browser: what it shows, and what it has to show for the files of a study."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import study_tables

if TYPE_CHECKING:
    from pathlib import Path

    from chromium import Chromium

_FIGURES = "[...document.querySelectorAll('figure')].filter((one) => one.offsetParent)"
_TEXTS = f"{_FIGURES}.map((one) => one.innerText)"
_ROWS = "[...document.querySelectorAll('tbody tr')].map((row) => [...row.cells].map((one) => one.innerText))"
_DRAWN = f"{_FIGURES}.every((one) => one.querySelector('img').naturalWidth > 10)"
_SLIDER = "document.querySelector('input[type=range]')"
_MOVE = "{0}.value = {1}; {0}.dispatchEvent(new Event('input'))"
_LOADED = "performance.getEntriesByType('resource').map((one) => one.name)"


class Times(NamedTuple):
    """Seconds from the address to the first thing that is painted, and to the last picture."""

    first_paint: float
    all_of_it: float


def opened(browser: Chromium, url: str) -> Times:
    """Go to the page; return when all of it is there."""
    started = time.monotonic()
    browser.open(url)
    all_of_it = time.monotonic() - started
    first = browser.run("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    return Times(first / 1000, all_of_it)


def check(browser: Chromium, files: Path) -> None:
    """Compare the numbers of an open page with those of the files, and of each place of its slider."""
    assert browser.run(_DRAWN), browser.run("document.body.innerText")
    data, surface, accuracy, cost = browser.run(_TEXTS)
    assert data == f"XO data: {_counts(files, '{xo}')}"
    assert surface == _surface(files, 30)
    assert accuracy.startswith("Accuracy against N")
    asked = "SELECT count(*), sum(seconds), sum(usd) FROM {trainings}"
    [(number, seconds, usd)] = study_tables.rows(files, asked)
    assert cost.endswith(f"all {number}: {seconds:.1f} s, {usd:.4f} US dollars")
    table = study_tables.rows(files, "SELECT * FROM {trainings} ORDER BY neurons, seed")
    shown = [[float(cell) for cell in row] for row in browser.run(_ROWS)]
    assert shown == [pytest.approx(row, rel=1e-4) for row in table]
    for at, size in enumerate(study_tables.SIZES):
        browser.run(_MOVE.format(_SLIDER, at))
        assert browser.run(_TEXTS) == [data, _surface(files, size), accuracy, cost]
    loaded = [name for name in browser.run(_LOADED) if not name.startswith("data:")]
    assert loaded == [], "all of it is in the page, and nothing comes from other hosts"
    assert browser.errors == []


def _surface(files: Path, size: int) -> str:
    return f"Decision surface, N = {size}: {_counts(files, f'{{surfaces}} WHERE neurons = {size}')}"


def _counts(files: Path, of: str) -> str:
    asked: Any = f"SELECT label, count(*) FROM {of} GROUP BY label"  # noqa: S608  the tests' own words
    found = dict(study_tables.rows(files, asked))
    return ", ".join(f"{label} {found.get(label, 0)}" for label in ("X", "O", "B"))

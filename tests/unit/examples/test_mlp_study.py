"""The study mlp_study without Spark: labels, points, grid, knee, and the page and picture of a run."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import document_study
import knee
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xo
from report import figures, page, plot

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("x", "y", "label"),
    [
        (0.0, 0.0, "X"),
        (7.0, -7.0, "X"),
        (-5.0, -5.6, "X"),
        (5.0, 5.8, "B"),
        (0.0, 3.4, "O"),
        (-2.0, 0.0, "O"),
        (0.0, 3.6, "B"),
        (7.1, 0.0, "B"),
    ],
)
def test_a_place_belongs_to_the_strokes_the_disc_or_the_background(x: float, y: float, label: str) -> None:
    assert xo.label(x, y) == label
    # The figure is the same from each side.
    assert {xo.label(-x, y), xo.label(y, x), xo.label(-y, -x)} == {label}


def test_the_same_seed_gives_the_same_points_and_another_one_others() -> None:
    first = list(xo.points(500, 13))
    assert first == list(xo.points(500, 13))
    assert not set(first) & set(xo.points(500, 14))
    # More points begin with the same ones.
    assert list(xo.points(600, 13))[:500] == first


def test_points_fill_a_square_on_its_corner_and_carry_the_label_of_their_place_before_the_noise() -> None:
    found = list(xo.points(4000, 13))
    assert all(abs(one.x) + abs(one.y) < math.sqrt(2) * xo.LENGTH + 12 * xo.NOISE for one in found)
    # To its corners, which lie on the axes.
    assert max(one.x for one in found) > 9 > xo.LENGTH
    assert {one.label for one in found} == set(xo.LABELS)
    off = sum(xo.label(one.x, one.y) != one.label for one in found) / len(found)
    # Noise moves some points over an edge, and most of them not.
    assert 0.05 < off < 0.25


@pytest.mark.parametrize("steps", [2, 3, 61])
def test_the_grid_covers_the_square_evenly(steps: int) -> None:
    places = xo.grid(steps)
    across, up = sorted({x for x, _ in places}), sorted({y for _, y in places})
    assert len(places) == len(set(places)) == steps**2
    assert across == up
    assert (across[0], across[-1]) == (-xo.SIDE, xo.SIDE)
    assert all(math.isclose(b - a, 2 * xo.SIDE / (steps - 1), abs_tol=1e-5) for a, b in pairwise(across))


def rows(**means: float) -> list[knee.Training]:
    return [
        knee.Training(int(name[1:]), value + shift)
        for name, value in means.items()
        for shift in (-0.01, 0.01)
    ]


def test_the_knee_is_the_smallest_size_within_one_standard_error_of_the_best() -> None:
    found = knee.summary(rows(n5=0.70, n10=0.80, n30=0.86, n60=0.85, n600=0.87), test_rows=1000)
    assert found["standard_error"] == round(math.sqrt(0.87 * 0.13 / 1000), 5)
    assert found["knee_neurons"] == 30
    assert found["test_accuracy"]["30"] == pytest.approx({"mean": 0.86, "least": 0.85, "most": 0.87})
    # More points in the test tell smaller differences apart.
    assert knee.summary(rows(n30=0.86, n600=0.87), test_rows=100_000)["knee_neurons"] == 600


def test_one_size_is_its_own_knee() -> None:
    assert knee.summary(rows(n7=0.5), test_rows=100)["knee_neurons"] == 7


TRAININGS = [
    {
        "neurons": neurons,
        "seed": seed,
        "train_accuracy": 0.9 - 1 / neurons,
        "test_accuracy": 0.89 - 1 / neurons + seed / 1000,
        "seconds": 2.0 * seed,
        "usd": 0.001,
    }
    for neurons in (5, 30)
    for seed in (1, 2)
]


@pytest.fixture
def study(tmp_path: Path) -> figures.Study:
    """A run whose surfaces are the figure itself, written as Spark writes its tables."""
    (tmp_path / "trainings").mkdir()
    pq.write_table(pa.Table.from_pylist(TRAININGS), tmp_path / "trainings/part.parquet")
    for neurons in (5, 30):
        folder = tmp_path / f"surfaces/neurons={neurons}"
        folder.mkdir(parents=True)
        surface = [{"x": x, "y": y, "label": xo.label(x, y)} for x, y in xo.grid(9)]
        pq.write_table(pa.Table.from_pylist(surface), folder / "part.parquet")
    return figures.Study(
        date="2026-11-23",
        machine="two cores",
        rows=1000,
        test_rows=1000,
        iterations=100,
        data_seed=13,
        minutes=4.5,
        trainings=figures.trainings(tmp_path / "trainings"),
        surfaces=figures.surfaces(tmp_path / "surfaces"),
    )


def test_a_run_is_read_from_the_files_of_its_tables(study: figures.Study) -> None:
    assert study.sizes() == [5, 30]
    assert [one.seed for one in study.of(30)] == [1, 2]
    assert study.knee() == 30
    # The first line is the upper edge, whose corners belong to the X.
    assert study.surfaces[30][0] == "XBBBBBBBX"
    assert study.surfaces[30][4] == "BBOOXOOBB"


def test_the_page_has_a_row_a_size(study: figures.Study) -> None:
    text = page.page(study, "what people say")
    assert "\n\nwhat people say\n\n" in text
    assert "| 30 | 86.67% (86.67% to 86.67%) | 85.82% (85.77% to 85.87%) | 3.0 | 0.00100 |" in text
    assert "(seed 13)" in text
    assert "seeds 1, 2" in text


def test_the_picture_draws_every_place_of_every_surface_once(study: figures.Study) -> None:
    drawn = ET.fromstring(plot.plot(study))  # noqa: S314  # our own
    for group, size in zip(drawn.iter(f"{SVG}g"), (5, 30), strict=True):
        covered = [
            (int(start.split(" ")[0]) + step, float(start.split(" ")[1]) - 0.5)
            for path in group
            for run in path.attrib["d"].removeprefix("M").split("M")
            for start, length in [run.split("h")]
            for step in range(int(length))
        ]
        assert len(covered) == len(set(covered)) == 81, size
    texts = ["".join(one.itertext()) for one in drawn.iter(f"{SVG}text")]
    assert "knee: 30" in texts
    assert "30 neurons, 85.8%" in texts


def test_page_and_picture_in_docs_are_those_of_their_numbers() -> None:
    for path, text in document_study.pages().items():
        assert path.read_text() == text, "run: make docs"

"""The numbers of one run of the study: docs/studies/mlp_study.json."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  # msgspec reads the types of fields
from statistics import mean
from typing import TYPE_CHECKING

import knee
import msgspec
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterable


class Training(msgspec.Struct, frozen=True):
    """A row of the table mlp_trainings."""

    neurons: int
    seed: int
    train_accuracy: float
    test_accuracy: float
    seconds: float
    usd: float


class Study(msgspec.Struct, frozen=True):
    """A run: when and on what, the points of training and test, all trainings, and the surfaces by neurons.

    A surface is text, a line a row of the grid from above, a letter a place.
    """

    date: str
    machine: str
    rows: int
    test_rows: int
    iterations: int
    data_seed: int
    minutes: float
    trainings: list[Training]
    surfaces: dict[int, list[str]]

    def sizes(self) -> list[int]:
        """Return the numbers of neurons, the smallest first."""
        return sorted({one.neurons for one in self.trainings})

    def of(self, neurons: int) -> list[Training]:
        """Return the trainings of one size."""
        return [one for one in self.trainings if one.neurons == neurons]

    def knee(self) -> int:
        """Return the smallest size that is as good as the best one."""
        rows = [knee.Training(one.neurons, one.test_accuracy) for one in self.trainings]
        found: int = knee.summary(rows, self.test_rows)["knee_neurons"]
        return found


def spread(values: Iterable[float]) -> tuple[float, float, float]:
    """Return mean, least and most."""
    known = list(values)
    return mean(known), min(known), max(known)


def trainings(folder: Path) -> list[Training]:
    """Read the table mlp_trainings from a copy of its files."""
    return [Training(**row) for row in pq.read_table(folder).to_pylist()]


def surfaces(folder: Path) -> dict[int, list[str]]:
    """Read the table mlp_surfaces from a copy of its files, folders neurons=N/."""
    return {int(one.name.partition("=")[2]): _surface(one) for one in sorted(folder.iterdir())}


def _surface(folder: Path) -> list[str]:
    # As a list: the folder's own name is no column of its files.
    rows = [row for file in folder.glob("*.parquet") for row in pq.ParquetFile(file).read().to_pylist()]
    found = {(row["y"], row["x"]): row["label"] for row in rows}
    across, up = (sorted({place[axis] for place in found}) for axis in (1, 0))
    return ["".join(found[y, x] for x in across) for y in reversed(up)]

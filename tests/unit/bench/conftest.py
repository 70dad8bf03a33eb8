from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nodes.figures import Conditions, Figure, Machine, Report, Sample
from nodes.tables import CHAINS

if TYPE_CHECKING:
    from collections.abc import Callable

MACHINE = Machine(
    processor="A processor",
    cores=2,
    memory_gib=23.5,
    kernel="6.1",
)
Times = dict[tuple[str, str], tuple[float, ...]]


def conditions(nodes: int) -> Conditions:
    return Conditions(nodes=nodes, date="2026-11-22", load=0.1, minutes=12.4)


def make(times: Times, **changes: object) -> Report:
    figures = tuple(
        Figure(
            phase=phase,
            contender=contender,
            samples=tuple(Sample(seconds=one, cpu_seconds=one / 2) for one in seconds),
        )
        for (phase, contender), seconds in times.items()
    )
    settings = {
        "machine": MACHINE,
        "versions": {"Kiln": "0.2.0"},
        "chains": {chain.key: conditions(chain.nodes) for chain in CHAINS},
        "figures": figures,
    }
    return Report(**(settings | changes))  # type: ignore[arg-type]


@pytest.fixture
def report() -> Callable[..., Report]:
    return make

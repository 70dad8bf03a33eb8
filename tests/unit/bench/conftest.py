from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nodes.figures import Figure, Machine, Report, Sample
from nodes.tables import CHAINS

if TYPE_CHECKING:
    from collections.abc import Callable

MACHINE = Machine(
    date="2026-11-22",
    processor="A processor",
    cores=2,
    memory_gib=23.5,
    kernel="6.1",
    load=(0.1, 3.0),
    minutes=12.4,
)
Times = dict[tuple[str, str], tuple[float, ...]]


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
        "nodes": {chain.key: chain.nodes for chain in CHAINS},
        "figures": figures,
    }
    return Report(**(settings | changes))  # type: ignore[arg-type]


@pytest.fixture
def report() -> Callable[..., Report]:
    return make

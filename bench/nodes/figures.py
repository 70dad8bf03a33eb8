"""What was measured: seconds of each run by phase and contender, and what is calculated from them."""

from __future__ import annotations

import random
import statistics
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `cpu_seconds` is that of the contender's processes on the control host, ssh's among them."""

    seconds: float
    cpu_seconds: float


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """All runs of one contender in one phase."""

    phase: str
    contender: str
    samples: tuple[Sample, ...]

    @property
    def seconds(self) -> tuple[float, ...]:
        """The wall-clock time of each run."""
        return tuple(sample.seconds for sample in self.samples)

    @property
    def median(self) -> float:
        """The middle of them."""
        return statistics.median(self.seconds)

    @property
    def cpu_median(self) -> float:
        """The middle of the processor time."""
        return statistics.median(sample.cpu_seconds for sample in self.samples)


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured."""

    processor: str
    cores: int
    memory_gib: float
    kernel: str


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """One chain: how many nodes, when, for how long, and the load average of a minute before the start."""

    nodes: int
    date: str
    load: float
    minutes: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the page and the plot are drawn from. `chains`: by the chain's key."""

    machine: Machine
    versions: dict[str, str]
    chains: dict[str, Conditions]
    figures: tuple[Figure, ...]

    def figure(self, phase: str, contender: str) -> Figure | None:
        """Return a contender's runs in a phase, if it took part."""
        found = (one for one in self.figures if (one.phase, one.contender) == (phase, contender))
        return next(found, None)


def rounds(counts: Mapping[str, int], seed: int) -> Iterator[tuple[int, str]]:
    """Yield (round, contender), by contender in so many rounds, in an order that differs from round to round.

    What happens to the machine meanwhile then meets all of them. The same seed gives the same order.
    """
    generator = random.Random(seed)  # noqa: S311  # an order, not a secret
    for number in range(max(counts.values())):
        order = [name for name, count in counts.items() if count > number]
        generator.shuffle(order)
        yield from ((number, name) for name in order)


def merged(old: Report | None, new: Report) -> Report:
    """Return a new report with the chains of an old one that were not measured again.

    Those of another machine are left out: numbers of one page can be compared.
    """
    if old is None or old.machine != new.machine:
        return new
    measured = {figure.phase for figure in new.figures}
    kept = tuple(figure for figure in old.figures if figure.phase not in measured)
    return msgspec.structs.replace(new, chains={**old.chains, **new.chains}, figures=(*kept, *new.figures))

"""The page docs/benchmarks/nodes.md, from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodes import targets
from nodes.tables import CHAINS, CONTENDERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nodes.figures import Figure, Report
    from nodes.tables import Chain

_HEAD = """\
# Setting up nodes: Kiln beside what people use instead

<!-- Written by scripts/document_benchmarks.py from nodes.json, which `make bench_nodes` writes. -->

![Medians and spread](nodes.svg)
"""
_COLUMNS = ("Contender", "Median s", "Least s", "Most s", "Control host's CPU s", "Runs", "What it does")


def page(report: Report, notes: str) -> str:
    """Return the whole page. `notes`: what people have to say about the numbers and the method."""
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    about = [
        f"- Machine: {machine.processor}, {machine.cores} cores, {machine.memory_gib} GiB",
        f"- Versions: {versions}, Linux {machine.kernel}",
        "",
    ]
    parts = [_HEAD, "\n".join(about), "## Targets\n", _targets(report), notes]
    parts.append("## Results\n")
    parts += [part for chain in CHAINS for part in _chain(report, chain)]
    return "\n".join(parts)


def _targets(report: Report) -> str:
    return _table(("", "Target", "Measured", "Reached"), targets.rows(report))


def _chain(report: Report, chain: Chain) -> Iterator[str]:
    for phase in chain.phases:
        found = [figure for name in chain.does if (figure := report.figure(phase.key, name))]
        if not found:
            continue
        measured = report.chains[chain.key]
        yield f"### {phase.title} ({measured.nodes} node{'s' if measured.nodes > 1 else ''})\n"
        yield f"{measured.date}, {measured.minutes:.0f} minutes, load average {measured.load} before.\n"
        yield _table(_COLUMNS, [_row(chain, one) for one in sorted(found, key=lambda figure: figure.median)])


def _row(chain: Chain, figure: Figure) -> tuple[str, ...]:
    numbers = (figure.median, min(figure.seconds), max(figure.seconds), figure.cpu_median)
    runs = str(len(figure.samples))
    shown = (f"{number:.2f}" for number in numbers)
    return (CONTENDERS[figure.contender], *shown, runs, chain.does[figure.contender])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return (
        "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |" for cells in lines)
        + "\n"
    )

"""The page docs/benchmarks/nodes.md, from the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nodes import targets
from nodes.tables import CHAINS, CONTENDERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nodes.figures import Report
    from nodes.tables import Chain

_HEAD = """\
# Setting up nodes: Kiln beside what people use instead

<!-- Written by scripts/document_benchmarks.py from nodes.json, which `make bench_nodes` writes. -->

![Medians and spread](nodes.svg)
"""


def page(report: Report, notes: str) -> str:
    """Return the whole page. `notes`: what people have to say about the numbers and the method."""
    machine = report.machine
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    minutes, load = round(machine.minutes), machine.load[0]
    about = [
        f"- Machine: {machine.processor}, {machine.cores} cores, {machine.memory_gib} GiB",
        f"- Versions: {versions}, Linux {machine.kernel}",
        f"- Measured on {machine.date} in {minutes} minutes; load average {load} before the start",
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
        nodes = report.nodes[chain.key]
        yield f"### {phase.title} ({nodes} node{'s' if nodes > 1 else ''})\n"
        yield _table(
            ("Contender", "Median s", "Least s", "Most s", "Control host's CPU s", "Runs", "What it does"),
            [
                (
                    CONTENDERS[one.contender],
                    f"{one.median:.2f}",
                    f"{min(one.seconds):.2f}",
                    f"{max(one.seconds):.2f}",
                    f"{one.cpu_median:.2f}",
                    str(len(one.samples)),
                    chain.does[one.contender],
                )
                for one in sorted(found, key=lambda figure: figure.median)
            ],
        )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return (
        "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |" for cells in lines)
        + "\n"
    )

"""Measure how nodes are set up: Kiln beside what people use instead, on the same nodes.

In a box of its own, on plain EC2 instances. Writes docs/benchmarks/nodes.json, and the page and the plot that
are drawn from it. bench/README.md says how to read them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.append(str(Path(__file__).resolve().parents[1] / "emrbox/bench"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))

import document_benchmarks
import msgspec
from measure_emrbox import running_box

from nodes import machine, site
from nodes.figures import Figure, Report
from nodes.fleet import Fleet
from nodes.measure import Measurement
from nodes.tables import CHAINS

CACHE = Path.home() / ".cache/kiln"


class Begun(NamedTuple):
    """When the measurement began, by the monotonic clock, and the load average then."""

    at: float
    load: float


def main() -> int:
    """Measure and write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--chain", action="append", choices=[chain.key for chain in CHAINS], help="only these"
    )
    parser.add_argument("--nodes", type=int, help="at most so many")
    parser.add_argument("--rounds", type=int, help="at most so many of each chain")
    parser.add_argument(
        "--output", type=Path, default=document_benchmarks.NUMBERS, help="file for the numbers"
    )
    options = parser.parse_args()
    begun = Begun(time.monotonic(), os.getloadavg()[0])
    wheels = site.wheels(CACHE)
    figures: list[Figure] = []
    nodes = {}
    with running_box() as (box, _), tempfile.TemporaryDirectory(prefix="kiln-bench-") as folder:
        account = box.open_account(hollow=False)
        fleet = Fleet(account, Path(folder))
        fleet.prepare(wheels)
        place = site.Site(Path(folder), CACHE, fleet)
        measurement = Measurement(fleet, place, account.client("s3"), account.environment)
        for chain in CHAINS:
            if options.chain and chain.key not in options.chain:
                continue
            nodes[chain.key] = min(chain.nodes, options.nodes or chain.nodes)
            figures += measurement.chain(chain, nodes[chain.key], options.rounds or chain.rounds)
            write(begun, nodes, figures, options.output)
        account.close()
    return 0


def write(begun: Begun, nodes: dict[str, int], figures: list[Figure], output: Path) -> None:
    """Write what has been measured so far: an interruption loses one chain at most."""
    report = Report(
        machine=machine.describe(begun.load, time.monotonic() - begun.at),
        versions=machine.versions(),
        nodes=nodes,
        figures=tuple(figures),
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    for path, text in document_benchmarks.pages(output).items():
        path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())

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

sys.path.append(str(Path(__file__).resolve().parents[1] / "emrbox/bench"))
sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))

import document_benchmarks
import msgspec
from measure_emrbox import running_box

from nodes import machine, site
from nodes.figures import Conditions, Figure, Report, merged
from nodes.fleet import Fleet
from nodes.measure import Measurement
from nodes.tables import CHAINS

CACHE = Path.home() / ".cache/kiln"


def main() -> int:
    """Measure and write; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--chain",
        action="append",
        choices=[chain.key for chain in CHAINS],
        help="only these; others keep their numbers",
    )
    parser.add_argument("--nodes", type=int, help="at most so many")
    parser.add_argument("--rounds", type=int, help="at most so many of each chain")
    parser.add_argument(
        "--output", type=Path, default=document_benchmarks.NUMBERS, help="file for the numbers"
    )
    options = parser.parse_args()
    load = os.getloadavg()[0]
    wheels = site.wheels(CACHE)
    with running_box() as (box, _), tempfile.TemporaryDirectory(prefix="kiln-bench-") as folder:
        account = box.open_account(hollow=False)
        fleet = Fleet(account, Path(folder))
        fleet.prepare(wheels)
        place = site.Site(Path(folder), CACHE, fleet)
        measurement = Measurement(fleet, place, account.client("s3"), account.environment)
        for chain in CHAINS:
            if options.chain and chain.key not in options.chain:
                continue
            started, nodes = time.monotonic(), min(chain.nodes, options.nodes or chain.nodes)
            figures = tuple(measurement.chain(chain, nodes, options.rounds or chain.rounds))
            minutes = round((time.monotonic() - started) / 60, 1)
            date = time.strftime("%Y-%m-%d", time.gmtime())
            conditions = Conditions(nodes=nodes, date=date, load=round(load, 2), minutes=minutes)
            write(chain.key, conditions, figures, options.output)
        account.close()
    return 0


def write(chain: str, conditions: Conditions, figures: tuple[Figure, ...], output: Path) -> None:
    """Write the numbers of one chain beside those of the others that are there, and draw page and plot."""
    report = Report(
        machine=machine.describe(), versions=machine.versions(), chains={chain: conditions}, figures=figures
    )
    old = msgspec.json.decode(output.read_bytes(), type=Report) if output.is_file() else None
    output.parent.mkdir(parents=True, exist_ok=True)
    written = msgspec.json.encode(merged(old, report))
    output.write_bytes(msgspec.json.format(written, indent=1) + b"\n")
    for path, text in document_benchmarks.pages(output).items():
        path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())

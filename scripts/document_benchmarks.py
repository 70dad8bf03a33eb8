"""Write docs/benchmarks/nodes.md and nodes.svg from docs/benchmarks/nodes.json.

`--check` writes nothing and fails when one of them is not what would be written.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "bench"))

import generated_pages
import msgspec
from generated_pages import CHECKOUT

from nodes import page, plot
from nodes.figures import Report

NUMBERS = CHECKOUT / "docs/benchmarks/nodes.json"
# What people have to say about these numbers.
NOTES = CHECKOUT / "bench/nodes/notes.md"


def pages(numbers: Path = NUMBERS) -> dict[Path, str]:
    """Return page and plot by their paths, beside the numbers."""
    report = msgspec.json.decode(numbers.read_bytes(), type=Report)
    return {
        numbers.with_suffix(".md"): page.page(report, NOTES.read_text()),
        numbers.with_suffix(".svg"): plot.plot(report),
    }


if __name__ == "__main__":
    sys.exit(generated_pages.main(__doc__, pages))

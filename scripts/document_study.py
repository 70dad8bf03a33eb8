"""Write docs/studies/mlp_study.md and mlp_study.svg from docs/studies/mlp_study.json.

`--check` writes nothing and fails when one of them is not what would be written.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples/mlp_study"))

import generated_pages
import msgspec
from generated_pages import CHECKOUT
from report import page, plot
from report.figures import Study

NUMBERS = CHECKOUT / "docs/studies/mlp_study.json"
# What people have to say about these numbers.
NOTES = CHECKOUT / "examples/mlp_study/report/notes.md"


def pages() -> dict[Path, str]:
    """Return page and picture by their paths, beside the numbers."""
    study = msgspec.json.decode(NUMBERS.read_bytes(), type=Study)
    return {
        NUMBERS.with_suffix(".md"): page.page(study, NOTES.read_text()),
        NUMBERS.with_suffix(".svg"): plot.plot(study),
    }


if __name__ == "__main__":
    sys.exit(generated_pages.main(__doc__, pages))

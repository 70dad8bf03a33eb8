"""Write docs/studies/mlp_study.json from a copy of what a run of the study has left in S3.

aws s3 cp --recursive s3://kiln-local-data/mlp_study/ FOLDER; `make docs` then writes page and picture.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples/mlp_study"))

import msgspec
from generated_pages import CHECKOUT
from report.figures import Study, surfaces, trainings

NUMBERS = CHECKOUT / "docs/studies/mlp_study.json"


def main() -> None:
    """Read the files, write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--date", required=True, help="of the run")
    parser.add_argument("--machine", required=True, help="what it ran on, in words")
    parser.add_argument("--minutes", type=float, required=True, help="how long the whole run took")
    for name in ("rows", "test-rows", "iterations", "data-seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    given = vars(parser.parse_args())
    folder = given.pop("folder")
    study = Study(**given, trainings=trainings(folder / "trainings"), surfaces=surfaces(folder / "surfaces"))
    NUMBERS.write_bytes(msgspec.json.format(msgspec.json.encode(study), indent=1) + b"\n")


if __name__ == "__main__":
    main()

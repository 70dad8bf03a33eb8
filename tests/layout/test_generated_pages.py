"""The pages that `make docs` writes are what it would write."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def test_the_page_of_permissions_is_that_of_the_table() -> None:
    script = CHECKOUT / "scripts/document_permissions.py"
    checked = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, f"{checked.stdout}{checked.stderr}run: make docs"


def test_make_docs_runs_every_generator() -> None:
    script = (CHECKOUT / "scripts/generate_docs").read_text()
    generators = [
        str(file.relative_to(CHECKOUT))
        for folder in ("scripts", "emrbox/scripts")
        for file in (CHECKOUT / folder).glob("document_*.py")
    ]
    assert generators
    assert all(name in script for name in [*generators, "exit_codes", "failure_classes", "verdict_table"])

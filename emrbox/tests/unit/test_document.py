from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", ["document_emrbox.py", "document_permissions.py"])
def test_the_page_s_tables_are_those_of_the_code(name: str) -> None:
    script = CHECKOUT / "scripts" / name
    checked = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, f"{checked.stdout}{checked.stderr}run: make docs"


def test_make_docs_runs_every_generator() -> None:
    script = (CHECKOUT / "scripts/generate_docs").read_text()
    generators = [f"scripts/{file.name}" for file in (CHECKOUT / "scripts").glob("document_*.py")]
    assert generators
    assert all(name in script for name in [*generators, "kiln.exit_codes"])

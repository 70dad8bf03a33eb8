"""moto's own tests of EMR, from its source archive, on hollow clusters.

What is different, and what is left out, is in helpers/moto_differences.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from moto_differences import REPLACED

from emrbox.box import lifecycle

HELPERS = Path(__file__).parents[1] / "helpers"
SOURCES = HELPERS.parents[2] / ".venvs/moto_tests"


def copy_tests(folder: Path) -> None:
    """Write moto's tests of EMR, with the table's values."""
    assert SOURCES.exists(), "moto's tests are not there: scripts/setup --tests"
    files = [SOURCES / "tests/__init__.py", SOURCES / "tests/conftest.py"]
    texts = {file: file.read_text() for file in [*files, *(SOURCES / "tests/test_emr").glob("*.py")]}
    for text, by, _ in REPLACED:
        assert any(text in known for known in texts.values()), f"moto's tests do not have {text!r} any more"
        texts = {file: known.replace(text, by) for file, known in texts.items()}
    for file, text in texts.items():
        copy = folder / file.relative_to(SOURCES)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")  # else the checkout's settings hold


def test_motos_own_tests_of_emr_pass(tmp_path: Path) -> None:
    """In a box of their own: they ask for what was created before this machine's time."""
    copy_tests(tmp_path)
    box = tmp_path / "box"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
    try:
        finished = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "moto_plugin", "-p", "no:cacheprovider", "tests"],
            cwd=tmp_path,
            env={**kept, "EMRBOX_HOME": str(box), "PYTHONPATH": str(HELPERS)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    finally:
        lifecycle.down(box)
    assert finished.returncode == 0, finished.stdout + finished.stderr

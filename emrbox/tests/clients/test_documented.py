"""What README.md and the pages in docs/ show, run unchanged in an empty folder and an empty box."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from emrbox.pytest_plugin import Box

CHECKOUT = Path(__file__).resolve().parents[3]
PAGES = [(CHECKOUT / "emrbox" / name).read_text() for name in ("README.md", "docs/emrbox.md")]
# What has become of the first page's cluster.
OUTCOME = "aws emr list-clusters --query 'Clusters[].[Name,Status.StateChangeReason.Code]' --output text"
PROGRAMS = (Path(sys.executable).parent, CHECKOUT / ".venvs/awscli/bin")


def commands(title: str) -> str:
    """Return the commands below the comment that has this title."""
    [found] = re.findall(rf"<!-- commands: {title};[^\n]*\n```\n(.*?)```", "".join(PAGES), re.DOTALL)
    return str(found)


def test_the_first_test_of_the_page_passes(emrbox: Box, emrbox_home: Path, tmp_path: Path) -> None:
    assert emrbox.get("health") == {"healthy": True}
    page = (CHECKOUT / "emrbox/docs/testing.md").read_text()
    files = dict(re.findall(r"<!-- file: (\S+);[^\n]*\n```python\n(.*?)```", page, re.DOTALL))
    assert set(files) == {"nightly.py", "test_nightly.py"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**kept, "EMRBOX_HOME": str(emrbox_home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "1 passed" in finished.stdout


@pytest.mark.slow
def test_the_commands_of_the_pages_work(emrbox: Box, emrbox_home: Path, tmp_path: Path) -> None:
    assert emrbox.get("health") == {"healthy": True}
    titles = ("three commands", "a first cluster", "two hours in a second")
    script = "".join(map(commands, titles)) + OUTCOME
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    finished = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={
            **kept,
            "PATH": ":".join([*map(str, PROGRAMS), os.environ["PATH"]]),
            "EMRBOX_HOME": str(emrbox_home),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    said = finished.stdout
    assert "hello\tALL_STEPS_COMPLETED\n" in said
    assert "sum 499500\n" in said
    assert re.search(r"application_\d+_0001 .* FINISHED\s+SUCCEEDED", said.replace("\t", " "))
    assert re.search(r"200 .*elasticmapreduce:RunJobFlow", said)
    assert "began running steps" in said  # the box's log
    assert "publish\tFAILED\ntrain\tCOMPLETED\n" in said
    assert said.splitlines().count('"TERMINATED"') == 1

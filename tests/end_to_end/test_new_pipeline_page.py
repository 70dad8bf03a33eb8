"""The files and commands of docs/operations/new_pipeline.md, in one terminal, lead to a run that succeeds."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pages
from checkout_copy import CHECKOUT, copy_checkout
from local_world import HANG_SECONDS, clean_environment

if TYPE_CHECKING:
    from pathlib import Path

    from local_world import World

PAGE = "new_pipeline.md"
PROGRAMS = (CHECKOUT / ".venvs/awscli/bin", CHECKOUT / ".venv/bin")


def block(language: str) -> str:
    """Return the page's only block in this language."""
    text = (CHECKOUT / "docs/operations" / PAGE).read_text()
    (found,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return str(found)


def test_the_page_leads_from_nothing_to_a_run_that_succeeds(world: World, tmp_path: Path) -> None:
    root, filled = tmp_path / "checkout", tmp_path / "clicks.yml"
    copy_checkout(root)
    (root / ".venv").symlink_to(CHECKOUT / ".venv")
    (root / ".kiln").mkdir()
    (root / ".kiln/local").symlink_to(CHECKOUT / ".kiln/local")
    (root / "clicks.py").write_text(block("python"))
    filled.write_text("---\n" + block("yaml"))
    upload, new, check, run = (pages.commands(PAGE, title) for title in ("upload", "new", "check", "run"))
    typed = [upload, new, f"cp '{filled}' group_vars/clicks.yml", check, run]
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(typed)],
        cwd=root,
        env={**clean_environment(), "PATH": ":".join([*map(str, PROGRAMS), os.environ["PATH"]])},
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "group_vars/clicks.yml" in done.stdout
    assert (root / "tests/unit/pipelines/test_clicks.py").is_file()
    result = json.loads([line for line in done.stdout.splitlines() if line.startswith("{")][-1])
    assert (result["verdict"], result["exit_code"]) == ("succeeded", 0)
    assert world.cluster_of(result["run_id"])["Status"]["State"] == "TERMINATED"
    listed = done.stdout.rpartition("}")[2]
    assert "_SUCCESS" in listed
    assert ".parquet" in listed

"""scripts/lint runs all tools at once, shows what each found, and fails when one of them does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from waiting import wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = ("ruff", "mypy", "yamllint", "shellcheck", "ansible-lint")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the script and tools that find nothing."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(CHECKOUT / "scripts/lint", tmp_path / "scripts")
    for name in TOOLS:
        replace(tmp_path, name, f"touch {tmp_path}/ran-{name}")
    plugins = tmp_path / "scripts/lint_plugins"
    plugins.write_text("#!/bin/sh\n")
    plugins.chmod(0o755)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


def replace(root: Path, name: str, command: str) -> None:
    tool = root / ".venv/bin" / name
    tool.parent.mkdir(parents=True, exist_ok=True)
    tool.write_text(f"#!/bin/sh\n{command}\n")
    tool.chmod(0o755)


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([root / "scripts/lint"], check=False, capture_output=True, text=True, timeout=300)


def test_every_tool_runs_and_is_named(root: Path) -> None:
    finished = lint(root)
    assert finished.returncode == 0, finished.stderr
    for name in TOOLS:
        assert (root / f"ran-{name}").exists()
        assert f"lint: {name} " in finished.stdout


def test_what_one_tool_finds_is_shown_and_hides_nothing_of_the_others(root: Path) -> None:
    replace(root, "mypy", "echo a.py:1: wrong type; exit 1")
    replace(root, "ansible-lint", "echo b.yml:2: no name >&2; exit 2")
    finished = lint(root)
    assert finished.returncode == 1
    assert "a.py:1: wrong type\n" in finished.stderr
    assert "b.yml:2: no name\n" in finished.stderr
    assert finished.stderr.endswith("lint: findings by mypy ansible-lint\n")


def test_tools_end_with_the_script(root: Path) -> None:
    replace(root, "mypy", f"echo $$ >{root}/pid.new; mv {root}/pid.new {root}/pid; exec sleep 4242")
    script = subprocess.Popen([root / "scripts/lint"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until((root / "pid").exists)
    script.terminate()
    script.wait()
    pid = int((root / "pid").read_text())
    wait_until(lambda: not Path(f"/proc/{pid}").exists())

"""scripts/setup with programs that only write down how they are called."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PYTHON = """#!/bin/sh
if [ "$1" = -c ]; then
  case "$2" in *print*) echo "(3, 13)" ;; esac
  exit 0
fi
echo "$@" >>"$CALLS"
"""


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.mark.parametrize(("version", "option"), [("(3, 11)", "--clear "), ("(3, 13)", "")])
def test_the_environment_of_another_python_is_made_anew(tmp_path: Path, version: str, option: str) -> None:
    root = tmp_path / "checkout"
    shutil.copytree(CHECKOUT / "requirements", root / "requirements")
    shutil.copy(CHECKOUT / "pyproject.toml", root)
    program(root / "scripts/setup", (CHECKOUT / "scripts/setup").read_text())
    program(tmp_path / "bin/python3.13", PYTHON)
    program(root / ".venv/bin/python", f'#!/bin/sh\necho "{version}"\n')
    for name in ("pip", "uv"):
        program(root / ".venv/bin" / name, "#!/bin/sh\n")
    calls = tmp_path / "calls"
    environment = {"PATH": f"{tmp_path}/bin:{os.defpath}", "CALLS": str(calls), "HOME": str(tmp_path)}
    subprocess.run([root / "scripts/setup", "--driver-only"], check=True, env=environment, timeout=60)
    assert calls.read_text() == f"-m venv {option}.venv\n"

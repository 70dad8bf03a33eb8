"""What kiln requires is what it imports."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
# Distribution -> module, where the names differ.
MODULES = {"ansible-runner": "ansible_runner", "pyyaml": "yaml"}


def required() -> set[str]:
    return set(tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["dependencies"])


def imported() -> set[str]:
    found = set()
    for file in [*(CHECKOUT / "src/kiln").rglob("*.py"), *(CHECKOUT / "plugins").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            found |= {name.partition(".")[0] for name in names}
    return found


def test_every_requirement_is_imported() -> None:
    assert {MODULES.get(name, name) for name in required()} <= imported()


def test_the_package_and_its_lock_file_require_the_same() -> None:
    lines = (CHECKOUT / "requirements/kiln.in").read_text().splitlines()
    listed = {re.split(r"[<>=]", line)[0] for line in lines if line and not line.startswith("#")}
    assert listed == required()

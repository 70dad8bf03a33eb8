"""What each package of emrbox may import: a table from the bottom up, so that dependencies go one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
PACKAGE = SOURCE / "emrbox"
# A row may name rows above it only. "": the modules at the root that every package may use.
MAY_IMPORT: dict[str, set[str]] = {
    "": set(),
    "nodes": {""},
    "aws": {"", "nodes"},
    "athena": {"", "aws"},
    "emr": {""},
    "emr.life": {"", "aws", "emr"},
    "emr.api": {"", "aws", "emr", "emr.life"},
    "emr.hollow": {"", "emr", "emr.life"},
    "emr.machines.on_node": set(),
    "emr.machines": {"", "aws", "nodes", "emr", "emr.life", "emr.machines.on_node"},
    "images": {"", "emr"},
    "faults": {"", "aws", "emr", "emr.life", "emr.hollow", "emr.machines"},
    "front": {"", "aws", "nodes", "emr", "emr.life", "emr.api", "emr.hollow", "faults"},
    "front.page": {"", "aws", "nodes", "emr", "emr.life", "emr.api", "front"},
    "box": {
        *("", "nodes", "aws", "athena", "emr", "emr.life", "emr.api", "emr.hollow", "emr.machines", "images"),
        *("faults", "front", "front.page"),
    },
    "commands": {"", "images", "faults", "box"},
    "entry points": {"", "box", "commands"},
}
# Folders that only sort the modules of the row above them.
PARTS = {"faults.kinds"}
ENTRY_POINTS = {"emrbox.__main__", "emrbox.pytest_plugin"}


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


# What lies in an image's tree is a program of the nodes, no module.
MODULES = {
    module_name(file): file
    for file in sorted(PACKAGE.rglob("*.py"))
    if "tree" not in file.relative_to(PACKAGE).parts
}


def package_of(module: str) -> str:
    """The longest row of the table that a module is in."""
    if module in ENTRY_POINTS:
        return "entry points"
    inside = module.removeprefix("emrbox").removeprefix(".")
    rows = [row for row in MAY_IMPORT if row and (inside == row or inside.startswith(f"{row}."))]
    return max(rows, key=len, default="")


def imported(module: str) -> set[str]:
    """The modules of emrbox that a module imports, also those that only type checkers see."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            assert node.level == 0, module
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == "emrbox"}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_package_may(module: str) -> None:
    own = package_of(module)
    others = {package_of(name) for name in imported(module)} - {own}
    assert others - MAY_IMPORT[own] == set()


def test_dependencies_go_one_way() -> None:
    rows = list(MAY_IMPORT)
    for number, (package, others) in enumerate(MAY_IMPORT.items()):
        assert others <= set(rows[:number]), package


def test_the_table_has_every_package_and_no_other() -> None:
    folders = {file.parent for file in MODULES.values()}
    packages = {".".join(folder.relative_to(PACKAGE).parts) for folder in folders}
    assert packages - PARTS == set(MAY_IMPORT) - {"entry points"}

"""Who may import whom inside kiln: one table, dependencies in one direction."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from kiln import phases

KILN = Path(__file__).resolve().parents[2] / "src/kiln"

# Each package, and the packages whose modules it may import; every package may import kiln's root.
MAY_IMPORT: dict[str, set[str]] = {
    "": set(),
    "arguments": set(),
    "step_programs": set(),
    "settings": {"step_programs"},
    "aws": set(),
    "model_repo": {"settings"},
    "host_keys": {"aws"},
    "nodes": {"aws", "host_keys", "settings"},
    "ledger": {"aws"},
    "emr": {"aws", "ledger", "settings", "step_programs"},
    "images": {"aws", "emr", "settings"},
    "watching": {"aws", "emr"},
    "playbooks": set(),
    "diagnosis": {"aws", "emr", "host_keys"},
    "runs": {"aws", "diagnosis", "emr", "ledger", "model_repo", "nodes", "playbooks", "settings"},
    "display": {"runs"},
    "notifications": {"aws", "display", "emr", "ledger", "runs", "settings"},
    "ansible_modules": {
        "aws",
        "diagnosis",
        "emr",
        "host_keys",
        "images",
        "ledger",
        "model_repo",
        "nodes",
        "runs",
        "settings",
        "step_programs",
        "watching",
    },
    "commands": {
        "aws",
        "diagnosis",
        "display",
        "emr",
        "host_keys",
        "images",
        "ledger",
        "notifications",
        "playbooks",
        "runs",
        "settings",
        "watching",
    },
}
# The command line itself: it shows errors, and imports a command by its name when that is called.
ROOT_MAY_ALSO = {"cli.py": {"arguments", "display"}}


def package_of(file: Path) -> str:
    parts = file.relative_to(KILN).parts
    return parts[0] if len(parts) > 1 else ""


def imported_packages(file: Path) -> set[str]:
    """Return the packages of kiln that a module imports; `from kiln import x` is one of the root."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            first, _, rest = name.partition(".")
            if first == "kiln":
                second = rest.split(".")[0]
                found.add(second if (KILN / second).is_dir() and second else "")
    return found


def test_every_package_stands_in_the_table() -> None:
    folders = {"", *(path.parent.name for path in KILN.glob("*/__init__.py"))}
    assert folders == set(MAY_IMPORT)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_the_table_allows(package: str) -> None:
    files = [file for file in KILN.rglob("*.py") if package_of(file) == package]
    assert files
    for file in files:
        allowed = (
            MAY_IMPORT[package]
            | {"", package}
            | (ROOT_MAY_ALSO.get(file.name, set()) if not package else set())
        )
        assert imported_packages(file) <= allowed, file.relative_to(KILN)


def test_the_table_has_no_cycle() -> None:
    done: set[str] = set()
    while len(done) < len(MAY_IMPORT):
        ready = {package for package, needs in MAY_IMPORT.items() if needs <= done} - done
        assert ready, set(MAY_IMPORT) - done
        done |= ready


def test_no_two_modules_import_each_other() -> None:
    modules = {file.relative_to(KILN).with_suffix(""): file for file in KILN.rglob("*.py")}
    names = {".".join(("kiln", *path.parts)): file for path, file in modules.items()}
    needs: dict[str, set[str]] = {name: set() for name in names}
    for name, file in names.items():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    needs[name] |= {one for one in (node.module, full) if one in names} - {name}
    done: set[str] = set()
    while len(done) < len(needs):
        ready = {name for name, wants in needs.items() if wants <= done} - done
        assert ready, {name: wants - done for name, wants in needs.items() if name not in done}
        done |= ready


def test_names_of_phases_are_written_in_their_table_only() -> None:
    # The values of kiln_after_failure and dag.if_no_cluster, the object that preflight asks for, and the
    # classes of failures have words of their own.
    others = {
        "phases.py": set(phases.ACTIONS),
        "settings/model.py": {phases.TERMINATE.name},
        "settings/dag.py": {phases.LAUNCH.name},
        "runs/preflight.py": {phases.PREFLIGHT},
        "failure_classes.py": {phases.PROVISION.name},
    }
    for file in KILN.rglob("*.py"):
        constants = {
            node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)
        }
        allowed = others.get(str(file.relative_to(KILN)), set())
        assert (constants & set(phases.ACTIONS)) <= allowed, file.relative_to(KILN)

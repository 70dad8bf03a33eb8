"""The roles' contracts: what stands in argument_specs, in defaults and in the documentation is the same."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (CHECKOUT / "roles").iterdir() if path.is_dir())


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) if path.exists() else None


def options(role: str) -> dict[str, dict[str, Any]]:
    entries = read(CHECKOUT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]
    return {
        name: option for entry in entries.values() for name, option in (entry.get("options") or {}).items()
    }


@pytest.mark.parametrize("role", ROLES)
def test_defaults_and_argument_specs_say_the_same(role: str) -> None:
    declared = {name: option["default"] for name, option in options(role).items() if "default" in option}
    assert (read(CHECKOUT / "roles" / role / "defaults/main.yml") or {}) == declared


@pytest.mark.parametrize("role", ROLES)
def test_required_inputs_have_no_default(role: str) -> None:
    wrong = [name for name, option in options(role).items() if option.get("required") and "default" in option]
    assert wrong == []


@pytest.mark.parametrize("role", ROLES)
def test_every_input_is_described(role: str) -> None:
    assert [name for name, option in options(role).items() if not option.get("description")] == []


@pytest.mark.parametrize("role", ROLES)
def test_defaults_bear_the_name_of_their_role(role: str) -> None:
    names = read(CHECKOUT / "roles" / role / "defaults/main.yml") or {}
    assert [name for name in names if not name.startswith(f"{role}_")] == []


@pytest.mark.parametrize("role", ROLES)
def test_every_entry_point_has_its_tasks(role: str) -> None:
    entries = read(CHECKOUT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]
    assert [
        entry for entry in entries if not (CHECKOUT / "roles" / role / "tasks" / f"{entry}.yml").exists()
    ] == []


def test_internal_variables_of_a_role_bear_its_name() -> None:
    for role in ROLES:
        text = "".join(path.read_text() for path in (CHECKOUT / "roles" / role).rglob("*.yml"))
        foreign = {name for name in re.findall(r"\b__([a-z_]+)\b", text) if not name.startswith(role)}
        assert foreign == set(), role


def test_task_files_are_short() -> None:
    long = {
        str(path.relative_to(CHECKOUT)): count
        for path in (CHECKOUT / "roles").glob("*/tasks/*.yml")
        if (count := len(path.read_text().splitlines())) > 70
    }
    assert long == {}


@pytest.mark.parametrize("name", ["document_options", "document_variables"])
def test_what_scripts_write_is_up_to_date(name: str) -> None:
    script = CHECKOUT / f"scripts/{name}.py"
    checked = subprocess.run([sys.executable, script, "--check"], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, f"{checked.stderr}run {script.relative_to(CHECKOUT)}"

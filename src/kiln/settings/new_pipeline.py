"""The files of a new pipeline: its settings, its line in each inventory, requirements, a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from kiln.errors import UsageError
from kiln.settings import check, files, inventories, inventory_lines, names, step_jars, typed
from kiln.settings.model import StepSettings, driver_variables
from kiln.settings.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_HEAD = """\
---
# The pipeline {name}. docs/operations/steps.md describes steps, docs/variables.md every variable;
# scripts/kiln check {name} --env ENV says what is wrong, and what each setting is.
"""
_TEST = '''\
"""The pipeline {name}: its settings are right in each environment that lists it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kiln.settings import check, inventories

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("environment", {environments})
def test_the_settings_have_no_problem(environment: str) -> None:
    inventories.check_pipeline(CHECKOUT, environment, "{name}")
    check.check(CHECKOUT, environment, "{name}", [])
'''
_REQUIREMENTS = """\
# What the steps of {name} import; requirements/{name}.txt is locked from it (CONTRIBUTING.md says how).
"""


class Files(NamedTuple):
    """Path -> text, of files to make and of files to change."""

    new: dict[Path, str]
    changed: dict[Path, str]


def files_of(
    root: Path,
    name: str,
    environments: Sequence[str],
    values: Mapping[str, Any],
    packages: Sequence[str] = (),
) -> Files:
    """Return what has to be written. Raises UsageError for what exists or cannot be; writes nothing."""
    names.check("pipeline", name)
    inventories.check_new_pipeline(root, name)
    settings = f"group_vars/{name}.yml"
    if packages:
        values = {"emr_node_python_requirements": f"requirements/{name}.txt", **values}
    _check_values(name, settings, values)
    new = {
        root / settings: text_of(name, values),
        root / f"tests/unit/pipelines/test_{name}.py": _TEST.format(
            name=name, environments=str(list(environments)).replace("'", '"')
        ),
    }
    if packages:
        text = _REQUIREMENTS.format(name=name) + "".join(f"{one}\n" for one in packages)
        new[root / f"requirements/{name}.in"] = text
    for path in (*new, root / f"group_vars/{name}"):
        if path.exists():
            raise UsageError(
                f"{path.relative_to(root)} exists already", fix="choose another name, or remove that"
            )
    changed = {}
    for environment in environments:
        inventories.check_environment(root, environment)
        label = f"inventory/{environment}/hosts.yml"
        changed[root / label] = inventory_lines.with_pipeline((root / label).read_text(), name, label)
    return Files(new, changed)


def text_of(name: str, values: Mapping[str, Any]) -> str:
    """Return the settings file: each variable in the order given, steps last."""
    parts = [_HEAD.format(name=name)]
    for key, value in values.items():
        if key == "steps":
            parts.append("\n# In order.\n")
        text = yaml.safe_dump({key: value}, sort_keys=False, allow_unicode=True, width=150)
        # Lists stand within their key, as in the other files.
        parts.append(text if key != "steps" else _indented(text))
    return "".join(parts)


def _indented(text: str) -> str:
    first, *lines = text.splitlines()
    return "\n".join([first, *(f"  {line}" for line in lines)]) + "\n"


def _check_values(name: str, label: str, values: Mapping[str, Any]) -> None:
    """Raise UsageError that names all that is wrong with the settings."""
    found = Problems()
    model = driver_variables()
    source = files.Source(label, dict(values))
    for key, value in values.items():
        for problem in check.problems_of(source, key, value, model[key]):
            found.add(UsageError(f"{label}: {problem.text}", fix=problem.fix))
    found.raise_any()
    steps = typed.convert(values.get("steps", ()), tuple[StepSettings, ...], label=label, key="steps")
    repo = name if values.get("model_repo_url") else ""
    step_jars.resolved(steps, step_jars.Terms("us-east-1", repo), lambda _place: label)

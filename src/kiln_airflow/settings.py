"""What a DAG is made of: the key `dag` and the steps of group_vars/<pipeline>.yml, read without Ansible.

The values are literals, no templates. Kiln checks the same key by its typed model (src/kiln/settings/dag.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kiln_airflow import checks
from kiln_airflow.checks import SettingsError, shown
from kiln_airflow.yaml_files import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class DagSettings:
    """The key `dag` of a pipeline. docs/variables.md says what each value means."""

    environment: str
    schedule: str | None = None
    schedule_assets: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()
    start_date: str = "2026-01-01"
    timezone: str = "UTC"
    catchup: bool = False
    max_active_runs: int = 1
    pool: str = "default_pool"
    retries: int = 1
    retry_delay_seconds: int = 300
    terminate_retries: int = 3
    task_timeout_seconds: int = 36_000
    wait_for_previous: str = "ended"
    wait_for: tuple[dict[str, Any], ...] = ()
    wait_timeout_seconds: int = 86_400
    if_running: str = "fail"
    if_no_cluster: str = "launch"
    if_complete: str = "succeed"
    terminate: bool = True
    deferrable: bool = False
    poll_interval_seconds: int = 30
    owner: str = "kiln"
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StepTask:
    """A step of the pipeline: `needs` are the steps that have to end first, None when it names none."""

    name: str
    needs: tuple[str, ...] | None = None
    always: bool = False


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A pipeline with a DAG, in the checkout `root`. `environments` are those whose inventory lists it."""

    name: str
    root: Path
    dag: DagSettings
    steps: tuple[StepTask, ...]
    environments: tuple[str, ...]

    @property
    def upstream(self) -> dict[str, tuple[str, ...]]:
        """Return step -> the steps before it, in the order of src/kiln/settings/step_needs.py."""
        others = tuple(one.name for one in self.steps if not one.always)
        if all(one.needs is None for one in self.steps):
            ordered = (*others, *(one.name for one in self.steps if one.always))
            return {name: ordered[max(0, at - 1) : at] for at, name in enumerate(ordered)}
        return {one.name: (*(others if one.always else ()), *(one.needs or ())) for one in self.steps}


def names(root: Path) -> list[str]:
    """Return the names of all files of group_vars that may describe a pipeline."""
    folder = root / "group_vars"
    files = {path.stem for path in folder.glob("*.yml")}
    return sorted(files | {path.parent.name for path in folder.glob("*/*.yml")})


def environments(root: Path) -> dict[str, frozenset[str]]:
    """Return environment -> the pipelines that its inventory lists. Raises SettingsError."""
    found = {}
    for path in sorted((root / "inventory").glob("*/hosts.yml")):
        listed = _group(read_yaml(path, str(path.relative_to(root))), "pipelines") or {}
        children = listed.get("children")
        found[path.parent.name] = frozenset(map(str, children if isinstance(children, dict) else ()))
    return found


def _group(tree: Any, name: str) -> dict[str, Any] | None:
    """Return a group of an inventory, wherever it stands."""
    if not isinstance(tree, dict):
        return None
    for key, value in tree.items():
        found = value if key == name else _group(value, name)
        if isinstance(found, dict):
            return found
    return None


def read(root: Path, name: str, listed: Mapping[str, Iterable[str]]) -> Pipeline | None:
    """Return a pipeline, None when its files have no key `dag`. Raises SettingsError: file, key, value, fix.

    `listed` is the answer of `environments`.
    """
    places = _variables(root, name)
    if "dag" not in places:
        return None
    label, value = places["dag"]
    dag = _dag(value, label)
    where = tuple(sorted(one for one, pipelines in listed.items() if name in pipelines))
    if dag.environment not in where:
        raise SettingsError(
            f"{label}: dag.environment is {dag.environment}, whose inventory does not list {name}",
            fix=f"set one of {', '.join(where)}" if where else f"list {name} in inventory/<env>/hosts.yml",
        )
    steps = _steps(*places.get("steps", (label, [])))
    return Pipeline(name=name, root=root, dag=dag, steps=steps, environments=where)


def _variables(root: Path, name: str) -> dict[str, tuple[str, Any]]:
    """Return variable -> the file that sets it, and its value, of the pipeline's own files."""
    folder = root / "group_vars"
    found: dict[str, tuple[str, Any]] = {}
    for path in (folder / f"{name}.yml", *sorted((folder / name).glob("*.yml"))):
        label = str(path.relative_to(root))
        content = read_yaml(path, label) if path.is_file() else None
        if isinstance(content, dict):
            found |= {str(key): (label, value) for key, value in content.items()}
    return found


def _dag(value: Any, label: str) -> DagSettings:
    given = checks.mapping(value, checks.DAG, label, "dag")
    if "environment" not in given:
        raise SettingsError(f"{label}: dag has no environment", fix="add dag.environment there")
    for at, row in enumerate(given.get("wait_for", ())):
        is_object = isinstance(row, dict) and "object" in row
        table, key = (checks.WAIT_FOR_OBJECT, "object") if is_object else (checks.WAIT_FOR_DAG, "dag")
        if key not in checks.mapping(row, table, label, f"dag.wait_for[{at}]"):
            raise SettingsError(
                f"{label}: dag.wait_for[{at}] names nothing to wait for", fix="add `dag` or `object` there"
            )
    if given.get("schedule") and given.get("schedule_assets"):
        raise SettingsError(
            f"{label}: dag has both schedule and schedule_assets", fix="leave one of them out there"
        )
    if "start_date" in given:
        given["start_date"] = str(given["start_date"])
    values: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in given.items()}
    return DagSettings(**values)


def _steps(label: str, value: Any) -> tuple[StepTask, ...]:
    if not isinstance(value, list):
        raise SettingsError(
            f"{label}: steps is {shown(value)}: a DAG needs a list with the names of the steps",
            fix="write the steps out there; their args may be templates",
        )
    found = [_step(label, f"steps[{at}]", one) for at, one in enumerate(value)]
    _check_needs(label, found)
    return tuple(found)


def _step(label: str, place: str, value: Any) -> StepTask:
    ours = (
        {key: one for key, one in value.items() if key in checks.STEP} if isinstance(value, dict) else value
    )
    row = checks.mapping(ours, checks.STEP, label, place)
    if "name" not in row:
        raise SettingsError(f"{label}: {place} has no name", fix=f"add {place}.name there")
    needs = row.get("needs")
    return StepTask(
        name=row["name"], needs=None if needs is None else tuple(needs), always=row.get("always", False)
    )


def _check_needs(label: str, steps: Iterable[StepTask]) -> None:
    """Refuse names that two tasks would have, and needs that name no step."""
    known: set[str] = set()
    for one in steps:
        if one.name in known or one.name in checks.TASKS:
            raise SettingsError(
                f"{label}: the step name {one.name} is used twice, or is another task's",
                fix="rename the step",
            )
        known.add(one.name)
    for one in steps:
        for need in one.needs or ():
            if need not in known:
                raise SettingsError(
                    f"{label}: step {one.name} needs {need}, and there is no such step",
                    fix="correct its needs",
                )

"""Which environments and pipelines there are: what the inventories list, under names that can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiln import phases
from kiln.errors import UsageError
from kiln.settings import names
from kiln.settings.yaml_files import read_yaml

if TYPE_CHECKING:
    from pathlib import Path

# Groups of the inventories, and names of actions.
_RESERVED = frozenset(
    {"all", "ungrouped", "localhost", "pipelines", "nodes"}
    | {"emr_master", "emr_core", "emr_task", "emr_target", "data_science"}
    | set(phases.ACTIONS)
)


def environments(root: Path) -> list[str]:
    """Return the environments of this checkout."""
    return sorted(path.parent.name for path in (root / "inventory").glob("*/hosts.yml"))


def pipelines(root: Path, environment: str) -> list[str]:
    """Return the pipelines that an environment lists: the children of its group `pipelines`."""
    label = f"inventory/{environment}/hosts.yml"
    listed = _group(read_yaml(root / label, label), "pipelines")
    return sorted(str(name) for name in (listed or {}).get("children") or {})


def _group(tree: Any, name: str) -> dict[str, Any] | None:
    if not isinstance(tree, dict):
        return None
    for key, value in tree.items():
        found = value if key == name else _group(value, name)
        if isinstance(found, dict):
            return found
    return None


def check_environment(root: Path, environment: str) -> None:
    """Raise UsageError unless the environment exists."""
    known = environments(root)
    if environment in known:
        place = f"inventory/{ascii(environment)[1:-1]}/"
        names.check("environment", environment, place)
        if environment in _RESERVED:
            raise UsageError(f"{place}: the environment name {environment} is reserved", fix="rename it")
    else:
        raise UsageError(
            f"unknown environment {names.shown(environment)}{names.did_you_mean(environment, known)}",
            fix=f"environments here: {', '.join(known)}",
        )


def check_pipeline(root: Path, environment: str, pipeline: str) -> None:
    """Raise UsageError unless the environment lists the pipeline, under a name of its own."""
    known = pipelines(root, environment)
    if pipeline in known:
        names.check("pipeline", pipeline, f"inventory/{environment}/hosts.yml")
    # A pipeline is a group of the inventory: another group's name would mix their variables.
    if pipeline in known and pipeline in {*_RESERVED, *environments(root)}:
        raise UsageError(
            f"inventory/{environment}/hosts.yml: the pipeline name {pipeline} is reserved",
            fix="rename it there and in group_vars/",
        )
    if pipeline not in known:
        raise UsageError(
            f"unknown pipeline {names.shown(pipeline)} in {environment}{names.did_you_mean(pipeline, known)}",
            fix=f"pipelines there: {', '.join(known) or 'none'} (inventory/{environment}/hosts.yml)",
        )


def check_new_pipeline(root: Path, name: str) -> None:
    """Raise UsageError when a new pipeline cannot have this name."""
    known = {one for environment in environments(root) for one in pipelines(root, environment)}
    taken = {f"{pipeline}_{environment}" for pipeline in known for environment in environments(root)}
    if name in known:
        raise UsageError(f"there is a pipeline {name} already", fix="choose another name")
    if name in {*_RESERVED, *environments(root)}:
        raise UsageError(f"the pipeline name {name} is reserved", fix="choose another name")
    if name in taken:
        raise UsageError(
            f"group_vars/{name}.yml is where a pipeline's values in an environment stand",
            fix="choose a name that is not PIPELINE_ENVIRONMENT",
        )

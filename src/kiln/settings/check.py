"""Static check of the settings files, before Ansible or AWS is asked: unknown keys, wrong types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from kiln.errors import UsageError
from kiln.settings import files, inventories, names, notification_rows, secret_references, typed, yaml_files
from kiln.settings.model import driver_variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import msgspec

# Variables that playbooks make or take and that are no setting of the driver's.
_COMMON = frozenset(
    {"ds", "pipeline", "run_id", "kiln_checkout", "kiln_cache_dir", "kiln_state_dir", "kiln_cluster_id"}
    | {secret_references.KEY}
)
# What is also read without Ansible, and so may hold no template: src/kiln_airflow makes DAGs of it.
_LITERALS = frozenset({"dag"})
# Ansible's own namespace: connection variables.
_ANSIBLE = "ansible_"
# Said on the command line by --run-id, --date and the pipeline's name, never by -e.
_OWN_OPTIONS = {"pipeline": "the pipeline's name", "run_id": "--run-id", "ds": "--date"}

_BRANCH, _VERSION = "model_repo_branch", "model_repo_version"

_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str, int, float), "path": (str,), "int": (int,), "float": (int, float), "bool": (bool,),
    "list": (list,), "dict": (dict,),
}  # fmt: skip
_WORDS = {kind.__name__: words for kind, words in typed.WORDS.items() if isinstance(kind, type)} | {
    "path": "a path"
}


def role_options(root: Path) -> dict[str, str]:
    """Return option name -> Ansible type for everything that the roles' argument_specs declare."""
    found: dict[str, str] = {}
    for path in sorted((root / "roles").glob("*/meta/argument_specs.yml")):
        specs = (yaml.safe_load(path.read_text()) or {}).get("argument_specs", {})
        for entry in specs.values():
            for name, option in (entry.get("options") or {}).items():
                found[name] = option.get("type", "str")
    return found


def role_defaults(root: Path) -> set[str]:
    """Return the names that have a value in a role's defaults."""
    found: set[str] = set()
    for path in (root / "roles").glob("*/defaults/main.yml"):
        found |= set(yaml.safe_load(path.read_text()) or {})
    return found


def _own(key: str, pipelines: Iterable[str]) -> bool:
    """Return whether a key is a pipeline's own variable: it bears the pipeline's name."""
    return any(key.removeprefix("__").startswith(f"{pipeline}_") for pipeline in pipelines)


def check(
    root: Path, environment: str, pipeline: str, extra: Sequence[str], *, by_hand: bool = False
) -> list[files.Source]:
    """Check every file of the precedence chain and every -e. Returns the sources; raises UsageError.

    `by_hand`: for ansible-playbook, where -e is the only way to name the pipeline and the run.
    """
    sources = files.chain(root, environment, pipeline, extra)
    options, model = role_options(root), driver_variables()
    known = model.keys() | options.keys() | role_defaults(root) | _COMMON
    pipelines = inventories.pipelines(root, environment)
    for source in sources:
        for key, value in source.values.items():
            if source.label.startswith("-e") and key in _OWN_OPTIONS and not by_hand:
                raise UsageError(
                    f"{source.label}: {key} cannot be set by -e", fix=f"say it by {_OWN_OPTIONS[key]}"
                )
            _check_name(source, str(key), known, pipelines, pipeline)
            if key == secret_references.KEY:
                secret_references.references(value, source.label)
                continue
            if key == secret_references.DEPLOY_KEY:
                secret_references.deploy_key(value, source.label)
            if key == notification_rows.KEY and not is_open(value):
                notification_rows.check_secrets(value, source.label)
            secret_references.check_absent(str(key), value, source.label)
            if key in model:
                convert(source, key, value, model[key])
            elif key in options:
                _check_kind(source, key, value, options[key])
    _check_model_repo(sources)
    return sources


def _check_model_repo(sources: Sequence[files.Source]) -> None:
    """Raise UsageError for a branch that has no effect, because a weaker source has named a version."""
    versions = [source for source in sources if source.values.get(_VERSION)]
    for source in sources[sources.index(versions[-1]) + 1 :] if versions else ():
        if _BRANCH in source.values and _VERSION not in source.values:
            raise UsageError(
                f"{source.label}: {_BRANCH} has no effect: {versions[-1].label} sets {_VERSION}",
                fix=f"set {_VERSION} there, which takes a branch too",
            )


def _check_name(
    source: files.Source, key: str, known: Iterable[str], pipelines: Sequence[str], pipeline: str
) -> None:
    if key in known or key.startswith(_ANSIBLE) or _own(key, pipelines):
        return
    raise UsageError(
        f"{source.label}: unknown key {names.shown(key)}{names.did_you_mean(key, known)}",
        fix=f"correct or remove it; a pipeline's own variables begin with its name ({pipeline}_…)",
    )


def is_open(value: Any) -> bool:
    """Return whether a value holds a template or a tagged text anywhere: its type is not known yet."""
    if isinstance(value, yaml_files.Tagged):
        return True
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, dict):
        return any(is_open(inner) for inner in value.values())
    return isinstance(value, list) and any(is_open(inner) for inner in value)


def convert(source: files.Source, key: str, value: Any, field: msgspec.structs.FieldInfo) -> Any:
    """Return the value in the model's type, or None for a template. Raises UsageError."""
    if key not in _LITERALS and is_open(value):
        return None
    return typed.convert(value, field.type, label=source.label, key=key, lax=source.as_text)


def _check_kind(source: files.Source, key: str, value: Any, kind: str) -> None:
    if source.as_text or is_open(value) or kind not in _KINDS or value is None:
        return
    wrong_bool = isinstance(value, bool) and kind != "bool"
    if wrong_bool or not isinstance(value, _KINDS[kind]):
        raise UsageError(
            f"{source.label}: {key} is {typed.shown(value)}: expected {_WORDS[kind]}",
            fix=f"correct {key} there",
        )

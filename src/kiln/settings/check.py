"""Static check of the settings files, before Ansible or AWS is asked: unknown keys, wrong types."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from kiln.errors import UsageError
from kiln.settings import (
    files,
    inventories,
    literal_secrets,
    names,
    notification_rows,
    secret_references,
    typed,
    yaml_files,
)
from kiln.settings.configurations import Configuration
from kiln.settings.model import driver_variables
from kiln.settings.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    import msgspec

# Variables that playbooks make or take and that are no setting of the driver's.
_COMMON = frozenset(
    {"ds", "pipeline", "run_id", "kiln_checkout", "kiln_cache_dir", "kiln_state_dir", "kiln_cluster_id"}
    | {secret_references.KEY}
)
# Variables of which the check of secrets knows all there is to know.
_SECRET_KEYS = frozenset({secret_references.KEY, secret_references.DEPLOY_KEY})
# What is also read without Ansible, and so may hold no template: src/kiln_airflow makes DAGs of it.
_LITERALS = frozenset({"dag"})
# Ansible's own namespace: connection variables.
_ANSIBLE = "ansible_"
# Said on the command line by --run-id, --date and the pipeline's name, never by -e.
_OWN_OPTIONS = {"pipeline": "the pipeline's name", "run_id": "--run-id", "ds": "--date"}

_BRANCH, _VERSION = "model_repo_branch", "model_repo_version"

# Variables whose type in the model is looser than what is accepted.
SHAPES: dict[str, Any] = {"emr_cluster_configurations": tuple[Configuration, ...]}
_NO_TEXT = frozenset({"list", "dict"})
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
        specs = yaml_files.role_file(path).get("argument_specs", {})
        for entry in specs.values():
            for name, option in (entry.get("options") or {}).items():
                found[name] = option.get("type", "str")
    return found


def role_defaults(root: Path) -> set[str]:
    """Return the names that have a value in a role's defaults."""
    found: set[str] = set()
    for path in (root / "roles").glob("*/defaults/main.yml"):
        found |= set(yaml_files.role_file(path))
    return found


def _own(key: str, pipelines: Iterable[str]) -> bool:
    """Return whether a key is a pipeline's own variable: it bears the pipeline's name."""
    return any(key.removeprefix("__").startswith(f"{pipeline}_") for pipeline in pipelines)


def check(
    root: Path, environment: str, pipeline: str, extra: Sequence[str], *, by_hand: bool = False
) -> list[files.Source]:
    """Check every file of the precedence chain and every -e. Returns the sources.

    Raises UsageError with all that is wrong: the first as its message, the others as details. `by_hand`: for
    ansible-playbook, where -e is the only way to name the pipeline and the run.
    """
    found = Problems()
    sources = examine(root, environment, pipeline, extra, found, by_hand=by_hand)
    found.raise_any()
    return sources


def examine(  # what is asked, and where the answer goes
    root: Path,
    environment: str,
    pipeline: str,
    extra: Sequence[str],
    found: Problems,
    *,
    by_hand: bool = False,
) -> list[files.Source]:
    """Add all that is wrong with the sources to `found`; return those that can be read."""
    sources = files.readable(root, environment, pipeline, extra, found)
    rules = Rules.of(root, environment, pipeline, sources, by_hand=by_hand)
    for source in sources:
        for key, value in source.values.items():
            _examine(source, str(key), value, rules, found)
    with found.collecting():
        _check_model_repo(sources)
    return sources


class Rules(NamedTuple):
    """What keys are known, and what their values may be."""

    options: dict[str, str]
    model: dict[str, msgspec.structs.FieldInfo]
    known: AbstractSet[str]
    pipelines: Sequence[str]
    pipeline: str
    mentioned: AbstractSet[str]
    by_hand: bool

    @classmethod
    def of(
        cls, root: Path, environment: str, pipeline: str, sources: Sequence[files.Source], *, by_hand: bool
    ) -> Rules:
        """Read the roles and the inventory."""
        options, model = role_options(root), driver_variables()
        known = model.keys() | options.keys() | role_defaults(root) | _COMMON
        pipelines = inventories.pipelines(root, environment)
        own_files = [source for source in sources if not source.label.startswith("-e")]
        mentioned = {str(key) for source in own_files for key in source.values}
        mentioned |= set(re.findall(r"\w+", " ".join(str(source.values) for source in own_files)))
        return cls(options, model, known, pipelines, pipeline, mentioned, by_hand)


def _examine(source: files.Source, key: str, value: Any, rules: Rules, found: Problems) -> None:
    """Add what is wrong with one variable to `found`: its name, its secrets, or else its value."""
    place = source.at(names.below("", key))
    if not found.passes(lambda: _check_name(source, key, rules)):
        return
    # Later checks quote the value, which is not shown when it may be a secret.
    if not found.passes(lambda: _check_secrets(key, value, place)) or key in _SECRET_KEYS:
        return
    for where, what in literal_secrets.found_in(names.below("", key), value):
        text = f"{source.at(where)}: {where} holds {what} in plain text (its value is not shown)"
        found.add(UsageError(text, fix=literal_secrets.FIX))
        return
    if key in rules.model:
        for problem in problems_of(source, key, value, rules.model[key]):
            found.add(UsageError(f"{source.at(problem.place)}: {problem.text}", fix=problem.fix))
    elif key in rules.options:
        with found.collecting():
            _check_kind(source, key, value, rules.options[key])


def _check_secrets(key: str, value: Any, place: str) -> None:
    """Raise UsageError, which never shows the value, unless secrets are referred to as they may be."""
    if key == secret_references.KEY:
        secret_references.references(value, place)
        return
    if key == secret_references.DEPLOY_KEY:
        secret_references.deploy_key(value, place)
        return
    if key == notification_rows.KEY and not is_open(value):
        notification_rows.check_secrets(value, place)
    secret_references.check_absent(key, value, place)


def _check_model_repo(sources: Sequence[files.Source]) -> None:
    """Raise UsageError for a branch that has no effect, because a weaker source has named a version."""
    versions = [source for source in sources if source.values.get(_VERSION)]
    for source in sources[sources.index(versions[-1]) + 1 :] if versions else ():
        if _BRANCH in source.values and _VERSION not in source.values:
            raise UsageError(
                f"{source.at(_BRANCH)}: {_BRANCH} has no effect: {versions[-1].label} sets {_VERSION}",
                fix=f"set {_VERSION} there, which takes a branch too",
            )


def _check_name(source: files.Source, key: str, rules: Rules) -> None:
    place, is_extra = source.at(names.below("", key)), source.label.startswith("-e")
    if is_extra and key in _OWN_OPTIONS and not rules.by_hand:
        raise UsageError(f"{place}: {key} cannot be set by -e", fix=f"say it by {_OWN_OPTIONS[key]}")
    if key in rules.known or key.startswith(_ANSIBLE):
        return
    if not _own(key, rules.pipelines):
        raise UsageError(
            f"{place}: unknown key {names.shown(key)}{names.did_you_mean(key, rules.known)}",
            fix=f"correct or remove it; a pipeline's own variables begin with its name ({rules.pipeline}_…)",
        )
    if is_extra and key not in rules.mentioned:
        close = names.did_you_mean(key, rules.mentioned)
        raise UsageError(
            f"{place}: {names.shown(key)} is a variable that no file sets or uses{close}",
            fix=f"correct its name, or set it in group_vars/{rules.pipeline}.yml",
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


def problems_of(
    source: files.Source, key: str, value: Any, field: msgspec.structs.FieldInfo
) -> list[typed.Problem]:
    """Return what is wrong with a value that the model has a type for; nothing is known of a template."""
    if key not in _LITERALS and is_open(value):
        return []
    kind = SHAPES.get(key, field.type)
    return typed.problems(value, kind, label=source.label, key=key, lax=source.as_text)


def _check_kind(source: files.Source, key: str, value: Any, kind: str) -> None:
    if is_open(value) or kind not in _KINDS or value is None:
        return
    if source.as_text:
        if kind in _NO_TEXT:
            raise UsageError(
                f"{source.label}: {key} is {typed.shown(value)}: expected {_WORDS[kind]}",
                fix=f"give it as JSON: -e '{{\"{key}\": …}}'",
            )
        return
    wrong_bool = isinstance(value, bool) and kind != "bool"
    if wrong_bool or not isinstance(value, _KINDS[kind]):
        raise UsageError(
            f"{source.at(key)}: {key} is {typed.shown(value)}: expected {_WORDS[kind]}",
            fix=f"correct {key} there",
        )

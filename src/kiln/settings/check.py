"""Static check of the settings files, before Ansible or AWS is asked: unknown keys, wrong types."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import yaml

from kiln.errors import UsageError
from kiln.settings import files, names, secret_references
from kiln.settings.model import BootstrapAction, StepSettings, driver_variables, variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

# Variables that playbooks make or take and that are no setting of the driver's.
_COMMON = frozenset(
    {"ds", "pipeline", "run_id", "kiln_checkout", "kiln_cache_dir", "kiln_state_dir", "kiln_cluster_id"}
    | {secret_references.KEY}
)
# Ansible's own namespace: connection variables.
_ANSIBLE = "ansible_"
# Said on the command line by --run-id, --date and the pipeline's name, never by -e.
_OWN_OPTIONS = {"pipeline": "the pipeline's name", "run_id": "--run-id", "ds": "--date"}

_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str, int, float), "path": (str,), "int": (int,), "float": (int, float), "bool": (bool,),
    "list": (list,), "dict": (dict,),
}  # fmt: skip
_WORDS = {
    "str": "text",
    "path": "a path",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping (key: value)",
}
_PLAIN = {
    "`int`": "a whole number",
    "`float`": "a number",
    "`str`": "text",
    "`bool`": "true or false",
    "`array`": "a list",
    "`object`": "a mapping (key: value)",
    "`null`": "nothing",
    "text matching regex '^s3://[^/]+'": "an address like s3://bucket/prefix",
    f"text matching regex {names.PATTERN!r}": names.WORDS,
    f"text matching regex {names.FOLDER_OR_NOTHING!r}": names.FOLDER_WORDS,
    "text of length >= 1": "text that is not empty",
    "a list of length >= 1": "a list that is not empty",
}
# msgspec's words.
_UNKNOWN = re.compile("Object contains unknown field `(.*)`")
_MISSING = re.compile("Object missing required field `(.*)`")
_PLACE = re.compile(r"\[\d+\]|\w+")
_INNER_KEYS = [
    field.encode_name for kind in (StepSettings, BootstrapAction) for field in msgspec.structs.fields(kind)
]


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
    """Tell whether a key is a pipeline's own variable: it bears the pipeline's name."""
    return any(key.removeprefix("__").startswith(f"{pipeline}_") for pipeline in pipelines)


def check(
    root: Path, environment: str, pipeline: str, extra: Sequence[str], *, by_hand: bool = False
) -> list[files.Source]:
    """Check every file of the precedence chain and every -e. Returns the sources; raises UsageError.

    `by_hand`: for ansible-playbook, where -e is the only way to name the pipeline and the run.
    """
    sources = files.chain(root, environment, pipeline, extra)
    options, typed = role_options(root), driver_variables()
    known = typed.keys() | options.keys() | role_defaults(root) | _COMMON
    pipelines = files.pipelines(root, environment)
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
            secret_references.check_absent(str(key), value, source.label)
            if key in typed:
                convert(source, key, value, typed[key])
            elif key in options:
                _check_kind(source, key, value, options[key])
    return sources


def _check_name(
    source: files.Source, key: str, known: Iterable[str], pipelines: Sequence[str], pipeline: str
) -> None:
    if key in known or key.startswith(_ANSIBLE) or _own(key, pipelines):
        return
    raise UsageError(
        f"{source.label}: unknown key {names.shown(key)}{files.did_you_mean(key, known)}",
        fix=f"correct or remove it; a pipeline's own variables begin with its name ({pipeline}_…)",
    )


def is_open(value: Any) -> bool:
    """Tell whether a value holds a template or a tagged text anywhere, so that its type is not known yet."""
    if isinstance(value, files.Tagged):
        return True
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, dict):
        return any(is_open(inner) for inner in value.values())
    return isinstance(value, list) and any(is_open(inner) for inner in value)


def convert(source: files.Source, key: str, value: Any, field: msgspec.structs.FieldInfo) -> Any:
    """Return the value in the model's type, or None for a template. Raises UsageError."""
    if is_open(value):
        return None
    try:
        return msgspec.convert(value, field.type, strict=not source.as_text)
    except msgspec.ValidationError as error:
        raise wrong_value(source.label, key, value, error) from error


def wrong_value(label: str, key: str, value: Any, error: msgspec.ValidationError) -> UsageError:
    """Return the error for a value that the model refuses, with the place inside it: `steps[1].name`."""
    problem, _, path = str(error).partition(" - at ")
    # msgspec writes the place as `$[1].name`.
    place = path.strip("`").removeprefix("$").removeprefix("" if key else ".")
    for step in _PLACE.findall(place):
        value = value[int(step.strip("[]"))] if isinstance(value, list) else value.get(step)
    unknown = _UNKNOWN.fullmatch(problem)
    if unknown:
        known = files.did_you_mean(unknown[1], _INNER_KEYS)
        return UsageError(
            f"{label}: {key}{place} has an unknown key {names.shown(unknown[1])}{known}",
            fix="correct it there",
        )
    missing = _MISSING.fullmatch(problem)
    if missing:
        return UsageError(f"{label}: {key}{place} has no {missing[1]}", fix=f"add {missing[1]} there")
    words = _choices(key + place) if problem.startswith("Invalid enum value") else plain(problem)
    return UsageError(
        f"{label}: {key}{place} is {shown(value)}: {words}", fix=f"correct {key or place} there"
    )


def _choices(path: str) -> str:
    """Return the words that a value may be, by the last name of its path."""
    fields = driver_variables() | variables(StepSettings)
    return f"expected {' or '.join(get_args(fields[path.rpartition('.')[2]].type))}"


def plain(problem: str) -> str:
    """Return msgspec's words for a problem in plain ones."""
    for word, meaning in _PLAIN.items():
        problem = problem.replace(word, meaning)
    return problem[:1].lower() + problem[1:]


def shown(value: Any) -> str:
    """Return a value as a short text."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004  # a line stays a line


def _check_kind(source: files.Source, key: str, value: Any, kind: str) -> None:
    if source.as_text or is_open(value) or kind not in _KINDS or value is None:
        return
    wrong_bool = isinstance(value, bool) and kind != "bool"
    if wrong_bool or not isinstance(value, _KINDS[kind]):
        raise UsageError(
            f"{source.label}: {key} is {shown(value)}: expected {_WORDS[kind]}",
            fix=f"correct {key} there",
        )

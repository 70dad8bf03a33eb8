"""The files that settings come from, in order of precedence, read as they stand (no templates resolved)."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from kiln import phases
from kiln.errors import UsageError
from kiln.settings import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


# Groups of the inventories, and names of actions.
_RESERVED = frozenset(
    {"all", "ungrouped", "localhost", "pipelines", "nodes"}
    | {"emr_master", "emr_core", "emr_task", "emr_target"}
    | set(phases.ACTIONS)
)


class Source(NamedTuple):
    """Some variables and where they stand. `as_text`: given as key=value, so every value is text."""

    label: str
    values: dict[str, Any]
    as_text: bool = False


class Tagged(str):
    """A value with a YAML tag of Ansible's (!vault, !unsafe): nothing can be said about it here."""

    __slots__ = ()


class _Loader(yaml.SafeLoader):
    """SafeLoader that passes Ansible's tags by."""


_Loader.add_multi_constructor("!", lambda _loader, suffix, _node: Tagged(suffix))


def read_yaml(path: Path, label: str, *, secret: bool = False) -> Any:
    """Return a YAML file's content. Raises UsageError that names file and line."""
    try:
        return parse_yaml(path.read_text(encoding="utf-8"), label, secret=secret)
    except OSError as error:
        raise UsageError(
            f"{label} cannot be read: {error.strerror}", fix="correct the path, or make the file readable"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{label} is not text in UTF-8 (byte {error.start})", fix="save the file as UTF-8"
        ) from error


def parse_yaml(text: str, label: str, *, secret: bool = False) -> Any:
    """Read YAML. Raises UsageError that names where it stands, and the line when there are several.

    `secret`: the text may hold secrets, and nothing of it is shown. PyYAML's messages quote values.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: 2026-99-99 is no date
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark and "\n" in text else ""
        if secret:
            raise UsageError(f"{label}{line} is not valid YAML", fix="correct that line") from None
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or error
        raise UsageError(f"{label}{line} is not valid YAML: {problem}", fix="correct that line") from error


def _variables(content: Any, label: str) -> Source:
    if content is None:
        content = {}
    if not isinstance(content, dict):
        kind = "a list" if isinstance(content, list) else "a single value"
        raise UsageError(f"{label} holds {kind}, not variables", fix="write them as key: value")
    _check_text(content, label)
    return Source(label, content)


def _check_text(content: dict[str, Any], label: str) -> None:
    """Refuse what JSON and UTF-8 cannot hold, in which settings are handed on."""
    try:
        json.dumps(content, ensure_ascii=False, skipkeys=True, default=str).encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{label} holds half a character (a lone surrogate)", fix="write the character itself"
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{label} holds a value that refers to itself", fix="write it out") from error


def _file(path: Path, label: str, *, secret: bool = False) -> Source:
    return _variables(read_yaml(path, label, secret=secret), label)


def _existing(root: Path, names: Iterable[str]) -> list[Path]:
    """Return the variable files of these groups: group_vars/<name>.yml and group_vars/<name>/*.yml."""
    found: list[Path] = []
    for name in names:
        file, folder = root / "group_vars" / f"{name}.yml", root / "group_vars" / name
        found += [file] if file.is_file() else []
        found += sorted(folder.glob("*.yml")) if folder.is_dir() else []
    return found


def chain(root: Path, environment: str, pipeline: str, extra: Sequence[str]) -> list[Source]:
    """Return the sources from the weakest to the strongest: all, environment, pipeline, both, -e."""
    groups = ("all", environment, "pipelines", pipeline, f"{pipeline}_{environment}")
    files = [_file(path, str(path.relative_to(root))) for path in _existing(root, groups)]
    return files + [extra_source(argument) for argument in extra]


def extra_source(argument: str) -> Source:
    """Read one -e argument as Ansible does: key=value pairs, YAML or JSON, or @file."""
    from pathlib import Path  # noqa: PLC0415  # needed for this argument form only

    if argument.startswith("@"):
        return _file(Path(argument[1:]), f"-e {argument}", secret=True)
    # What stands in these messages is no value: it may be a secret that somebody has typed.
    if argument.lstrip().startswith(("{", "[")):
        return _variables(_json_or_yaml(argument), "-e")
    try:
        words = shlex.split(argument)
    except ValueError as error:
        raise UsageError(
            f"-e {_key(argument)}… cannot be read: {str(error).lower()}",
            fix="-e key=value, quoted as in a shell",
        ) from error
    wrong = next((word for word in words if "=" not in word), None)
    if not words or wrong is not None:
        raise UsageError(
            f"-e {_key(wrong or '')} is neither key=value nor @file", fix="-e key=value, as in Ansible"
        )
    return Source("-e", dict(word.split("=", 1) for word in words), as_text=True)


def _json_or_yaml(argument: str) -> Any:
    """Read it as Ansible does: JSON first, in which two escapes may be one character."""
    try:
        return json.loads(argument)
    except (ValueError, RecursionError):
        return parse_yaml(argument, "-e", secret=True)


def _key(text: str) -> str:
    return names.shown(text.partition("=")[0])


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

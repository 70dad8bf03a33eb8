"""Where settings come from, in order of precedence: files and -e, as they stand (no templates resolved)."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from kiln.errors import UsageError
from kiln.settings import names
from kiln.settings.yaml_files import parse_yaml, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


class Source(NamedTuple):
    """Some variables and where they stand. `as_text`: given as key=value, so every value is text."""

    label: str
    values: dict[str, Any]
    as_text: bool = False


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

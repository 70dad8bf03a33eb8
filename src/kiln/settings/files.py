"""Where settings come from, in order of precedence: files and -e, as they stand (no templates resolved)."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from kiln.errors import UsageError
from kiln.settings import names, yaml_files
from kiln.settings.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


class Source(NamedTuple):
    """Some variables and where they stand. `as_text`: given as key=value, so every value is text.

    `lines`: place, such as `steps[0].name`, to its line, where that is known.
    """

    label: str
    values: dict[str, Any]
    as_text: bool = False
    lines: Mapping[str, int] = {}

    def at(self, place: str) -> str:
        """Return `file:line` of a place, or of the nearest around it; the label alone without one."""
        while place and place not in self.lines:
            place = place[: max(place.rfind("."), place.rfind("["), 0)]
        return f"{self.label}:{self.lines[place]}" if place else self.label


def _variables(content: Any, label: str, lines: Mapping[str, int] | None = None) -> Source:
    if content is None:
        content = {}
    if not isinstance(content, dict):
        kind = "a list" if isinstance(content, list) else "a single value"
        raise UsageError(f"{label} holds {kind}, not variables", fix="write them as key: value")
    _check_text(content, label)
    return Source(label, content, lines=lines or {})


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


def _file(path: Path, label: str, found: Problems, *, secret: bool = False) -> Source:
    read = yaml_files.read_parsed(path, label, secret=secret)
    for error in read.repeated:
        found.add(error)
    return _variables(read.content, label, read.lines)


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
    found = Problems()
    sources = readable(root, environment, pipeline, extra, found)
    found.raise_any()
    return sources


def readable(
    root: Path, environment: str, pipeline: str, extra: Sequence[str], found: Problems
) -> list[Source]:
    """Return the sources of `chain` that can be read; what is wrong with the others is added to `found`."""
    groups = ("all", environment, "pipelines", pipeline, f"{pipeline}_{environment}")
    sources: list[Source] = []
    for path in _existing(root, groups):
        with found.collecting():
            sources.append(_file(path, str(path.relative_to(root)), found))
    for argument in extra:
        with found.collecting():
            sources.append(extra_source(argument, found))
    return sources


def extra_source(argument: str, found: Problems | None = None) -> Source:
    """Read one -e argument as Ansible does: key=value pairs, YAML or JSON, or @file.

    Keys that stand twice are added to `found`; without it they raise UsageError.
    """
    from pathlib import Path  # noqa: PLC0415  # needed for this argument form only

    own = found or Problems()
    source = _extra_source(argument, own, Path)
    if found is None:
        own.raise_any()
    return source


def _extra_source(argument: str, found: Problems, path: type[Path]) -> Source:
    if argument.startswith("@"):
        return _file(path(argument[1:]), f"-e {argument}", found, secret=True)
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
    """Read it as Ansible does: JSON first, in which two escapes may be one character.

    JSON with a key that stands twice is read as YAML, which names that.
    """
    try:
        return json.loads(argument, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return yaml_files.parse_yaml(argument, "-e", secret=True)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _key(text: str) -> str:
    return names.shown(text.partition("=")[0])

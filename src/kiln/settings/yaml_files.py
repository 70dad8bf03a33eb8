"""YAML of settings, inventories and vaults, read as it stands, with errors that name file and line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from kiln.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


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

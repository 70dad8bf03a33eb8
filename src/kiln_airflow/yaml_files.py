"""YAML as it stands, quickly: with PyYAML's loader in C where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from kiln_airflow.checks import SettingsError

if TYPE_CHECKING:
    from pathlib import Path


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # chosen when imported
    """A safe loader that takes values with Ansible's tags (!vault, !unsafe) for text without a meaning."""


_Loader.add_multi_constructor("!", lambda _loader, suffix, _node: f"!{suffix}")


def read_yaml(path: Path, label: str) -> Any:
    """Return the content of a file. Raises SettingsError that names file and line."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  # a safe loader
    except OSError as error:
        raise SettingsError(f"{label} cannot be read: {error.strerror}", fix="make it readable") from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{label} is not text in UTF-8 (byte {error.start})", fix="save it as UTF-8"
        ) from error
    # ValueError: 2026-99-99 is no date.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{label}{line} is not valid YAML", fix="correct that line") from error

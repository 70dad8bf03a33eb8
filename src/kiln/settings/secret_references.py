"""Settings that refer to the vault: node_secrets_values and model_repo_deploy_key, names and nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kiln.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "node_secrets_values"
DEPLOY_KEY = "model_repo_deploy_key"
_REFERENCE = re.compile(r"\{\{\s*(vault_[a-z0-9_]+)\s*\}\}")
_VARIABLE = re.compile(r"vault_[a-z0-9_]+")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
# From the first opening to the last end: an end may also stand within a text of a template.
_TEMPLATE = re.compile(r"\{[{%](?:.*[%}]\}|.*)", re.DOTALL)
_VAULT_NAME = re.compile(r"\bvault_\w+", re.ASCII)


def references(values: Any, label: str) -> dict[str, str]:
    """Return name in the secrets file -> name in the vault. Raises UsageError, which never shows a value.

    `label` is where the variable was read. A value that is a secret itself, or more than one reference,
    would be in plain text in the settings, or be evaluated as a template.
    """
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(
            f"{label}: {KEY} is no mapping of names (its value is not shown)",
            fix=f'{KEY}: {{database_password: "{{{{ vault_database_password }}}}"}}',
        )
    found: dict[str, str] = {}
    for name, value in values.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UsageError(
                f"{label}: a name in {KEY} cannot be one (it is not shown)",
                fix="letters, digits and _ . - only, at most 100",
            )
        reference = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
        if reference is None:
            raise UsageError(
                f"{label}: {KEY}.{name} is not one reference into the vault (its value is not shown)",
                fix='put the secret into the vault and write its name there: "{{ vault_… }}"',
            )
        found[name] = reference[1]
    return found


def deploy_key(value: Any, label: str = "") -> str:
    """Return the name in the vault of the deploy key; empty for none. Raises UsageError.

    The message never shows the value, which may be the key itself.
    """
    if value is None or value == "":
        return ""
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
        place = f"{label}: " if label else ""
        raise UsageError(
            f"{place}{DEPLOY_KEY} is no name of a variable in the vault (its value is not shown)",
            fix=f"put the key into the vault, and write its name alone: {DEPLOY_KEY}: vault_{DEPLOY_KEY}",
        )
    return value


def check_absent(key: str, value: Any, label: str) -> None:
    """Raise UsageError when another variable refers to a secret: the vault is open for KEY only."""
    for text in _texts(value):
        for template in _TEMPLATE.findall(text):
            found = _VAULT_NAME.search(template)
            if found:
                raise UsageError(
                    f"{label}: {key} refers to {found[0]}: secrets cannot be used there",
                    fix=f"name it in {KEY}, and read it from the secrets file in the job",
                )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)

"""A pipeline's secrets, read from the vault by an action on the control host.

The values are never variables of Ansible: nothing can evaluate or show them. No error quotes one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.vault import AnsibleVaultError, EncryptedString

from kiln.errors import PreflightError
from kiln.settings import secret_references


def read(loader: Any, variables: dict[str, Any], file: str, shown: str) -> dict[str, str]:
    """Return name -> secret of what node_secrets_values refers to; empty when it names nothing.

    `variables` hold it as it stands: Ansible would resolve templates in an argument. `shown` is the vault's
    name in messages. Raises UsageError, and PreflightError for a vault that cannot be opened or lacks one.
    """
    wanted = secret_references.references(variables.get(secret_references.KEY), "the pipeline's variables")
    if not wanted:
        return {}
    held = _held(loader, file, shown)
    missing = sorted(set(wanted.values()) - held.keys())
    if missing:
        raise PreflightError(f"{shown} has no {', '.join(missing)}", fix="add it by ansible-vault edit")
    return {name: _text(held[key], key, shown) for name, key in wanted.items()}


def _held(loader: Any, file: str, shown: str) -> dict[str, Any]:
    """Return the vault's content. Errors of Ansible are not passed on: they may quote it."""
    if not Path(file).is_file():
        raise PreflightError(f"{shown} does not exist", fix="make it (vault/README.md says how)")
    try:
        held = loader.load_from_file(file, cache="none")
    except AnsibleVaultError:
        held = None
    except AnsibleError:
        raise PreflightError(
            f"{shown} cannot be read as YAML", fix="correct it by ansible-vault edit"
        ) from None
    if held is None:
        raise PreflightError(
            f"{shown} cannot be opened",
            fix="give the right password by --vault-password-file (vault/README.md says how)",
        )
    if not isinstance(held, dict):
        raise PreflightError(f"{shown} holds no variables", fix="ansible-vault edit it: vault_name: value")
    return held


def _text(value: object, key: str, shown: str) -> str:
    """Return a secret as plain text. Of other types YAML may have read another value than was written."""
    if isinstance(value, EncryptedString | str):
        try:
            return "".join(str(value))
        except AnsibleError:  # a value that is encrypted by itself, with another password
            raise PreflightError(
                f"{key} in {shown} cannot be opened with the vault's password",
                fix="write it as plain text there, by ansible-vault edit: the file is encrypted as a whole",
            ) from None
    raise PreflightError(f"{key} in {shown} is no text", fix="put it in quotes, by ansible-vault edit")

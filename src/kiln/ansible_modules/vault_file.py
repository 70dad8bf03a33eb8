"""An encrypted vault file as action plugins read it: with Ansible's own loader, never as variables.

No error has a text of Ansible in it, which may quote the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.vault import AnsibleVaultError, EncryptedString

from kiln.errors import PreflightError


def read(loader: Any, file: str, shown: str) -> dict[str, Any]:
    """Return a vault's content; `shown` is its name in messages. Raises PreflightError."""
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


def text(held: dict[str, Any], key: str, shown: str) -> str:
    """Return a secret as plain text. Raises PreflightError.

    Of other types YAML may have read another value than was written.
    """
    if key not in held:
        raise PreflightError(f"{shown} has no {key}", fix="add it by ansible-vault edit")
    value = held[key]
    if isinstance(value, EncryptedString | str):
        try:
            return "".join(str(value))
        except AnsibleError:  # a value that is encrypted by itself, with another password
            raise PreflightError(
                f"{key} in {shown} cannot be opened with the vault's password",
                fix="write it as plain text there, by ansible-vault edit: the file is encrypted as a whole",
            ) from None
    raise PreflightError(f"{key} in {shown} is no text", fix="put it in quotes, by ansible-vault edit")

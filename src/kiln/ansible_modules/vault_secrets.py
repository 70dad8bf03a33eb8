"""A pipeline's secrets, read from the vault by an action on the control host.

The values are never variables of Ansible: nothing can evaluate or show them. No error quotes one.
"""

from __future__ import annotations

from typing import Any

from kiln.ansible_modules import vault_file
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
    held = vault_file.read(loader, file, shown)
    missing = sorted(set(wanted.values()) - held.keys())
    if missing:
        raise PreflightError(f"{shown} has no {', '.join(missing)}", fix="add it by ansible-vault edit")
    return {name: vault_file.text(held, key, shown) for name, key in wanted.items()}

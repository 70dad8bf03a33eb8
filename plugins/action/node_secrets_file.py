"""Check that the vault can be opened and holds what a pipeline needs; nothing is written."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from kiln.ansible_modules import vault_secrets
from kiln.ansible_modules.report import failure
from kiln.errors import KilnError


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible publishes no types
    """Arguments: vault_file, shown_as (its name in messages). The names come from node_secrets_values."""

    _VALID_ARGS = frozenset({"vault_file", "shown_as"})
    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Change nothing. The result holds no secret, also when it fails."""
        result = dict(super().run(tmp, task_vars)) | {"changed": False}
        asked = self._task.args
        try:
            vault_secrets.read(
                self._loader, task_vars or {}, str(asked["vault_file"]), str(asked["shown_as"])
            )
        except KilnError as error:
            return result | failure(error)
        return result

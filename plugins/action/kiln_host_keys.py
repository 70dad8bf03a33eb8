"""The SSH host key of a plain instance, pinned from EC2's console output, and ssh's arguments for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from kiln.ansible_modules import host_keys, target_nodes
from kiln.ansible_modules.report import failure
from kiln.errors import KilnError


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible publishes no types
    """Arguments: those that the module documents."""

    _VALID_ARGS = frozenset({"file", "instance_id", "address", "region", "profile", "aws_config_file"})
    TRANSFERS_FILES = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Change nothing on AWS or on the instance; return `ssh_arguments` and `notes`."""
        result = dict(super().run(tmp, task_vars)) | {"changed": False}
        asked = self._task.args
        account = target_nodes.Account.of(asked)
        try:
            found = host_keys.pinned(
                Path(str(asked["file"])), str(asked["instance_id"]), str(asked["address"]), account
            )
        except KilnError as error:
            return result | failure(error)
        for line in found["notes"]:
            Display().display(line)
        return result | found

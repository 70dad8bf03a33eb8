"""The running nodes of a cluster, checked, with their SSH host keys pinned, for the inventory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible import constants as C  # noqa: N812  # Ansible's own name for it
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from kiln.ansible_modules import target_nodes
from kiln.ansible_modules.report import failure
from kiln.errors import KilnError
from kiln.nodes import inventory_file


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible publishes no types
    """Arguments: those that the module documents."""

    _VALID_ARGS = frozenset(
        {"cluster", "only", "groups", "known_hosts_dir", "region", "profile", "aws_config_file"}
    )
    TRANSFERS_FILES = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Change nothing on AWS or on a node; return `nodes` and `notes`."""
        result = dict(super().run(tmp, task_vars)) | {"changed": False}
        asked = self._task.args
        account = target_nodes.Account.of(asked)
        try:
            found = target_nodes.prepared(
                asked["cluster"],
                asked.get("only", ()),
                [str(group) for group in asked["groups"]],
                Path(str(asked["known_hosts_dir"])),
                account,
            )
        except KilnError as error:
            return result | failure(error)
        inventory_file.write(C.DEFAULT_LOCAL_TMP, found["nodes"])
        for line in found["notes"]:
            Display().display(line)
        return result | found

"""The running nodes of a cluster, checked, for add_host; and warnings about what only the inventory has."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from kiln.ansible_modules.report import failure
from kiln.errors import KilnError
from kiln.nodes import target_nodes


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible publishes no types
    """Arguments: those that the module documents."""

    _VALID_ARGS = frozenset({"cluster", "only", "tagged", "incomplete"})
    TRANSFERS_FILES = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Change nothing; return `nodes`."""
        result = dict(super().run(tmp, task_vars)) | {"changed": False}
        asked = self._task.args
        try:
            nodes = target_nodes.running(asked["cluster"], asked.get("only", ()))
        except KilnError as error:
            return result | failure(error)
        identity = str(asked["cluster"]["id"])
        for warning in (
            []
            if asked.get("only")
            else target_nodes.warnings(nodes, asked["tagged"], asked["incomplete"], identity)
        ):
            Display().warning(warning)
        return result | {"nodes": nodes}

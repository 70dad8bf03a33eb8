"""Find clusters with their nodes, in the process of Ansible: a module's own one takes a second to start."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ansible.plugins.action import ActionBase

from kiln.ansible_modules import answer, cluster_info, options


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible publishes no types
    """Arguments: `kiln.ansible_modules.options.CLUSTER_INFO`. The module documents them."""

    TRANSFERS_FILES = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Change nothing; return `clusters`."""
        result = dict(super().run(tmp, task_vars))
        _, params = self.validate_argument_spec(
            options.CLUSTER_INFO,
            required_one_of=[["cluster_id", "pipeline"]],
            required_together=[["pipeline", "environment"]],
        )
        return result | answer.result(SimpleNamespace(params=params), cluster_info.work)

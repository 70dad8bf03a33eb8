"""Check the files that settings come from, and every -e, as scripts/kiln does: unknown keys, wrong types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible publishes no types
    """Arguments: checkout, environment, pipeline. Fails with file, key, value and fix in one message."""

    _VALID_ARGS = frozenset({"checkout", "environment", "pipeline"})
    TRANSFERS_FILES = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Change nothing."""
        # Ansible loads the plugin also where its task is skipped, as for each command of scripts/kiln.
        from kiln.ansible_modules.report import failure  # noqa: PLC0415
        from kiln.errors import KilnError  # noqa: PLC0415
        from kiln.settings import check, inventories  # noqa: PLC0415

        result = dict(super().run(tmp, task_vars)) | {"changed": False}
        asked = self._task.args
        extra = [str(argument) for argument in context.CLIARGS.get("extra_vars", ())]
        try:
            inventories.check_environment(Path(asked["checkout"]), asked["environment"])
            inventories.check_pipeline(Path(asked["checkout"]), asked["environment"], asked["pipeline"])
            check.check(Path(asked["checkout"]), asked["environment"], asked["pipeline"], extra, by_hand=True)
        except KilnError as error:
            return result | failure(error)
        return result

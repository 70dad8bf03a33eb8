"""Check names, the files that settings come from, and every -e, as scripts/kiln does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible import context
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible publishes no types
    """Arguments: checkout, environment (may be empty), pipeline, ds, and run_id where there is one.

    Fails with file, key, value and fix in one message.
    """

    _VALID_ARGS = frozenset({"checkout", "environment", "pipeline", "ds", "run_id"})
    TRANSFERS_FILES = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Change nothing."""
        # An older Ansible, without kiln, loads the plugin before the role refuses that version.
        from kiln.ansible_modules.report import failure  # noqa: PLC0415
        from kiln.errors import KilnError, UsageError  # noqa: PLC0415
        from kiln.settings import check, inventories, names  # noqa: PLC0415

        result = dict(super().run(tmp, task_vars)) | {"changed": False}
        asked = {key: str(value) for key, value in self._task.args.items()}
        root, environment, pipeline = Path(asked["checkout"]), asked["environment"], asked["pipeline"]
        extra = [str(argument) for argument in context.CLIARGS.get("extra_vars", ())]
        try:
            if not environment:
                raise UsageError(
                    "no environment", fix="name one by its inventory, such as -i inventory/local"
                )
            inventories.check_environment(root, environment)
            inventories.check_pipeline(root, environment, pipeline)
            names.check_date(asked["ds"])
            if "run_id" in asked:
                names.check_run_id(asked["run_id"])
            check.check(root, environment, pipeline, extra, by_hand=True)
        except KilnError as error:
            return result | failure(error)
        return result

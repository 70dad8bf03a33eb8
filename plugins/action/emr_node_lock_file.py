"""Check a lock file on the control host before pip reads it: anything but hashed versions is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from kiln.ansible_modules.report import failure
from kiln.errors import KilnError
from kiln.settings import lock_file


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible publishes no types
    """Arguments: path, shown_as (its name in messages). Fails with file, line and fix in one message."""

    _VALID_ARGS = frozenset({"path", "shown_as"})
    TRANSFERS_FILES = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Change nothing."""
        result = dict(super().run(tmp, task_vars)) | {"changed": False}
        try:
            lock_file.check(Path(str(self._task.args["path"])), str(self._task.args["shown_as"]))
        except KilnError as error:
            return result | failure(error)
        return result

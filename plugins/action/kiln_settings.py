"""Resolve variables on the control host and write them as JSON, with an error entry for each that fails."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

try:
    # Ansible publishes no way to ask where a value was read (core 2.19 to 2.21).
    from ansible._internal._datatag._tags import Origin
except ImportError:
    # Errors then do not name file and line.
    Origin = None

FORMAT = 1


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible publishes no types
    """Arguments: keys (names of the variables), path (the file to fill), roles (folder of all roles).

    Defaults of every role in that folder are the weakest values: no playbook has to import a role for them.
    """

    _VALID_ARGS = frozenset({"keys", "path", "roles"})
    TRANSFERS_FILES = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write {"format", "values", "errors", "origins"} into a file that only its owner can read.

        Every asked key stands in exactly one of values and errors (one line of text each, never a value).
        origins: key -> "file:line" for what was read from a file.
        """
        result = super().run(tmp, task_vars)
        variables = self._defaults(Path(str(self._task.args["roles"]))) | (task_vars or {})
        self._templar.available_variables = variables
        keys = [str(key) for key in self._task.args["keys"]]
        values, errors = self._resolve(keys, variables)
        origins = {key: place for key in keys if (place := _origin(variables.get(key)))}
        document = {"format": FORMAT, "values": values, "errors": errors, "origins": origins}
        _write(Path(str(self._task.args["path"])), json.dumps(document))
        result["changed"] = False
        result["errors"] = errors
        return dict(result)

    def _defaults(self, roles: Path) -> dict[str, Any]:
        files = sorted(roles.glob("*/defaults/main.yml"))
        found = [self._loader.load_from_file(str(file), trusted_as_template=True) for file in files]
        return {name: value for defaults in found for name, value in (defaults or {}).items()}

    def _resolve(self, keys: list[str], variables: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        values: dict[str, Any] = {}
        errors: dict[str, str] = {}
        for key in keys:
            if key not in variables:
                errors[key] = "not set anywhere"
                continue
            try:
                values[key] = json.loads(json.dumps(self._templar.template(variables[key])))
            except AnsibleError as error:
                errors[key] = " ".join(str(error).split())
            except (TypeError, ValueError) as error:
                errors[key] = f"cannot be written as JSON: {error}"
        return values, errors


def _origin(value: object) -> str | None:
    """Where a value was read, as Ansible recorded it: "file:line", or None for values made in memory."""
    origin = Origin.get_tag(value) if Origin else None
    if origin is None or not origin.path:
        return None
    # Through the link playbooks/group_vars every file has two names; people know the real one.
    name = os.path.relpath(os.path.realpath(origin.path))
    return f"{name}:{origin.line_num}" if origin.line_num else name


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)

"""Read a pipeline's secrets from the vault and write them on a node: no template, no temporary file.

The vault is read here, on the control host, and its values are never variables of Ansible: nothing can
evaluate or show them. They reach the node in the module's arguments, which pipelining sends through ssh.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.parsing.vault import AnsibleVaultError, EncryptedString
from ansible.plugins.action import ActionBase

from kiln.ansible_modules.report import failure
from kiln.errors import KilnError, PreflightError, UsageError
from kiln.settings import secret_references


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible publishes no types
    """Arguments: vault_file, shown_as (its name in messages), path, owner; without path it only checks.

    The names come from the variable node_secrets_values as it stands, not from an argument: Ansible resolves
    templates in arguments. The result holds no secret, also when it fails; so its messages need not be
    hidden.
    """

    _VALID_ARGS = frozenset({"vault_file", "shown_as", "path", "owner"})
    TRANSFERS_FILES = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return whether the file changed (in check mode: would change)."""
        result = dict(super().run(tmp, task_vars)) | {"changed": False}
        variables = task_vars or {}
        try:
            wanted = secret_references.references(
                variables.get(secret_references.KEY), "the pipeline's variables"
            )
            secrets = self._secrets(wanted) if wanted else {}
            if not secrets or "path" not in self._task.args:
                return result
            return result | self._write(secrets, variables)
        except KilnError as error:
            return result | failure(error)

    def _secrets(self, wanted: dict[str, str]) -> dict[str, str]:
        shown = str(self._task.args["shown_as"])
        held = self._held(str(self._task.args["vault_file"]), shown)
        missing = sorted(set(wanted.values()) - held.keys())
        if missing:
            raise PreflightError(f"{shown} has no {', '.join(missing)}", fix="add it by ansible-vault edit")
        return {name: _text(held[key], key, shown) for name, key in wanted.items()}

    def _held(self, file: str, shown: str) -> dict[str, Any]:
        """Return the vault's content. Errors of Ansible are not passed on: they may quote it."""
        if not Path(file).is_file():
            raise PreflightError(f"{shown} does not exist", fix="make it (vault/README.md says how)")
        try:
            held = self._loader.load_from_file(file, cache="none")
        except AnsibleVaultError:
            held = None
        except AnsibleError:
            raise PreflightError(
                f"{shown} cannot be read as YAML", fix="correct it by ansible-vault edit"
            ) from None
        if held is None:
            raise PreflightError(
                f"{shown} cannot be opened",
                fix="give the right password by --vault-password-file (vault/README.md says how)",
            )
        if not isinstance(held, dict):
            raise PreflightError(
                f"{shown} holds no variables", fix="ansible-vault edit it: vault_name: value"
            )
        return held

    def _write(self, secrets: dict[str, str], variables: dict[str, Any]) -> dict[str, Any]:
        if not self._connection.is_pipelining_enabled():
            raise UsageError(
                "Ansible's pipelining is off: the secrets would lie in a temporary file on the node",
                fix="set pipelining = True in [ssh_connection], and leave ANSIBLE_KEEP_REMOTE_FILES unset",
            )
        path = str(self._task.args["path"])
        document = json.dumps(secrets, indent=4, sort_keys=True) + "\n"
        arguments = {"path": path, "content": document, "owner": str(self._task.args["owner"])}
        answer = self._execute_module(module_args=arguments, task_vars=variables)
        # The answer of a module that did not end by itself is not passed on: it may quote its arguments.
        if answer.get("path") == path:
            return {key: answer[key] for key in ("changed", "failed", "msg", "path") if key in answer}
        return {
            "failed": True,
            "msg": f"{path} could not be written: the node's Python did not run the module",
        }


def _text(value: object, key: str, shown: str) -> str:
    """Return a secret as plain text. Of other types YAML may have read another value than was written."""
    if isinstance(value, EncryptedString | str):
        try:
            return "".join(str(value))
        except AnsibleError:  # a value that is encrypted by itself, with another password
            raise PreflightError(
                f"{key} in {shown} cannot be opened with the vault's password",
                fix="write it as plain text there, by ansible-vault edit: the file is encrypted as a whole",
            ) from None
    raise PreflightError(f"{key} in {shown} is no text", fix="put it in quotes, by ansible-vault edit")

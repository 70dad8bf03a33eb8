"""Find a model repo's commit and pack it, on the control host; the deploy key is read from the vault here.

The key is no argument of a module and no variable of Ansible: nothing can show it or send it to a node.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from kiln.ansible_modules import vault_file
from kiln.ansible_modules.report import failure
from kiln.errors import KilnError
from kiln.model_repo import commits, git_archive, git_remote, versions
from kiln.settings import secret_references


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible publishes no types
    """Arguments: see plugins/modules/model_repo_archive.py."""

    _VALID_ARGS = frozenset(
        {"url", "branch", "version", "name", "cache_dir", "timeout_seconds"}
        | {"protocols", "host_keys", "deploy_key", "vault_file", "shown_as"}
    )
    TRANSFERS_FILES = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the commit, and the archive when a cache is named. Never reports a change."""
        result = dict(super().run(tmp, task_vars)) | {"changed": False}
        asked = self._task.args
        try:
            name = git_archive.check_name(str(asked["name"]))
            wanted = versions.wanted(str(asked["branch"]), str(asked.get("version") or ""))
            remote = self._remote()
            seconds = float(asked.get("timeout_seconds", git_remote.TIMEOUT_SECONDS))
            result["commit"] = commits.resolve(remote, wanted, seconds)
            if asked.get("cache_dir"):
                cache = Path(str(asked["cache_dir"])).expanduser()
                packed, digest = git_archive.archive(remote, result["commit"], name, cache)
                result |= {"archive": str(packed), "sha256": digest}
        except KilnError as error:
            return result | failure(error)
        return result

    def _remote(self) -> git_remote.Remote:
        asked = self._task.args
        remote = git_remote.Remote(
            url=str(asked["url"]),
            protocols=tuple(map(str, asked.get("protocols") or git_remote.PROTOCOLS)),
            host_keys=tuple(map(str, asked.get("host_keys") or ())),
        )
        remote.check()
        key = secret_references.deploy_key(asked.get("deploy_key"))
        if not key:
            return remote
        shown = str(asked["shown_as"])
        held = vault_file.read(self._loader, str(asked["vault_file"]), shown)
        return remote.with_key(vault_file.text(held, key, shown))

# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Ansible inventory: an environment's hosts.yml, so that --limit and listings work with Kiln's playbooks."""

from __future__ import annotations

DOCUMENTATION = r"""
---
name: kiln_hosts
short_description: Reads inventory/<environment>/hosts.yml
version_added: "0.2.0"
description:
  - Reads C(hosts.yml) as the plugin P(ansible.builtin.yaml#inventory) does, and lets the options of
    C(ansible-playbook) work with playbooks whose first play, on the control host, finds the nodes.
  - In the playbooks of this checkout C(--limit) chooses among nodes. The control host is added to it, because
    Ansible applies a limit to each play, and would skip the play that finds the nodes.
  - C(--list-hosts), C(--list-tasks), C(--list-tags) and C(--syntax-check) run no play, so the group
    V(emr_target) is empty there. In a run it does not exist until the first play has made it; a run without
    that play is an error (C(host_pattern_mismatch) in ansible.cfg), not a success without hosts.
options: {}
author:
  - Kiln contributors (@kiln-contributors)
"""

EXAMPLES = r"""
# inventory/local/hosts.yml
all:
  children:
    local:
      hosts:
        localhost:
          ansible_connection: local
"""

from pathlib import Path
from typing import Any

from ansible import context
from ansible.inventory.manager import split_host_pattern
from ansible.plugins.inventory import BaseFileInventoryPlugin
from ansible.plugins.inventory.yaml import InventoryModule as YamlInventory
from ansible.release import __version__
from ansible.utils.context_objects import CLIArgs

CORE_MINIMUM = (2, 19)
CONTROL_HOST = "localhost"
TARGET = "emr_target"
PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
LISTINGS = ("listhosts", "listtasks", "listtags", "syntax")


class InventoryModule(YamlInventory):  # type: ignore[misc]  # Ansible publishes no types
    """The YAML inventory, and what the command line of ansible-playbook needs."""

    NAME = "kiln_hosts"

    def verify_file(self, path: str) -> bool:
        """Accept files with the name hosts.yml."""
        if tuple(int(part) for part in __version__.split(".")[:2]) < CORE_MINIMUM:
            # Before other plugins fail on what an old version lacks.
            needed = ".".join(map(str, CORE_MINIMUM))
            self.display.warning(
                f"This is Ansible core {__version__}; Kiln needs {needed} or later. "
                f"Use the checkout's own: export PATH={str(PLAYBOOKS.parent)!r}/.venv/bin:$PATH"
            )
        return bool(BaseFileInventoryPlugin.verify_file(self, path)) and Path(path).name == "hosts.yml"

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:  # noqa: FBT001, FBT002  # Ansible's signature
        """Read the file; make the target's group in a listing; keep the control host within the limit."""
        super().parse(inventory, loader, path, cache)
        if any(context.CLIARGS.get(name) for name in LISTINGS):
            inventory.add_group(TARGET)
        if context.CLIARGS.get("subset") and _runs_kiln(context.CLIARGS.get("args", ())):
            # The command line applies its limit after all inventories have been read.
            limit = self._with_control_host(context.CLIARGS["subset"])
            context.CLIARGS = CLIArgs({**context.CLIARGS, "subset": limit})

    def _with_control_host(self, limit: str) -> str:
        """Return a limit to which the control host belongs."""
        patterns = [text for text in split_host_pattern(limit) if text]
        if any(text.startswith("&") for text in patterns):
            # An error would only let the next inventory plugin read the file.
            self.display.warning(
                f"--limit {limit}: an intersection (&) leaves out the control host, which finds the nodes. "
                "Name groups or nodes, and leave some out with an exclusion (!)"
            )
        if CONTROL_HOST in patterns or all(text.startswith("!") for text in patterns):
            return limit
        return ",".join([*patterns, CONTROL_HOST])


def _runs_kiln(playbooks: Any) -> bool:
    """Return whether each playbook of the command line is Kiln's; others keep Ansible's own limit.

    The other commands of Ansible have no list of playbooks there: `ansible` has its pattern of hosts, a text.
    """
    if not isinstance(playbooks, list | tuple):
        return False
    return bool(playbooks) and all(Path(name).resolve().parent == PLAYBOOKS for name in playbooks)

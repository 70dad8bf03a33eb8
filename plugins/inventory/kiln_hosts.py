# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Ansible inventory: an environment's hosts.yml, so that --limit and listings work with Kiln's playbooks."""

from __future__ import annotations

DOCUMENTATION = r"""
---
name: kiln_hosts
short_description: Reads inventory/<environment>/hosts.yml, and aws_ec2.yml only where it is needed
version_added: "0.2.0"
description:
  - Reads C(hosts.yml) as the plugin P(ansible.builtin.yaml#inventory) does, and lets the options of
    C(ansible-playbook) work with playbooks whose first play, on the control host, finds the nodes.
  - Adds the nodes that C(emr_target_nodes) has found in this run, when the inventory is refreshed.
  - In the playbooks of this checkout C(--limit) chooses among nodes. The control host is added to it, because
    Ansible applies a limit to each play, and would skip the play that finds the nodes.
  - C(--list-hosts), C(--list-tasks), C(--list-tags) and C(--syntax-check) run no play, so the group
    V(emr_target) is empty there. In a run it does not exist until the first play has made it; a run without
    that play is an error (C(host_pattern_mismatch) in ansible.cfg), not a success without hosts.
  - In the playbooks of this checkout C(aws_ec2.yml) is not read, because their nodes come from EMR, and
    reading all instances of a large account takes long. The groups C(tag_...) and the addresses that
    C(--limit) names are made empty, and the first play fills them with nodes of the run's cluster. A limit
    with a wildcard, a range or a file is the exception. C(ansible) and C(ansible-inventory) read the file.
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

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from ansible import constants as C  # noqa: N812  # Ansible's own name for it
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
HOSTS, ACCOUNT = "hosts.yml", "aws_ec2.yml"
# As in kiln.nodes.inventory_file. Nothing of kiln is imported here: any Ansible reads this first.
NODES_FILE = "kiln_nodes.json"
TAG_PREFIX = "tag_"
# Of a limit that is more than names of groups and hosts: it can be evaluated only with all hosts.
SIGNS = frozenset("*?[]~@")
LISTINGS = ("listhosts", "listtasks", "listtags", "syntax")


class InventoryModule(YamlInventory):  # type: ignore[misc]  # Ansible publishes no types
    """The YAML inventory, and what the command line of ansible-playbook needs."""

    NAME = "kiln_hosts"

    def verify_file(self, path: str) -> bool:
        """Accept hosts.yml, and aws_ec2.yml when nothing of the account is needed."""
        if tuple(int(part) for part in __version__.split(".")[:2]) < CORE_MINIMUM:
            # Before other plugins fail on what an old version lacks.
            needed = ".".join(map(str, CORE_MINIMUM))
            self.display.warning(
                f"This is Ansible core {__version__}; Kiln needs {needed} or later. "
                f"Use the checkout's own: export PATH={str(PLAYBOOKS.parent)!r}/.venv/bin:$PATH"
            )
        accepted = Path(path).name == HOSTS or (Path(path).name == ACCOUNT and _needs_no_account())
        return accepted and bool(BaseFileInventoryPlugin.verify_file(self, path))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:  # noqa: FBT001, FBT002  # Ansible's signature
        """Read the file; make the target's group in a listing; keep the control host within the limit."""
        if Path(path).name == ACCOUNT:
            _make_what_the_limit_names(inventory)
            return
        super().parse(inventory, loader, path, cache)
        for node in _found_nodes():
            _add(inventory, node)
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


def _found_nodes() -> list[dict[str, Any]]:
    """Return the nodes that this process of ansible-playbook has found; none before that."""
    try:
        return list(json.loads((Path(C.DEFAULT_LOCAL_TMP) / NODES_FILE).read_text()))
    except FileNotFoundError:
        return []


def _add(inventory: Any, node: dict[str, Any]) -> None:
    inventory.add_host(node["name"])
    for group in node["groups"]:
        inventory.add_group(group)
        inventory.add_host(node["name"], group=group)
    for name, value in node["variables"].items():
        inventory.set_variable(node["name"], name, value)


def _limit() -> list[str]:
    """Return the names in --limit, without the signs for exclusion and intersection."""
    limit = context.CLIARGS.get("subset") or ""
    return [text.lstrip("!&") for text in split_host_pattern(limit) if text.lstrip("!&")]


def _needs_no_account() -> bool:
    return _runs_kiln(context.CLIARGS.get("args", ())) and not any(SIGNS & set(name) for name in _limit())


def _make_what_the_limit_names(inventory: Any) -> None:
    """Make groups without hosts, and hosts in no group: a limit must not name what is not there."""
    for name in _limit():
        if name.startswith(TAG_PREFIX):
            inventory.add_group(name)
        elif _is_address(name):
            inventory.add_host(name)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _runs_kiln(playbooks: Any) -> bool:
    """Return whether each playbook of the command line is Kiln's; others keep Ansible's own limit.

    The other commands of Ansible have no list of playbooks there: `ansible` has its pattern of hosts, a text.
    """
    if not isinstance(playbooks, list | tuple):
        return False
    return bool(playbooks) and all(Path(name).resolve().parent == PLAYBOOKS for name in playbooks)

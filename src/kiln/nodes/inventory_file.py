"""The nodes of a run on their way into Ansible's inventory: a file of the process of ansible-playbook.

Ansible's own way, a task add_host with a loop, takes 10 ms and more a node. Here the action emr_target_nodes
writes all nodes at once, and the inventory plugin kiln_hosts reads them when the inventory is refreshed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

# As in plugins/inventory/kiln_hosts.py.
_NAME = "kiln_nodes.json"


def write(folder: str, nodes: Sequence[dict[str, Any]]) -> None:
    """Write nodes (`name`, `groups`, `variables`). `folder` is Ansible's temporary one of this process."""
    (Path(folder) / _NAME).write_text(json.dumps(nodes))

"""The environment's data-science instance: a plain EC2 instance that is found by its tags.

playbooks/data_science.yml makes it and runs JupyterLab on its loopback (docs/decisions/0030).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import paths
from kiln.errors import ClusterNotFoundError
from kiln.identity import MANAGED_BY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kiln.aws.context import Context
    from kiln.aws.effects import Ec2Instance

# As in roles/data_science_node/vars/main.yml.
TAG, PERSISTENT = "data_science", "persistent"
USER = "ec2-user"
TOKEN_FILE = "/opt/kiln/notebooks/token"  # noqa: S105  # a path
_THERE = ("pending", "running", "stopping", "stopped")


def name_of(environment: str) -> str:
    """Return the name of the instance, which is that of its known_hosts file, too."""
    return f"kiln-{environment}-data-science"


def is_persistent(tags: Mapping[str, str]) -> bool:
    """Return whether an instance is one that stays until the playbook removes it."""
    return tags.get(TAG) == PERSISTENT


def playbook(environment: str, *more: str) -> str:
    """Return the command that makes it, or with more words changes it."""
    words = ("ansible-playbook", "-i", f"inventory/{environment}", "playbooks/data_science.yml", *more)
    return f"cd {paths.checkout()} && {' '.join(words)}"


def find(context: Context, environment: str) -> Ec2Instance | None:
    """Return the environment's instance, None when there is none.

    Raises ClusterNotFoundError for one that does not run, and for several.
    """
    found = context.effects.find_instances(
        {
            "tag:managed_by": [MANAGED_BY],
            "tag:environment": [environment],
            f"tag:{TAG}": [PERSISTENT],
            "instance-state-name": _THERE,
        }
    )
    if len(found) > 1:
        ids = ", ".join(sorted(one.id for one in found))
        raise ClusterNotFoundError(
            f"{environment} has several data-science instances: {ids}", fix="end all but one"
        )
    if found and found[0].state != "running":
        raise ClusterNotFoundError(
            f"the data-science instance {found[0].id} is {found[0].state}", fix=playbook(environment)
        )
    return found[0] if found else None

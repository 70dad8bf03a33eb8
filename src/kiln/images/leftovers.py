"""What an interrupted bake leaves: its instances, found by the tag of the bake and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln.emr import stray_instances
from kiln.identity import MANAGED_BY
from kiln.images.catalogue import BAKE

if TYPE_CHECKING:
    from kiln.aws.context import Context
    from kiln.emr.waiting import Waiting


def end(context: Context, environment: str, bake: str, limits: Waiting) -> list[str]:
    """End the instances of a bake and return their ids. Raises NotTerminatedError when one goes on."""
    found = context.effects.find_instances(
        {
            "tag:managed_by": [MANAGED_BY],
            "tag:environment": [environment],
            f"tag:{BAKE}": [bake],
            "instance-state-name": ["pending", "running", "stopping", "stopped"],
        }
    )
    ids = [one.id for one in found]
    if ids:
        failures = stray_instances.end(context, ids, limits)
        for failure in failures.values():
            raise failure
    return ids

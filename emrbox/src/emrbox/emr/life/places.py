"""Where a cluster may be launched, as its request says (docs/aws_facts.md 2.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.emr.life.model import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def asked_places(instances: Mapping[str, Any], place_of: Callable[[str], Place]) -> list[Place]:
    """Return the places of RunJobFlow's `Instances`, in its order; `place_of` knows the subnets."""
    subnets = instances.get("Ec2SubnetIds") or [instances.get("Ec2SubnetId")]
    found = [place_of(subnet) for subnet in subnets if subnet]
    placement = instances.get("Placement", {})
    zones = placement.get("AvailabilityZones") or [placement.get("AvailabilityZone")]
    return found or [Place(zone or None) for zone in zones]

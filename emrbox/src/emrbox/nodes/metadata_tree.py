"""The instance metadata of a node: a tree of paths and texts, made from facts.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emrbox.nodes.tree import NodeSpec


@dataclass(frozen=True)
class RoleCredentials:
    """A role session as IMDS returns it; times are ISO 8601, UTC."""

    access_key_id: str
    secret_access_key: str
    token: str
    last_updated: str
    expiration: str


@dataclass(frozen=True)
class InstanceFacts:
    """What EC2 knows of an instance and shows its node. `tags` is None when metadata does not show them."""

    account_id: str
    region: str
    availability_zone: str
    image_id: str
    instance_type: str
    launch_index: int
    launch_time: str
    mac: str
    reservation_id: str
    security_groups: tuple[str, ...] = ()
    instance_profile_arn: str | None = None
    instance_profile_id: str | None = None
    public_key: tuple[str, str] | None = None  # name, OpenSSH line
    tags: Mapping[str, str] | None = None
    interruption_time: str | None = None  # of a spot interruption that has been announced
    requires_token: bool = True  # else version 1 of IMDS works, too
    hop_limit: int = 2  # how many hops an answer with a token may travel


def documents(spec: NodeSpec, facts: InstanceFacts) -> dict[str, str]:
    """Return the metadata tree as path below /latest -> text, all but the credentials themselves."""
    meta = _basics(spec, facts) | _role(spec, facts)
    if facts.public_key:
        name, line = facts.public_key
        meta |= {"public-keys/": f"0={name}", "public-keys/0/openssh-key": line}
    if facts.interruption_time:
        action = {"action": "terminate", "time": facts.interruption_time}
        meta |= {"spot/instance-action": json.dumps(action), "spot/termination-time": facts.interruption_time}
    meta |= {f"tags/instance/{key}": value for key, value in (facts.tags or {}).items()}
    tree = {f"meta-data/{path}": text for path, text in meta.items()}
    tree["dynamic/instance-identity/document"] = json.dumps(_identity(spec, facts), indent=2)
    return tree


def _basics(spec: NodeSpec, facts: InstanceFacts) -> dict[str, str]:
    return {
        "ami-id": facts.image_id,
        "ami-launch-index": str(facts.launch_index),
        "hostname": spec.host_name,
        "instance-id": spec.instance_id,
        "instance-life-cycle": "on-demand",
        "instance-type": facts.instance_type,
        "local-hostname": spec.host_name,
        "local-ipv4": spec.address,
        "mac": facts.mac,
        "placement/availability-zone": facts.availability_zone,
        "placement/region": facts.region,
        "reservation-id": facts.reservation_id,
        "security-groups": "\n".join(facts.security_groups),
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
    }


def _role(spec: NodeSpec, facts: InstanceFacts) -> dict[str, str]:
    if not (facts.instance_profile_arn and spec.role_name):
        return {}
    info = {
        "Code": "Success",
        "LastUpdated": facts.launch_time,
        "InstanceProfileArn": facts.instance_profile_arn,
        "InstanceProfileId": facts.instance_profile_id,
    }
    return {"iam/info": json.dumps(info, indent=2), "iam/security-credentials/": spec.role_name}


def _identity(spec: NodeSpec, facts: InstanceFacts) -> dict[str, str]:
    return {
        "accountId": facts.account_id,
        "architecture": "x86_64",
        "availabilityZone": facts.availability_zone,
        "imageId": facts.image_id,
        "instanceId": spec.instance_id,
        "instanceType": facts.instance_type,
        "pendingTime": facts.launch_time,
        "privateIp": spec.address,
        "region": facts.region,
        "version": "2017-09-30",
    }


def look_up(tree: Mapping[str, str], path: str) -> str | None:
    """Return the text at `path` (below /latest), a folder's listing, or None."""
    path = path.strip("/")
    if path in tree:
        return tree[path]
    if f"{path}/" in tree:
        return tree[f"{path}/"]
    prefix = f"{path}/" if path else ""
    names = set()
    for entry in tree:
        if entry.startswith(prefix):
            name, slash, _ = entry.removeprefix(prefix).partition("/")
            names.add(name + slash)
    return "\n".join(sorted(names)) or None

"""EMR's identifiers: a prefix and 13 capital letters or digits (docs/aws_facts.md 2.1)."""

from __future__ import annotations

import re
import secrets
import string
from typing import TYPE_CHECKING, Any

from emrbox.config import ACCOUNT_ID, REGION

if TYPE_CHECKING:
    from collections.abc import Mapping

ALPHABET = string.ascii_uppercase + string.digits
LENGTH = 13
_CLUSTER_ARN = re.compile(r"arn:aws:elasticmapreduce:[a-z0-9-]+:\d{12}:cluster/(j-[A-Z0-9]+)")


def _new(prefix: str, alphabet: str = ALPHABET) -> str:
    return prefix + "".join(secrets.choice(alphabet) for _ in range(LENGTH))


def cluster_id() -> str:
    """Return a new cluster (job flow) id."""
    return _new("j-")


def step_id() -> str:
    """Return a new step id."""
    return _new("s-")


def group_id() -> str:
    """Return a new instance group id."""
    return _new("ig-")


def fleet_id() -> str:
    """Return a new instance fleet id."""
    return _new("if-")


def instance_id() -> str:
    """Return a new EMR instance id; its EC2 instance has an id of its own."""
    return _new("ci-")


def session_id() -> str:
    """Return a new session id."""
    return _new("is-")


def session_arn(cluster: str, session: str, account_id: str) -> str:
    """Return the ARN of a session (docs/aws_facts.md 7.2)."""
    return f"{cluster_arn(cluster, account_id)}/session/{session}"


def persistent_ui_id() -> str:
    """Return a new id of an application UI off the cluster, in the form of those that were seen."""
    return _new("p-", string.ascii_lowercase + string.digits)


def cluster_arn(cluster: str, account_id: str = ACCOUNT_ID) -> str:
    """Return the ARN of a cluster."""
    return f"arn:aws:elasticmapreduce:{REGION}:{account_id}:cluster/{cluster}"


def cluster_of_arn(arn: str) -> str | None:
    """Return the id in a cluster's ARN; None for other texts."""
    found = _CLUSTER_ARN.fullmatch(arn)
    return found[1] if found else None


def role_arn(name_or_arn: str, account_id: str = ACCOUNT_ID) -> str:
    """Return the ARN of a role that was given by either."""
    return name_or_arn if name_or_arn.startswith("arn:") else f"arn:aws:iam::{account_id}:role/{name_or_arn}"


def named_clusters(request: Mapping[str, Any]) -> list[str]:
    """Return the cluster ids that a request to EMR names, also of a request that does not fit the model."""
    ids = request.get("JobFlowIds")
    if isinstance(ids, list):
        return [name for name in ids if isinstance(name, str)]
    members = (request.get(member) for member in ("ClusterId", "JobFlowId", "ResourceId"))
    arn = request.get("TargetResourceArn")
    target = cluster_of_arn(arn) if isinstance(arn, str) else None
    return [name for name in (*members, target) if isinstance(name, str)]


def named_groups(request: Mapping[str, Any]) -> set[str]:
    """Return the instance group ids that a ModifyInstanceGroups names, also of one that does not fit."""
    groups = request.get("InstanceGroups")
    found = (
        [g.get("InstanceGroupId") for g in groups if isinstance(g, dict)] if isinstance(groups, list) else []
    )
    return {name for name in found if isinstance(name, str)}

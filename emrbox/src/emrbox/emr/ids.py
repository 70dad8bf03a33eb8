"""EMR's identifiers: a prefix and 13 capital letters or digits (emr-facts 2.1)."""

from __future__ import annotations

import secrets
import string

from emrbox.config import ACCOUNT_ID, REGION

ALPHABET = string.ascii_uppercase + string.digits
LENGTH = 13


def _new(prefix: str) -> str:
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def cluster_id() -> str:
    """Return a new cluster (job flow) id."""
    return _new("j-")


def step_id() -> str:
    """Return a new step id."""
    return _new("s-")


def group_id() -> str:
    """Return a new instance group id."""
    return _new("ig-")


def instance_id() -> str:
    """Return a new EMR instance id; its EC2 instance has an id of its own."""
    return _new("ci-")


def cluster_arn(cluster: str, account_id: str = ACCOUNT_ID) -> str:
    """Return the ARN of a cluster."""
    return f"arn:aws:elasticmapreduce:{REGION}:{account_id}:cluster/{cluster}"

"""The tags of a run's cluster: part of the launch call, never added later."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from kiln.clock import timestamp
from kiln.errors import UsageError
from kiln.identity import MANAGED_BY, name_of

if TYPE_CHECKING:
    from datetime import datetime

    from kiln.identity import Identity
    from kiln.settings.model import ClusterShape

EMR_MANAGED_POLICIES_TAG = "for-use-with-amazon-emr-managed-policies"


def tags(identity: Identity, shape: ClusterShape, now: datetime) -> dict[str, str]:
    """Return all tags of the launch call. Kiln's own win over the ones from the settings.

    Raises UsageError for a tag whose name is one of Kiln's in other letters: conditions of IAM on tags ignore
    case, so nobody could launch or end such a cluster (docs/permissions.md).
    """
    own = _own_tags(identity, shape, now)
    by_small_letters = {key.lower(): key for key in own}
    for key in shape.tags:
        known = by_small_letters.get(key.lower(), key)
        if key != known:
            raise UsageError(
                f"emr_cluster_tags: {key} differs from Kiln's own tag {known} in nothing but capital letters",
                fix="rename or remove it",
            )
    return dict(shape.tags) | own


def _own_tags(identity: Identity, shape: ClusterShape, now: datetime) -> dict[str, str]:
    return {
        "pipeline": identity.pipeline,
        "environment": identity.environment,
        "run_id": identity.run_id,
        "owner": identity.owner,
        "expires_at": timestamp(now + timedelta(seconds=shape.max_lifetime_seconds)),
        "cluster_name": name_of(identity),
        "managed_by": MANAGED_BY,
        EMR_MANAGED_POLICIES_TAG: "true",
    }

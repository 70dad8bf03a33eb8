"""The tags of a run's cluster: all of them are part of the launch call; a hold changes its times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kiln.clock import timestamp
from kiln.errors import UsageError
from kiln.identity import MANAGED_BY, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kiln.identity import Identity
    from kiln.settings.model import ClusterShape

EMR_MANAGED_POLICIES_TAG = "for-use-with-amazon-emr-managed-policies"
OWNER = "owner"
# When the cluster has expired; for how long EMR lets it be idle; until when it is held for debugging.
EXPIRES_AT, IDLE_TIMEOUT, HELD_UNTIL = "expires_at", "idle_timeout_seconds", "held_until"
# The commit of the model repo that is active on the nodes.
CODE_COMMIT = "code_commit"
# Tags that are not set at launch, and what sets them.
_LATER = {
    HELD_UNTIL: "a cluster is held for debugging (`kiln hold`)",
    CODE_COMMIT: "the model repo is deployed",
}
_MOST_DIGITS = 9


def tags(identity: Identity, shape: ClusterShape, now: datetime) -> dict[str, str]:
    """Return all tags of the launch call. Kiln's own win over the ones from the settings.

    Raises UsageError for a tag whose name is one of Kiln's in other letters: conditions of IAM on tags ignore
    case, so nobody could launch or end such a cluster (docs/permissions.md); and for one that is set later.
    """
    own = _own_tags(identity, shape, now)
    for key, when in _LATER.items():
        if key in map(str.lower, shape.tags):
            raise UsageError(f"emr_cluster_tags: {key} is set when {when}", fix="rename or remove it")
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
        OWNER: identity.owner,
        EXPIRES_AT: timestamp(now + timedelta(seconds=shape.max_lifetime_seconds)),
        IDLE_TIMEOUT: str(shape.idle_timeout_seconds),
        "cluster_name": name_of(identity),
        "managed_by": MANAGED_BY,
        EMR_MANAGED_POLICIES_TAG: "true",
    }


def moment(tags: Mapping[str, str], key: str) -> datetime | None:
    """Return the time that a tag holds, in UTC; None when it is absent or no time with a zone.

    Whoever may tag clusters chooses the text.
    """
    try:
        found = datetime.fromisoformat(tags.get(key, ""))
        return None if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def held_until(tags: Mapping[str, str], now: datetime) -> datetime | None:
    """Return until when a cluster is held for debugging; None for one that is not, or not any more."""
    until = moment(tags, HELD_UNTIL)
    return until if until is not None and until > now else None


def seconds(tags: Mapping[str, str], key: str) -> int | None:
    """Return the whole number of seconds that a tag holds, None when it is absent or no such number."""
    text = tags.get(key, "")
    plain = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return int(text) if plain else None

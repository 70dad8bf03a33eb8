"""EC2 instances with Kiln's tags that no live cluster owns: found by tags, ended, confirmed by EC2."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from kiln.clock import timestamp
from kiln.emr import clusters, data_science, ec2_nodes, states, tags, waiting
from kiln.errors import AwsError, DeadlineError, NotTerminatedError, ThrottledError
from kiln.identity import CLUSTER_ID, MANAGED_BY

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Ec2Instance
    from kiln.emr.waiting import Waiting

# All but `shutting-down` and `terminated`, which EC2 does not charge for.
_CHARGED = ("pending", "running", "stopping", "stopped")
# For how long one instance's request may hold up those of the others.
_ASK_SECONDS = 30.0
_ENDING = frozenset({"shutting-down", "terminated"})


class Stray(msgspec.Struct, frozen=True, kw_only=True):
    """An instance with Kiln's tags. `reason`: why it is to be ended, empty when it stays; `why`: more."""

    instance: Ec2Instance
    reason: str = ""
    why: str = ""

    @property
    def cluster_id(self) -> str:
        """Return the cluster whose node it is; empty for a plain instance."""
        return self.instance.tags.get(ec2_nodes.JOB_FLOW_TAG, "")


def find(context: Context, environment: str, grace_seconds: float, live: Collection[str] = ()) -> list[Stray]:
    """Return the environment's plain instances, and nodes of clusters that are not `live`.

    Costs one DescribeInstances (a page for each 1,000), and one DescribeCluster for each cluster that is not
    live and still has nodes.
    """
    wanted = {
        "tag:managed_by": [MANAGED_BY],
        "tag:environment": [environment],
        "instance-state-name": _CHARGED,
    }
    found = [Stray(instance=one) for one in context.effects.find_instances(wanted)]
    outside = [one for one in found if one.cluster_id not in live]
    ids = {one.cluster_id for one in outside if CLUSTER_ID.fullmatch(one.cluster_id)}
    owners = {cluster_id: clusters.seen(context, cluster_id) for cluster_id in sorted(ids)}
    now = context.clock.now()
    grace = timedelta(seconds=grace_seconds)
    return [_judged(one, owners.get(one.cluster_id), now, grace) for one in outside]


def _judged(one: Stray, owner: Cluster | None, now: datetime, grace: timedelta) -> Stray:
    if one.cluster_id:
        # A cluster that AWS does not show may be a new one: reads lag.
        ended = owner is not None and owner.state in states.CLUSTER_ENDED
        at = owner.ended_at if owner else None
        if owner and ended and at is not None and at + grace <= now:
            why = f"cluster {owner.id} ended at {timestamp(at)}"
            return msgspec.structs.replace(one, reason="cluster_ended", why=why)
        return one
    expiry = tags.moment(one.instance.tags, tags.EXPIRES_AT)
    if expiry is not None and expiry <= now:
        return msgspec.structs.replace(one, reason="expired", why=f"expired at {timestamp(expiry)}")
    if expiry is None and data_science.is_persistent(one.instance.tags):
        return msgspec.structs.replace(one, why="persistent: playbooks/data_science.yml removes it")
    return one


def ask(context: Context, ids: Sequence[str]) -> None:
    """Ask for the end of instances; `end` asks again for what fails here."""
    for one in ids:
        with suppress(AwsError, ThrottledError):
            context.within(_ASK_SECONDS).effects.terminate_instances([one])


def end(context: Context, ids: Sequence[str], limits: Waiting) -> dict[str, NotTerminatedError]:
    """End instances, and wait until EC2 says that they have ended; return the errors of those that have not.

    A refusal (termination protection, a permission) is asked again until the time is over.
    """
    refusals: dict[str, str] = {}
    left = list(ids)

    def poll(bounded: Context) -> list[str]:
        known = bounded.effects.find_instances({"instance-id": left})
        for one in known:
            if one.state not in _ENDING:
                _ask_again(bounded, one.id, refusals)
        # EC2 shows an ended instance for an hour or so: one that is not shown has ended before.
        left[:] = [one.id for one in known if one.state != "terminated"]
        return list(left)

    try:
        waiting.until(
            context,
            poll,
            lambda remaining: not remaining,
            what=f"the end of {len(ids)} instances",
            timeout_seconds=limits.timeout_seconds,
            interval_seconds=limits.interval_seconds,
        )
    except (AwsError, ThrottledError, DeadlineError) as error:
        return {one: _not_confirmed(one, refusals.get(one) or error.message) for one in left}
    return {}


def _ask_again(context: Context, instance_id: str, refusals: dict[str, str]) -> None:
    """Ask for the end of one: in one call for several, EC2 would refuse all because of one."""
    try:
        context.effects.terminate_instances([instance_id])
    except AwsError as error:
        refusals[instance_id] = error.message
    else:
        refusals.pop(instance_id, None)


def _not_confirmed(instance_id: str, why: str) -> NotTerminatedError:
    return NotTerminatedError(
        f"AWS did not confirm that instance {instance_id} ended: {why}",
        fix=f"it may still cost money: aws ec2 terminate-instances --instance-ids {instance_id}",
    )

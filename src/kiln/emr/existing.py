"""The existing cluster that a run uses: found by its id or tags, recorded, and left without being ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kiln import phases
from kiln.emr import cancelling, clusters, ec2_nodes, states
from kiln.emr.descriptions import line
from kiln.errors import ClusterNotFoundError, NotTerminatedError
from kiln.identity import MANAGED_BY, label_of, of_name
from kiln.ledger.schema import Attempt, Event
from kiln.settings.existing_cluster import KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln.aws.context import Context
    from kiln.aws.effects import Cluster, Effects, Step
    from kiln.emr.cancelling import Kill
    from kiln.identity import Identity
    from kiln.ledger.schema import Run
    from kiln.ledger.store import Ledger
    from kiln.settings.existing_cluster import ExistingCluster

# Who may use a cluster: words that are an environment, or a pipeline in one (`stage/clicks`).
SHARED_WITH = "kiln_shared_with"
_LIVE_INSTANCES = {"instance-state-name": ["pending", "running"]}


def find(effects: Effects, wanted: ExistingCluster, run: Identity) -> Cluster:
    """Return the cluster that the setting names. Raises ClusterNotFoundError (18) for none and for several.

    Also when it can take no steps, or when it is not for this pipeline (docs/decisions/0026).
    """
    if wanted.id:
        try:
            found = effects.describe_cluster(wanted.id)
        except ClusterNotFoundError as error:
            raise ClusterNotFoundError(
                f"{KEY}.id is {wanted.id}, a cluster that AWS does not know: {error.message}",
                fix="correct the id, or the region and profile of the environment",
            ) from error
    else:
        found = _tagged(effects, wanted)
    if found.state not in states.CLUSTER_USABLE:
        raise ClusterNotFoundError(
            f"the cluster {found.id} of {KEY} takes no steps: it is {found.state}",
            fix="name another cluster, or none, so that each run launches its own",
            details=(line(found),),
        )
    if why := refusal(found, run, by_id=bool(wanted.id)):
        raise ClusterNotFoundError(
            f"the cluster {found.id} of {KEY} {why}",
            fix=f"whoever is responsible for it tags it: {SHARED_WITH}={run.environment}/{run.pipeline}",
            details=(line(found),),
        )
    return found


def refusal(cluster: Cluster, run: Identity, *, by_id: bool) -> str:
    """Return why a run may not use a cluster, empty when it may."""
    words = cluster.tags.get(SHARED_WITH, "").split()
    if {run.environment, f"{run.environment}/{run.pipeline}"}.intersection(words):
        return ""
    if SHARED_WITH in cluster.tags:
        return (
            f"is not shared with {run.environment}/{run.pipeline}: its tag {SHARED_WITH} says who may use it"
        )
    if of_name(cluster.name) or cluster.tags.get("managed_by") == MANAGED_BY:
        return f"was launched by Kiln for a run of its own, and has no tag {SHARED_WITH}"
    return "" if by_id else f"has no tag {SHARED_WITH}, and is not named by its id"


def _tagged(effects: Effects, wanted: ExistingCluster) -> Cluster:
    """Return the only usable cluster with these tags.

    EMR gives a cluster's tags to its instances (EMR Management Guide, "Tag clusters"), and EC2 finds those.
    """
    filters = {f"tag:{key}": [value] for key, value in wanted.tags.items()}
    nodes = effects.find_instances(filters | _LIVE_INSTANCES)
    ids = sorted(filter(None, ec2_nodes.by_cluster(nodes)))
    found = [one for one in map(effects.describe_cluster, ids) if _fits(one, wanted)]
    if len(found) != 1:
        shown = ", ".join(f"{key}={value}" for key, value in sorted(wanted.tags.items()))
        raise ClusterNotFoundError(
            f"{len(found) or 'no'} clusters that take steps have the tags of {KEY}: {shown}",
            fix="name tags that one cluster has, or its id",
            details=tuple(line(one) for one in found),
        )
    return found[0]


def shared_with(context: Context, environment: str) -> set[str]:
    """Return the ids of clusters whose tag lets an environment, or a pipeline in it, use them: one call."""
    nodes = context.effects.find_instances({"tag-key": [SHARED_WITH]} | _LIVE_INSTANCES)
    return {
        one.tags.get(ec2_nodes.JOB_FLOW_TAG, "")
        for one in nodes
        if environment in {word.partition("/")[0] for word in one.tags.get(SHARED_WITH, "").split()}
    }


def _fits(cluster: Cluster, wanted: ExistingCluster) -> bool:
    has_tags = all(cluster.tags.get(key) == value for key, value in wanted.tags.items())
    return has_tags and cluster.state in states.CLUSTER_USABLE


def attach(
    context: Context, wanted: ExistingCluster, identity: Identity, ledger: Ledger
) -> tuple[Cluster, bool]:
    """Let a run use the cluster of the setting; return it, and whether that is new.

    A run stays on the cluster that it uses while that takes steps. Raises what `find` raises.
    """
    known = recorded(context, ledger.read())
    if known is not None:
        return known, False
    found = find(context.effects, wanted, identity)
    ledger.intend(lambda run: _begin(run, found.id, ledger.now()))
    return found, True


def described(cluster: Cluster, wanted: ExistingCluster) -> str:
    """Return how a run uses a cluster, as the beginning of a line for people."""
    done = [name for name in (phases.PROVISION.name, phases.DEPLOY.name) if getattr(wanted, name)]
    return f"cluster {cluster.id} exists ({KEY}{''.join(f', {name}' for name in done)})"


def recorded(context: Context, run: Run | None) -> Cluster | None:
    """Return the existing cluster that a run uses, while it takes steps."""
    known = run.shared_cluster_id if run else None
    seen = clusters.seen(context, known) if known else None
    return seen if seen and seen.state in states.CLUSTER_USABLE else None


def _begin(run: Run, cluster_id: str, now: str) -> None:
    _close(run, now)
    run.attempts.append(Attempt(intent_at=now, cluster_id=cluster_id, launched_at=now, shared=True))
    run.events.append(Event(at=now, kind="cluster_used", data={"cluster_id": cluster_id}))


def _close(run: Run, now: str) -> None:
    for one in run.attempts:
        if one.shared and one.ended_at is None:
            one.ended_at, one.end_state = now, "LEFT"


def active_steps(context: Context, cluster_id: str, identity: Identity) -> list[Step]:
    """Return the steps of a run on a shared cluster that have not ended, as AWS shows them."""
    label = label_of(identity)
    try:
        return [one for one in context.effects.list_steps(cluster_id, active=True) if one.run == label]
    except ClusterNotFoundError:
        return []


def leave(
    context: Context,
    cluster_id: str,
    identity: Identity,
    ledger: Ledger,
    kill: Kill,
) -> None:
    """End what a run still has on a shared cluster, and record that it left; the cluster stays.

    Raises NotTerminatedError (20) when a step of the run does not end.
    """
    left = _end_steps(context, cluster_id, active_steps(context, cluster_id, identity), kill)
    if left:
        raise NotTerminatedError(
            f"step {', '.join(left)} of run {identity.run_id} has not ended on shared cluster {cluster_id}",
            fix="run the terminate action again; the step ends with the cluster at the latest",
        )
    context.report(f"cluster {cluster_id} is shared: it stays")
    ledger.try_update(lambda run: _close(run, ledger.now()))


def _end_steps(
    context: Context,
    cluster_id: str,
    active: Sequence[Step],
    kill: Kill,
) -> list[str]:
    """Cancel steps, and return the names of those that have not ended."""
    cluster = clusters.seen(context, cluster_id) if active else None
    if cluster is None or cluster.state in states.CLUSTER_ENDED:
        return []
    outcome = cancelling.end(context, cluster, [one.id for one in active], kill)
    return [one.name for one in active if not outcome.has_ended(one.id)]

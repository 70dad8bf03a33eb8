"""What a cluster does next, decided from its records alone. Nothing here waits, runs or changes anything.

Sources: docs/aws_facts.md 1.3-1.6 (steps, ActionOnFailure, keep-alive, termination protection).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emrbox.emr import default_configurations
from emrbox.emr.life import states
from emrbox.emr.life.model import HA_MASTERS, Cluster, Ending, Group, Instance, Reason, Step
from emrbox.emr.life.states import ActionOnFailure, GroupState, ReasonCode, StepState

if TYPE_CHECKING:
    from collections.abc import Sequence

UNSUCCESSFUL = frozenset({StepState.FAILED, StepState.INTERRUPTED})


def steps_to_start(cluster: Cluster) -> list[Step]:
    """Return the pending steps that may start now, in submission order."""
    if cluster.status.state not in states.CLUSTER_READY:
        return []
    started = sum(step.status.state in states.STEP_STARTED for step in cluster.steps)
    pending = [step for step in cluster.steps if step.status.state is StepState.PENDING]
    return pending[: max(0, cluster.step_concurrency - started)]


def cancels_the_rest(cluster: Cluster, failed: Step) -> bool:
    """Whether a failed step cancels those behind it (docs/aws_facts.md 1.4).

    With concurrency above 1 no action fires. When it was lowered to 1 while several ran, CANCEL_AND_WAIT does
    not fire either.
    """
    if cluster.step_concurrency > 1 or failed.action_on_failure is ActionOnFailure.CONTINUE:
        return False
    others_run = any(s is not failed and s.status.state in states.STEP_STARTED for s in cluster.steps)
    return not (others_run and failed.action_on_failure is ActionOnFailure.CANCEL_AND_WAIT)


def ending_after_failure(cluster: Cluster, failed: Step) -> Ending | None:
    """Return how a failed step ends the cluster (table in docs/aws_facts.md 1.4); None when it goes on."""
    if cluster.step_concurrency > 1 or failed.action_on_failure not in states.TERMINATES_CLUSTER:
        return None
    if cluster.keep_alive and cluster.termination_protected:
        return None
    reason = Reason(ReasonCode.STEP_FAILURE, states.SHUT_DOWN_AS_STEP_FAILED)
    return Ending(reason, with_errors=True)


def ending_when_idle(cluster: Cluster) -> Ending | None:
    """Return the end of a cluster that is not kept alive and has nothing left to do; None otherwise."""
    if cluster.keep_alive or cluster.active_steps:
        return None
    if any(step.status.state in UNSUCCESSFUL for step in cluster.steps):
        # TERMINATED, not "with errors": the trap in docs/aws_facts.md 1.1.
        return Ending(Reason(ReasonCode.STEP_FAILURE, states.STEPS_COMPLETED_WITH_ERRORS), with_errors=False)
    return Ending(Reason(ReasonCode.ALL_STEPS_COMPLETED, states.STEPS_COMPLETED), with_errors=False)


def waiting_reason(cluster: Cluster) -> Reason:
    """Return the message of a cluster that waits for steps."""
    over = [step for step in cluster.steps if step.status.ended is not None]
    if not over:
        return Reason(message=states.READY_FRESH)
    last = max(over, key=lambda step: (step.status.ended, step.status.created))
    failed = last.status.state in UNSUCCESSFUL
    return Reason(message=states.READY_AFTER_FAILED if failed else states.READY_AFTER_COMPLETED)


def wants_resize(group: Group) -> bool:
    """Whether a group of a ready cluster should change its size now. A suspended one waits to be resized."""
    is_fixed = group.role == "MASTER" and group.requested_count != HA_MASTERS
    if is_fixed or group.status.state is GroupState.SUSPENDED:
        return False
    named = group.ids_to_terminate | group.ids_to_replace
    has_named = any(i.ec2_id in named for i in group.present)
    is_due = group.status.state in {GroupState.PROVISIONING, GroupState.RESIZING}
    wants_more = group.is_short and not is_given_up(group)
    return is_due or has_named or wants_more or bool(surplus(group, group.present))


def is_given_up(group: Group) -> bool:
    """Whether a group or fleet did not get what it wants, and does not try on."""
    if group.fleet is not None and group.fleet.stopped == (group.targets, group.standing):
        return True
    return group.status.state is GroupState.SUSPENDED


def replication(cluster: Cluster) -> int:
    """Return HDFS's replication factor, which stays what it was at the cluster's start."""
    configurations = cluster.request.get("Configurations", [])
    return default_configurations.replication(cluster.core_count_at_start, configurations)


def least_units(cluster: Cluster, group: Group) -> int:
    """Return the size below which scaling does not take a group or fleet: core nodes hold HDFS's replicas."""
    if group.role != "CORE":
        return 0
    return max(1, replication(cluster)) * max(one.weight for one in group.types)


def surplus(group: Group, order: Sequence[Instance]) -> list[Instance]:
    """Return the instances that a group does not need, of those of `order` the first.

    A fleet keeps an instance without which it would have less than its target (a guess).
    """
    too_many = {market: units - group.targets[market] for market, units in group.standing.items()}
    found = []
    present = group.present
    for instance in order:
        if instance in present and instance.type.weight <= too_many[instance.fills]:
            too_many[instance.fills] -= instance.type.weight
            found.append(instance)
    return found


def newest_first(group: Group) -> list[Instance]:
    """Return the instances of a group as they may leave it: as asked, else the newest first."""
    found = group.present
    found.reverse()
    return sorted(found, key=lambda i: (i.ec2_id in group.protected_ids, i.ec2_id not in group.first_ids))


def ending_by_lost_instances(cluster: Cluster) -> Ending | None:
    """Return the end of a cluster without its master or without any instance; None while it can go on.

    Of three masters two are enough, and the third is replaced (Management Guide, "High availability").
    """
    alive = [i for i in cluster.instances if i.status.state is not states.InstanceState.TERMINATED]
    masters = sum(instance in alive for instance in cluster.master.instances)
    if masters > cluster.master.requested_count // 2:
        return None
    message = states.MASTER_TERMINATED if alive else states.ALL_INSTANCES_TERMINATED
    return Ending(Reason(ReasonCode.INSTANCE_FAILURE, message), with_errors=True)

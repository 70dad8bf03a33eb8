"""EMR's events for EventBridge: one for each new state that has one.

Shapes, severities, messages: docs/aws_facts.md 5.2, 5.3, and the tables of "Monitoring Amazon EMR events with
CloudWatch" in the Management Guide. There is none for BOOTSTRAPPING, TERMINATING and a group's first start.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from emrbox.config import REGION
from emrbox.emr.life.event_times import at, minutes
from emrbox.emr.life.fleet_events import fleet_detail, fleet_members
from emrbox.emr.life.group_events import group_detail, group_members
from emrbox.emr.life.model import AutoScaling, Cluster, Group, Step
from emrbox.emr.life.notices import Notice
from emrbox.emr.life.scaling_events import policy_detail
from emrbox.emr.life.states import ClusterState, ReasonCode, State, StepState

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.model import Subject

Document = dict[str, Any]
SOURCE = "aws.emr"
CLUSTER_CHANGE = "EMR Cluster State Change"
STEP_CHANGE = "EMR Step Status Change"
GROUP_CHANGE = "EMR Instance Group State Change"
FLEET_CHANGE = "EMR Instance Fleet State Change"
POLICY_CHANGE = "EMR Auto Scaling Policy State Change"
# Kind, severities, and when there is one; those of what is no new state are in notices.py.
STATE_CHANGES = (
    (CLUSTER_CHANGE, "INFO, CRITICAL", "STARTING, the choice of a subnet, RUNNING, WAITING, the end"),
    (STEP_CHANGE, "INFO, WARN, ERROR", "every state of a step"),
    (GROUP_CHANGE, "INFO, ERROR, CRITICAL", "RESIZING, RECONFIGURING, RUNNING after these, SUSPENDED"),
    (FLEET_CHANGE, "INFO, WARN, ERROR", "RUNNING, RESIZING, a resize that has stopped, SUSPENDED"),
    (POLICY_CHANGE, "has none", "PENDING, ATTACHED, DETACHED, FAILED"),
)
# Reasons that make the end of a cluster CRITICAL even when it ends "without errors".
CRITICAL_REASONS = frozenset(
    {
        ReasonCode.INTERNAL_ERROR,
        ReasonCode.VALIDATION_ERROR,
        ReasonCode.INSTANCE_FAILURE,
        ReasonCode.BOOTSTRAP_FAILURE,
        ReasonCode.STEP_FAILURE,
    }
)
STEP_SEVERITY = {
    StepState.CANCEL_PENDING: "WARN",
    StepState.CANCELLED: "WARN",
    StepState.FAILED: "ERROR",
    StepState.INTERRUPTED: "ERROR",  # a guess: the table does not name it
}
STEP_MESSAGES = {
    StepState.PENDING: (
        "Step {step} was added to Amazon EMR cluster {cluster} at {now} and is pending execution."
    ),
    StepState.CANCEL_PENDING: (
        "Step {step} in Amazon EMR cluster {cluster} was cancelled at {now} and is pending cancellation."
    ),
    StepState.RUNNING: "Step {step} in Amazon EMR cluster {cluster} started running at {now}.",
    StepState.COMPLETED: (
        "Step {step} in Amazon EMR cluster {cluster} completed execution at {now}. "
        "The step started running at {start} and took {minutes} minutes to complete."
    ),
    StepState.CANCELLED: (
        "Cancellation request has succeeded for cluster step {step} in Amazon EMR cluster {cluster} at "
        "{now}, and the step is now cancelled."
    ),
    StepState.FAILED: "Step {step} in Amazon EMR cluster {cluster} failed at {now}.",
    # A guess: the table does not name this state.
    StepState.INTERRUPTED: "Step {step} in Amazon EMR cluster {cluster} was interrupted at {now}.",
}


def event_of(cluster: Cluster, subject: Subject, before: State | None, now: datetime) -> Document | None:
    """Return EventBridge's whole event for the state that `subject` has just entered; None if there is none.

    A notice is reported as it is.

    `before` is the state before, None for what has just been made. Called under the cluster's lock.
    """
    if isinstance(subject, Cluster):
        detail, kind = _cluster_detail(subject, before, now), CLUSTER_CHANGE
    elif isinstance(subject, Step):
        detail, kind = _step_detail(cluster, subject, now), STEP_CHANGE
    elif isinstance(subject, Group) and subject.fleet:
        detail, kind = fleet_detail(cluster, subject, before, now), FLEET_CHANGE
    elif isinstance(subject, Group):
        detail, kind = group_detail(cluster, subject, before, now), GROUP_CHANGE
    elif isinstance(subject, AutoScaling):
        detail, kind = policy_detail(cluster, subject, now), POLICY_CHANGE
    elif isinstance(subject, Notice):
        detail, kind = _notice_detail(cluster, subject, now), subject.detail_type
    else:
        return None
    if detail is None:
        return None
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": SOURCE,
        "account": cluster.account_id,
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [],
        "detail": detail,
    }


def _notice_detail(cluster: Cluster, notice: Notice, now: datetime) -> Document:
    members = fleet_members if notice.group.fleet else group_members
    detail = {
        **members(cluster, notice.group),
        "severity": notice.kind.severity,
        "message": notice.message(cluster, at(now)),
    }
    return {**detail, "eventCode": notice.kind.code} if notice.kind.code else detail


def _cluster_detail(cluster: Cluster, before: State | None, now: datetime) -> Document | None:
    is_placed = cluster.status.state is before is ClusterState.STARTING
    message = _place_message(cluster) if is_placed else _cluster_message(cluster, now)
    if message is None:
        return None
    status = cluster.status
    reason: Document = {"code": str(status.reason.code) if status.reason.code else ""}
    if status.reason.message:
        reason["message"] = status.reason.message
    critical = status.state is ClusterState.TERMINATED_WITH_ERRORS or (
        status.state is ClusterState.TERMINATED and status.reason.code in CRITICAL_REASONS
    )
    return {
        "severity": "CRITICAL" if critical else "INFO",
        "stateChangeReason": json.dumps(reason, separators=(",", ":")),
        "name": cluster.name,
        "clusterId": cluster.id,
        "state": str(status.state),
        "message": message,
    }


def _place_message(cluster: Cluster) -> str:
    """Return the message for clusters of fleets with several subnets or zones."""
    zone = f"in availability zone ({cluster.availability_zone}), which was chosen from the specified"
    who = f"Amazon EMR cluster {cluster.id} ({cluster.name}) is being created"
    if cluster.subnet_id is None:
        return f"{who} {zone} availability zone options."
    return f"{who} in subnet ({cluster.subnet_id}) in VPC ({cluster.vpc_id or 'none'}) {zone} VPC options."


def _cluster_message(cluster: Cluster, now: datetime) -> str | None:
    who, when, code = f"{cluster.id} ({cluster.name})", at(now), cluster.status.reason.code
    fresh = all(step.status.ended is None for step in cluster.steps)
    waiting = (
        f"Amazon EMR cluster {who} was created at {when} and is ready for use."
        if fresh
        else f"Amazon EMR cluster {who} finished running all pending steps at {when}."
    )
    return {
        ClusterState.STARTING: f"Amazon EMR cluster {who} was requested at {when} and is being created.",
        ClusterState.RUNNING: f"Amazon EMR cluster {who} began running steps at {when}.",
        ClusterState.WAITING: waiting,
        ClusterState.TERMINATED: (
            f"Amazon EMR Cluster {who} has terminated at {when} with a reason of {code}."
        ),
        ClusterState.TERMINATED_WITH_ERRORS: (
            f"Amazon EMR Cluster {who} has terminated with errors at {when} with a reason of {code}."
        ),
    }.get(cluster.status.state)


def _step_detail(cluster: Cluster, step: Step, now: datetime) -> Document:
    started = step.status.ready or now
    message = STEP_MESSAGES[step.status.state].format(
        step=f"{step.id} ({step.name})",
        cluster=f"{cluster.id} ({cluster.name})",
        now=at(now),
        start=at(started),
        minutes=minutes(started, now),
    )
    return {
        "severity": STEP_SEVERITY.get(step.status.state, "INFO"),
        "actionOnFailure": str(step.action_on_failure),
        "stepId": step.id,
        "name": step.name,
        "clusterId": cluster.id,
        "state": str(step.status.state),
        "message": message,
    }

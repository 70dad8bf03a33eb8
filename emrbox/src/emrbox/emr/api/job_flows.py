"""DescribeJobFlows, the API of before 2015: clusters with groups, steps and bootstrap actions in one answer.

Its documentation in the model says which are returned. Legacy states: docs/aws_facts.md 1.1.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from emrbox.emr.api import collection_type, views
from emrbox.emr.life.states import ClusterState, ReasonCode, StepState

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.model import Cluster, Group, Status, Step
    from emrbox.emr.life.store import Clusters

Document = dict[str, Any]
MOST = 512
SHOWN_FOR, ENDED_SHOWN_FOR = timedelta(days=60), timedelta(days=14)
STATES = {ClusterState.TERMINATING: "SHUTTING_DOWN", ClusterState.TERMINATED_WITH_ERRORS: "FAILED"}
# It has no state for a step that is being cancelled.
STEP_STATES = {StepState.CANCEL_PENDING: "RUNNING"}


def describe_job_flows(clusters: Clusters, request: Document) -> Document:
    """Return the clusters that fit all of the request, newest first, at most 512.

    Ids that are not known are left out, as the request is a filter.
    """
    found = [c for c in reversed(clusters.all()) if _is_wanted(c, request, clusters.now(c))]
    documents = []
    for cluster in found[:MOST]:
        with cluster.lock:
            documents.append(_job_flow(cluster, clusters.now(cluster)))
    return {"JobFlows": documents}


def _is_wanted(cluster: Cluster, request: Document, now: datetime) -> bool:
    created, ids, states = cluster.status.created, request.get("JobFlowIds"), request.get("JobFlowStates")
    after, before = request.get("CreatedAfter"), request.get("CreatedBefore")
    if not any((ids, states, after, before)) and cluster.status.ended is not None:
        return now - created <= ENDED_SHOWN_FOR
    return (
        now - created <= SHOWN_FOR
        and (not ids or cluster.id in ids)
        and (not states or _state(cluster) in states)
        and (after is None or created > after)
        and (before is None or created < before)
    )


def _state(cluster: Cluster) -> str:
    status = cluster.status
    if status.state is ClusterState.TERMINATED and status.reason.code is ReasonCode.ALL_STEPS_COMPLETED:
        return "COMPLETED"
    return STATES.get(status.state, str(status.state))


def _job_flow(cluster: Cluster, now: datetime) -> Document:
    described = views.cluster_document(cluster, now)
    kept = ("LogUri", "LogEncryptionKmsKeyId", "VisibleToAllUsers", "ServiceRole", "ScaleDownBehavior")
    return views.present(
        {
            "JobFlowId": cluster.id,
            "Name": cluster.name,
            "ExecutionStatusDetail": _execution(cluster.status, _state(cluster)),
            "Instances": _instances(cluster, described),
            "Steps": [_step(step) for step in cluster.steps],
            "BootstrapActions": [
                {
                    "BootstrapActionConfig": {
                        "Name": action.name,
                        "ScriptBootstrapAction": {"Path": action.path, "Args": list(action.args)},
                    }
                }
                for action in cluster.bootstrap_actions
            ],
            "SupportedProducts": [],
            "JobFlowRole": cluster.instance_profile,
            **{name: described.get(name) for name in kept},
        }
    )


def _execution(status: Status[Any], state: str) -> Document:
    is_step = isinstance(status.state, StepState)
    return views.present(
        {
            "State": state,
            "CreationDateTime": status.created,
            "StartDateTime": status.ready if is_step else status.created,
            "ReadyDateTime": None if is_step else status.ready,
            "EndDateTime": status.ended,
            "LastStateChangeReason": status.reason.message,
        }
    )


def _instances(cluster: Cluster, described: Document) -> Document:
    asked, workers = cluster.request["Instances"], [g for g in cluster.groups if g.role == "CORE"]
    masters = [instance for instance in cluster.master.instances if instance.ec2_id]
    groups = None if collection_type.uses_fleets(cluster) else [_group(group) for group in cluster.groups]
    zone = cluster.availability_zone
    return views.present(
        {
            "MasterInstanceType": cluster.master.type.name,
            "MasterPublicDnsName": cluster.master_dns,
            "MasterInstanceId": masters[0].ec2_id if masters else None,
            "SlaveInstanceType": (workers or [cluster.master])[0].type.name,
            "InstanceCount": sum(group.requested_count for group in cluster.groups),
            "InstanceGroups": groups,
            "NormalizedInstanceHours": described["NormalizedInstanceHours"],
            "Ec2KeyName": asked.get("Ec2KeyName"),
            "Ec2SubnetId": cluster.subnet_id,
            "Placement": zone and {"AvailabilityZone": zone},
            "KeepJobFlowAliveWhenNoSteps": cluster.keep_alive,
            "TerminationProtected": cluster.termination_protected,
            "UnhealthyNodeReplacement": described["UnhealthyNodeReplacement"],
        }
    )


def _group(group: Group) -> Document:
    return views.present(
        {
            "InstanceGroupId": group.id,
            "Name": group.name,
            "Market": group.market,
            "InstanceRole": group.role,
            "BidPrice": group.type.bid_price,
            "InstanceType": group.type.name,
            "InstanceRequestCount": group.requested_count,
            "InstanceRunningCount": group.running_count,
            "State": str(group.status.state),
            "LastStateChangeReason": group.status.reason.message,
            "CreationDateTime": group.status.created,
            "StartDateTime": group.status.created,
            "ReadyDateTime": group.status.ready,
            "EndDateTime": group.status.ended,
            "CustomAmiId": group.type.custom_ami_id,
        }
    )


def _step(step: Step) -> Document:
    jar = {
        "Jar": step.jar,
        "MainClass": step.main_class,
        "Args": list(step.args),
        "Properties": [{"Key": key, "Value": value} for key, value in step.properties.items()],
    }
    state = STEP_STATES.get(step.status.state, str(step.status.state))
    return {
        "StepConfig": {
            "Name": step.name,
            "ActionOnFailure": str(step.action_on_failure),
            "HadoopJarStep": views.present(jar),
        },
        "ExecutionStatusDetail": _execution(step.status, state),
    }

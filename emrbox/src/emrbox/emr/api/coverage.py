"""Which of EMR's operations emrbox has: one entry for every operation of botocore's model, with its source.

docs/emrbox.md's table is generated from here; `EmrService` refuses what is not available.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from emrbox.aws.errors import AwsError, invalid_request


class Extent(StrEnum):
    """To which extent an operation does what EMR does."""

    REAL = "real"
    PARTLY = "partly"
    NOT_AVAILABLE = "not available"


@dataclass(frozen=True)
class Coverage:
    """What an operation does here, and its source (a section of docs/aws_facts.md, "model", "guess")."""

    extent: Extent
    behaviour: str
    source: str


def _real(behaviour: str, source: str) -> Coverage:
    return Coverage(Extent.REAL, behaviour, source)


def _partly(behaviour: str, source: str) -> Coverage:
    return Coverage(Extent.PARTLY, behaviour, source)


def _not(what: str) -> Coverage:
    return Coverage(Extent.NOT_AVAILABLE, what, "model")


COVERAGE: dict[str, Coverage] = {
    "AddInstanceFleet": _real("A task fleet for a cluster that has none; real nodes join YARN", "2.4"),
    "AddInstanceGroups": _real(
        "Task groups for a cluster that is running or waiting; real nodes join YARN", "2.3"
    ),
    "AddJobFlowSteps": _real(
        "Queues steps from STARTING on; at most 256 active; run as user hadoop on the primary node",
        "1.5, 3.1",
    ),
    "AddTags": _real("Sets tags on the cluster and its instances", "2.10"),
    "CancelSteps": _real(
        "PENDING and RUNNING steps, SEND_INTERRUPT and TERMINATE_PROCESS, one answer a step; the step's YARN "
        "applications are killed too (emrbox's decision)",
        "1.5",
    ),
    "CreatePersistentAppUI": _partly(
        "A Spark history server off the cluster, also of one that has ended up to 30 days ago; neither Tez "
        "nor YARN's timeline",
        "7.1",
    ),
    "CreateSecurityConfiguration": _real(
        "Checked by EMR's members. RunJobFlow takes all of it without nodes; on nodes the options of IMDS, "
        "and refuses the rest by name",
        "2.12",
    ),
    "CreateStudio": _not("EMR Studio"),
    "CreateStudioSessionMapping": _not("EMR Studio"),
    "DeleteSecurityConfiguration": _real("Clusters that have it keep it", "2.12"),
    "DeleteStudio": _not("EMR Studio"),
    "DeleteStudioSessionMapping": _not("EMR Studio"),
    "DescribeCluster": _real("Every member that a cluster of instance groups or fleets has", "1.1, 2.1"),
    "DescribeJobFlows": _real(
        "By id, state and creation time; 512 at most, of the last two months", "1.1, model"
    ),
    "DescribeNotebookExecution": _not("notebook executions"),
    "DescribePersistentAppUI": _real("STARTING until the history server answers, then ATTACHED", "7.1"),
    "DescribeReleaseLabel": _real(
        "Releases from emr-5.20.0 on with their applications, in each region that has them", "2.2"
    ),
    "DescribeSecurityConfiguration": _real("The JSON as it was given", "2.12"),
    "DescribeStep": _real("State, timeline, FailureDetails, YARN application ids", "1.3"),
    "DescribeStudio": _not("EMR Studio"),
    "GetAutoTerminationPolicy": _real("The policy, or an empty answer", "1.6"),
    "GetBlockPublicAccessConfiguration": _real(
        "The account's configuration in the region; blocked but for port 22 unless it was changed", "2.11"
    ),
    "GetClusterSessionCredentials": _real(
        "Refused with the reason: they are for clusters with runtime roles, which no nodes here have", "model"
    ),
    "GetManagedScalingPolicy": _real("The policy, or an empty answer", "2.5"),
    "GetOnClusterAppUIPresignedURL": _partly(
        "ResourceManager, SparkHistoryServer and ApplicationMaster of clusters with nodes; a URL works once, "
        "within an hour, in a browser of this machine",
        "7.1",
    ),
    "GetPersistentAppUIPresignedURL": _partly(
        "The history server with all that was logged up to now; a URL works once, within an hour, in a "
        "browser of this machine",
        "7.1",
    ),
    "GetSession": _real("State, times, reason, configurations, tags", "7.2"),
    "GetSessionEndpoint": _partly(
        "The box's endpoint, without TLS, and a token for an hour; no credentials for direct connections",
        "7.2",
    ),
    "GetStudioSessionMapping": _not("EMR Studio"),
    "ListBootstrapActions": _real("50 a page", "2.8"),
    "ListClusters": _real(
        "Newest first, 50 a page, by state and creation time; ended ones for two months", "1.8"
    ),
    "ListInstanceFleets": _real(
        "Targets and provisioned units, instance types, specifications, state", "2.4"
    ),
    "ListInstanceGroups": _real(
        "Requested and running counts, market and bid, state and timeline", "1.2, 2.3"
    ),
    "ListInstances": _real(
        "By group or fleet, role and state; ended ones stay listed as long as their cluster", "1.2"
    ),
    "ListNotebookExecutions": _not("notebook executions"),
    "ListReleaseLabels": _real("The labels of the region, by prefix and application", "2.2"),
    "ListSecurityConfigurations": _real("50 a page, the oldest first", "2.12"),
    "ListSessions": _real("The newest first, by state", "7.2"),
    "ListSteps": _real("Newest first, 50 a page, by state or by up to ten ids", "1.5"),
    "ListStudioSessionMappings": _not("EMR Studio"),
    "ListStudios": _not("EMR Studio"),
    "ListSupportedInstanceTypes": _real(
        "The types of each release as AWS has answered, but for those that EC2 has no more; 100 a page", "2.2"
    ),
    "ModifyCluster": _real("StepConcurrencyLevel from 1 to 256", "1.5"),
    "ModifyInstanceFleet": _real(
        "Targets of core and task fleets: nodes join, or leave after YARN and HDFS have decommissioned them; "
        "resize time-outs; instance types",
        "2.4",
    ),
    "ModifyInstanceGroups": _real(
        "Resizes core and task groups: nodes join, or leave after YARN and HDFS have decommissioned them; "
        "core not below dfs.replication; named instances end at once. Configurations: the nodes get the "
        "files, and the daemons that read them restart",
        "1.2, 2.3, 2.5",
    ),
    "PutAutoScalingPolicy": _partly(
        "Rules of core and task groups on EMR's metrics of YARN and HDFS, every five minutes by its "
        "clock; no other metrics, namespaces and dimensions",
        "2.5",
    ),
    "PutAutoTerminationPolicy": _real(
        "Idle: no active YARN application, HDFS below a tenth, no pending step, no busy file", "1.6"
    ),
    "PutBlockPublicAccessConfiguration": _real(
        "At a start, groups with ports open to everybody end the cluster; without nodes too", "2.11"
    ),
    "PutManagedScalingPolicy": _partly(
        "Groups and fleets grow with YARN's pending containers and lose nodes without containers; "
        "ScalingStrategy ADVANCED is refused",
        "2.5",
    ),
    "RemoveAutoScalingPolicy": _real("Detaches the policy; the group keeps its size", "2.5"),
    "RemoveAutoTerminationPolicy": _real("Forgets the policy", "1.6"),
    "RemoveManagedScalingPolicy": _real("Forgets the policy; groups and fleets keep their sizes", "2.5"),
    "RemoveTags": _real("Removes tags from the cluster and its instances", "2.10"),
    "RunJobFlow": _real(
        "Instance groups, fleets or the simple form on real nodes with HDFS, YARN and Spark; scaling "
        "policies; security configurations. What it refuses by name is in the table of members below",
        "1.1, 2.1, 2.4, 2.5, 2.11, 2.12",
    ),
    "SetKeepJobFlowAliveWhenNoSteps": _real("Off: a cluster without steps ends at once", "1.6"),
    "SetTerminationProtection": _real("Also sets DisableApiTermination on the instances", "1.6"),
    "SetUnhealthyNodeReplacement": _real(
        "On: core nodes that YARN has called unhealthy for 45 minutes are replaced, gracefully", "1.2"
    ),
    "SetVisibleToAllUsers": _real("The flag is kept and has no effect, as in EMR", "2.1"),
    "StartNotebookExecution": _not("notebook executions"),
    "StartSession": _partly(
        "A Spark Connect server on the primary node, executors by YARN; spark-defaults of its own, idle "
        "timeout; no runtime roles, no logs of sessions elsewhere",
        "7.2",
    ),
    "StopNotebookExecution": _not("notebook executions"),
    "TerminateJobFlows": _real("Up to ten; refused for protected ones, the others end", "1.6"),
    "TerminateSession": _real("Ends the server and its application", "7.2"),
    "UpdateStudio": _not("EMR Studio"),
    "UpdateStudioSessionMapping": _not("EMR Studio"),
}


def not_available(operation: str) -> AwsError:
    """Return the refusal of an operation that emrbox does not have: a 400 that no client retries.

    The wording is emrbox's own; the code is the operations' own for a request that cannot be served (model).
    """
    what = COVERAGE[operation].behaviour
    return invalid_request(
        f"The operation {operation} is not available in this region: emrbox has no {what}."
    )

"""What becomes of each member of a launch: one row for every member of RunJobFlow and of its Instances.

docs/emrbox.md's table is generated from here; `check_run_job_flow` refuses what is not available.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Use(StrEnum):
    """What emrbox does with a member."""

    ACTED_ON = "acted on"
    SHOWN = "kept and shown, without effect"
    NO_EFFECT = "without effect, as in EMR"
    REFUSED = "refused by name"


@dataclass(frozen=True)
class Member:
    """One member's use, and what is to say about it."""

    use: Use
    what: str


def _on(what: str) -> Member:
    return Member(Use.ACTED_ON, what)


def _shown(what: str) -> Member:
    return Member(Use.SHOWN, what)


def _refused(what: str) -> Member:
    return Member(Use.REFUSED, what)


TOP: dict[str, Member] = {
    "AdditionalInfo": _refused("features that EMR's support switches on"),
    "AmiVersion": _refused("releases before emr-4.0.0"),
    "Applications": _on("those of the release; on nodes Hadoop and Spark only"),
    "AutoScalingRole": _on("automatic scaling of groups"),
    "AutoTerminationPolicy": _on("IdleTimeout"),
    "BootstrapActions": _on("run on every node before the applications are there"),
    "Configurations": _on("the files of docs/aws_facts.md 2.7"),
    "CustomAmiId": _on("images of the box"),
    "EbsRootVolumeIops": _shown("there are no root volumes"),
    "EbsRootVolumeSize": _shown("15 to 100 GiB, from 10 before emr-6.10.0; there are no root volumes"),
    "EbsRootVolumeThroughput": _shown("there are no root volumes"),
    "ExtendedSupport": _shown("a matter of money"),
    "Instances": _on("see below"),
    "JobFlowRole": _on("the instance profile of the nodes"),
    "KerberosAttributes": _refused("Kerberos"),
    "LogEncryptionKmsKeyId": _shown("logs are not encrypted"),
    "LogUri": _on("where logs are written"),
    "ManagedScalingPolicy": _on("managed scaling"),
    "MonitoringConfiguration": _refused("logs of the nodes in CloudWatch"),
    "Name": _on("the cluster's name"),
    "NewSupportedProducts": _refused("products of releases before emr-4.0.0"),
    "OSReleaseLabel": _shown("the nodes' system is one for all"),
    "PlacementGroupConfigs": _refused("placement groups"),
    "ReleaseLabel": _on("the catalogue of releases; on nodes the software is one for all"),
    "RepoUpgradeOnBoot": _shown("the packages are those of the image"),
    "ScaleDownBehavior": _shown("always TERMINATE_AT_TASK_COMPLETION"),
    "SecurityConfiguration": _on("on nodes IMDS options only; the rest is refused there by name"),
    "ServiceRole": _on("the role by which instances are launched"),
    "SessionEnabled": _on("Spark Connect sessions"),
    "StepConcurrencyLevel": _on("1 to 256 steps at once"),
    "StepExecutionRoleArn": _refused("runtime roles of steps"),
    "Steps": _on("queued at once"),
    "SupportedProducts": _refused("products of releases before emr-4.0.0"),
    "Tags": _on("on the cluster, its instances and volumes"),
    "VisibleToAllUsers": Member(Use.NO_EFFECT, "kept and shown"),
}
INSTANCES: dict[str, Member] = {
    "AdditionalMasterSecurityGroups": _on("given to the primary node"),
    "AdditionalSlaveSecurityGroups": _on("given to the other nodes"),
    "Ec2KeyName": _on("in authorized_keys of user hadoop"),
    "Ec2SubnetId": _on("where nodes are launched"),
    "Ec2SubnetIds": _on("of fleets: one is chosen"),
    "EmrManagedMasterSecurityGroup": _on("in place of the group that EMR makes"),
    "EmrManagedSlaveSecurityGroup": _on("in place of the group that EMR makes"),
    "HadoopVersion": _refused("releases before emr-4.0.0"),
    "InstanceCount": _on("the simple form"),
    "InstanceFleets": _on("fleets"),
    "InstanceGroups": _on("groups; three masters without nodes only"),
    "KeepJobFlowAliveWhenNoSteps": _on("whether the cluster ends after its steps"),
    "MasterInstanceType": _on("the simple form"),
    "Placement": _on("a zone; several of fleets"),
    "ServiceAccessSecurityGroup": _on("checked, and let in on nodes"),
    "SlaveInstanceType": _on("the simple form"),
    "TerminationProtected": _on("TerminateJobFlows and EC2 refuse to end it"),
    "UnhealthyNodeReplacement": _on("core nodes that are unhealthy for 45 minutes are replaced"),
}


def refused(members: dict[str, Member]) -> list[str]:
    """Return the names of the members that are refused."""
    return [name for name, member in members.items() if member.use is Use.REFUSED]

"""EMR's records in the words of its API: what Describe* and List* return."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from emrbox.emr import ids, instance_types, releases, storage
from emrbox.emr.api import collection_type
from emrbox.emr.life import states
from emrbox.emr.life.auto_scaling import CLUSTER_ID_IN_POLICY
from emrbox.emr.life.model import ON_DEMAND, SPOT
from emrbox.emr.life.states import StepState

if TYPE_CHECKING:
    from datetime import datetime

    from emrbox.emr.life.model import (
        AutoScaling,
        Cluster,
        Group,
        Instance,
        Reason,
        Status,
        Step,
        TypeConfig,
    )

Document = dict[str, Any]
HADOOP_ALWAYS = "Hadoop"


def cluster_document(cluster: Cluster, now: datetime) -> Document:
    """DescribeCluster's answer."""
    request = cluster.request
    document: Document = {
        **_summary(cluster, now),
        "Ec2InstanceAttributes": _ec2_attributes(cluster),
        "InstanceCollectionType": collection_type.of(cluster),
        "LogUri": _log_uri(cluster),
        "LogEncryptionKmsKeyId": request.get("LogEncryptionKmsKeyId"),
        "ReleaseLabel": cluster.release_label,
        "AutoTerminate": not cluster.keep_alive,
        "TerminationProtected": cluster.termination_protected,
        "UnhealthyNodeReplacement": cluster.unhealthy_node_replacement,
        "VisibleToAllUsers": cluster.visible_to_all_users,
        "Applications": _applications(cluster),
        "Tags": tag_documents(cluster.tags),
        "ServiceRole": cluster.service_role,
        "AutoScalingRole": request.get("AutoScalingRole"),
        "MasterPublicDnsName": cluster.master_dns,
        "Configurations": request.get("Configurations", []),
        "ScaleDownBehavior": request.get("ScaleDownBehavior", "TERMINATE_AT_TASK_COMPLETION"),
        "CustomAmiId": request.get("CustomAmiId"),
        "EbsRootVolumeSize": request.get("EbsRootVolumeSize"),
        "EbsRootVolumeIops": request.get("EbsRootVolumeIops"),
        "EbsRootVolumeThroughput": request.get("EbsRootVolumeThroughput"),
        "ExtendedSupport": request.get("ExtendedSupport"),
        "RepoUpgradeOnBoot": request.get("RepoUpgradeOnBoot"),
        "SecurityConfiguration": request.get("SecurityConfiguration"),
        "SessionEnabled": request.get("SessionEnabled"),
        "StepConcurrencyLevel": cluster.step_concurrency,
        "OSReleaseLabel": request.get("OSReleaseLabel", releases.RELEASES[cluster.release_label].os_release),
    }
    return present(document)


def cluster_summary(cluster: Cluster, now: datetime) -> Document:
    """One entry of ListClusters."""
    return present(_summary(cluster, now))


def _summary(cluster: Cluster, now: datetime) -> Document:
    return {
        "Id": cluster.id,
        "Name": cluster.name,
        "Status": status_document(cluster.status, ErrorDetails=cluster.error_details or None),
        "NormalizedInstanceHours": _normalized_hours(cluster, now),
        "ClusterArn": ids.cluster_arn(cluster.id, cluster.account_id),
    }


def status_document(status: Status[Any], **more: Any) -> Document:
    """Show a state with its reason and timeline; a step has a start where others have a readiness."""
    second = "StartDateTime" if isinstance(status.state, StepState) else "ReadyDateTime"
    timeline = {"CreationDateTime": status.created, second: status.ready, "EndDateTime": status.ended}
    return present(
        {
            "State": str(status.state),
            "StateChangeReason": _reason(status.reason),
            "Timeline": present(timeline),
            **more,
        }
    )


def step_document(step: Step) -> Document:
    """DescribeStep's answer and an entry of ListSteps."""
    failure = step.failure and present(
        {"Reason": step.failure.reason, "Message": step.failure.message, "LogFile": step.failure.log_file}
    )
    config = {
        "Jar": step.jar,
        "Properties": step.properties,
        "MainClass": step.main_class,
        "Args": list(step.args),
    }
    more = step.application_ids and {
        "ResourceManager": "YARN",
        "ResourceManagerApplicationIds": list(step.application_ids),
    }
    return present(
        {
            "Id": step.id,
            "Name": step.name,
            "Config": present(config),
            "ActionOnFailure": str(step.action_on_failure),
            "Status": status_document(step.status, FailureDetails=failure or None),
            "AdditionalInfo": more or None,
        }
    )


def group_document(group: Group, cluster_id: str) -> Document:
    """One entry of ListInstanceGroups."""
    scaling = group.auto_scaling
    return present(
        {
            "Id": group.id,
            "Name": group.name,
            "Market": group.market,
            "InstanceGroupType": group.role,
            "BidPrice": group.type.bid_price,
            "InstanceType": group.type.name,
            "RequestedInstanceCount": group.requested_count,
            "RunningInstanceCount": group.running_count,
            "Status": status_document(group.status),
            "Configurations": group.type.configurations,
            "ConfigurationsVersion": group.reconfiguration.version,
            "LastSuccessfullyAppliedConfigurations": _applied(group),
            "LastSuccessfullyAppliedConfigurationsVersion": group.reconfiguration.applied_version,
            "EbsBlockDevices": storage.block_devices(group.type.name, group.type.ebs),
            "EbsOptimized": group.type.ebs.get("EbsOptimized"),
            "ShrinkPolicy": group.shrink_policy,
            "AutoScalingPolicy": scaling and auto_scaling_document(scaling, cluster_id),
            "CustomAmiId": group.type.custom_ami_id,
        }
    )


def auto_scaling_document(scaling: AutoScaling, cluster_id: str) -> Document:
    """AutoScalingPolicyDescription: the policy, in which the cluster's id stands, with its status."""
    status = {"State": str(scaling.status.state), "StateChangeReason": _reason(scaling.status.reason)}
    policy = json.dumps(scaling.policy).replace(CLUSTER_ID_IN_POLICY, cluster_id)
    return {"Status": status, **json.loads(policy)}


def _applied(group: Group) -> list[Document]:
    applied = group.reconfiguration.applied
    return group.type.configurations if applied is None else applied


def fleet_document(group: Group) -> Document:
    """One entry of ListInstanceFleets."""
    fleet = group.fleet
    return present(
        {
            "Id": group.id,
            "Name": group.name,
            "Status": status_document(group.status),
            "InstanceFleetType": group.role,
            "TargetOnDemandCapacity": group.targets[ON_DEMAND],
            "TargetSpotCapacity": group.targets[SPOT],
            "ProvisionedOnDemandCapacity": group.provisioned(ON_DEMAND),
            "ProvisionedSpotCapacity": group.provisioned(SPOT),
            "InstanceTypeSpecifications": [_type_specification(one) for one in group.types],
            "LaunchSpecifications": (fleet and fleet.launch) or None,
            "ResizeSpecifications": (fleet and fleet.resize) or None,
            "Context": fleet and fleet.context,
        }
    )


def _type_specification(one: TypeConfig) -> Document:
    return present(
        {
            "InstanceType": one.name,
            "WeightedCapacity": one.weight,
            "BidPrice": one.bid_price,
            "BidPriceAsPercentageOfOnDemandPrice": one.bid_percent,
            "Configurations": one.configurations,
            "EbsBlockDevices": storage.block_devices(one.name, one.ebs),
            "EbsOptimized": one.ebs.get("EbsOptimized"),
            "CustomAmiId": one.custom_ami_id,
            "Priority": one.priority,
        }
    )


def instance_document(group: Group, instance: Instance) -> Document:
    """One entry of ListInstances."""
    return present(
        {
            "Id": instance.id,
            "Ec2InstanceId": instance.ec2_id or None,
            # In a private subnet the public name is the private one (docs/aws_facts.md 2.1).
            "PublicDnsName": instance.private_dns or None,
            "PublicIpAddress": None,
            "PrivateDnsName": instance.private_dns or None,
            "PrivateIpAddress": instance.private_ip or None,
            "Status": status_document(instance.status),
            "InstanceFleetId" if group.fleet else "InstanceGroupId": group.id,
            "Market": instance.market,
            "InstanceType": instance.type.name,
            "EbsVolumes": instance.volumes,
        }
    )


def application(name: str, version: str | None) -> Document:
    """Show an application; its version is left out where it is not known."""
    return present({"Name": name, "Version": version})


def tag_documents(tags: dict[str, str]) -> list[Document]:
    """Tags as a list of Key and Value."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def present(document: Document) -> Document:
    """Leave out members that have no value."""
    return {name: value for name, value in document.items() if value is not None}


def _reason(reason: Reason) -> Document:
    return present({"Code": reason.code and str(reason.code), "Message": reason.message})


def _ec2_attributes(cluster: Cluster) -> Document:
    asked = cluster.request["Instances"]
    kept = (
        "Ec2KeyName",
        "EmrManagedMasterSecurityGroup",
        "EmrManagedSlaveSecurityGroup",
        "ServiceAccessSecurityGroup",
        "AdditionalMasterSecurityGroups",
        "AdditionalSlaveSecurityGroups",
    )
    return present(
        {
            **{name: asked.get(name) for name in kept},
            **{f"EmrManaged{kind}SecurityGroup": g for kind, g in cluster.security_groups.items()},
            "Ec2SubnetId": cluster.subnet_id,
            "RequestedEc2SubnetIds": asked.get("Ec2SubnetIds")
            or list(filter(None, [asked.get("Ec2SubnetId")])),
            "Ec2AvailabilityZone": cluster.availability_zone,
            "RequestedEc2AvailabilityZones": asked.get("Placement", {}).get("AvailabilityZones", []),
            "IamInstanceProfile": cluster.instance_profile,
        }
    )


def _log_uri(cluster: Cluster) -> str | None:
    """LogUri comes back as s3n:// (docs/aws_facts.md 2.1)."""
    return cluster.log_uri and "s3n://" + cluster.log_uri.partition("://")[2]


def _applications(cluster: Cluster) -> list[Document]:
    # Nodes have the same software whatever the label is; a cluster without nodes has what the label has.
    label = cluster.release_label if cluster.is_hollow else releases.SOFTWARE
    known = releases.RELEASES[label].applications
    asked = {a.get("Name", "").lower() for a in cluster.request.get("Applications", [])} | {
        HADOOP_ALWAYS.lower()
    }
    return [application(*pair) for pair in known.items() if pair[0].lower() in asked]


def _normalized_hours(cluster: Cluster, now: datetime) -> int:
    """Hours begun, times each instance's units, from the moment the cluster was ready."""
    if cluster.status.ready is None or cluster.status.state == states.ClusterState.STARTING:
        return 0
    total = 0
    for instance in cluster.instances:
        if instance.status.ready is not None:
            seconds = ((instance.status.ended or now) - instance.status.ready).total_seconds()
            units = instance_types.by_name()[instance.type.name].units_per_hour
            total += units * max(1, math.ceil(seconds / 3600))
    return total

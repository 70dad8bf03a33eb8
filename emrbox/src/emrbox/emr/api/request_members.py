"""What becomes of each member of a request: one row for every member of the shapes of launches and changes.

The operations are those of `OPERATIONS`; their shapes are botocore's, nested ones included. What lies below a
member that is refused needs no rows. docs/emrbox.md's table is generated from here; `unavailable.py` refuses
what is not available.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

OPERATIONS = (
    "RunJobFlow",
    "AddInstanceGroups",
    "AddInstanceFleet",
    "ModifyInstanceGroups",
    "ModifyInstanceFleet",
    "AddJobFlowSteps",
    "PutAutoScalingPolicy",
    "PutManagedScalingPolicy",
    "PutAutoTerminationPolicy",
)


class Use(StrEnum):
    """What emrbox does with a member."""

    ACTED_ON = "acted on"
    SHOWN = "kept and shown: a client sees no more of it"
    NO_EFFECT = "without effect, as in EMR"
    REFUSED_BY_EMR = "refused, as by EMR"
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


_VOLUME = "of the root volume, as EC2 shows it"
_RUNTIME_ROLES = "runtime roles of steps"
_PRODUCTS = "products of releases before emr-4.0.0"
_RESERVATIONS = "capacity reservations"

SHAPES: dict[str, dict[str, Member]] = {
    "RunJobFlowInput": {
        "AdditionalInfo": _refused("features that EMR's support switches on"),
        "AmiVersion": _refused("releases before emr-4.0.0"),
        "Applications": _on("those of the release; on nodes Hadoop and Spark only"),
        "AutoScalingRole": _on("automatic scaling of groups"),
        "AutoTerminationPolicy": _on("from the launch on"),
        "BootstrapActions": _on("run on every node before the applications are there"),
        "Configurations": _on("the files of docs/aws_facts.md 2.7"),
        "CustomAmiId": _on("images of the box"),
        "EbsRootVolumeIops": _on(f"{_VOLUME}, from emr-6.15.0 on"),
        "EbsRootVolumeSize": _on(f"{_VOLUME}; 15 to 100 GiB, from 10 before emr-6.10.0; disks have no limit"),
        "EbsRootVolumeThroughput": _on(f"{_VOLUME}, from emr-6.15.0 on"),
        "ExtendedSupport": _shown('"Reserved" (model)'),
        "Instances": _on("JobFlowInstancesConfig, below"),
        "JobFlowRole": _on("the instance profile of the nodes"),
        "KerberosAttributes": _refused("Kerberos"),
        "LogEncryptionKmsKeyId": _on(
            "logs are put with SSE-KMS and this key, as S3 shows; it encrypts nothing. From emr-5.30.0 on, "
            "but for emr-6.0.0"
        ),
        "LogUri": _on("where logs are written"),
        "ManagedScalingPolicy": _on("from the launch on"),
        "MonitoringConfiguration": _refused("logs of the nodes in CloudWatch"),
        "Name": _on("the cluster's name"),
        "NewSupportedProducts": _refused(_PRODUCTS),
        "OSReleaseLabel": _on(
            "on nodes the release's own only, any other is refused by name; clusters without nodes show it"
        ),
        "PlacementGroupConfigs": _refused("placement groups"),
        "ReleaseLabel": _on("the catalogue of releases; on nodes the software is one for all"),
        "RepoUpgradeOnBoot": _shown(
            "the box's repository has one version of each package: there is nothing to upgrade"
        ),
        "ScaleDownBehavior": _on(
            "TERMINATE_AT_TASK_COMPLETION; TERMINATE_AT_INSTANCE_HOUR is refused by name"
        ),
        "SecurityConfiguration": _on("on nodes IMDS options only; the rest is refused there by name"),
        "ServiceRole": _on("the role by which instances are launched"),
        "SessionEnabled": _on("Spark Connect sessions"),
        "StepConcurrencyLevel": _on("1 to 256 steps at once"),
        "StepExecutionRoleArn": _refused(_RUNTIME_ROLES),
        "Steps": _on("queued at once"),
        "SupportedProducts": _refused(_PRODUCTS),
        "Tags": _on("on the cluster, its instances and volumes"),
        "VisibleToAllUsers": Member(Use.NO_EFFECT, "kept and shown"),
    },
    "JobFlowInstancesConfig": {
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
        "Placement": _on("PlacementType, below"),
        "ServiceAccessSecurityGroup": _on("checked, and let in on nodes"),
        "SlaveInstanceType": _on("the simple form"),
        "TerminationProtected": _on("TerminateJobFlows and EC2 refuse to end it"),
        "UnhealthyNodeReplacement": _on("core nodes that are unhealthy for 45 minutes are replaced"),
    },
    "PlacementType": {
        "AvailabilityZone": _on("where nodes are launched"),
        "AvailabilityZones": _on("of fleets: one is chosen"),
    },
    "Application": {
        "AdditionalInfo": _refused("data for applications: from emr-4.0.0 on a name is all that is accepted"),
        "Args": _refused("arguments of applications: from emr-4.0.0 on a name is all that is accepted"),
        "Name": _on("in any case of letters"),
        "Version": _refused("versions of applications but the release's: a name is all that is accepted"),
    },
    "BootstrapActionConfig": {
        "Name": _on("the action's name"),
        "ScriptBootstrapAction": _on("below"),
    },
    "ScriptBootstrapActionConfig": {
        "Args": _on("its arguments"),
        "Path": _on("in S3, or a file of the node"),
    },
    "Tag": {
        "Key": _on("1 to 128 characters, not aws:…"),
        "Value": _on("at most 256 characters"),
    },
    "Configuration": {
        "Classification": _on("which file"),
        "Configurations": _on("export blocks of …-env"),
        "Properties": _on("what is written into the file"),
    },
    "AutoTerminationPolicy": {
        "IdleTimeout": _on("60 to 604,800 seconds; an hour if it is not given"),
    },
    "AddJobFlowStepsInput": {
        "ExecutionRoleArn": _refused(_RUNTIME_ROLES),
        "JobFlowId": _on("which cluster"),
        "Steps": _on("queued at once"),
    },
    "StepConfig": {
        "ActionOnFailure": _on("TERMINATE_CLUSTER if it is not given (a guess)"),
        "HadoopJarStep": _on("below"),
        "Name": _on("the step's name"),
        "StepMonitoringConfiguration": _refused("log URIs of single steps"),
    },
    "HadoopJarStepConfig": {
        "Args": _on("the arguments of its process"),
        "Jar": _on("command-runner.jar, a jar in S3 or on the node"),
        "MainClass": _on("the class that is run"),
        "Properties": _on("-D options of its process"),
    },
    "KeyValue": {
        "Key": _on("the property's name"),
        "Value": _on("its value"),
    },
    "AddInstanceGroupsInput": {
        "InstanceGroups": _on("task groups"),
        "JobFlowId": _on("which cluster"),
    },
    "InstanceGroupConfig": {
        "AutoScalingPolicy": _on("of core and task groups"),
        "BidPrice": _on("EC2 has no instances for bids below the price of the fault spot-price"),
        "Configurations": _on("of this group's nodes, over the cluster's"),
        "CustomAmiId": _on("images of the box; not together with the cluster's"),
        "EbsConfiguration": _on("the volumes of each instance"),
        "InstanceCount": _on("up to 2,000"),
        "InstanceRole": _on("one master group, at most one core group and 48 task groups"),
        "InstanceType": _on("all on which the release runs; on nodes x86_64 only"),
        "Market": _on("on demand or spot"),
        "Name": _on("the group's name"),
    },
    "EbsConfiguration": {
        "EbsBlockDeviceConfigs": _on("else EMR's defaults by instance type"),
        "EbsOptimized": _on("of the instance in EC2"),
    },
    "EbsBlockDeviceConfig": {
        "VolumeSpecification": _on("below"),
        "VolumesPerInstance": _on("at most 25 together"),
    },
    "VolumeSpecification": {
        "Iops": _on("of the volume, as EC2 shows it"),
        "SizeInGB": _on("of the volume, as EC2 shows it; 1 to 1024 GiB, core nodes from 5"),
        "Throughput": _on("of the volume, as EC2 shows it; gp3 only"),
        "VolumeType": _on("of the volume, as EC2 shows it"),
    },
    "AutoScalingPolicy": {
        "Constraints": _on("below"),
        "Rules": _on("of several the one with the largest size counts"),
    },
    "ScalingConstraints": {
        "MaxCapacity": _on("the largest size"),
        "MinCapacity": _on("the smallest size"),
    },
    "ScalingRule": {
        "Action": _on("below"),
        "Description": _shown("a text"),
        "Name": _on("unique in its policy"),
        "Trigger": _on("below"),
    },
    "ScalingAction": {
        "Market": Member(Use.REFUSED_BY_EMR, '"Not available for instance groups" (model)'),
        "SimpleScalingPolicyConfiguration": _on("below"),
    },
    "SimpleScalingPolicyConfiguration": {
        "AdjustmentType": _on("a change, a percentage, an exact size"),
        "CoolDown": _on("seconds from the end of a resize"),
        "ScalingAdjustment": _on("by how much"),
    },
    "ScalingTrigger": {
        "CloudWatchAlarmDefinition": _on("below"),
    },
    "CloudWatchAlarmDefinition": {
        "ComparisonOperator": _on("all four"),
        "Dimensions": _on("JobFlowId = ${emr.clusterId} only, others are refused by name"),
        "EvaluationPeriods": _on("1 or more, a day at most"),
        "MetricName": _on("EMR's of YARN and HDFS, others are refused by name"),
        "Namespace": _on("AWS/ElasticMapReduce only, others are refused with their metric"),
        "Period": _on("multiples of 300 seconds"),
        "Statistic": _on("all five"),
        "Threshold": _on("the alarm's"),
        "Unit": _on("the metric's own"),
    },
    "MetricDimension": {
        "Key": _on("JobFlowId"),
        "Value": _on("${emr.clusterId}"),
    },
    "AddInstanceFleetInput": {
        "ClusterId": _on("which cluster"),
        "InstanceFleet": _on("a task fleet"),
    },
    "InstanceFleetConfig": {
        "Context": _shown('"Reserved" (model)'),
        "InstanceFleetType": _on("one of each kind"),
        "InstanceTypeConfigs": _on("up to 5; 30 with an allocation strategy"),
        "LaunchSpecifications": _on("below"),
        "Name": _on("the fleet's name"),
        "ResizeSpecifications": _on("below"),
        "TargetOnDemandCapacity": _on("units on demand"),
        "TargetSpotCapacity": _on("spot units"),
    },
    "InstanceTypeConfig": {
        "BidPrice": _on("as of groups"),
        "BidPriceAsPercentageOfOnDemandPrice": _on("100 if no bid is given"),
        "Configurations": _on("of nodes of this type, over the cluster's"),
        "CustomAmiId": _on("images of the box; not together with the cluster's"),
        "EbsConfiguration": _on("the volumes of each instance"),
        "InstanceType": _on("all on which the release runs; on nodes x86_64 only"),
        "Priority": _on("of the prioritized strategies"),
        "WeightedCapacity": _on("units of each instance"),
    },
    "InstanceFleetProvisioningSpecifications": {
        "OnDemandSpecification": _on("below"),
        "SpotSpecification": _on("below"),
    },
    "SpotProvisioningSpecification": {
        "AllocationStrategy": _on("all five, by on-demand prices and the fault no-capacity"),
        "BlockDurationMinutes": _refused("spot instances for a fixed time"),
        "TimeoutAction": _on("SWITCH_TO_ON_DEMAND or TERMINATE_CLUSTER"),
        "TimeoutDurationMinutes": _on("5 to 1440"),
    },
    "OnDemandProvisioningSpecification": {
        "AllocationStrategy": _on("lowest-price, prioritized"),
        "CapacityReservationOptions": _refused(_RESERVATIONS),
    },
    "InstanceFleetResizingSpecifications": {
        "OnDemandResizeSpecification": _on("below"),
        "SpotResizeSpecification": _on("below"),
    },
    "SpotResizingSpecification": {
        "AllocationStrategy": _on("as at the launch"),
        "TimeoutDurationMinutes": _on("5 to 10,080"),
    },
    "OnDemandResizingSpecification": {
        "AllocationStrategy": _on("as at the launch"),
        "CapacityReservationOptions": _refused(_RESERVATIONS),
        "TimeoutDurationMinutes": _on("5 to 10,080"),
    },
    "ModifyInstanceGroupsInput": {
        "ClusterId": _on("which cluster; else that of the groups"),
        "InstanceGroups": _on("all are checked before one changes"),
    },
    "InstanceGroupModifyConfig": {
        "Configurations": _on("written anew; daemons that read them restart"),
        "EC2InstanceIdsToTerminate": _on("end at once and are not replaced"),
        "InstanceCount": _on("nodes join or leave"),
        "InstanceGroupId": _on("which group"),
        "ReconfigurationType": _on("OVERWRITE or MERGE"),
        "ShrinkPolicy": _on("below"),
    },
    "ShrinkPolicy": {
        "DecommissionTimeout": _on("seconds, 3,600 if it is not given"),
        "InstanceResizePolicy": _on("below"),
    },
    "InstanceResizePolicy": {
        "InstanceTerminationTimeout": _on("seconds for InstancesToTerminate, over DecommissionTimeout"),
        "InstancesToProtect": _on("leave last"),
        "InstancesToTerminate": _on("leave first"),
    },
    "ModifyInstanceFleetInput": {
        "ClusterId": _on("which cluster"),
        "InstanceFleet": _on("what is not named stays as it is"),
    },
    "InstanceFleetModifyConfig": {
        "Context": _shown('"Reserved" (model)'),
        "InstanceFleetId": _on("which fleet"),
        "InstanceTypeConfigs": _on("in place of the types before"),
        "ResizeSpecifications": _on("of this and later resizes"),
        "TargetOnDemandCapacity": _on("units on demand"),
        "TargetSpotCapacity": _on("spot units"),
    },
    "PutAutoScalingPolicyInput": {
        "AutoScalingPolicy": _on("of core and task groups"),
        "ClusterId": _on("which cluster"),
        "InstanceGroupId": _on("which group"),
    },
    "PutManagedScalingPolicyInput": {
        "ClusterId": _on("which cluster"),
        "ManagedScalingPolicy": _on("from now on"),
    },
    "ManagedScalingPolicy": {
        "ComputeLimits": _on("below"),
        "ScalingStrategy": _on("DEFAULT; ADVANCED is refused by name"),
        "UtilizationPerformanceIndex": Member(Use.REFUSED_BY_EMR, "without the strategy ADVANCED"),
    },
    "ComputeLimits": {
        "MaximumCapacityUnits": _on("of core and task nodes together"),
        "MaximumCoreCapacityUnits": _on("of core nodes"),
        "MaximumOnDemandCapacityUnits": _on("of nodes on demand"),
        "MinimumCapacityUnits": _on("of core and task nodes together"),
        "UnitType": _on("Instances, VCPU; InstanceFleetUnits of fleets"),
    },
    "PutAutoTerminationPolicyInput": {
        "AutoTerminationPolicy": _on("in place of the one before"),
        "ClusterId": _on("which cluster"),
    },
}

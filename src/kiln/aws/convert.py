"""Pure transformations between botocore's documents and kiln's values.

This is where AWS's answers come in. What AWS itself makes (ids, states, addresses, times) has to have the
form that AWS documents; what people can choose (names, tags, arguments, messages) stays text.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from kiln.aws import effects, forms
from kiln.identity import CLUSTER_ID, STEP_ID, of_step_name, step_name

if TYPE_CHECKING:
    from collections.abc import Mapping

_EC2_ID = re.compile(r"i-[0-9a-f]{8,17}")
_IMAGE_ID = re.compile(r"ami-[0-9a-f]{8,17}")
_SNAPSHOT_ID = re.compile(r"snap-[0-9a-f]{8,17}")
_EMR_INSTANCE_ID = re.compile(r"[a-z]{1,4}-[A-Z0-9]{1,32}")
_FAILED_BY_ITSELF = "INSTANCE_FAILURE"
_KINDS = ("MASTER", "CORE", "TASK")
_LOG_URI = re.compile(r"s3[an]?://[A-Za-z0-9._-]{3,255}(/[^\x00-\x1f\x7f]*)?")


def normal_log_uri(uri: str) -> str:
    """Return `s3://…/` for what DescribeCluster gives back as `s3n://…` (docs/aws_facts.md 2.1)."""
    if not _LOG_URI.fullmatch(uri):
        return ""
    return f"s3://{uri.partition('://')[2].rstrip('/')}/"


@forms.whole
def cluster_id(raw: Mapping[str, Any]) -> str:
    """Read the answer of RunJobFlow."""
    return forms.id_of(raw["JobFlowId"], CLUSTER_ID)


@forms.whole
def applications(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Read the applications of DescribeReleaseLabel."""
    return tuple(forms.text(one["Name"]) for one in raw["Applications"])


@forms.whole
def instance_types(raw: Mapping[str, Any]) -> list[str]:
    """Read a page of ListSupportedInstanceTypes."""
    return [forms.text(one["Type"]) for one in raw["SupportedInstanceTypes"]]


@forms.whole
def step_ids(raw: Mapping[str, Any]) -> list[str]:
    """Read the answer of AddJobFlowSteps."""
    return [forms.id_of(step_id, STEP_ID) for step_id in raw["StepIds"]]


@forms.whole
def listed(raw: Mapping[str, Any], member: str) -> list[Any]:
    """Return a list of a page of EMR's, which is there also when it is empty."""
    found = raw[member]
    if not isinstance(found, list):
        raise TypeError(member)
    return found


@forms.whole
def listed_objects(raw: Mapping[str, Any]) -> list[Any]:
    """Return the objects of a page of ListObjectsV2. S3 leaves an empty list out, but not the bucket."""
    return listed(raw, "Contents") if "Contents" in raw or not forms.text(raw.get("Name")) else []


@forms.whole
def group(raw: Mapping[str, Any]) -> effects.Group:
    """Read an InstanceGroup of ListInstanceGroups."""
    kind = forms.text(raw["InstanceGroupType"])
    return effects.Group(
        id=forms.text(raw["Id"]),
        kind=kind if kind in _KINDS else "",
        state=forms.state(raw["Status"]["State"]),
        requested=int(raw.get("RequestedInstanceCount", 0)),
        running=int(raw.get("RunningInstanceCount", 0)),
        market=forms.text(raw.get("Market")),
    )


@forms.whole
def fleet(raw: Mapping[str, Any]) -> effects.Group:
    """Read an InstanceFleet of ListInstanceFleets. Its counts are units; its instances have the markets."""
    kind = forms.text(raw["InstanceFleetType"])
    requested, running = (
        sum(int(raw.get(f"{what}{market}Capacity", 0)) for market in ("OnDemand", "Spot"))
        for what in ("Target", "Provisioned")
    )
    return effects.Group(
        id=forms.text(raw["Id"]),
        kind=kind if kind in _KINDS else "",
        state=forms.state(raw["Status"]["State"]),
        requested=requested,
        running=running,
    )


@forms.whole
def cluster_summary(raw: Mapping[str, Any]) -> effects.ClusterSummary:
    """Read a ClusterSummary of ListClusters."""
    status = raw["Status"]
    return effects.ClusterSummary(
        id=forms.id_of(raw["Id"], CLUSTER_ID),
        name=forms.text(raw["Name"]),
        state=forms.state(status["State"]),
        created_at=forms.time(status["Timeline"]["CreationDateTime"]),
    )


@forms.whole
def cluster(answer: Mapping[str, Any]) -> effects.Cluster:
    """Read the answer of DescribeCluster. Everything but id, name and state may be absent."""
    raw = answer["Cluster"]
    status = raw["Status"]
    reason = status.get("StateChangeReason", {})
    timeline = status.get("Timeline", {})
    details = status.get("ErrorDetails", [])
    return effects.Cluster(
        id=forms.id_of(raw["Id"], CLUSTER_ID),
        name=forms.text(raw["Name"]),
        state=forms.state(status["State"]),
        created_at=forms.time(timeline["CreationDateTime"]),
        reason_code=forms.text(reason.get("Code")),
        reason_message=forms.text(reason.get("Message")),
        detail_codes=tuple(forms.text(detail.get("ErrorCode")) for detail in details),
        detail_messages=tuple(forms.text(detail.get("ErrorMessage")) for detail in details),
        ready_at=forms.time_if_any(timeline.get("ReadyDateTime")),
        ended_at=forms.time_if_any(timeline.get("EndDateTime")),
        tags={forms.text(tag.get("Key")): forms.text(tag.get("Value")) for tag in raw.get("Tags", [])},
        log_uri=normal_log_uri(forms.text(raw.get("LogUri"))),
        instance_profile=forms.text(raw.get("Ec2InstanceAttributes", {}).get("IamInstanceProfile")),
        master_public_dns_name=forms.text(raw.get("MasterPublicDnsName")),
        release_label=forms.text(raw.get("ReleaseLabel")),
        termination_protected=bool(raw.get("TerminationProtected", False)),
        step_concurrency_level=max(1, int(raw.get("StepConcurrencyLevel") or 1)),
        custom_ami_id=forms.text(raw.get("CustomAmiId")),
    )


@forms.whole
def instance(raw: Mapping[str, Any], kinds: Mapping[str, str]) -> effects.Instance:
    """Read an Instance of ListInstances; `kinds` maps ids of groups and fleets to MASTER, CORE or TASK."""
    ec2_id = forms.text(raw.get("Ec2InstanceId"))
    return effects.Instance(
        id=forms.id_of(raw["Id"], _EMR_INSTANCE_ID),
        ec2_instance_id=ec2_id if _EC2_ID.fullmatch(ec2_id) else "",
        private_ip_address=forms.address(raw.get("PrivateIpAddress")),
        group=kinds.get(_group_id(raw), ""),
        state=forms.state(raw["Status"]["State"]),
    )


def _group_id(raw: Mapping[str, Any]) -> str:
    """Return the group or fleet of an Instance."""
    return forms.text(raw.get("InstanceGroupId") or raw.get("InstanceFleetId"))


@forms.whole
def lost_instance(raw: Mapping[str, Any]) -> effects.LostInstance | None:
    """Read an Instance of ListInstances; None when it has not failed by itself.

    An instance that ends with its cluster has the reason CLUSTER_TERMINATED (docs/aws_facts.md 1.2).
    """
    status = raw["Status"]
    if forms.text(status.get("StateChangeReason", {}).get("Code")) != _FAILED_BY_ITSELF:
        return None
    ec2_id = forms.text(raw.get("Ec2InstanceId"))
    return effects.LostInstance(
        id=forms.id_of(raw["Id"], _EMR_INSTANCE_ID),
        ec2_instance_id=ec2_id if _EC2_ID.fullmatch(ec2_id) else "",
        group_id=_group_id(raw),
        market=forms.text(raw.get("Market")),
        ended_at=forms.time_if_any(status.get("Timeline", {}).get("EndDateTime")),
    )


@forms.whole
def step(raw: Mapping[str, Any]) -> effects.Step:
    """Read a StepSummary of ListSteps."""
    status = raw["Status"]
    timeline = status.get("Timeline", {})
    failure = status.get("FailureDetails", {})
    config = raw.get("Config", {})
    name, run = of_step_name(forms.text(raw["Name"]))
    return effects.Step(
        id=forms.id_of(raw["Id"], STEP_ID),
        name=name,
        run=run,
        state=forms.state(status["State"]),
        created_at=forms.time(timeline["CreationDateTime"]),
        started_at=forms.time_if_any(timeline.get("StartDateTime")),
        ended_at=forms.time_if_any(timeline.get("EndDateTime")),
        jar=forms.text(config.get("Jar")),
        args=tuple(forms.text(argument) for argument in config.get("Args", [])),
        failure_reason=forms.text(failure.get("Reason")),
        failure_message=forms.text(failure.get("Message")),
        failure_log=forms.text(failure.get("LogFile")),
    )


def step_request(request: effects.StepRequest) -> dict[str, Any]:
    """Write the StepConfig of AddJobFlowSteps."""
    return {
        "Name": step_name(request.name, request.run),
        "ActionOnFailure": request.action_on_failure,
        "HadoopJarStep": {"Jar": request.jar, "Args": list(request.args)},
    }


@forms.whole
def date_of(answer: Mapping[str, Any]) -> datetime | None:
    """Return AWS's own time of an answer, from its header Date (RFC 9110 6.6.1); None without one."""
    text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return parsedate_to_datetime(text).replace(tzinfo=UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def object_summary(bucket: str, raw: Mapping[str, Any]) -> effects.ObjectSummary:
    """Read an object of ListObjectsV2."""
    return effects.ObjectSummary(
        uri=f"s3://{bucket}/{raw['Key']}", size=int(raw["Size"]), modified_at=forms.time(raw["LastModified"])
    )


@forms.whole
def ec2_instance(raw: Mapping[str, Any]) -> effects.Ec2Instance:
    """Read an Instance of EC2's DescribeInstances."""
    return effects.Ec2Instance(
        id=forms.id_of(raw["InstanceId"], _EC2_ID),
        state=forms.text(raw["State"]["Name"]),
        launched_at=forms.time(raw["LaunchTime"]),
        private_ip_address=forms.address(raw.get("PrivateIpAddress")),
        tags={forms.text(tag.get("Key")): forms.text(tag.get("Value")) for tag in raw.get("Tags", [])},
        reason_code=forms.text(raw.get("StateReason", {}).get("Code")),
        image_id=forms.text(raw.get("ImageId")),
    )


@forms.whole
def console_output(answer: Mapping[str, Any]) -> str:
    """Read the answer of GetConsoleOutput, whose text botocore has decoded; it may be missing."""
    return forms.text(answer.get("Output"))


@forms.whole
def image(raw: Mapping[str, Any]) -> effects.Image:
    """Read an Image of EC2's DescribeImages. One that is being made has no snapshot yet."""
    volumes = [one["Ebs"] for one in raw.get("BlockDeviceMappings", []) if "Ebs" in one]
    snapshots = [one["SnapshotId"] for one in volumes if one.get("SnapshotId")]
    return effects.Image(
        id=forms.id_of(raw["ImageId"], _IMAGE_ID),
        name=forms.text(raw.get("Name")),
        state=forms.text(raw["State"]),
        created_at=datetime.fromisoformat(raw["CreationDate"]).astimezone(UTC),
        tags={forms.text(tag.get("Key")): forms.text(tag.get("Value")) for tag in raw.get("Tags", [])},
        snapshot_ids=tuple(forms.id_of(one, _SNAPSHOT_ID) for one in snapshots),
        is_encrypted=bool(volumes) and all(one.get("Encrypted") is True for one in volumes),
        is_public=raw.get("Public") is True,
    )


@forms.whole
def messages(answer: Mapping[str, Any]) -> list[effects.Message]:
    """Read the answer of ReceiveMessage, which leaves an empty list out."""
    found = answer.get("Messages", [])
    return [
        effects.Message(body=forms.text(raw["Body"]), receipt=forms.text(raw["ReceiptHandle"]))
        for raw in found
    ]

"""Pure transformations between botocore's documents and kiln's values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiln import effects

if TYPE_CHECKING:
    from collections.abc import Mapping


def normal_log_uri(uri: str) -> str:
    """Return `s3://…/` for what DescribeCluster gives back as `s3n://…` (observed on real clusters)."""
    if not uri:
        return ""
    scheme, _, rest = uri.partition("://")
    scheme = "s3" if scheme in {"s3n", "s3a"} else scheme
    return f"{scheme}://{rest.rstrip('/')}/"


def cluster_summary(raw: Mapping[str, Any]) -> effects.ClusterSummary:
    """Read a ClusterSummary of ListClusters."""
    status = raw["Status"]
    return effects.ClusterSummary(
        id=raw["Id"],
        name=raw["Name"],
        state=status["State"],
        created_at=status["Timeline"]["CreationDateTime"],
    )


def cluster(raw: Mapping[str, Any]) -> effects.Cluster:
    """Read the Cluster of DescribeCluster. Everything but id, name and state may be absent."""
    status = raw["Status"]
    reason = status.get("StateChangeReason", {})
    timeline = status.get("Timeline", {})
    details = status.get("ErrorDetails", [])
    return effects.Cluster(
        id=raw["Id"],
        name=raw["Name"],
        state=status["State"],
        created_at=timeline["CreationDateTime"],
        reason_code=reason.get("Code", ""),
        reason_message=reason.get("Message", ""),
        detail_codes=tuple(detail.get("ErrorCode", "") for detail in details),
        detail_messages=tuple(detail.get("ErrorMessage", "") for detail in details),
        ready_at=timeline.get("ReadyDateTime"),
        ended_at=timeline.get("EndDateTime"),
        tags={tag["Key"]: tag.get("Value", "") for tag in raw.get("Tags", [])},
        log_uri=normal_log_uri(raw.get("LogUri", "")),
        master_public_dns_name=raw.get("MasterPublicDnsName", ""),
        release_label=raw.get("ReleaseLabel", ""),
        termination_protected=bool(raw.get("TerminationProtected", False)),
    )


def instance(raw: Mapping[str, Any], kinds: Mapping[str, str]) -> effects.Instance:
    """Read an Instance of ListInstances; `kinds` maps instance group ids to MASTER, CORE or TASK."""
    return effects.Instance(
        id=raw["Id"],
        ec2_instance_id=raw.get("Ec2InstanceId", ""),
        private_ip_address=raw.get("PrivateIpAddress", ""),
        group=kinds.get(raw.get("InstanceGroupId", ""), ""),
        state=raw["Status"]["State"],
    )


def step(raw: Mapping[str, Any]) -> effects.Step:
    """Read a StepSummary of ListSteps."""
    status = raw["Status"]
    timeline = status.get("Timeline", {})
    failure = status.get("FailureDetails", {})
    config = raw.get("Config", {})
    return effects.Step(
        id=raw["Id"],
        name=raw["Name"],
        state=status["State"],
        created_at=timeline["CreationDateTime"],
        started_at=timeline.get("StartDateTime"),
        ended_at=timeline.get("EndDateTime"),
        jar=config.get("Jar", ""),
        args=tuple(config.get("Args", [])),
        failure_reason=failure.get("Reason", ""),
        failure_message=failure.get("Message", ""),
        failure_log=failure.get("LogFile", ""),
    )


def step_request(request: effects.StepRequest) -> dict[str, Any]:
    """Write the StepConfig of AddJobFlowSteps."""
    return {
        "Name": request.name,
        "ActionOnFailure": request.action_on_failure,
        "HadoopJarStep": {"Jar": request.jar, "Args": list(request.args)},
    }


def object_summary(bucket: str, raw: Mapping[str, Any]) -> effects.ObjectSummary:
    """Read an object of ListObjectsV2."""
    return effects.ObjectSummary(
        uri=f"s3://{bucket}/{raw['Key']}", size=int(raw["Size"]), modified_at=raw["LastModified"]
    )

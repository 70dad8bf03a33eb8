"""Pure transformations between botocore's documents and kiln's values.

This is where AWS's answers come in. What AWS itself makes (ids, states, addresses, times) has to have the
form that AWS documents; what people can choose (names, tags, arguments, messages) stays text.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from kiln.aws import effects
from kiln.errors import UnansweredError
from kiln.identity import CLUSTER_ID, STEP_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

P = ParamSpec("P")
T = TypeVar("T")

_STATE = re.compile(r"[A-Z_]{1,40}")
_EC2_ID = re.compile(r"i-[0-9a-f]{8,17}")
_EMR_INSTANCE_ID = re.compile(r"[a-z]{1,4}-[A-Z0-9]{1,32}")
_KINDS = ("MASTER", "CORE", "TASK")
_LOG_URI = re.compile(r"s3[an]?://[A-Za-z0-9._-]{3,255}(/[^\x00-\x1f\x7f]*)?")


def _whole(function: Callable[P, T]) -> Callable[P, T]:
    """Count a document that is not what the API's model promises as no answer, whatever is wrong with it."""

    @functools.wraps(function)
    def read(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return function(*arguments, **named)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise UnansweredError(
                f"AWS's answer cannot be read ({function.__name__}: {type(error).__name__})",
                code="MalformedAnswer",
                operation=function.__name__,
                fix="check the profile's endpoint_url: is it AWS that answers there?",
            ) from error

    return read


def _id(value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError("not an id")
    return value


def _state(value: Any) -> str:
    """Return a state; one that EMR cannot have is UNKNOWN, which is neither live nor ended."""
    return value if isinstance(value, str) and _STATE.fullmatch(value) else "UNKNOWN"


def _text(value: Any) -> str:
    """Return what somebody has written; it may be missing."""
    return value if isinstance(value, str) else ""


def _time(value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError("not a time")
    return value


def _time_if_any(value: Any) -> datetime | None:
    return None if value is None else _time(value)


def _address(value: Any) -> str:
    """Return an IPv4 address, or nothing for what is none."""
    try:
        return str(ipaddress.IPv4Address(value)) if isinstance(value, str) else ""
    except ValueError:
        return ""


def normal_log_uri(uri: str) -> str:
    """Return `s3://…/` for what DescribeCluster gives back as `s3n://…` (observed on real clusters)."""
    if not _LOG_URI.fullmatch(uri):
        return ""
    return f"s3://{uri.partition('://')[2].rstrip('/')}/"


@_whole
def cluster_id(raw: Mapping[str, Any]) -> str:
    """Read the answer of RunJobFlow."""
    return _id(raw["JobFlowId"], CLUSTER_ID)


@_whole
def step_ids(raw: Mapping[str, Any]) -> list[str]:
    """Read the answer of AddJobFlowSteps."""
    return [_id(step_id, STEP_ID) for step_id in raw["StepIds"]]


@_whole
def listed(raw: Mapping[str, Any], member: str) -> list[Any]:
    """Return a list of a page of EMR's, which is there also when it is empty."""
    found = raw[member]
    if not isinstance(found, list):
        raise TypeError(member)
    return found


@_whole
def listed_objects(raw: Mapping[str, Any]) -> list[Any]:
    """Return the objects of a page of ListObjectsV2. S3 leaves an empty list out, but not the bucket."""
    return listed(raw, "Contents") if "Contents" in raw or not _text(raw.get("Name")) else []


@_whole
def group_kind(raw: Mapping[str, Any]) -> tuple[str, str]:
    """Read the id and the kind of an InstanceGroup."""
    return _text(raw["Id"]), _text(raw["InstanceGroupType"])


@_whole
def cluster_summary(raw: Mapping[str, Any]) -> effects.ClusterSummary:
    """Read a ClusterSummary of ListClusters."""
    status = raw["Status"]
    return effects.ClusterSummary(
        id=_id(raw["Id"], CLUSTER_ID),
        name=_text(raw["Name"]),
        state=_state(status["State"]),
        created_at=_time(status["Timeline"]["CreationDateTime"]),
    )


@_whole
def cluster(answer: Mapping[str, Any]) -> effects.Cluster:
    """Read the answer of DescribeCluster. Everything but id, name and state may be absent."""
    raw = answer["Cluster"]
    status = raw["Status"]
    reason = status.get("StateChangeReason", {})
    timeline = status.get("Timeline", {})
    details = status.get("ErrorDetails", [])
    return effects.Cluster(
        id=_id(raw["Id"], CLUSTER_ID),
        name=_text(raw["Name"]),
        state=_state(status["State"]),
        created_at=_time(timeline["CreationDateTime"]),
        reason_code=_text(reason.get("Code")),
        reason_message=_text(reason.get("Message")),
        detail_codes=tuple(_text(detail.get("ErrorCode")) for detail in details),
        detail_messages=tuple(_text(detail.get("ErrorMessage")) for detail in details),
        ready_at=_time_if_any(timeline.get("ReadyDateTime")),
        ended_at=_time_if_any(timeline.get("EndDateTime")),
        tags={_text(tag.get("Key")): _text(tag.get("Value")) for tag in raw.get("Tags", [])},
        log_uri=normal_log_uri(_text(raw.get("LogUri"))),
        master_public_dns_name=_text(raw.get("MasterPublicDnsName")),
        release_label=_text(raw.get("ReleaseLabel")),
        termination_protected=bool(raw.get("TerminationProtected", False)),
    )


@_whole
def instance(raw: Mapping[str, Any], kinds: Mapping[str, str]) -> effects.Instance:
    """Read an Instance of ListInstances; `kinds` maps instance group ids to MASTER, CORE or TASK."""
    ec2_id = _text(raw.get("Ec2InstanceId"))
    return effects.Instance(
        id=_id(raw["Id"], _EMR_INSTANCE_ID),
        ec2_instance_id=ec2_id if _EC2_ID.fullmatch(ec2_id) else "",
        private_ip_address=_address(raw.get("PrivateIpAddress")),
        group=kind if (kind := kinds.get(raw.get("InstanceGroupId", ""))) in _KINDS else "",
        state=_state(raw["Status"]["State"]),
    )


@_whole
def step(raw: Mapping[str, Any]) -> effects.Step:
    """Read a StepSummary of ListSteps."""
    status = raw["Status"]
    timeline = status.get("Timeline", {})
    failure = status.get("FailureDetails", {})
    config = raw.get("Config", {})
    return effects.Step(
        id=_id(raw["Id"], STEP_ID),
        name=_text(raw["Name"]),
        state=_state(status["State"]),
        created_at=_time(timeline["CreationDateTime"]),
        started_at=_time_if_any(timeline.get("StartDateTime")),
        ended_at=_time_if_any(timeline.get("EndDateTime")),
        jar=_text(config.get("Jar")),
        args=tuple(_text(argument) for argument in config.get("Args", [])),
        failure_reason=_text(failure.get("Reason")),
        failure_message=_text(failure.get("Message")),
        failure_log=_text(failure.get("LogFile")),
    )


def step_request(request: effects.StepRequest) -> dict[str, Any]:
    """Write the StepConfig of AddJobFlowSteps."""
    return {
        "Name": request.name,
        "ActionOnFailure": request.action_on_failure,
        "HadoopJarStep": {"Jar": request.jar, "Args": list(request.args)},
    }


@_whole
def object_summary(bucket: str, raw: Mapping[str, Any]) -> effects.ObjectSummary:
    """Read an object of ListObjectsV2."""
    return effects.ObjectSummary(
        uri=f"s3://{bucket}/{raw['Key']}", size=int(raw["Size"]), modified_at=_time(raw["LastModified"])
    )

"""How clusters end, as EMR reports it: reason code, message, ErrorDetails (docs/aws_facts.md 1.1).

ErrorDetails' codes and the keys of their data: Management Guide, "Error codes with ErrorDetail information".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emrbox.emr.life import states
from emrbox.emr.life.model import SPOT, Ending, Reason
from emrbox.emr.life.security import written
from emrbox.emr.life.states import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emrbox.emr.life.model import BootstrapAction, Cluster, Group, Place, Purchase
    from emrbox.emr.life.security import PublicAccess

PUBLIC_DOC = "https://docs.aws.amazon.com/emr/latest/ManagementGuide/{code}.html"
_OVER_QUOTA = (ReasonCode.INTERNAL_ERROR, "Request exceeds the EC2 service quota for that type.")
# What RunInstances refuses with -> the cluster's reason code and message.
EC2_REFUSALS = {
    "InstanceLimitExceeded": _OVER_QUOTA,
    "VcpuLimitExceeded": _OVER_QUOTA,
    "MaxSpotInstanceCountExceeded": _OVER_QUOTA,
    "RequestLimitExceeded": (
        ReasonCode.INTERNAL_ERROR,
        "Failed to provision instances due to throttling from Amazon EC2",
    ),
    "VolumeLimitExceeded": (ReasonCode.VALIDATION_ERROR, "The EBS volume limit was exceeded"),
    # Guess: the sources have only the beginning of this message.
    "InsufficientFreeAddressesInSubnet": (
        ReasonCode.VALIDATION_ERROR,
        "The subnet is not large enough: there are not enough free addresses for the instances.",
    ),
}

# Seen: hashicorp/terraform issue 25673.
NO_SERVICE_ACCESS = (
    "ServiceAccessSecurityGroup is missing ingress rule from EmrManagedMasterSecurityGroup on port 9443"
)
DOWNLOAD_FAILED = -1  # in place of an exit code


@dataclass(frozen=True)
class FailedNode:
    """A node on which a bootstrap action has failed."""

    ec2_id: str
    exit_code: int
    is_master: bool


def error_detail(code: str, message: str, **data: str) -> dict[str, Any]:
    """Return one entry of ErrorDetails; names in `data` are written with hyphens."""
    found = {name.replace("_", "-"): value for name, value in data.items()}
    found["public-doc"] = PUBLIC_DOC.format(code=code)
    return {
        "ErrorCode": code,
        "ErrorData": [{name: value} for name, value in found.items()],
        "ErrorMessage": message,
    }


def by_user() -> Ending:
    """Return the end that TerminateJobFlows asks for."""
    return Ending(Reason(ReasonCode.USER_REQUEST, states.TERMINATED_BY_USER), with_errors=False)


def by_idle_policy() -> Ending:
    """Return the end by the auto-termination policy. The code is a guess (docs/aws_facts.md 14.3)."""
    return Ending(Reason(ReasonCode.USER_REQUEST, states.IDLE_TIMEOUT_REACHED), with_errors=False)


def by_unhealthy_core_nodes() -> Ending:
    """Return the end of a cluster whose core nodes are all to be replaced at once (docs/aws_facts.md 1.2).

    That it is the same as for core nodes that are lost is a guess.
    """
    reason = Reason(ReasonCode.INSTANCE_FAILURE, "All slaves in the job flow were terminated")
    return Ending(reason, with_errors=True)


def by_bootstrap(message: str) -> Ending:
    """Return the end that a failed bootstrap action brings."""
    return Ending(Reason(ReasonCode.BOOTSTRAP_FAILURE, message), with_errors=True)


def by_bootstrap_action(number: int, action: BootstrapAction, failed: Sequence[FailedNode]) -> Ending:
    """Return the end of a cluster on some of whose nodes a bootstrap action has failed."""
    master = next((node for node in failed if node.is_master), None)
    if master is None:
        names = " and ".join(node.ec2_id for node in failed[:2])
        which = f"{len(failed)} slave instance{'s' if len(failed) > 1 else ''} (including {names})"
        return by_bootstrap(f"On {which}, bootstrap action {number} returned a non-zero return code")
    data = {"primary_instance_id": master.ec2_id, "bootstrap_action": str(number)}
    if master.exit_code == DOWNLOAD_FAILED:
        code = "BOOTSTRAP_FAILURE_BA_DOWNLOAD_FAILED_PRIMARY"
        message = (
            f"Master instance ({master.ec2_id}) failed attempting to download bootstrap action {number} file "
            "from S3"
        )
    else:
        code = "BOOTSTRAP_FAILURE_PRIMARY_WITH_NON_ZERO_CODE"
        message = (
            f"On the master instance ({master.ec2_id}), bootstrap action {number} returned a non-zero return "
            "code"
        )
        data["return_code"] = str(master.exit_code)
    detail = error_detail(code, message, **data, amazon_s3_path=action.path)
    return Ending(Reason(ReasonCode.BOOTSTRAP_FAILURE, message), with_errors=True, details=(detail,))


def by_validation(message: str, *details: dict[str, Any]) -> Ending:
    """Return the end of a cluster whose launch EC2 or IAM finds wrong."""
    return Ending(Reason(ReasonCode.VALIDATION_ERROR, message), with_errors=True, details=details)


def by_public_access(group_ids: Sequence[str], access: PublicAccess) -> Ending:
    """Return the end of a cluster whose groups open ports to everybody (seen: docs/aws_facts.md 2.11)."""
    return by_validation(
        f"The EC2 Security Groups [{', '.join(group_ids)}] contain one or more ingress rules to ports other "
        f"than [{written(access.permitted)}] which allow public access."
    )


def by_several_vpcs(places: Sequence[Place]) -> Ending:
    """Return the end of a cluster whose subnets are of several VPCs. The words of this end are a guess."""
    odd = next(place for place in places if place.vpc_id != places[0].vpc_id)
    message = f"The subnets {places[0].subnet_id} and {odd.subnet_id} do not belong to the same VPC."
    data = {"subnet": odd.subnet_id or "", "vpc": odd.vpc_id or ""}
    return by_validation(message, error_detail("VALIDATION_ERROR_SUBNET_NOT_FROM_ONE_VPC", message, **data))


def by_ec2_refusal(code: str, message: str) -> Ending:
    """Return the end of a cluster whose instances EC2 refuses for another reason than the request."""
    reason = Reason(*EC2_REFUSALS.get(code, (ReasonCode.INTERNAL_ERROR, f"{message} ({code})")))
    return Ending(reason, with_errors=True)


def over_quota() -> Ending:
    """Return the end of a cluster whose instances are more than EC2's quota of the account allows."""
    return Ending(Reason(*_OVER_QUOTA), with_errors=True)


def by_fault(reason: str, message: str, detail: str, *, with_errors: bool = True) -> Ending:
    """Return the end that a fault asks for; `detail` is a code of ErrorDetails. An empty text: none.

    Raises ValueError for a reason code that EMR does not have.
    """
    if reason and reason not in set(ReasonCode):
        raise ValueError(f"reason: one of {', '.join(ReasonCode)}, or nothing")
    details = (error_detail(detail, message),) if detail else ()
    code = ReasonCode(reason) if reason else None
    return Ending(Reason(code, message or None), with_errors=with_errors, details=details)


def by_fleet_timeout(group: Group) -> Ending:
    """Return the end by a fleet's provisioning time-out. The words of this end are a guess."""
    minutes = group.fleet and group.fleet.launch["SpotSpecification"]["TimeoutDurationMinutes"]
    message = f"The Spot capacity of instance fleet {group.id} was not provisioned within {minutes} minutes."
    return Ending(Reason(ReasonCode.INSTANCE_FLEET_TIMEOUT, message), with_errors=True)


def without_capacity(cluster: Cluster, role: str, purchase: Purchase) -> Ending:
    """Return the end of a cluster for whose nodes of a role EC2 has no capacity."""
    zone = cluster.availability_zone or "us-east-1a"
    message = f"EC2 is out of capacity for {purchase.type.name} in availability zone {zone}."
    data = {"instance_type": purchase.type.name, "availability_zone": zone}
    if role == "MASTER" and purchase.market == SPOT:
        detail = error_detail("INTERNAL_ERROR_SPOT_NO_CAPACITY_PRIMARY", message, **data)
    else:
        detail = error_detail("INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ", message, **data)
    return Ending(Reason(ReasonCode.INTERNAL_ERROR, message), with_errors=True, details=(detail,))

"""Condition keys: which ones emrbox evaluates, and what they are for a request.

Keys: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html and the Service
Authorization Reference. A key that is not EVALUATED counts as fulfilled in an Allow and as not fulfilled in a
Deny when AWS has it: what AWS would know and emrbox does not must refuse no call. Any other key (a misspelled
one, another service's) has no value, as on AWS.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Keys = dict[str, str | tuple[str, ...]]

_TAGS = r"(aws|{0}):(RequestTag|ResourceTag)/.*|aws:TagKeys"
EVALUATED = {
    service: re.compile(keys, re.IGNORECASE | re.DOTALL)
    for service, keys in {
        "": r"aws:(RequestedRegion|PrincipalArn|PrincipalAccount|username|SourceArn|SourceAccount)",
        "ec2": _TAGS.format("ec2") + "|ec2:CreateAction",
        "elasticmapreduce": _TAGS.format("elasticmapreduce") + "|elasticmapreduce:ExecutionRoleArn",
        "iam": "iam:PassedToService",
        "s3": "s3:(prefix|delimiter|max-keys)",
    }.items()
}
# The global keys of AWS, those that are evaluated among them.
GLOBAL = re.compile(
    r"aws:((PrincipalTag|RequestTag|ResourceTag)/.*"
    r"|CalledVia(First|Last)?|ChatbotSourceArn|CurrentTime|Ec2InstanceSourceVpc|Ec2InstanceSourcePrivateIPv4"
    r"|EpochTime|FederatedProvider|MultiFactorAuthAge|MultiFactorAuthPresent|PrincipalAccount|PrincipalArn"
    r"|PrincipalIsAWSService|PrincipalOrgID|PrincipalOrgPaths|PrincipalServiceName(sList)?|PrincipalType"
    r"|referer|RequestedRegion|ResourceAccount|ResourceOrgID|ResourceOrgPaths|SecureTransport|SourceAccount"
    r"|SourceArn|SourceIdentity|SourceIp|SourceOrgID|SourceOrgPaths|SourceVpc(Arn)?|SourceVpce|TagKeys"
    r"|TokenIssueTime|UserAgent|userid|username|ViaAWSService|VpceAccount|VpceOrgID|VpceOrgPaths|VpcSourceIp)",
    re.IGNORECASE | re.DOTALL,
)


def is_not_evaluated(key: str, action: str) -> bool:
    """Return whether AWS has the key for an action and emrbox does not evaluate it."""
    service = action.partition(":")[0].lower()
    if any(EVALUATED[name].fullmatch(key) for name in ("", service) if name in EVALUATED):
        return False
    return bool(GLOBAL.fullmatch(key)) or key.lower().startswith(f"{service}:")


def of_caller(arn: str, region: str) -> Keys:
    """Return what every request of a principal carries; aws:PrincipalArn of a session is its role's."""
    _, partition, service, _, account_id, name = arn.split(":", 5)
    keys: Keys = {"aws:RequestedRegion": region, "aws:PrincipalAccount": account_id, "aws:PrincipalArn": arn}
    if service == "sts" and name.startswith("assumed-role/"):
        role = name.split("/")[1]
        keys["aws:PrincipalArn"] = f"arn:{partition}:iam::{account_id}:role/{role}"
    if name.startswith("user/"):
        keys["aws:username"] = name.rpartition("/")[2]
    return keys


def of_request_tags(service: str, tags: Iterable[tuple[str, str]]) -> Keys:
    """Return the keys of the tags that a request sets."""
    pairs = list(tags)
    keys = _tag_keys(service, "RequestTag", pairs)
    return keys | of_tag_keys(key for key, _ in pairs)


def of_tag_keys(names: Iterable[str]) -> Keys:
    """Return aws:TagKeys of a request that sets or removes these; nothing without any."""
    found = tuple(names)
    return {"aws:TagKeys": found} if found else {}


def of_resource_tags(service: str, tags: Mapping[str, str]) -> Keys:
    """Return the keys of the tags that a resource has."""
    return _tag_keys(service, "ResourceTag", tags.items())


def _tag_keys(service: str, kind: str, tags: Iterable[tuple[str, str]]) -> Keys:
    """Return one key a tag; tags whose names differ only in case are one key with several values.

    Names of keys ignore case; the IAM User Guide says of aws:ResourceTag/TagKey1 that it matches TagKey1 or
    tagkey1, but not both.
    """
    values: dict[str, tuple[str, ...]] = {}
    for key, value in tags:
        values[key.lower()] = (*values.get(key.lower(), ()), value)
    return {
        f"{space}:{kind}/{key}": found if len(found) > 1 else found[0]
        for key, found in values.items()
        for space in ("aws", service)
    }

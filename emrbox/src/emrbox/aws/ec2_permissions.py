"""What a call to EC2 needs: the resources that it names or makes, their tags, and the roles that it passes.

Resources: Service Authorization Reference, "Actions, resources, and condition keys for Amazon EC2". The tags
in a request count for the kind of resource that they are given for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moto.ec2.models import ec2_backends
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE
from moto.iam.models import iam_backends

from emrbox.aws import condition_keys
from emrbox.aws.auth import PARTITION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from emrbox.aws.condition_keys import Keys

Question = tuple[str, str, "Keys"]  # action, resource, condition keys
EC2_ID = re.compile(r"([a-z]+(?:-[a-z]+)*)-[0-9a-f-]+")
# Calls that make things -> the kinds that they make, as far as a policy can name them.
MADE_BY = {
    "CreateFleet": ("fleet",),
    "CreateLaunchTemplate": ("launch-template",),
    "CreateNetworkInterface": ("network-interface",),
    "CreateSecurityGroup": ("security-group",),
    "CreateVolume": ("volume",),
    "RunInstances": ("instance", "volume", "network-interface"),
}
# Reads that a policy can limit to the instances that they name; the others are about the whole account.
READS_OF_ONE = frozenset({"ec2:GetConsoleOutput"})
# Kinds whose ARNs name no account.
WITHOUT_ACCOUNT = frozenset({"image", "snapshot"})
REQUEST_TAG = re.compile(r"(?P<tag>(?P<specification>TagSpecification\.\d+\.)?Tag\.\d+)\.Key")
OF_TAG = re.compile(r"(?:.*\.)?Tag\.\d+\.(?:Key|Value)")


@dataclass(frozen=True)
class Call:
    """A signed call. `values` are the parameters of one in the query protocol."""

    service: str
    action: str
    resource: str
    region: str
    account_id: str
    values: Mapping[str, str]
    query: str
    copy_source: str


def questions(call: Call) -> Iterator[Question]:
    """Yield what a call to EC2 needs: each resource that it names, and each that it makes."""
    if call.action.startswith(("ec2:Describe", "ec2:Get")) and call.action not in READS_OF_ONE:
        yield call.action, "*", {}
        return
    operation = call.action.partition(":")[2]
    tags = condition_keys.of_request_tags("ec2", _request_tags(call.values, ""))
    tags |= condition_keys.of_tag_keys(key for key, _ in _request_tags(call.values, ""))
    named = list(_named(call))
    for kind, name in named:
        yield call.action, _arn(call, kind, name), {**_own_tags(call, name), **tags}
    made = MADE_BY.get(operation, ())
    specified = dict(_specifications(call.values))
    for kind in {**dict.fromkeys(made), **dict.fromkeys(specified)}:
        new = condition_keys.of_request_tags("ec2", specified.get(kind, []))
        yield call.action, _arn(call, kind, "*"), new
        if kind in specified:
            yield "ec2:CreateTags", _arn(call, kind, "*"), {**new, "ec2:CreateAction": operation}
    if not named and not made and not specified:
        yield call.action, "*", tags
    yield from _passed_roles(call)


def _named(call: Call) -> Iterator[tuple[str, str]]:
    """Yield kind and name of what a call names; what is to be tagged counts though its kind is unknown."""
    for parameter, value in call.values.items():
        if OF_TAG.fullmatch(parameter):
            continue  # a tag may hold the id of what is not asked for
        found = EC2_ID.fullmatch(value)
        if parameter == "KeyName":
            yield "key-pair", value
        elif found and found[1] in EC2_PREFIX_TO_RESOURCE and not parameter.startswith("Filter."):
            yield EC2_PREFIX_TO_RESOURCE[found[1]], value
        elif parameter.startswith("ResourceId."):
            yield "unknown", value


def _arn(call: Call, kind: str, name: str) -> str:
    account_id = "" if kind in WITHOUT_ACCOUNT else call.account_id
    return f"arn:{PARTITION}:ec2:{call.region}:{account_id}:{kind}/{name}"


def _own_tags(call: Call, name: str) -> Keys:
    tags = ec2_backends[call.account_id][call.region].tags.get(name, {})
    return condition_keys.of_resource_tags("ec2", {key: str(value) for key, value in tags.items()})


def _specifications(values: Mapping[str, str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield the kinds that a call tags as it makes them, with their tags."""
    for name, kind in values.items():
        if name.startswith("TagSpecification.") and name.endswith(".ResourceType"):
            yield kind, list(_request_tags(values, name.removesuffix("ResourceType")))


def _request_tags(values: Mapping[str, str], specification: str) -> Iterator[tuple[str, str]]:
    """Yield the tags of one TagSpecification, or those beside them."""
    for name, key in values.items():
        match = REQUEST_TAG.fullmatch(name)
        if match and (match["specification"] or "") == specification:
            yield key, values.get(f"{match['tag']}.Value", "")


def _passed_roles(call: Call) -> Iterator[Question]:
    """Yield iam:PassRole for the role of the instance profile that is asked for."""
    name = call.values.get("IamInstanceProfile.Name")
    name = name or call.values.get("IamInstanceProfile.Arn", "").rpartition("/")[2]
    for profile in list(iam_backends[call.account_id][PARTITION].instance_profiles.values()):
        for role in profile.roles if profile.name == name else []:
            yield "iam:PassRole", role.arn, {"iam:PassedToService": "ec2.amazonaws.com"}

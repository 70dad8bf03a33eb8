"""What IAM policies say about calls to the services that moto serves: with resources and conditions.

moto looks at actions, and at resources for a few services. Here every resource that a call to EC2 or S3 names
or makes is asked for, with its condition keys (`condition_keys` says which those are, and what becomes of the
others). An operator that there is not makes a document malformed, and a malformed document refuses all.
Resources: Service Authorization Reference, "Actions, resources, and condition keys" for Amazon EC2 and S3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from moto.ec2.models import ec2_backends
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE
from moto.iam.access_control import IAMRequestBase
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends

from emrbox.aws import condition_keys
from emrbox.aws.auth import PARTITION, policy_document
from emrbox.aws.policies import Decision, decide

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from emrbox.aws.condition_keys import Keys

Question = tuple[str, str, "Keys"]  # action, resource, what is known of it
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
REQUEST_TAG = re.compile(r"(?P<tag>(?P<specification>TagSpecification\.\d+\.)?Tag\.\d+)\.Key")
# S3 has an operation that is allowed by another one's name.
S3_ACTIONS = {"s3:HeadBucket": "s3:ListBucket"}
COPY_SOURCE = "x-amz-copy-source"


def install() -> None:
    """Let every service of this process ask here."""
    IAMRequestBase.check_action_permitted = check_action_permitted


@dataclass(frozen=True)
class _Call:
    """A signed call. `values` are the parameters of one in the query protocol."""

    service: str
    action: str
    resource: str
    region: str
    account_id: str
    values: Mapping[str, str]
    query: str
    copy_source: str


def check_action_permitted(request: Any, resource: str) -> None:
    """Raise the service's AccessDenied unless the caller's policies allow a signed request.

    `request` is moto's; `resource` the ARN that moto knows, or `*`.
    """
    call = _Call(
        service=request._service,  # noqa: SLF001  # moto has no seam here
        action=S3_ACTIONS.get(request._action, request._action),  # noqa: SLF001
        resource=resource,
        region=request._region,  # noqa: SLF001
        account_id=request.account_id,
        values={name: str(v[0]) for name, v in request._data.items() if isinstance(v, list) and v},  # noqa: SLF001
        query=request._path.partition("?")[2],  # noqa: SLF001
        copy_source=request._headers.get(COPY_SOURCE, ""),  # noqa: SLF001
    )
    if call.action == "sts:GetCallerIdentity":
        return  # always allowed, even against a Deny
    key = request._access_key  # noqa: SLF001
    documents = [policy_document(p) for p in key.collect_policies()]
    context = condition_keys.of_caller(key.arn, call.region)

    def may(action: str, arn: str, more: Keys) -> bool:
        return decide(documents, action, arn, {**context, **more}) is Decision.ALLOW

    allowed = all(may(*question) for question in _questions(call))
    if allowed and _is_absent(call):
        allowed = may("s3:ListBucket", call.resource.partition("/")[0], {})
    if request._is_assuming_role_operation(resource):  # noqa: SLF001
        allowed = allowed and request._check_role_trust_relationship(resource)  # noqa: SLF001
    if not allowed:
        request._raise_access_denied()  # noqa: SLF001


def _questions(call: _Call) -> Iterator[Question]:
    if call.service == "ec2":
        return _of_ec2(call)
    return _of_s3(call) if call.service == "s3" else iter([(call.action, call.resource, {})])


def _of_s3(call: _Call) -> Iterator[Question]:
    """Yield what a call to S3 needs; a copy must read its source, too."""
    query = parse_qs(call.query, keep_blank_values=True)
    asked: Keys = {
        f"s3:{name}": query[name][0] for name in ("prefix", "delimiter", "max-keys") if name in query
    }
    yield call.action, call.resource, asked
    if call.copy_source:
        source = unquote(call.copy_source.partition("?")[0]).lstrip("/")
        yield "s3:GetObject", f"arn:{PARTITION}:s3:::{source}", {}


def _is_absent(call: _Call) -> bool:
    """Return whether a call reads an object that is not there: only who may list the bucket is told so.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html. Guess: that question carries no
    s3:prefix, so that a policy that allows listing by prefix only does not answer it.
    """
    bucket_name, _, name = call.resource.rpartition(":")[2].partition("/")
    if call.action != "s3:GetObject" or not name:
        return False
    owner = s3_backends.bucket_accounts.get(bucket_name, (PARTITION, call.account_id))[1]
    bucket = s3_backends[owner][PARTITION].buckets.get(bucket_name)
    return bucket is not None and name not in bucket.keys


def _of_ec2(call: _Call) -> Iterator[Question]:
    """Yield what a call to EC2 needs: each resource that it names, and each that it makes."""
    if call.action.startswith(("ec2:Describe", "ec2:Get")):
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


def _named(call: _Call) -> Iterator[tuple[str, str]]:
    """Yield kind and name of what a call names; what is to be tagged counts though its kind is unknown."""
    for parameter, value in call.values.items():
        found = EC2_ID.fullmatch(value)
        if parameter == "KeyName":
            yield "key-pair", value
        elif found and found[1] in EC2_PREFIX_TO_RESOURCE and not parameter.startswith("Filter."):
            yield EC2_PREFIX_TO_RESOURCE[found[1]], value
        elif parameter.startswith("ResourceId."):
            yield "unknown", value


def _arn(call: _Call, kind: str, name: str) -> str:
    account_id = "" if kind == "image" else call.account_id
    return f"arn:{PARTITION}:ec2:{call.region}:{account_id}:{kind}/{name}"


def _own_tags(call: _Call, name: str) -> Keys:
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


def _passed_roles(call: _Call) -> Iterator[Question]:
    """Yield iam:PassRole for the role of the instance profile that is asked for."""
    name = call.values.get("IamInstanceProfile.Name")
    name = name or call.values.get("IamInstanceProfile.Arn", "").rpartition("/")[2]
    for profile in list(iam_backends[call.account_id][PARTITION].instance_profiles.values()):
        for role in profile.roles if profile.name == name else []:
            yield "iam:PassRole", role.arn, {"iam:PassedToService": "ec2.amazonaws.com"}

"""What IAM policies say about calls to the services that moto serves: with resources and conditions.

moto looks at actions, and at resources for a few services. Here conditions on the keys of KNOWN_KEYS decide
too. One on another key is taken to hold in an Allow and not in a Deny: what AWS would know and emrbox does
not must refuse nobody. The resources of EC2's calls: Service Authorization Reference, "Actions, resources,
and condition keys for Amazon EC2".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from moto.ec2.models import ec2_backends
from moto.iam.access_control import IAMRequestBase
from moto.iam.models import iam_backends

from emrbox.aws.auth import PARTITION, policy_document
from emrbox.aws.policies import Decision, decide, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Context = dict[str, str]
Document = dict[str, Any]
Question = tuple[str, str, Context]  # action, resource, what is known of it
KNOWN_KEYS = {
    "": re.compile(r"aws:(RequestedRegion|PrincipalArn|PrincipalAccount)", re.IGNORECASE),
    "ec2": re.compile(r"(aws|ec2):ResourceTag/.*|aws:RequestTag/.*|ec2:CreateAction", re.IGNORECASE),
    "s3": re.compile(r"s3:(prefix|delimiter|max-keys)", re.IGNORECASE),
}
# The beginning of an id in a request -> what it names in an ARN.
EC2_KINDS = {
    "i": "instance",
    "vol": "volume",
    "subnet": "subnet",
    "sg": "security-group",
    "ami": "image",
    "vpc": "vpc",
    "eni": "network-interface",
    "key": "key-pair",
}
EC2_ID = re.compile(rf"({'|'.join(EC2_KINDS)})-[0-9a-f]+")
MADE_BY_LAUNCH = ("i", "vol", "eni")
REQUEST_TAG = re.compile(r"(.*\bTag\.\d+)\.Key")


def install() -> None:
    """Let every service of this process ask here."""
    IAMRequestBase.check_action_permitted = check_action_permitted


@dataclass(frozen=True)
class _Call:
    """A signed call. `values` are the parameters of one in the query protocol."""

    service: str
    action: str
    region: str
    account_id: str
    values: Mapping[str, str]
    query: str


def check_action_permitted(request: Any, resource: str) -> None:
    """Raise the service's AccessDenied unless the caller's policies allow a signed request.

    `request` is moto's; `resource` the ARN that moto knows, or `*`.
    """
    call = _Call(
        service=request._service,  # noqa: SLF001  # moto has no seam here
        action=request._action,  # noqa: SLF001
        region=request._region,  # noqa: SLF001
        account_id=request.account_id,
        values={name: str(v[0]) for name, v in request._data.items() if isinstance(v, list) and v},  # noqa: SLF001
        query=request._path.partition("?")[2],  # noqa: SLF001
    )
    if call.action == "sts:GetCallerIdentity":
        return  # always allowed, even against a Deny
    key = request._access_key  # noqa: SLF001
    documents = [_known(policy_document(p), call.service) for p in key.collect_policies()]
    context = {
        "aws:RequestedRegion": call.region,
        "aws:PrincipalArn": key.arn,
        "aws:PrincipalAccount": call.account_id,
    }
    asked = _of_ec2(call) if call.service == "ec2" else [(call.action, resource, _of_s3(call))]
    allowed = all(
        decide(documents, action, arn, {**context, **more}) is Decision.ALLOW for action, arn, more in asked
    )
    if request._is_assuming_role_operation(resource):  # noqa: SLF001
        allowed = allowed and request._check_role_trust_relationship(resource)  # noqa: SLF001
    if not allowed:
        request._raise_access_denied()  # noqa: SLF001


def _known(document: Mapping[str, Any], service: str) -> Document:
    """Return a policy without the conditions that cannot be evaluated, and the Denys that have some."""
    statements = []
    for statement in listed(document.get("Statement", [])):
        conditions = {
            operator: {key: value for key, value in wanted.items() if _is_known(key, service)}
            for operator, wanted in statement.get("Condition", {}).items()
        }
        if statement.get("Effect") == "Deny" and conditions != statement.get("Condition", {}):
            continue
        statements.append({**statement, "Condition": conditions})
    return {"Statement": statements}


def _is_known(key: str, service: str) -> bool:
    return any(KNOWN_KEYS[name].fullmatch(key) for name in ("", service) if name in KNOWN_KEYS)


def _of_s3(call: _Call) -> Context:
    """Return what a listing asks for; nothing for other services."""
    if call.service != "s3":
        return {}
    query = parse_qs(call.query)
    return {f"s3:{name}": query[name][0] for name in ("prefix", "delimiter", "max-keys") if name in query}


def _of_ec2(call: _Call) -> Iterator[Question]:
    """Yield what a call to EC2 needs: each resource that it names, and each that it makes."""
    if call.action.startswith(("ec2:Describe", "ec2:Get")):
        yield call.action, "*", {}
        return
    tags = {f"aws:RequestTag/{key}": value for key, value in _request_tags(call.values)}
    named = _named(call)
    for name in named:
        yield call.action, _arn(call, name), {**_own_tags(call, name), **tags}
    if call.action == "ec2:RunInstances":
        for kind in MADE_BY_LAUNCH:
            yield call.action, _arn(call, f"{kind}-*"), tags
        if tags:
            yield "ec2:CreateTags", _arn(call, "i-*"), {**tags, "ec2:CreateAction": "RunInstances"}
        yield from _passed_roles(call)
    elif not named:
        yield call.action, "*", tags


def _named(call: _Call) -> list[str]:
    ids = [v for n, v in call.values.items() if EC2_ID.fullmatch(v) and not n.startswith("Filter.")]
    return list(dict.fromkeys(ids))


def _arn(call: _Call, name: str) -> str:
    prefix = name.partition("-")[0]
    account_id = "" if prefix == "ami" else call.account_id
    last = "*" if name.endswith("-*") else name
    return f"arn:aws:ec2:{call.region}:{account_id}:{EC2_KINDS[prefix]}/{last}"


def _own_tags(call: _Call, name: str) -> Context:
    tags = ec2_backends[call.account_id][call.region].tags.get(name, {})
    return {f"{space}:ResourceTag/{key}": str(v) for key, v in tags.items() for space in ("aws", "ec2")}


def _request_tags(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, key in values.items():
        if match := REQUEST_TAG.fullmatch(name):
            yield key, values.get(f"{match[1]}.Value", "")


def _passed_roles(call: _Call) -> Iterator[Question]:
    """Yield iam:PassRole for the role of the instance profile that is asked for."""
    name = call.values.get("IamInstanceProfile.Name")
    name = name or call.values.get("IamInstanceProfile.Arn", "").rpartition("/")[2]
    for profile in list(iam_backends[call.account_id][PARTITION].instance_profiles.values()):
        for role in profile.roles if profile.name == name else []:
            yield "iam:PassRole", role.arn, {"iam:PassedToService": "ec2.amazonaws.com"}

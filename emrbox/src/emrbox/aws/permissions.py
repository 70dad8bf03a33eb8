"""Authorisation of calls to the services that moto serves, with resources and conditions.

moto checks actions, and resources for a few services. Here every resource that a call to EC2 or S3 names
or makes is asked for, with its condition keys (`condition_keys` says which those are, and what becomes of the
others). An operator that there is not makes a document malformed, and a malformed document refuses all.
Resources: Service Authorization Reference, "Actions, resources, and condition keys" for EC2, IAM and S3.
"""

from __future__ import annotations

import json
import uuid
from html import escape
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qs, unquote

from moto.core.exceptions import AccessDeniedError, JsonRESTError
from moto.iam.access_control import IAMRequestBase
from moto.s3.models import s3_backends

from emrbox.aws import condition_keys, ec2_permissions, glue_permissions, logs_permissions
from emrbox.aws.auth import PARTITION, policy_document
from emrbox.aws.ec2_permissions import Call
from emrbox.aws.policies import Decision, decide

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emrbox.aws.condition_keys import Keys
    from emrbox.aws.ec2_permissions import Question

# S3 has an operation that is allowed by another one's name.
S3_ACTIONS = {"s3:HeadBucket": "s3:ListBucket"}
COPY_SOURCE = "x-amz-copy-source"
# Calls in AWS's JSON protocols have it.
TARGET = "X-Amz-Target"
# Parameters of IAM's calls that name what they are about, the more specific first -> its kind in ARNs.
IAM_NAMES = {"InstanceProfileName": "instance-profile", "RoleName": "role", "UserName": "user"}


def install() -> None:
    """Make every service of this process authorise its calls here."""
    IAMRequestBase.check_action_permitted = check_action_permitted
    signed = IAMRequestBase._create_aws_request  # noqa: SLF001  # moto has no seam here

    def create_aws_request(request: Any) -> Any:
        """Return what a client has signed. Of a GET or DELETE moto would take the headers as its body."""
        made = signed(request)
        if request._method in {"DELETE", "GET", "HEAD"}:  # noqa: SLF001  # as above
            made.data = request._body  # noqa: SLF001  # as above
        return made

    IAMRequestBase._create_aws_request = create_aws_request  # noqa: SLF001  # as above


def check_action_permitted(request: Any, resource: str) -> None:
    """Raise the service's AccessDenied unless the caller's policies allow a signed request.

    `request` is moto's; `resource` the ARN that moto knows, or `*`.
    """
    call = Call(
        service=request._service,  # noqa: SLF001  # moto has no seam here
        action=S3_ACTIONS.get(request._action, request._action),  # noqa: SLF001
        resource=_resource_of(request, resource),
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

    questions = _of_glue(request, call) if call.service == "glue" else _questions(call)
    allowed = all(may(*question) for question in questions)
    if allowed and _is_absent(call):
        allowed = may("s3:ListBucket", call.resource.partition("/")[0], {})
    if request._is_assuming_role_operation(resource):  # noqa: SLF001
        allowed = allowed and request._check_role_trust_relationship(resource)  # noqa: SLF001
    if not allowed:
        _refuse(request, key.arn, call)


def _refuse(request: Any, arn: str, call: Call) -> NoReturn:
    """Raise AccessDenied in the service's own form, which moto does not do for all.

    SQS has kept the code of its former protocol (x-amzn-query-error): "AccessDenied".
    """
    if call.service == "ec2":
        raise _refused_by_ec2(arn, call.action)
    if TARGET in request._headers:  # noqa: SLF001
        code = "AccessDenied" if call.service == "sqs" else "AccessDeniedException"
        text = f"User: {arn} is not authorized to perform: {call.action} on resource: {call.resource}"
        raise JsonRESTError(code, text)
    request._raise_access_denied()  # noqa: SLF001
    raise AssertionError("moto did not refuse")


def _refused_by_ec2(caller: str, action: str) -> AccessDeniedError:
    """Return the refusal in EC2's own form of errors: SDKs other than boto3 cannot read another one."""
    refusal = AccessDeniedError(caller, action)
    refusal.error_type = "UnauthorizedOperation"
    text = escape(f"You are not authorized to perform this operation. {refusal.message}")
    error = f"<Error><Code>{refusal.error_type}</Code><Message>{text}</Message></Error>"
    refusal.description = (
        f"<Response><Errors>{error}</Errors><RequestID>{uuid.uuid4()}</RequestID></Response>"
    )
    return refusal


def _questions(call: Call) -> Iterator[Question]:
    if call.service == "ec2":
        return ec2_permissions.questions(call)
    if call.service == "iam":
        return _of_iam(call)
    return _of_s3(call) if call.service == "s3" else iter([(call.action, call.resource, {})])


def _resource_of(request: Any, resource: str) -> str:
    """Return the ARN of what a call is about; `resource` is what moto knows of it."""
    if request._service == "sqs":  # noqa: SLF001  # moto has no seam here
        return _queue_of(request)
    if request._service == "sns":  # noqa: SLF001
        return _topic_of(request)
    if request._service == "logs":  # noqa: SLF001
        named = _document(request)
        return logs_permissions.resource(request._action, request._region, request.account_id, named)  # noqa: SLF001
    return resource


def _topic_of(request: Any) -> str:
    """Return the ARN of the topic that a call to SNS names, or `*`: moto knows none.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html
    """
    data = request._data  # noqa: SLF001
    name = (data.get("Name") or ["*"])[0]
    made = f"arn:{PARTITION}:sns:{request._region}:{request.account_id}:{name}"  # noqa: SLF001
    return str((data.get("TopicArn") or [made])[0])


def _queue_of(request: Any) -> str:
    """Return the ARN of the queue that a call to SQS names, or `*`: moto knows none.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
    """
    named = _document(request)
    if not named:
        return "*"
    url = named.get("QueueUrl") or f"/{request.account_id}/{named.get('QueueName') or '*'}"
    path, _, name = str(url).rpartition("/")
    return f"arn:{PARTITION}:sqs:{request._region}:{path.rpartition('/')[2]}:{name}"  # noqa: SLF001


def _of_glue(request: Any, call: Call) -> Iterator[Question]:
    """Yield what a call to Glue needs: its action on each thing that it names."""
    for arn in glue_permissions.resources(call.region, call.account_id, _document(request)):
        yield call.action, arn, {}


def _document(request: Any) -> dict[str, Any]:
    """Return the JSON of a call; nothing for what is none."""
    try:
        named = json.loads(request._body)  # noqa: SLF001  # moto has no seam here
    except ValueError:
        return {}
    return named if isinstance(named, dict) else {}


def _of_iam(call: Call) -> Iterator[Question]:
    """Yield what a call to IAM needs: the thing that it names, of the first kind that it names one of."""
    kind = next((one for one in IAM_NAMES if call.values.get(one)), None)
    name = f"{IAM_NAMES[kind]}/{call.values[kind]}" if kind else ""
    resource = f"arn:{PARTITION}:iam::{call.account_id}:{name}" if name else call.resource
    yield call.action, resource, {}


def _of_s3(call: Call) -> Iterator[Question]:
    """Yield what a call to S3 needs; a copy must read its source, too."""
    query = parse_qs(call.query, keep_blank_values=True)
    asked: Keys = {
        f"s3:{name}": query[name][0] for name in ("prefix", "delimiter", "max-keys") if name in query
    }
    yield call.action, call.resource, asked
    if call.copy_source:
        source = unquote(call.copy_source.partition("?")[0]).lstrip("/")
        yield "s3:GetObject", f"arn:{PARTITION}:s3:::{source}", {}


def _is_absent(call: Call) -> bool:
    """Return whether a call reads an object that is not there: others than who may list the bucket get 403.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html. Guess: that question carries no
    s3:prefix, so that a policy that allows listing by prefix only does not answer it.
    """
    bucket_name, _, name = call.resource.rpartition(":")[2].partition("/")
    if call.action != "s3:GetObject" or not name:
        return False
    owner = s3_backends.bucket_accounts.get(bucket_name, (PARTITION, call.account_id))[1]
    bucket = s3_backends[owner][PARTITION].buckets.get(bucket_name)
    return bucket is not None and name not in bucket.keys

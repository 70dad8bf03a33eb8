"""botocore's errors as kiln's: throttling, no answer, no credentials, a cluster that is not there."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from kiln.aws.error_codes import REFUSALS
from kiln.errors import (
    AwsError,
    ClusterNotFoundError,
    ConditionFailedError,
    InstanceFleetsError,
    KilnError,
    PreflightError,
    StepNotFoundError,
    ThrottledError,
    UnansweredError,
    UnreachableError,
)

_SERVER_ERROR = 500
_TOO_MANY = 429
# The codes that botocore's standard retry mode knows, of all services.
_THROTTLES = frozenset(
    {
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_TIMEOUTS = frozenset({"RequestTimeout", "RequestTimeoutException"})  # with status 400
_CONFLICTS = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412"})
# What an AWS answers that has never had the profile's account: other keys, no bucket.
_NO_ACCOUNT = frozenset(
    {"InvalidAccessKeyId", "InvalidClientTokenId", "NoSuchBucket", "UnrecognizedClientException"}
)
_NO_CREDENTIALS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.SSOError,
    aws.TokenRetrievalError,
)
_UNREACHABLE = (aws.EndpointConnectionError, aws.ConnectTimeoutError, aws.ProxyConnectionError)
# How EMR answers a call with an unknown id (docs/aws_facts.md 1.7). Only these operations name a
# cluster: the same text from another one, such as RunJobFlow, has another meaning.
_OF_CLUSTERS = frozenset(
    {
        "DescribeCluster",
        "ListInstances",
        "ListInstanceFleets",
        "ListInstanceGroups",
        "ListSteps",
        "DescribeStep",
        "CancelSteps",
    }
)
_OF_JOB_FLOWS = frozenset({"AddJobFlowSteps", "TerminateJobFlows", "SetTerminationProtection"})
# InvalidRequestException.ErrorCode of operations on instance groups (docs/aws_facts.md 2.4).
_HAS_FLEETS = "API_DOES_NOT_SUPPORT_INSTANCE_FLEET_CLUSTERS"
_UNKNOWN_CLUSTER = re.compile(r"Cluster id '[^']*' is not valid\b")
_UNKNOWN_STEP = re.compile(r"Step id '[^']*' is not valid\b")
_UNKNOWN_JOB_FLOW = re.compile(r"Specified job flow ID not valid\b")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def _is_local(endpoint: str) -> bool:
    return urlsplit(endpoint).hostname in _LOOPBACK


def _unreachable(endpoint: str, operation: str) -> UnreachableError:
    fix = (
        "start the local AWS and make its account: `make local`"
        if _is_local(endpoint)
        else "check the network, the region and the profile's endpoint_url"
    )
    return UnreachableError(
        f"no AWS endpoint answers at {endpoint}", code="Unreachable", operation=operation, fix=fix
    )


def translate(error: Exception, operation: str, endpoint: str) -> KilnError:
    """Return kiln's error for one that botocore raised during `operation` at `endpoint`."""
    if isinstance(error, aws.ClientError):
        return _translate_answer(error, operation, endpoint)
    if isinstance(error, _UNREACHABLE):
        return _unreachable(endpoint, operation)
    # The last two: an answer that broke off.
    if isinstance(error, (aws.HTTPClientError, aws.IncompleteReadError, ResponseParserError, OSError)):
        return UnansweredError(f"{operation} got no answer: {error}", code="NoAnswer", operation=operation)
    if isinstance(error, _NO_CREDENTIALS):
        return PreflightError(
            f"no AWS credentials: {error}", fix="check aws_profile and aws_config_file in group_vars"
        )
    return AwsError(f"{operation} failed: {error}", code=type(error).__name__, operation=operation)


def _names_unknown(operation: str, code: str, detail: str, message: str) -> type[KilnError] | None:
    """Return the error for an answer that there is no such cluster, or no such step."""
    if operation in _OF_CLUSTERS and code == "InvalidRequestException":
        if detail == "NoSuchCluster" or _UNKNOWN_CLUSTER.search(message):
            return ClusterNotFoundError
        return StepNotFoundError if _UNKNOWN_STEP.search(message) else None
    if operation in _OF_JOB_FLOWS and code == "ValidationException" and _UNKNOWN_JOB_FLOW.search(message):
        return ClusterNotFoundError
    return None


def _translate_answer(error: aws.ClientError, operation: str, endpoint: str) -> KilnError:
    detail = error.response.get("Error", {})
    code, message = str(detail.get("Code", "")), str(detail.get("Message", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    line = f"AWS answered {operation} with {code}: {message}"
    if code in _THROTTLES or status == _TOO_MANY:
        return ThrottledError(line)
    # A condition on a version of an object that somebody has deleted (S3 User Guide, conditional-writes).
    if code in _CONFLICTS or (operation, code) == ("PutObject", "NoSuchKey"):
        return ConditionFailedError(line, code=code, operation=operation)
    more = str(error.response.get("ErrorCode", ""))
    if more == _HAS_FLEETS:
        return InstanceFleetsError(line, code=code, operation=operation)
    unknown = _names_unknown(operation, code, more, message)
    if unknown is not None:
        return unknown(line)
    if status >= _SERVER_ERROR or code in _TIMEOUTS:
        return UnansweredError(line, code=code, operation=operation)
    result = AwsError(line, code=code, operation=operation)
    if code in REFUSALS:
        result.exit_code = PreflightError.exit_code
        result.fix = "check the keys and the permissions of the profile (aws_profile, aws_config_file)"
    if code in _NO_ACCOUNT and _is_local(endpoint):
        # A local AWS that was stopped and started again is empty.
        result.exit_code = PreflightError.exit_code
        result.fix = "the local AWS does not have this account (it starts empty); make it: `make local`"
    return result

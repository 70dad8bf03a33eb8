"""What EMR answers, by operation and code: the same words mean different things from different operations."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from kiln.aws.translate import translate
from kiln.errors import (
    AwsError,
    ClusterNotFoundError,
    ConditionFailedError,
    KilnError,
    PreflightError,
    StepNotFoundError,
    ThrottledError,
    UnansweredError,
    UnreachableError,
)

CLUSTER = "Cluster id 'j-1' is not valid."
STEP = "Step id 's-1' is not valid."
JOB_FLOW = "Specified job flow ID not valid"


def answered(
    operation: str, code: str, message: str, *, status: int = 400, endpoint: str = "https://emr", **more: Any
) -> KilnError:
    document: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }
    return translate(ClientError(document, operation), operation, endpoint)


@pytest.mark.parametrize(
    ("operation", "code", "message", "expected"),
    [
        ("DescribeCluster", "InvalidRequestException", CLUSTER, ClusterNotFoundError),
        ("ListSteps", "InvalidRequestException", CLUSTER, ClusterNotFoundError),
        ("ListSteps", "InvalidRequestException", STEP, StepNotFoundError),
        ("CancelSteps", "InvalidRequestException", STEP, StepNotFoundError),
        ("AddJobFlowSteps", "ValidationException", JOB_FLOW, ClusterNotFoundError),
        ("TerminateJobFlows", "ValidationException", JOB_FLOW, ClusterNotFoundError),
        (
            "RunJobFlow",
            "ValidationException",
            "The bid price is not valid.",
            AwsError,
        ),
        ("RunJobFlow", "ValidationException", "The log URI is not a valid S3 location.", AwsError),
        ("RunJobFlow", "ValidationException", JOB_FLOW, AwsError),
        ("RunJobFlow", "InvalidRequestException", CLUSTER, AwsError),
        ("AddJobFlowSteps", "ValidationException", "Action on failure 'X' is not valid.", AwsError),
        ("ListClusters", "InvalidRequestException", "Marker is not valid.", AwsError),
        ("GetObject", "InvalidRequest", "not valid", AwsError),
    ],
)
def test_a_cluster_is_not_found_only_where_one_was_named(
    operation: str, code: str, message: str, expected: type[KilnError]
) -> None:
    assert type(answered(operation, code, message)) is expected


def test_the_code_of_an_unknown_cluster_counts_whatever_the_words_are() -> None:
    error = answered("DescribeCluster", "InvalidRequestException", "gone", ErrorCode="NoSuchCluster")
    assert isinstance(error, ClusterNotFoundError)


def test_a_call_that_was_never_sent_is_reported_from_one_without_answer() -> None:
    assert isinstance(
        translate(EndpointConnectionError(endpoint_url="https://x"), "RunJobFlow", "https://x"),
        UnreachableError,
    )
    lost = translate(ReadTimeoutError(endpoint_url="https://x"), "RunJobFlow", "https://x")
    assert isinstance(lost, UnansweredError)
    assert not isinstance(lost, UnreachableError)


@pytest.mark.parametrize("code", ["InternalServerError", "InternalServerException", "503"])
def test_a_server_error_may_have_had_an_effect(code: str) -> None:
    assert isinstance(answered("RunJobFlow", code, "x", status=500), UnansweredError)


def test_no_answer_of_aws_is_a_fault_in_kiln() -> None:
    for error in (answered("X", "Y", "z"), answered("X", "Y", "z", status=500)):
        assert error.exit_code not in {0, 1}


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("ThrottlingException", 400, ThrottledError),
        ("RequestThrottled", 400, ThrottledError),
        ("SlowDown", 503, ThrottledError),
        ("SomethingNew", 429, ThrottledError),
        ("RequestTimeout", 400, UnansweredError),
        ("InternalError", 500, UnansweredError),
    ],
)
def test_what_may_be_repeated_is_known_by_code_and_status(
    code: str, status: int, expected: type[KilnError]
) -> None:
    assert type(answered("GetObject", code, "later", status=status)) is expected


@pytest.mark.parametrize(
    "code", ["InvalidAccessKeyId", "InvalidClientTokenId", "NoSuchBucket", "UnrecognizedClientException"]
)
def test_a_local_aws_without_the_account_names_the_command_that_makes_it(code: str) -> None:
    local = answered("GetObject", code, "none", status=403, endpoint="http://127.0.0.1:4566")
    assert (local.exit_code, "make local" in local.fix) == (PreflightError.exit_code, True)
    assert "make local" not in answered("GetObject", code, "none", status=403).fix


@pytest.mark.parametrize(
    ("code", "status"), [("PreconditionFailed", 412), ("ConditionalRequestConflict", 409), ("NoSuchKey", 404)]
)
def test_a_conditional_write_fails_also_when_the_object_was_deleted_meanwhile(code: str, status: int) -> None:
    assert type(answered("PutObject", code, "", status=status)) is ConditionFailedError
    assert type(answered("GetObject", "NoSuchKey", "", status=404)) is AwsError

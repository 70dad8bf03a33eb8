"""CloudWatch Logs: what a call needs permission for, and a call that names nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hostile import documents, many
from hypothesis import given

from emrbox.aws import logs_permissions

GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:/kiln/local/clicks"
NAMED = {"logGroupName": "/kiln/local/clicks"}


def resource(action: str, body: Any) -> str:
    return logs_permissions.resource(f"logs:{action}", "us-east-1", "123456789012", body)


@pytest.mark.parametrize(
    ("action", "body", "found"),
    [
        ("CreateLogStream", NAMED | {"logStreamName": "s"}, GROUP),
        ("DeleteLogGroup", NAMED, GROUP),
        ("PutLogEvents", NAMED | {"logStreamName": "s"}, f"{GROUP}:log-stream:s"),
        ("DeleteLogStream", NAMED | {"logStreamName": "s"}, f"{GROUP}:log-stream:s"),
        ("DescribeLogGroups", {}, "*"),
    ],
)
def test_a_call_needs_its_action_on_the_group_or_the_stream(
    action: str, body: dict[str, Any], found: str
) -> None:
    assert resource(action, body) == found


@many
@given(body=documents())
def test_any_request_has_one_resource(body: Any) -> None:
    given_body = body if isinstance(body, dict) else {"logGroupName": body, "logStreamName": body}
    found = resource("PutLogEvents", given_body)
    assert found == "*" or found.startswith("arn:aws:logs:us-east-1:123456789012:log-group:")

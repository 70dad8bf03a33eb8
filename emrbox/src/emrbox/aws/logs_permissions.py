"""What a call to CloudWatch Logs is about: the log group or the log stream that it names.

Service Authorization Reference, "Actions, resources, and condition keys for Amazon CloudWatch Logs".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.aws.auth import PARTITION

if TYPE_CHECKING:
    from collections.abc import Mapping

# Calls on a stream of a group; the others are on groups, or on all (`*`).
_ON_STREAMS = frozenset({"logs:PutLogEvents", "logs:GetLogEvents", "logs:DeleteLogStream"})


def resource(action: str, region: str, account_id: str, body: Mapping[str, Any]) -> str:
    """Return the ARN that a call is about. `body` is the request; it may be malformed."""
    group, stream = body.get("logGroupName"), body.get("logStreamName")
    if not isinstance(group, str):
        return "*"
    arn = f"arn:{PARTITION}:logs:{region}:{account_id}:log-group:{group}"
    return f"{arn}:log-stream:{stream}" if action in _ON_STREAMS else arn

"""What Athena refuses: a call, by an AwsError; a query that was accepted, by a QueryError."""

from __future__ import annotations

from emrbox.aws.errors import AwsError

USER_ERROR = 2  # GetQueryExecution, AthenaError.ErrorCategory: 1 system, 2 user, 3 other


class QueryError(Exception):
    """Why a query failed, as the `StateChangeReason` of its execution."""


def invalid_request(message: str, code: str = "INVALID_INPUT") -> AwsError:
    """InvalidRequestException; `code` is its AthenaErrorCode."""
    return AwsError("InvalidRequestException", message, AthenaErrorCode=code)


def metadata_error(message: str) -> AwsError:
    """MetadataException: what the catalog answered with."""
    return AwsError("MetadataException", message)


class CancelledError(Exception):
    """A query that ends as CANCELLED: by its caller, or by a limit of its workgroup."""

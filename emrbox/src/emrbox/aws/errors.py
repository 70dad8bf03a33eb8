"""The errors that AWS JSON services answer with."""

from __future__ import annotations

from typing import Any


class AwsError(Exception):
    """An error as a client sees it: `code` goes into `__type`; `fields` are further members."""

    def __init__(self, code: str, message: str, *, status: int = 400, **fields: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document of the answer."""
        return {"__type": self.code, "message": self.message, "Message": self.message, **self.fields}


def validation_error(message: str) -> AwsError:
    """ValidationException: EMR's answer to bad parameters in job-flow operations (docs/aws_facts.md 1.7)."""
    return AwsError("ValidationException", message)


def invalid_request(message: str, **fields: Any) -> AwsError:
    """InvalidRequestException: for bad parameters in cluster operations (docs/aws_facts.md 1.7)."""
    return AwsError("InvalidRequestException", message, **fields)

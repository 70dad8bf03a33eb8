"""What a statement works with while it runs, and what is known of a statement before it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from emrbox.athena.callers import DENIED, Clients, split_location
from emrbox.athena.problems import QueryError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from emrbox.athena.executions import Execution
    from emrbox.athena.workgroups import WorkGroup


@dataclass(frozen=True)
class Kind:
    """What GetQueryExecution says of a statement, and the end of its result file's name; '' for no file."""

    type: str
    substatement: str
    result: str


@dataclass(frozen=True)
class Job:
    """One execution that runs, as its caller, with a folder of its own."""

    execution: Execution
    clients: Clients
    folder: Path
    group: WorkGroup

    @property
    def database(self) -> str:
        """The database of names that have none; awswrangler gives it in backquotes."""
        return str(self.execution.context.get("Database") or "default").strip("`").lower()

    def put(self, location: str, body: Any) -> None:
        """Write an object as the caller. Raises QueryError."""
        bucket, key = split_location(location)
        try:
            self.clients.s3.put_object(Bucket=bucket, Key=key, Body=body)
        except ClientError as problem:
            raise _not_written(location, problem) from None


@dataclass(frozen=True)
class Statement:
    """A statement that was parsed: what it is, and how it is run."""

    kind: Kind
    run: Callable[[Job], None]


def _not_written(location: str, problem: ClientError) -> QueryError:
    if problem.response["Error"]["Code"] not in DENIED:
        return QueryError(f"Could not write the result to {location}: {problem}")
    return QueryError(
        f"Access denied when writing output to url: {location} . "
        "Please ensure you are allowed to access the S3 bucket."
    )

"""GetQueryResults: rows out of the result file, which the caller must be allowed to read.

https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryResults.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from emrbox.athena.callers import split_location
from emrbox.athena.pages import page
from emrbox.athena.problems import invalid_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emrbox.athena.callers import Clients
    from emrbox.athena.executions import Execution

Document = dict[str, Any]
FIELD = re.compile(r'(?:"((?:[^"]|"")*)")?(,|\n)')
MOST_ROWS = 1000


def get_query_results(clients: Clients, execution: Execution, request: Document) -> Document:
    """Return a page; the first row of the first one has the columns' names."""
    if execution.state in {"QUEUED", "RUNNING"}:
        raise invalid_request(f"Query has not yet finished. Current state: {execution.state}")
    if execution.state != "SUCCEEDED":
        text = f"Query did not finish successfully. Final query state: {execution.state}"
        raise invalid_request(text, "INVALID_QUERY_EXECUTION_STATE")
    if not execution.kind.result:
        return _page(execution, [], {})
    bucket, key = split_location(execution.result_location)
    try:
        text = clients.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    except ClientError as problem:
        message = problem.response["Error"]["Message"]
        raise invalid_request(f"Could not read {execution.result_location}: {message}") from None
    lines = [[line] for line in text.splitlines()]  # a line of DDL is one value
    found, more = page(request, rows(text) if execution.kind.result == ".csv" else lines, MOST_ROWS)
    return _page(execution, found, more)


def _page(execution: Execution, found: Sequence[Sequence[str | None]], more: Document) -> Document:
    shown = [{"Data": [{} if value is None else {"VarCharValue": value} for value in row]} for row in found]
    return {
        "UpdateCount": execution.written_rows,
        "ResultSet": {"Rows": shown, "ResultSetMetadata": {"ColumnInfo": execution.columns}},
        **more,
    }


def rows(text: str) -> list[list[str | None]]:
    """Return the rows of a result file; None is NULL, which is not quoted."""
    found: list[list[str | None]] = []
    row: list[str | None] = []
    for field in FIELD.finditer(text):
        row.append(None if field[1] is None else field[1].replace('""', '"'))
        if field[2] == "\n":
            found.append(row)
            row = []
    return found

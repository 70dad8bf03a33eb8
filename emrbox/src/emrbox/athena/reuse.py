"""Results of an earlier execution, when a request allows them.

Athena User Guide, "Reuse query results in Athena".
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from emrbox.athena import tables
from emrbox.athena.callers import split_location
from emrbox.athena.problems import QueryError

if TYPE_CHECKING:
    from emrbox.athena.executions import Execution, Executions
    from emrbox.athena.job import Job
    from emrbox.athena.sql import Select

DEFAULT_MINUTES = 60  # ResultReuseByAgeConfiguration


def candidate(request: dict[str, Any], new: Execution, own: Executions) -> Execution | None:
    """Return the newest execution whose result a new one may have, if the request allows it."""
    asked = request.get("ResultReuseConfiguration", {}).get("ResultReuseByAgeConfiguration", {})
    if not asked.get("Enabled") or new.kind.substatement != "SELECT":
        return None
    oldest = datetime.now(UTC) - timedelta(minutes=asked.get("MaxAgeInMinutes", DEFAULT_MINUTES))
    for one in own.of(new.workgroup):
        same = (one.query, one.parameters, one.context, one.output)
        fits = same == (new.query, new.parameters, new.context, new.output)
        if fits and one.state == "SUCCEEDED" and one.reused is None and one.ended and one.ended >= oldest:
            return one
    return None


def take(job: Job, select: Select) -> bool:
    """Give an execution its candidate's result, if the caller may see tables and result.

    Returns whether it did.
    """
    earlier = job.execution.candidate
    if earlier is None:
        return False
    bucket, key = split_location(earlier.result_location)
    try:
        for reference in select.references(job.database):
            tables.find(job.clients, reference)
        job.clients.s3.head_object(Bucket=bucket, Key=key)
    except (ClientError, QueryError):
        return False
    job.execution.reused, job.execution.columns = earlier, earlier.columns
    return True

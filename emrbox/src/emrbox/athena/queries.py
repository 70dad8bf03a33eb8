"""One query from its tables to its result files, as its caller: catalog, objects, DuckDB, results."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

import emrbox
from emrbox.athena import tables
from emrbox.athena.callers import split_location
from emrbox.athena.executions import ENDED, Execution
from emrbox.athena.problems import QueryError
from emrbox.athena.runner import RESULT

if TYPE_CHECKING:
    from emrbox.athena.callers import Clients
    from emrbox.athena.sql import Statement

Document = dict[str, Any]
LOG = logging.getLogger(__name__)
# The default of a DML query: Athena User Guide, "Service Quotas".
DEADLINE_SECONDS = 30 * 60
MEMORY_MB = 1024


def execute(execution: Execution, statement: Statement, clients: Clients) -> None:
    """Run a query until it has ended; `execution` says how."""
    try:
        if execution.begin():
            _run(execution, statement, clients)
            execution.end("SUCCEEDED")
    except QueryError as problem:
        execution.end("FAILED", str(problem))
    except Exception:
        LOG.exception("Athena query %s failed", execution.id)
        execution.end("FAILED", "GENERIC_INTERNAL_ERROR: Internal error")
    finally:
        clients.close()


def _run(execution: Execution, statement: Statement, clients: Clients) -> None:
    references = statement.references(execution.context.get("Database"))
    with tempfile.TemporaryDirectory(prefix="emrbox-athena-") as name:
        folder = Path(name).resolve()
        views = []
        for reference in references:
            if execution.state in ENDED:
                return
            table = tables.find(clients, reference)
            files, size = tables.fetch(clients, reference, table, folder)
            views.append(
                {
                    "name": reference.view,
                    "table": f"{reference.database}.{reference.table}",
                    "columns": table.columns,
                    "keys": table.keys,
                    "files": files,
                    "bytes": size,
                    "format": table.format,
                    "options": table.options,
                }
            )
        used = statement.columns()
        work = {
            "sql": statement.for_duckdb(references),
            "views": views,
            "columns": None if used is None else sorted(used),
            "memory_mb": MEMORY_MB,
            "cpu_seconds": DEADLINE_SECONDS,
        }
        answer = _answer(execution, folder, work)
        execution.scanned_bytes, execution.columns = answer["scanned_bytes"], answer["columns"]
        _write(clients, execution, folder / RESULT)


def _answer(execution: Execution, folder: Path, work: Document) -> Document:
    """Run DuckDB in a process of its own. Returns its answer; raises QueryError."""
    source = str(Path(emrbox.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-m", "emrbox.athena.runner", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={"PATH": os.defpath, "LANG": "C.UTF-8", "HOME": str(folder), "PYTHONPATH": source},
        start_new_session=True,
    )
    with process:
        execution.started(process)
        try:
            output, problems = process.communicate(json.dumps(work), timeout=DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise QueryError("Query timeout") from None
    if process.returncode != 0:
        LOG.warning("Athena query %s: exit code %s: %s", execution.id, process.returncode, problems[-2000:])
        raise QueryError("EXCEEDED_MEMORY_LIMIT: Query exhausted resources at this scale factor")
    answer: Document = json.loads(output)
    if "error" in answer:
        raise QueryError(answer["error"])
    return answer


def _write(clients: Clients, execution: Execution, result: Path) -> None:
    """Write the result file and, as JSON, the file that describes its columns."""
    bucket, key = split_location(execution.result_location)
    metadata = json.dumps({"ColumnInfo": execution.columns}).encode()
    try:
        with result.open("rb") as body:
            clients.s3.put_object(Bucket=bucket, Key=key, Body=body)
        clients.s3.put_object(Bucket=bucket, Key=f"{key}.metadata", Body=metadata)
    except ClientError as problem:
        raise _not_written(execution.result_location, problem) from None


def _not_written(location: str, problem: Exception) -> QueryError:
    if "AccessDenied" not in str(problem):
        return QueryError(f"Could not write the result to {location}: {problem}")
    return QueryError(
        f"Access denied when writing output to url: {location} . "
        "Please ensure you are allowed to access the S3 bucket."
    )

"""Runs a statement to its end, and the part of it that reads: catalog, objects, DuckDB in a process."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

import emrbox
from emrbox.athena import information_schema, reuse, tables
from emrbox.athena.job import Job, Kind, Statement
from emrbox.athena.problems import CancelledError, QueryError
from emrbox.athena.refusals import metastore_error
from emrbox.athena.runner import RESULT

if TYPE_CHECKING:
    from emrbox.athena.callers import Clients
    from emrbox.athena.executions import Execution
    from emrbox.athena.sql import Reference, Select
    from emrbox.athena.workgroups import WorkGroup

Document = dict[str, Any]
LOG = logging.getLogger(__name__)
# The default of a DML query: Athena User Guide, "Service Quotas".
DEADLINE_SECONDS = CPU_SECONDS = 30 * 60
MEMORY_MB = 1024
TIMEOUT = "Query timeout"


def execute(execution: Execution, statement: Statement, clients: Clients, group: WorkGroup) -> None:
    """Run a statement until it has ended; `execution` says how."""
    try:
        with tempfile.TemporaryDirectory(prefix="emrbox-athena-") as name:
            if execution.begin():
                statement.run(Job(execution, clients, Path(name).resolve(), group))
                execution.end("SUCCEEDED")
    except CancelledError as problem:
        execution.end("CANCELLED", str(problem))
    except ClientError as problem:
        execution.end("FAILED", str(metastore_error(problem)))
    except QueryError as problem:
        execution.end("FAILED", str(problem))
    except Exception:
        LOG.exception("Athena query %s failed", execution.id)
        execution.end("FAILED", "GENERIC_INTERNAL_ERROR: Internal error")
    finally:
        clients.close()


def select_statement(select: Select) -> Statement:
    """Return SELECT as a statement: its rows go to a CSV file."""

    def run(job: Job) -> None:
        if reuse.take(job, select):
            return
        answer = read(job, select)
        job.execution.columns = answer["columns"]
        location = job.execution.result_location
        with (job.folder / RESULT).open("rb") as body:
            job.put(location, body)
        job.put(f"{location}.metadata", json.dumps({"ColumnInfo": answer["columns"]}).encode())

    return Statement(Kind("DML", "SELECT", ".csv"), run)


def read(job: Job, select: Select, target: Document | None = None) -> Document:
    """Run a SELECT with DuckDB. Returns the runner's answer; raises QueryError.

    Its rows are in the job's folder: in the result file, or in Parquet files as `target` says
    (see `emrbox.athena.runner`).
    """
    references = select.references(job.database)
    views = [_view(job, reference) for reference in references]
    used = select.columns()
    work = {
        "sql": select.for_duckdb(references),
        "views": views,
        "columns": None if used is None else sorted(used),
        "target": target,
        "cutoff_bytes": job.group.cutoff_bytes,
        "memory_mb": MEMORY_MB,
        "cpu_seconds": CPU_SECONDS,
    }
    answer = _answer(job.execution, job.folder, work)
    job.execution.scanned_bytes = answer["scanned_bytes"]
    if answer.get("is_over"):
        # The words are a guess.
        raise CancelledError("Query cancelled! : Bytes scanned limit was exceeded")
    return answer


def _view(job: Job, reference: Reference) -> Document:
    """Return what the runner needs to know of a table; its objects are copied to the job's folder."""
    job.execution.require_running()
    named = {"name": reference.view, "table": f"{reference.database}.{reference.table}"}
    if reference.database == information_schema.NAME:
        columns, rows = information_schema.view(job.clients, reference.table, reference.place)
        return {**named, "columns": columns, "rows": rows}
    table = tables.find(job.clients, reference)
    files, size = tables.fetch(job.clients, reference, table, job.folder)
    return {
        **named,
        "columns": table.columns,
        "keys": table.keys,
        "files": files,
        "bytes": size,
        "format": table.format,
        "options": table.options,
    }


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
            raise QueryError(TIMEOUT) from None
    execution.require_running()
    if process.returncode == -signal.SIGXCPU:
        raise QueryError(TIMEOUT)
    if process.returncode != 0:
        LOG.warning("Athena query %s: exit code %s: %s", execution.id, process.returncode, problems[-2000:])
        raise QueryError("EXCEEDED_MEMORY_LIMIT: Query exhausted resources at this scale factor")
    answer: Document = json.loads(output)
    if "error" in answer:
        raise QueryError(answer["error"])
    return answer

"""Query executions: their states and what GetQueryExecution shows of them."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from emrbox.athena.problems import USER_ERROR, CancelledError, invalid_request
from emrbox.athena.workgroups import ENGINE, WorkGroups

if TYPE_CHECKING:
    import subprocess

    from emrbox.athena.job import Kind

Document = dict[str, Any]
ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


@dataclass
class Execution:
    """One query. It changes its state under its lock, and keeps it once it has ended."""

    query: str
    kind: Kind
    workgroup: str
    context: Document
    output: str  # the address below which results go
    parameters: list[str]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "QUEUED"
    reason: str | None = None
    scanned_bytes: int = 0
    columns: list[Document] = field(default_factory=list)
    written_rows: int = 0  # by CTAS, INSERT INTO and UNLOAD
    manifest: str | None = None  # the address of the list of objects that they have written
    candidate: Execution | None = None  # whose result this one may have
    reused: Execution | None = None  # whose result this one has
    submitted: datetime = field(default_factory=lambda: datetime.now(UTC))
    began: datetime | None = None
    ended: datetime | None = None
    process: subprocess.Popen[str] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def result_location(self) -> str:
        """The address of the result file."""
        if self.reused is not None:
            return self.reused.result_location
        folder = "/tables" if self.kind.substatement == "CREATE_TABLE_AS_SELECT" else ""
        return f"{self.output.rstrip('/')}{folder}/{self.id}{self.kind.result}"

    def begin(self) -> bool:
        """Go to RUNNING. Returns whether it did."""
        with self.lock:
            if self.state == "QUEUED":
                self.state, self.began = "RUNNING", datetime.now(UTC)
            return self.state == "RUNNING"

    def require_running(self) -> None:
        """Raise CancelledError once it has been cancelled."""
        with self.lock:
            if self.state in ENDED:
                raise CancelledError("Query cancelled by user")

    def end(self, state: str, reason: str | None = None) -> None:
        """Go to a last state, unless it is in one; its process is killed."""
        with self.lock:
            if self.state in ENDED:
                return
            self.state, self.reason, self.ended = state, reason, datetime.now(UTC)
            if self.process is not None:
                self.process.kill()

    def started(self, process: subprocess.Popen[str]) -> None:
        """Take note of its process; one that was cancelled meanwhile is killed."""
        with self.lock:
            self.process = process
            if self.state in ENDED:
                process.kill()

    @property
    def document(self) -> Document:
        """The API's QueryExecution."""
        with self.lock:
            status: Document = {"State": self.state, "SubmissionDateTime": self.submitted}
            statistics: Document = {}
            if self.ended is not None:
                began = self.began or self.ended
                status["CompletionDateTime"] = self.ended
                statistics = {
                    "EngineExecutionTimeInMillis": _milliseconds(began, self.ended),
                    "DataScannedInBytes": self.scanned_bytes,
                    "TotalExecutionTimeInMillis": _milliseconds(self.submitted, self.ended),
                    "QueryQueueTimeInMillis": _milliseconds(self.submitted, began),
                    "ResultReuseInformation": {"ReusedPreviousResult": self.reused is not None},
                }
                if self.manifest is not None:
                    statistics["DataManifestLocation"] = self.manifest
            if self.reason is not None:
                status["StateChangeReason"] = self.reason
            if self.state == "FAILED":
                status["AthenaError"] = {
                    "ErrorCategory": USER_ERROR,
                    "Retryable": False,
                    "ErrorMessage": self.reason,
                }
        shown: Document = {
            "QueryExecutionId": self.id,
            "Query": self.query,
            "StatementType": self.kind.type,
            "SubstatementType": self.kind.substatement,
            "ResultConfiguration": {"OutputLocation": self.result_location},
            "QueryExecutionContext": self.context,
            "Status": status,
            "Statistics": statistics,
            "WorkGroup": self.workgroup,
            "EngineVersion": dict(ENGINE),
        }
        return {**shown, "ExecutionParameters": self.parameters} if self.parameters else shown


def _milliseconds(since: datetime, until: datetime) -> int:
    return round((until - since).total_seconds() * 1000)


class Executions:
    """Workgroups and executions of one account in one region, in the order of their submission."""

    def __init__(self) -> None:
        self.workgroups = WorkGroups()
        self.lock = threading.Lock()
        self._executions: dict[str, Execution] = {}
        self._tokens: dict[str, str] = {}

    def add(self, execution: Execution, token: str | None) -> Execution | None:
        """Keep a new execution, or return the earlier one that has its ClientRequestToken."""
        with self.lock:
            if token is not None and token in self._tokens:
                earlier = self._executions[self._tokens[token]]
                if (earlier.query, earlier.parameters) != (execution.query, execution.parameters):
                    raise invalid_request("Idempotent parameters do not match")
                return earlier
            self._executions[execution.id] = execution
            if token is not None:
                self._tokens[token] = execution.id
        return None

    def get(self, execution_id: str) -> Execution:
        """Return an execution, or raise what Athena says of one that is not there."""
        found = self._executions.get(execution_id)
        if found is None:
            raise invalid_request(f"QueryExecution {execution_id} was not found")
        return found

    def of(self, workgroup: str) -> list[Execution]:
        """Return the executions of a workgroup, the newest first."""
        with self.lock:
            return [one for one in reversed(self._executions.values()) if one.workgroup == workgroup]

    def cancel_all(self) -> None:
        """Cancel what has not ended."""
        with self.lock:
            every = list(self._executions.values())
        for one in every:
            one.end("CANCELLED", "The box has ended")

"""Athena's API: permission, then the operation. What emrbox lacks is refused by its name.

Actions and resources: Service Authorization Reference, "Actions, resources, and condition keys for Amazon
Athena".
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from emrbox.athena import catalog
from emrbox.athena.callers import Clients, clients_of, split_location
from emrbox.athena.executions import Execution, Executions
from emrbox.athena.pages import page
from emrbox.athena.problems import invalid_request
from emrbox.athena.queries import execute
from emrbox.athena.results import get_query_results
from emrbox.athena.reuse import candidate
from emrbox.athena.statements import parse
from emrbox.athena.workgroups import PRIMARY
from emrbox.aws.auth import PARTITION
from emrbox.aws.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrbox.aws.auth import Caller

Document = dict[str, Any]
# Operations on the catalog -> the member that names it; ListDataCatalogs is on none.
CATALOG: dict[str, tuple[Callable[[Clients, Document], Document], str]] = {
    "GetDataCatalog": (catalog.get_data_catalog, "Name"),
    "ListDataCatalogs": (catalog.list_data_catalogs, ""),
    "GetDatabase": (catalog.get_database, "CatalogName"),
    "ListDatabases": (catalog.list_databases, "CatalogName"),
    "GetTableMetadata": (catalog.get_table_metadata, "CatalogName"),
    "ListTableMetadata": (catalog.list_table_metadata, "CatalogName"),
}
QUERIES_AT_ONCE = 2  # more wait in state QUEUED


class AthenaService:
    """The operations of Athena. `endpoint_url` is where S3 and Glue are."""

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url
        self._lock = threading.Lock()
        self._accounts: dict[tuple[str, str], Executions] = {}
        self._pool = ThreadPoolExecutor(QUERIES_AT_ONCE, thread_name_prefix="athena")

    def call(self, operation: str, request: Document, caller: Caller) -> Document:
        """Check that the caller may, then do it. Refusals are AwsError."""
        with self._lock:
            own = self._accounts.setdefault((caller.account_id, caller.region), Executions())
        if operation in CATALOG:
            return self._on_catalog(operation, request, caller)
        if operation in WORKGROUPS:
            return _on_workgroup(operation, request, caller, own)
        if operation not in QUERIES:
            raise invalid_request(f"emrbox does not have {operation}")
        return QUERIES[operation](self, request, caller, own)

    def close(self) -> None:
        """End; queries that run are not waited for."""
        for own in self._accounts.values():
            own.cancel_all()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _on_catalog(self, operation: str, request: Document, caller: Caller) -> Document:
        do, member = CATALOG[operation]
        name = f"datacatalog/{request[member]}" if member else ""
        caller.require(f"athena:{operation}", _arn(caller, name))
        clients = clients_of(caller, self._endpoint_url)
        try:
            return do(clients, request)
        finally:
            clients.close()

    def start(self, request: Document, caller: Caller, own: Executions) -> Document:
        """StartQueryExecution: the statement is parsed now, its tables are looked up while it runs."""
        name = request.get("WorkGroup", PRIMARY)
        caller.require("athena:StartQueryExecution", _arn(caller, f"workgroup/{name}"))
        group = own.workgroups.get(name)
        if not group.enabled:
            raise invalid_request(f"WorkGroup {name} is disabled.")
        if others := set(request.get("ResultConfiguration", {})) - {"OutputLocation"}:
            raise invalid_request(f"emrbox does not have ResultConfiguration.{min(others)}")
        output = group.output_location(request)
        if not output:
            raise invalid_request(
                "No output location provided. An output location is required either through the Workgroup "
                "result configuration setting or as an API input."
            )
        statement = parse(request["QueryString"], request.get("ExecutionParameters", []))
        clients = clients_of(caller, self._endpoint_url)
        try:
            _require_bucket(clients, output)
            execution = Execution(
                query=request["QueryString"],
                kind=statement.kind,
                workgroup=name,
                context=request.get("QueryExecutionContext", {}),
                output=output,
                parameters=request.get("ExecutionParameters", []),
            )
            execution.candidate = candidate(request, execution, own)
            earlier = own.add(execution, request.get("ClientRequestToken"))
        except AwsError:
            clients.close()
            raise
        if earlier is not None:
            clients.close()
            return {"QueryExecutionId": earlier.id}
        self._pool.submit(execute, execution, statement, clients, group)
        return {"QueryExecutionId": execution.id}

    def results(self, request: Document, caller: Caller, own: Executions) -> Document:
        """GetQueryResults."""
        execution = _named(request, caller, own, "GetQueryResults")
        clients = clients_of(caller, self._endpoint_url)
        try:
            return get_query_results(clients, execution, request)
        finally:
            clients.close()

    def get(self, request: Document, caller: Caller, own: Executions) -> Document:
        """GetQueryExecution."""
        return {"QueryExecution": _named(request, caller, own, "GetQueryExecution").document}

    def stop(self, request: Document, caller: Caller, own: Executions) -> Document:
        """StopQueryExecution; an execution that has ended stays as it is."""
        _named(request, caller, own, "StopQueryExecution").end("CANCELLED", "Query cancelled by user")
        return {}

    def list(self, request: Document, caller: Caller, own: Executions) -> Document:
        """ListQueryExecutions."""
        name = request.get("WorkGroup", PRIMARY)
        caller.require("athena:ListQueryExecutions", _arn(caller, f"workgroup/{name}"))
        own.workgroups.get(name)
        found, more = page(request, [one.id for one in own.of(name)], 50)
        return {"QueryExecutionIds": found, **more}

    def batch_get(self, request: Document, caller: Caller, own: Executions) -> Document:
        """BatchGetQueryExecution; each execution needs its own permission."""
        found, others = [], []
        for one in request["QueryExecutionIds"]:
            named = {"QueryExecutionId": one}
            try:
                found.append(_named(named, caller, own, "BatchGetQueryExecution").document)
            except AwsError as problem:
                others.append({**named, "ErrorCode": problem.code, "ErrorMessage": problem.message})
        return {"QueryExecutions": found, "UnprocessedQueryExecutionIds": others}


QUERIES: dict[str, Callable[[AthenaService, Document, Caller, Executions], Document]] = {
    "StartQueryExecution": AthenaService.start,
    "GetQueryExecution": AthenaService.get,
    "GetQueryResults": AthenaService.results,
    "StopQueryExecution": AthenaService.stop,
    "ListQueryExecutions": AthenaService.list,
    "BatchGetQueryExecution": AthenaService.batch_get,
}
# Operations on workgroups -> the member that names one.
WORKGROUPS = {
    "CreateWorkGroup": "Name",
    "GetWorkGroup": "WorkGroup",
    "ListWorkGroups": "",
    "UpdateWorkGroup": "WorkGroup",
    "DeleteWorkGroup": "WorkGroup",
}


def _on_workgroup(operation: str, request: Document, caller: Caller, own: Executions) -> Document:
    member = WORKGROUPS[operation]
    name = f"workgroup/{request[member]}" if member else ""
    caller.require(f"athena:{operation}", _arn(caller, name))
    groups = own.workgroups
    with own.lock:
        if operation == "CreateWorkGroup":
            return groups.create(request)
        if operation == "GetWorkGroup":
            return groups.describe(request)
        if operation == "ListWorkGroups":
            return groups.list(request)
        if operation == "UpdateWorkGroup":
            return groups.update(request)
    return groups.delete(request, has_queries=bool(own.of(request[member])))


def _named(request: Document, caller: Caller, own: Executions, operation: str) -> Execution:
    """Return the execution of a request, if the caller may do that in its workgroup."""
    execution = own.get(request["QueryExecutionId"])
    caller.require(f"athena:{operation}", _arn(caller, f"workgroup/{execution.workgroup}"))
    return execution


def _arn(caller: Caller, name: str) -> str:
    return f"arn:{PARTITION}:athena:{caller.region}:{caller.account_id}:{name}" if name else "*"


def _require_bucket(clients: Clients, output: str) -> None:
    """Refuse a location whose bucket is not there, or not the caller's to use."""
    try:
        bucket, _ = split_location(output)
    except ValueError:
        raise invalid_request("outputLocation is not a valid S3 path.") from None
    try:
        clients.s3.get_bucket_location(Bucket=bucket)
    except ClientError:
        raise invalid_request(f"Unable to verify/create output bucket {bucket}") from None

"""Databases and tables as Athena's API shows them: those of the Glue Data Catalog, read as the caller.

Athena's model, and its User Guide, "Understand tables, databases, and data catalogs":
AwsDataCatalog is Glue's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from emrbox.athena.callers import DENIED
from emrbox.athena.pages import page
from emrbox.athena.problems import invalid_request, metadata_error
from emrbox.aws.errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrbox.athena.callers import Clients

Document = dict[str, Any]
CATALOG = "AwsDataCatalog"


def get_data_catalog(_clients: Clients, request: Document) -> Document:
    """GetDataCatalog."""
    _require_catalog(request["Name"])
    return {"DataCatalog": {"Name": CATALOG, "Type": "GLUE", "Status": "CREATE_COMPLETE"}}


def list_data_catalogs(_clients: Clients, request: Document) -> Document:
    """ListDataCatalogs."""
    found, more = page(request, [{"CatalogName": CATALOG, "Type": "GLUE", "Status": "CREATE_COMPLETE"}], 50)
    return {"DataCatalogsSummary": found, **more}


def get_database(clients: Clients, request: Document) -> Document:
    """GetDatabase."""
    _require_catalog(request["CatalogName"])
    found = _asked(lambda: clients.glue.get_database(Name=request["DatabaseName"]))
    return {"Database": _database(found["Database"])}


def list_databases(clients: Clients, request: Document) -> Document:
    """ListDatabases."""
    _require_catalog(request["CatalogName"])
    every = _asked(lambda: clients.glue.get_paginator("get_databases").paginate().build_full_result())
    found, more = page(request, [_database(one) for one in every["DatabaseList"]], 50)
    return {"DatabaseList": found, **more}


def get_table_metadata(clients: Clients, request: Document) -> Document:
    """GetTableMetadata."""
    _require_catalog(request["CatalogName"])
    named = {"DatabaseName": request["DatabaseName"], "Name": request["TableName"]}
    return {"TableMetadata": _table(_asked(lambda: clients.glue.get_table(**named))["Table"])}


def list_table_metadata(clients: Clients, request: Document) -> Document:
    """ListTableMetadata. `Expression` is a regular expression for the whole name."""
    _require_catalog(request["CatalogName"])
    pages = clients.glue.get_paginator("get_tables").paginate(DatabaseName=request["DatabaseName"])
    try:
        fits = re.compile(request.get("Expression", ".*"))
    except re.error as problem:
        raise invalid_request(f"Expression is no regular expression: {problem}") from None
    tables = [one for one in _asked(pages.build_full_result)["TableList"] if fits.fullmatch(one["Name"])]
    found, more = page(request, [_table(one) for one in tables], 50)
    return {"TableMetadataList": found, **more}


def _require_catalog(name: str) -> None:
    if name.lower() != CATALOG.lower():
        raise invalid_request(f"DataCatalog {name} was not found")


def _asked(call: Callable[[], Any]) -> Any:
    """Return Glue's answer; what it refuses is a MetadataException, and a missing permission stays one."""
    try:
        return call()
    except ClientError as problem:
        error = problem.response["Error"]
        if error["Code"] in DENIED:
            raise AwsError("AccessDeniedException", error["Message"]) from None
        raise metadata_error(error["Message"]) from None


def _database(found: Document) -> Document:
    shown = {"Name": found["Name"], "Parameters": found.get("Parameters", {})}
    return {**shown, "Description": found["Description"]} if found.get("Description") else shown


def _table(found: Document) -> Document:
    storage = found.get("StorageDescriptor", {})
    serde = storage.get("SerdeInfo", {})
    more = {
        "inputformat": storage.get("InputFormat"),
        "location": storage.get("Location"),
        "outputformat": storage.get("OutputFormat"),
        "serde.serialization.lib": serde.get("SerializationLibrary"),
        **{f"serde.param.{name}": value for name, value in serde.get("Parameters", {}).items()},
    }
    return {
        "Name": found["Name"],
        "CreateTime": found.get("CreateTime"),
        "TableType": found.get("TableType"),
        "Columns": [_column(one) for one in storage.get("Columns", [])],
        "PartitionKeys": [_column(one) for one in found.get("PartitionKeys", [])],
        "Parameters": {
            **found.get("Parameters", {}),
            **{name: value for name, value in more.items() if value is not None},
        },
    }


def _column(found: Document) -> Document:
    return {name: found[name] for name in ("Name", "Type", "Comment") if found.get(name)}

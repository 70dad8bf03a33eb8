"""The tables of `information_schema`, out of the Glue Data Catalog as the caller may see it.

Columns are those of Trino's Hive connector; Athena User Guide, "Query the AWS Glue Data Catalog".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlglot
from sqlglot.errors import SqlglotError

from emrbox.athena.catalog import CATALOG
from emrbox.athena.problems import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from emrbox.athena.callers import Clients

Document = dict[str, Any]
Rows = list[list[Any]]
NAME = "information_schema"
_TABLE = ("table_catalog", "table_schema", "table_name")
COLUMNS: dict[str, tuple[str, ...]] = {
    "schemata": ("catalog_name", "schema_name"),
    "tables": (*_TABLE, "table_type"),
    "columns": (
        *(*_TABLE, "column_name", "ordinal_position", "column_default", "is_nullable", "data_type"),
        *("comment", "extra_info"),
    ),
}
WHOLE_NUMBERS = frozenset({"ordinal_position"})


def view(clients: Clients, name: str, place: str) -> tuple[list[tuple[str, str]], Rows]:
    """Return a table's columns, with DuckDB's types, and its rows. Raises ClientError and QueryError."""
    if name not in COLUMNS:
        full = f"{CATALOG.lower()}.{NAME}.{name}"
        raise QueryError(f"TABLE_NOT_FOUND: {place}: Table '{full}' does not exist")
    columns = [(one, "BIGINT" if one in WHOLE_NUMBERS else "VARCHAR") for one in COLUMNS[name]]
    return columns, list(_rows(clients, name))


def _rows(clients: Clients, name: str) -> Iterator[list[Any]]:
    catalog = CATALOG.lower()
    databases = clients.glue.get_paginator("get_databases").paginate().build_full_result()["DatabaseList"]
    if name == "schemata":
        yield from ([catalog, one["Name"]] for one in databases)
        return
    for database in databases:
        pages = clients.glue.get_paginator("get_tables").paginate(DatabaseName=database["Name"])
        for table in pages.build_full_result()["TableList"]:
            named = [catalog, database["Name"], table["Name"]]
            if name == "tables":
                yield [*named, "VIEW" if table.get("TableType") == "VIRTUAL_VIEW" else "BASE TABLE"]
            else:
                yield from ([*named, *rest] for rest in _columns(table))


def _columns(table: Document) -> Iterator[list[Any]]:
    keys = table.get("PartitionKeys", [])
    every = [*table.get("StorageDescriptor", {}).get("Columns", []), *keys]
    for number, one in enumerate(every, 1):
        extra = "partition key" if number > len(every) - len(keys) else None
        yield [one["Name"], number, None, "YES", _trino_type(one["Type"]), one.get("Comment"), extra]


def _trino_type(hive: str) -> str:
    try:
        return sqlglot.exp.DataType.build(hive, dialect="hive").sql("trino").lower()
    except SqlglotError:
        return hive

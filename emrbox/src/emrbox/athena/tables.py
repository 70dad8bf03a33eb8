"""Tables of the Glue Data Catalog as a query needs them: their objects, their format, their columns."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import duckdb
import sqlglot
from botocore.exceptions import ClientError

from emrbox.athena.callers import ABSENT, DENIED, split_location
from emrbox.athena.problems import QueryError
from emrbox.athena.refusals import metastore_error

if TYPE_CHECKING:
    from pathlib import Path

    from emrbox.athena.callers import Clients
    from emrbox.athena.sql import Reference

Document = dict[str, Any]
# The formats by the classes of Hive that a table names: Athena User Guide, "Choose a SerDe for your data".
FORMATS = {
    "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe": "parquet",
    "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe": "text",
    "org.apache.hadoop.hive.serde2.OpenCSVSerde": "csv",
}
NESTED = re.compile(r"\[|\(.*[A-Za-z]")  # in DuckDB's types: lists, and structures and maps of others
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Partition:
    """Some objects that have the same values of the partition keys; a table without keys is one partition."""

    location: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table, with the partitions that a query reads. Types are DuckDB's."""

    columns: list[tuple[str, str]]
    keys: list[tuple[str, str]]
    partitions: list[Partition]
    format: str
    options: Document


def find(clients: Clients, reference: Reference) -> Table:
    """Return a table that a statement names. Raises QueryError as Athena words it."""
    database, name = reference.database, reference.table
    try:
        found = clients.glue.get_table(DatabaseName=database, Name=name)["Table"]
        described = _described(found)
        keys = [(one["Name"].lower(), duckdb_type(one["Type"])) for one in found.get("PartitionKeys", [])]
        partitions = [Partition(found["StorageDescriptor"]["Location"], ())]
        if keys:
            partitions = _partitions(clients, database, name)
    except ClientError as problem:
        raise _refusal(problem, reference) from None
    kept = _kept(partitions, keys, reference.conditions({key for key, _ in keys}))
    return Table(described[0], keys, kept, described[1], described[2])


def _described(found: Document) -> tuple[list[tuple[str, str]], str, Document]:
    """Return columns, format and its options."""
    storage = found.get("StorageDescriptor", {})
    serde = storage.get("SerdeInfo", {})
    library = serde.get("SerializationLibrary", "")
    if library not in FORMATS or not storage.get("Location"):
        name = f"{found['DatabaseName']}.{found['Name']}"
        raise QueryError(
            f"HIVE_UNSUPPORTED_FORMAT: emrbox cannot read {name}: SerDe {library or 'not given'}"
        )
    for where, what in (
        (found.get("Parameters", {}), "projection.enabled"),
        (serde.get("Parameters", {}), "escape.delim"),
    ):
        if where.get(what, "false").lower() != "false":
            raise QueryError(f"HIVE_UNSUPPORTED_FORMAT: emrbox does not have tables with {what}")
    columns = [(one["Name"].lower(), duckdb_type(one["Type"])) for one in storage.get("Columns", [])]
    if FORMATS[library] != "parquet" and (nested := [name for name, kind in columns if NESTED.search(kind)]):
        raise QueryError(
            f"HIVE_UNSUPPORTED_FORMAT: emrbox cannot read column {nested[0]} from text: nested type"
        )
    header = found.get("Parameters", {}).get("skip.header.line.count", "0")
    options = {**serde.get("Parameters", {}), "skip": int(header) if header.isdecimal() else 0}
    return columns, FORMATS[library], options


def _partitions(clients: Clients, database: str, name: str) -> list[Partition]:
    pages = clients.glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=name)
    return [
        Partition(one["StorageDescriptor"]["Location"], tuple(one["Values"]))
        for one in pages.build_full_result()["Partitions"]
    ]


def _refusal(problem: ClientError, reference: Reference) -> QueryError:
    error = problem.response["Error"]
    if error["Code"] != "EntityNotFoundException":
        return metastore_error(problem)
    if error["Message"].startswith("Database"):
        return QueryError(
            f"SCHEMA_NOT_FOUND: {reference.place}: Schema '{reference.database}' does not exist"
        )
    full = f"awsdatacatalog.{reference.database}.{reference.table}"
    return QueryError(f"TABLE_NOT_FOUND: {reference.place}: Table '{full}' does not exist")


def duckdb_type(hive: str) -> str:
    """Return the type of DuckDB for one of Hive, which is how Glue writes them."""
    try:
        return sqlglot.exp.DataType.build(hive, dialect="hive").sql("duckdb")
    except sqlglot.errors.SqlglotError:
        raise QueryError(f"HIVE_INVALID_METADATA: emrbox does not have the type {hive}") from None


def _kept(partitions: list[Partition], keys: list[tuple[str, str]], conditions: list[str]) -> list[Partition]:
    """Return the partitions that a statement's conditions leave, so that others are not read."""
    if not conditions or not partitions:
        return partitions
    columns = ", ".join(f'CAST(v[{n}] AS {kind}) AS "{name}"' for n, (name, kind) in enumerate(keys, 1))
    values = [[None if v == NULL_PARTITION else v for v in one.values] for one in partitions]
    with duckdb.connect(config={"enable_external_access": "false"}) as connection:
        try:
            rows = connection.execute(
                f"SELECT n FROM (SELECT n, {columns} FROM (SELECT unnest(?) AS v, unnest(?) AS n)) "  # noqa: S608  # of known nodes
                f"WHERE {' AND '.join(f'({one})' for one in conditions)}",
                [values, list(range(len(values)))],
            ).fetchall()
        except duckdb.Error:
            return partitions  # the query itself says what is wrong with the condition
    return [partitions[n] for (n,) in sorted(rows)]


def fetch(clients: Clients, reference: Reference, table: Table, folder: Path) -> tuple[list[str], int]:
    """Copy the objects of a table into `folder`. Returns the files and the bytes of all of them."""
    files: list[str] = []
    total = 0
    for partition in table.partitions:
        place = folder / reference.view
        for (key, _), value in zip(table.keys, partition.values, strict=True):
            place /= f"{key}={quote(value, safe='')}"
        place.mkdir(parents=True, exist_ok=True)
        for bucket, key, size in objects_below(clients, partition.location):
            path = place / f"{len(files)}{'.gz' if key.endswith('.gz') else ''}"
            try:
                body = clients.s3.get_object(Bucket=bucket, Key=key)["Body"]
                with body, path.open("wb") as file:
                    shutil.copyfileobj(body, file)
            except ClientError as problem:
                raise _unreadable(problem, f"s3://{bucket}/{key}", size) from None
            files.append(str(path))
            total += size
    return files, total


def objects_below(clients: Clients, location: str) -> list[tuple[str, str, int]]:
    """Return bucket, key and size of the objects below a location, as Hive sees them."""
    try:
        bucket, prefix = split_location(location)
        prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        pages = clients.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        found = pages.build_full_result().get("Contents", [])
    except ValueError as problem:
        raise QueryError(f"HIVE_INVALID_METADATA: {problem}") from None
    except ClientError as problem:
        code = problem.response["Error"]["Code"]
        if code in DENIED:
            raise QueryError(f"PERMISSION_DENIED: Permission denied on S3 path: {location}") from None
        if code in ABSENT:
            raise QueryError(
                f"HIVE_FILESYSTEM_ERROR: The specified bucket does not exist: {location}"
            ) from None
        raise QueryError(f"HIVE_FILESYSTEM_ERROR: {code}: {location}") from None
    return [
        (bucket, one["Key"], one["Size"])
        for one in found
        # Hidden names: Athena User Guide, "Specify a table location", "Considerations".
        if one["Size"] and not one["Key"].rpartition("/")[2].startswith(("_", "."))
    ]


def _unreadable(problem: ClientError, address: str, size: int) -> QueryError:
    error = problem.response["Error"]
    why = "Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied)"
    if error["Code"] not in DENIED:
        why = error["Message"]
    text = f"HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split {address} (offset=0, length={size}): {why}"
    return QueryError(text)

"""Partitions by DDL: ALTER TABLE ADD and DROP PARTITION, MSCK REPAIR TABLE, SHOW PARTITIONS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from botocore.exceptions import ClientError

from emrbox.athena.glue_tables import table_of
from emrbox.athena.problems import QueryError
from emrbox.athena.refusals import TASK, require_location
from emrbox.athena.tables import objects_below

if TYPE_CHECKING:
    from emrbox.athena.job import Job
    from emrbox.athena.words import Words

Document = dict[str, Any]
AT_ONCE = 100  # BatchCreatePartition, PartitionInputList


def read_add(words: Words) -> tuple[list[tuple[dict[str, str], str | None]], bool]:
    """Return what follows ADD: values and location of each partition; and IF NOT EXISTS."""
    missing_only = words.take("IF", "NOT", "EXISTS")
    found: list[tuple[dict[str, str], str | None]] = []
    while not found or not words.at_end():
        words.expect("PARTITION")
        values = words.pairs()
        location = words.string() if words.take("LOCATION") else None
        if location is not None:
            require_location(location)
        found.append((values, location))
        words.take(",")
    return found, missing_only


def read_drop(words: Words) -> tuple[list[dict[str, str]], bool]:
    """Return what follows DROP: the values of each partition; and IF EXISTS."""
    existing_only = words.take("IF", "EXISTS")
    found: list[dict[str, str]] = []
    while not found or not words.at_end():
        words.expect("PARTITION")
        found.append(words.pairs())
        words.take(",")
    return found, existing_only


def add(
    job: Job, database: str, name: str, wanted: list[tuple[dict[str, str], str | None]], *, missing_only: bool
) -> None:
    """ALTER TABLE ADD PARTITION. Raises ClientError and QueryError."""
    table = table_of(job, database, name)
    inputs = []
    for values, location in wanted:
        in_order = _in_order(table, values)
        inputs.append(partition_input(table, in_order, location or place(table, in_order)))
    for one in inputs:
        try:
            job.clients.glue.create_partition(DatabaseName=database, TableName=name, PartitionInput=one)
        except ClientError as problem:
            if not missing_only or problem.response["Error"]["Code"] != "AlreadyExistsException":
                raise


def drop(job: Job, database: str, name: str, unwanted: list[dict[str, str]], *, existing_only: bool) -> None:
    """ALTER TABLE DROP PARTITION; objects stay. Raises ClientError and QueryError."""
    table = table_of(job, database, name)
    for values in [_in_order(table, one) for one in unwanted]:
        named = {"DatabaseName": database, "TableName": name, "PartitionValues": values}
        try:
            job.clients.glue.delete_partition(**named)
        except ClientError as problem:
            if not existing_only or problem.response["Error"]["Code"] != "EntityNotFoundException":
                raise


def repair(job: Job, database: str, name: str) -> list[str]:
    """MSCK REPAIR TABLE: register the folders `key=value/` that hold objects. Returns the lines it says."""
    table = table_of(job, database, name)
    keys = [one["Name"] for one in _keys(table)]
    known = {tuple(one["Values"]) for one in of(job, database, name)}
    location = table["StorageDescriptor"]["Location"]
    root = f"{location.rstrip('/')}/"
    found: dict[tuple[str, ...], str] = {}
    for bucket, key, _ in objects_below(job.clients, location):
        folders = f"s3://{bucket}/{key}"[len(root) :].split("/")[:-1][: len(keys)]
        parts = [folder.partition("=") for folder in folders]
        if [unquote(part[0]).lower() for part in parts] == keys:
            found[tuple(unquote(part[2]) for part in parts)] = root + "/".join(folders) + "/"
    missing = {values: place for values, place in found.items() if values not in known}
    register(job, table, missing)
    shown = [_shown(name, keys, values) for values in missing]
    said = [f"Partitions not in metastore:\t{' '.join(shown)}"] if shown else []
    return said + [f"Repair: Added partition to metastore {one}" for one in shown]


def register(job: Job, table: Document, wanted: dict[tuple[str, ...], str]) -> None:
    """Make partitions: values -> location. Raises ClientError, and QueryError when Glue refuses one."""
    inputs = [partition_input(table, list(values), location) for values, location in wanted.items()]
    named = {"DatabaseName": table["DatabaseName"], "TableName": table["Name"]}
    for first in range(0, len(inputs), AT_ONCE):
        some = inputs[first : first + AT_ONCE]
        answer = job.clients.glue.batch_create_partition(**named, PartitionInputList=some)
        for one in answer.get("Errors", []):
            raise QueryError(f"{TASK} {one['ErrorDetail']['ErrorCode']}: {one['PartitionValues']}")


def show(job: Job, database: str, name: str) -> list[str]:
    """SHOW PARTITIONS."""
    keys = [one["Name"] for one in _keys(table_of(job, database, name))]
    every = [one["Values"] for one in of(job, database, name)]
    return sorted("/".join(f"{key}={v}" for key, v in zip(keys, one, strict=True)) for one in every)


def of(job: Job, database: str, name: str) -> list[Document]:
    """Return the partitions of a table."""
    pages = job.clients.glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=name)
    found: list[Document] = pages.build_full_result()["Partitions"]
    return found


def partition_input(table: Document, values: list[str], location: str) -> Document:
    """Return a PartitionInput: the table's storage at another place."""
    return {"Values": values, "StorageDescriptor": {**table["StorageDescriptor"], "Location": location}}


def place(table: Document, values: list[str]) -> str:
    """Return where a partition is, unless it says so."""
    keys = [one["Name"] for one in _keys(table)]
    folders = [f"{key}={quote(value, safe=' ')}" for key, value in zip(keys, values, strict=True)]
    return "/".join([table["StorageDescriptor"]["Location"].rstrip("/"), *folders, ""])


def _keys(table: Document) -> list[Document]:
    keys: list[Document] = table.get("PartitionKeys", [])
    if not keys:
        raise QueryError(f"{TASK} Table {table['DatabaseName']}.{table['Name']} is not a partitioned table")
    return keys


def _in_order(table: Document, values: dict[str, str]) -> list[str]:
    given = {name.lower(): value for name, value in values.items()}
    keys = [one["Name"] for one in _keys(table)]
    if set(given) != set(keys):
        raise QueryError(
            f"FAILED: SemanticException Partition spec {given} does not have exactly the partition columns "
            f"{keys} of {table['DatabaseName']}.{table['Name']}"
        )
    return [given[key] for key in keys]


def _shown(table: str, keys: list[str], values: tuple[str, ...]) -> str:
    return f"{table}:{'/'.join(f'{key}={value}' for key, value in zip(keys, values, strict=True))}"

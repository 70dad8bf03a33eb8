"""Hive's DDL on the Glue Data Catalog, as the caller: read when it is started, done when it runs.

Athena User Guide, "DDL statements". What emrbox lacks is refused by its name.
"""

from __future__ import annotations

import fnmatch
import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from emrbox.athena import glue_tables, partitions
from emrbox.athena.job import Job, Kind, Statement
from emrbox.athena.problems import QueryError
from emrbox.athena.refusals import TASK, ddl_error, not_found, refused, require_location
from emrbox.athena.values import column_info

if TYPE_CHECKING:
    from collections.abc import Callable

    from emrbox.athena.words import Words

Document = dict[str, Any]
TableName = tuple[str | None, str]


def create(text: str, words: Words) -> Statement:
    """CREATE DATABASE and CREATE EXTERNAL TABLE."""
    if words.take("EXTERNAL", "TABLE"):
        database, table, unless_there = glue_tables.create_external_table(text)

        def make_table(job: Job) -> list[str]:
            named = {"DatabaseName": database or job.database, "TableInput": table}
            _call(job.clients.glue.create_table, "AlreadyExistsException" if unless_there else "", named)
            return []

        return _statement("DDL", "CREATE_TABLE", make_table)
    if not (words.take("DATABASE") or words.take("SCHEMA")):
        raise refused(_start(text))
    unless_there = words.take("IF", "NOT", "EXISTS")
    made: Document = {"Name": words.name()}
    if words.take("COMMENT"):
        made["Description"] = words.string()
    if words.take("LOCATION"):
        made["LocationUri"] = words.string()
        require_location(made["LocationUri"])
    if words.take("WITH", "DBPROPERTIES"):
        made["Parameters"] = words.pairs()
    words.end()

    def make_database(job: Job) -> list[str]:
        allowed = "AlreadyExistsException" if unless_there else ""
        _call(job.clients.glue.create_database, allowed, {"DatabaseInput": made})
        return []

    return _statement("DDL", "CREATE_DATABASE", make_database)


def drop(text: str, words: Words) -> Statement:
    """DROP DATABASE and DROP TABLE; objects in S3 stay."""
    is_table = words.take("TABLE")
    if not (is_table or words.take("DATABASE") or words.take("SCHEMA")):
        raise refused(_start(text))
    allowed = "EntityNotFoundException" if words.take("IF", "EXISTS") else ""
    if is_table:
        table = words.table()
        words.end()

        def drop_table(job: Job) -> list[str]:
            database, name = _full(job, table)
            _call(job.clients.glue.delete_table, allowed, {"DatabaseName": database, "Name": name})
            return []

        return _statement("DDL", "DROP_TABLE", drop_table, table)
    database = words.name()
    cascade = words.take("CASCADE")
    if not cascade:
        words.take("RESTRICT")
    words.end()

    def drop_database(job: Job) -> list[str]:
        try:
            tables = _tables(job, database)
        except ClientError as problem:
            if problem.response["Error"]["Code"] == allowed:
                return []
            raise
        if tables and not cascade:
            raise QueryError(
                f"{TASK} InvalidOperationException(message:Database {database} is not empty. "
                "One or more tables exist.)"
            )
        for name in tables:
            job.clients.glue.delete_table(DatabaseName=database, Name=name)
        _call(job.clients.glue.delete_database, allowed, {"Name": database})
        return []

    return _statement("DDL", "DROP_DATABASE", drop_database)


def alter(text: str, words: Words) -> Statement:
    """ALTER TABLE ADD PARTITION and DROP PARTITION."""
    words.expect("TABLE")
    table = words.table()
    if words.take("ADD"):
        if words.take("COLUMNS"):
            raise refused("ALTER TABLE ADD COLUMNS")
        wanted, missing_only = partitions.read_add(words)

        def add(job: Job) -> list[str]:
            partitions.add(job, *_full(job, table), wanted, missing_only=missing_only)
            return []

        return _statement("DDL", "ALTER_TABLE_ADD_PARTITION", add, table)
    if not words.take("DROP"):
        raise refused(" ".join(["ALTER TABLE", *text.split()[3:5]]).upper()[:100])
    unwanted, existing_only = partitions.read_drop(words)

    def remove(job: Job) -> list[str]:
        partitions.drop(job, *_full(job, table), unwanted, existing_only=existing_only)
        return []

    return _statement("DDL", "ALTER_TABLE_DROP_PARTITION", remove, table)


def msck(_text: str, words: Words) -> Statement:
    """MSCK REPAIR TABLE."""
    words.expect("REPAIR")
    words.expect("TABLE")
    table = words.table()
    words.end()
    return _statement("DDL", "MSCK_REPAIR", lambda job: partitions.repair(job, *_full(job, table)), table)


def show(text: str, words: Words) -> Statement:
    """SHOW DATABASES, TABLES, PARTITIONS, COLUMNS and CREATE TABLE."""
    if words.take("DATABASES") or words.take("SCHEMAS"):
        fits = _pattern(words)
        return _statement(
            "UTILITY",
            "SHOW_DATABASES",
            lambda job: [name for name in _databases(job) if fits(name)],
            columns=("database_name",),
        )
    if words.take("TABLES"):
        database = words.name() if words.take("IN") or words.take("FROM") else None
        fits = _pattern(words)
        return _statement(
            "UTILITY",
            "SHOW_TABLES",
            lambda job: [name for name in _tables(job, database or job.database) if fits(name)],
            columns=("tab_name",),
        )
    if words.take("PARTITIONS"):
        return _on_table(words, "SHOW_PARTITIONS", partitions.show, ("partition",))
    if words.take("CREATE", "TABLE"):
        return _on_table(words, "SHOW_CREATE_TABLE", _statement_of, ("createtab_stmt",))
    if not words.take("COLUMNS"):
        raise refused(_start(text))
    if not words.take("IN"):
        words.expect("FROM")
    table = words.table()
    database = words.name() if words.take("IN") or words.take("FROM") else None
    words.end()
    named = (database or table[0], table[1])
    return _statement(
        "UTILITY", "SHOW_COLUMNS", lambda job: _columns(job, *_full(job, named)), named, ("field",)
    )


def describe(text: str, words: Words) -> Statement:
    """DESCRIBE of a table."""
    if words.take("EXTENDED") or words.take("FORMATTED"):
        raise refused(_start(text))
    return _on_table(words, "DESCRIBE_TABLE", _description, ("col_name", "data_type", "comment"))


def _on_table(
    words: Words, kind: str, show_it: Callable[[Job, str, str], list[str]], columns: tuple[str, ...]
) -> Statement:
    table = words.table()
    words.end()
    return _statement("UTILITY", kind, lambda job: show_it(job, *_full(job, table)), table, columns)


def _statement(
    type_: str,
    substatement: str,
    act: Callable[[Job], list[str]],
    table: TableName | None = None,
    columns: tuple[str, ...] = (),
) -> Statement:
    """Return a statement whose lines go to a text file; `table` is the one that must be there."""

    def run(job: Job) -> None:
        try:
            lines = act(job)
        except ClientError as problem:
            if table and problem.response["Error"]["Code"] == "EntityNotFoundException":
                raise not_found(".".join(_full(job, table))) from None
            raise ddl_error(problem) from None
        job.execution.columns = [column_info(name, "VARCHAR") | {"Type": "string"} for name in columns]
        location = job.execution.result_location
        job.put(location, "".join(f"{line}\n" for line in lines).encode())
        job.put(f"{location}.metadata", json.dumps({"ColumnInfo": job.execution.columns}).encode())

    return Statement(Kind(type_, substatement, ".txt"), run)


def _call(call: Callable[..., Any], allowed: str, request: Document) -> None:
    """Call Glue; what it refuses with the code `allowed` is as good as done."""
    try:
        call(**request)
    except ClientError as problem:
        if problem.response["Error"]["Code"] != allowed:
            raise


def _start(text: str) -> str:
    return " ".join(text.split()[:2]).upper()[:100]


def _full(job: Job, table: TableName) -> tuple[str, str]:
    return table[0] or job.database, table[1]


def _pattern(words: Words) -> Callable[[str], bool]:
    """Return what a name must fit: `*` for any characters, `|` for a choice; all names without a pattern."""
    words.take("LIKE")
    if words.at_end():
        return lambda _: True
    choices = words.string().lower().split("|")
    words.end()
    return lambda name: any(fnmatch.fnmatchcase(name, one.replace("[", "[[]")) for one in choices)


def _databases(job: Job) -> list[str]:
    pages = job.clients.glue.get_paginator("get_databases").paginate()
    return sorted(one["Name"] for one in pages.build_full_result()["DatabaseList"])


def _tables(job: Job, database: str) -> list[str]:
    pages = job.clients.glue.get_paginator("get_tables").paginate(DatabaseName=database)
    return sorted(one["Name"] for one in pages.build_full_result()["TableList"])


def _statement_of(job: Job, database: str, name: str) -> list[str]:
    return glue_tables.show_create_table(glue_tables.table_of(job, database, name))


def _columns(job: Job, database: str, name: str) -> list[str]:
    table = glue_tables.table_of(job, database, name)
    every = [*table["StorageDescriptor"]["Columns"], *table.get("PartitionKeys", [])]
    return [f"{one['Name']:<20}" for one in every]


def _description(job: Job, database: str, name: str) -> list[str]:
    """Return a line for each column, in Hive's form: three fields, filled to 20 characters, between tabs."""
    table = glue_tables.table_of(job, database, name)
    keys = table.get("PartitionKeys", [])
    lines = [_described(one) for one in [*table["StorageDescriptor"]["Columns"], *keys]]
    if not keys:
        return lines
    nothing = _fields("", "", "")
    head = [_fields("# Partition Information", "", ""), _fields("# col_name", "data_type", "comment")]
    return [*lines, nothing, *head, nothing, *map(_described, keys)]


def _described(column: Document) -> str:
    return _fields(column["Name"], column["Type"], column.get("Comment", ""))


def _fields(*texts: str) -> str:
    return "\t".join(f"{text:<20}" for text in texts)

"""CREATE TABLE AS, INSERT INTO and UNLOAD: a SELECT whose rows become Parquet files in S3, as the caller.

Athena User Guide, "CREATE TABLE AS", "INSERT INTO", "UNLOAD".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import ClientError
from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.errors import TokenError
from sqlglot.tokenizer_core import TokenType

from emrbox.athena import partitions
from emrbox.athena.glue_tables import STORAGE, glue_type, storage, table_of
from emrbox.athena.job import Job, Kind, Statement
from emrbox.athena.problems import QueryError, invalid_request
from emrbox.athena.queries import read
from emrbox.athena.refusals import refused, require_location
from emrbox.athena.runner import OUT
from emrbox.athena.sql import parse, select_of
from emrbox.athena.tables import duckdb_type, objects_below
from emrbox.athena.values import column_info
from emrbox.athena.words import Words, first_words

Document = dict[str, Any]
NOT_STORED = frozenset({"TIME", "TIMESTAMP WITH TIME ZONE"})  # Hive has no such types
COMPRESSIONS = {"GZIP": "gzip", "SNAPPY": "snappy", "ZSTD": "zstd", "NONE": "uncompressed"}
DEFAULT_COMPRESSION = "GZIP"  # guide, "Use compression in Athena", for Parquet
# The words are a guess.
CENTRAL_LOCATION = (
    "The Create Table As Select query failed because it was submitted with an 'external_location' property "
    "to an Athena Workgroup that enforces a centralized output location for all queries. Please remove the "
    "'external_location' property and resubmit the query."
)


@dataclass(frozen=True)
class Properties:
    """What stands behind WITH."""

    keys: list[str]
    compression: str
    location: str | None
    no_data: bool

    @property
    def target(self) -> Document:
        """What the runner needs to know of it."""
        return {
            "columns": None,
            "given": None,
            "keys": self.keys,
            "compression": self.compression,
            "no_data": self.no_data,
        }


def create_table_as(text: str, parameters: list[str]) -> Statement:
    """CREATE TABLE AS: a new table of Parquet files."""
    tree = parse(text, parameters)
    if not isinstance(tree, exp.Create) or tree.kind != "TABLE" or not isinstance(tree.this, exp.Table):
        raise refused("CREATE TABLE without EXTERNAL or AS (Iceberg tables)")
    select, wanted = select_of(tree.expression), _properties(tree)
    database, name, unless_there = tree.this.db.lower(), tree.this.name.lower(), bool(tree.args.get("exists"))

    def run(job: Job) -> None:
        if wanted.location and job.group.enforces_location:
            raise QueryError(CENTRAL_LOCATION)
        full = f"{database or job.database}.{name}"
        if _is_there(job, database or job.database, name):
            if unless_there:
                return _finish(job, [], 0)
            text = f"line 1:1: Destination table 'awsdatacatalog.{full}' already exists"
            raise QueryError(f"TABLE_ALREADY_EXISTS: {text}")
        location = f"{(wanted.location or job.execution.result_location).rstrip('/')}/"
        _require_empty(job, location, f"Target directory for table '{full}'")
        answer = read(job, select, wanted.target)
        shape = [(one, _glue_type(kind)) for one, kind in answer["shape"]]
        count = len(shape) - len(wanted.keys)
        described = {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [{"Name": one, "Type": kind} for one, kind in shape[count:]],
            "Parameters": {"EXTERNAL": "TRUE", "classification": "parquet"},
            "StorageDescriptor": storage(shape[:count], location),
        }
        objects = _upload(job, {folder: location + folder for folder in _folders(answer)}, answer)
        job.clients.glue.create_table(DatabaseName=database or job.database, TableInput=described)
        if wanted.keys:
            made = table_of(job, database or job.database, name)
            places = {_values(folder): location + folder for folder in _folders(answer)}
            partitions.register(job, made, places)
        return _finish(job, objects, answer["rows"])

    return Statement(Kind("DDL", "CREATE_TABLE_AS_SELECT", ""), run)


def insert_into(text: str, parameters: list[str]) -> Statement:
    """INSERT INTO a table of Parquet files; partitions that are not there are made."""
    tree = parse(text, parameters)
    if not isinstance(tree, exp.Insert) or tree.args.get("overwrite"):
        raise refused("INSERT OVERWRITE")
    named = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    given = [one.name.lower() for one in tree.this.expressions] if isinstance(tree.this, exp.Schema) else None
    select = select_of(tree.expression)

    def run(job: Job) -> None:
        database, name = named.db.lower() or job.database, named.name.lower()
        if not _is_there(job, database, name):
            raise QueryError(
                f"TABLE_NOT_FOUND: line 1:1: Table 'awsdatacatalog.{database}.{name}' does not exist"
            )
        table = table_of(job, database, name)
        library = table["StorageDescriptor"].get("SerdeInfo", {}).get("SerializationLibrary")
        if library != STORAGE["PARQUET"][0]:
            raise QueryError(
                f"NOT_SUPPORTED: emrbox inserts into Parquet tables only, not by SerDe {library}"
            )
        keys = table.get("PartitionKeys", [])
        columns = [*table["StorageDescriptor"]["Columns"], *keys]
        target = {
            "columns": [(one["Name"], duckdb_type(one["Type"])) for one in columns],
            "given": given,
            "keys": [one["Name"] for one in keys],
            "compression": COMPRESSIONS[DEFAULT_COMPRESSION],
            "no_data": False,
        }
        answer = read(job, select, target)
        root = f"{table['StorageDescriptor']['Location'].rstrip('/')}/"
        known = {tuple(p["Values"]): p["StorageDescriptor"]["Location"] for p in _known(job, table)}
        places = {
            folder: f"{known.get(_values(folder), root + folder).rstrip('/')}/" for folder in _folders(answer)
        }
        objects = _upload(job, places, answer)
        if keys:
            new = {_values(folder): place for folder, place in places.items() if _values(folder) not in known}
            partitions.register(job, table, new)
        _finish(job, objects, answer["rows"])

    return Statement(Kind("DML", "INSERT", ""), run)


def unload(text: str, parameters: list[str]) -> Statement:
    """UNLOAD (query) TO 'location' WITH (…): Parquet files, and no table."""
    query, location, properties = _parts_of_unload(text)
    # Its properties are those of CREATE TABLE AS, in the same form.
    tree = parse(f"CREATE TABLE unload {properties} AS {query}", parameters)
    if not isinstance(tree, exp.Create):
        raise invalid_request("line 1:1: mismatched input 'UNLOAD'", "MALFORMED_QUERY")
    select, wanted = select_of(tree.expression), _properties(tree)
    require_location(location)

    def run(job: Job) -> None:
        root = f"{location.rstrip('/')}/"
        _require_empty(job, root, "Target directory")
        answer = read(job, select, wanted.target)
        objects = _upload(job, {folder: root + folder for folder in _folders(answer)}, answer)
        _finish(job, objects, answer["rows"])

    return Statement(Kind("DML", "UNLOAD", ""), run)


def _parts_of_unload(text: str) -> tuple[str, str, str]:
    """Return the query in its parentheses, the location, and WITH and what follows."""
    start = text.find("(")
    depth = 0
    try:
        for token in Trino().tokenize(text[start:] if start >= 0 else ""):
            depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
            if depth == 0:
                end = start + token.end + 1
                words = Words(text[end:])
                if first_words(text[end:])[0] != "TO":
                    break
                location, properties = words.string(), words.rest()
                words.expect("WITH")
                return text[start:end], location, properties
    except TokenError as problem:
        raise invalid_request(f"line 1:1: {problem}", "MALFORMED_QUERY") from None
    raise invalid_request(
        "line 1:8: mismatched input. Expecting: (query) TO 'location' WITH (…)", "MALFORMED_QUERY"
    )


def _properties(tree: exp.Create) -> Properties:
    """Return what stands behind WITH; what emrbox lacks is refused by its name."""
    keys: list[str] = []
    compression, location, no_data = DEFAULT_COMPRESSION, None, False
    every = tree.args["properties"].expressions if tree.args.get("properties") else []
    for one in every:
        if isinstance(one, exp.WithDataProperty):
            no_data = bool(one.args.get("no"))
        elif isinstance(one, exp.PartitionedByProperty):
            keys = [key.name.lower() for key in one.this.expressions]
        elif isinstance(one, exp.FileFormatProperty):
            if one.name.upper() != "PARQUET":
                raise refused(f"format = '{one.name[:40]}'; it writes PARQUET")
        elif one.name.lower() == "external_location":
            location = one.args["value"].name
            require_location(location)
        elif one.name.lower() in {"write_compression", "parquet_compression", "compression"}:
            compression = one.args["value"].name.upper()
            if compression not in COMPRESSIONS:
                raise refused(f"compression '{compression[:40]}'; it has {', '.join(COMPRESSIONS)}")
        elif one.name.lower() != "is_external":
            raise refused(f"the property {one.name[:60]} of WITH")
    return Properties(keys, COMPRESSIONS[compression], location, no_data)


def _is_there(job: Job, database: str, name: str) -> bool:
    try:
        table_of(job, database, name)
    except ClientError as problem:
        if problem.response["Error"]["Code"] != "EntityNotFoundException":
            raise
        if problem.response["Error"]["Message"].startswith("Database"):
            raise QueryError(f"SCHEMA_NOT_FOUND: line 1:1: Schema '{database}' does not exist") from None
        return False
    return True


def _require_empty(job: Job, location: str, what: str) -> None:
    if objects_below(job.clients, location):
        raise QueryError(
            f"HIVE_PATH_ALREADY_EXISTS: {what} already exists: {location.rstrip('/')}. You may need to "
            f"manually clean the data at location '{job.execution.result_location}' before retrying. "
            "Athena will not delete data in your account."
        )


def _known(job: Job, table: Document) -> list[Document]:
    if not table.get("PartitionKeys"):
        return []
    return partitions.of(job, table["DatabaseName"], table["Name"])


def _folders(answer: Document) -> list[str]:
    """Return the folders of what was written, `key=value/…/`; '' is the table's own."""
    return sorted({one[: one.rfind("/") + 1] for one in answer["files"]})


def _values(folder: str) -> tuple[str, ...]:
    return tuple(unquote(part.partition("=")[2]) for part in folder.split("/")[:-1])


def _upload(job: Job, places: dict[str, str], answer: Document) -> list[str]:
    """Copy the files to S3: folder -> location. Returns the objects' addresses."""
    made = []
    for number, one in enumerate(answer["files"]):
        address = f"{places[one[: one.rfind('/') + 1]]}{job.execution.id}_{number}"
        with (job.folder / OUT / one).open("rb") as body:
            job.put(address, body)
        made.append(address)
    return made


def _finish(job: Job, objects: list[str], rows: int) -> None:
    """Write the list of objects, and the result's description: one column, the number of rows."""
    execution = job.execution
    execution.columns, execution.written_rows = [column_info("rows", "BIGINT")], rows
    manifest = f"{execution.result_location}-manifest.csv"
    job.put(manifest, "".join(f"{one}\n" for one in objects).encode())
    job.put(f"{execution.result_location}.metadata", json.dumps({"ColumnInfo": execution.columns}).encode())
    execution.manifest = manifest


def _glue_type(kind: str) -> str:
    """Return Glue's type for one of DuckDB's."""
    if kind in NOT_STORED:
        raise QueryError(f"NOT_SUPPORTED: Unsupported Hive type: {kind.lower()}")
    return glue_type(exp.DataType.build(kind, dialect="duckdb"))

"""Runs one query in a process of its own: `python runner.py FOLDER`, with the work as JSON on stdin.

FOLDER holds the objects that the query may read; DuckDB opens no other file, loads no extension and has no
network, and a statement cannot change that. The rows go to FOLDER/result.csv as Athena writes them; stdout is
one JSON document: `columns` and `scanned_bytes`; what `write` returns if there is a `target`; `is_over` if
more bytes would be read than `cutoff_bytes`; or `error`. Units: memory in MB, time in CPU seconds.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from emrbox.athena import values
from emrbox.athena.duckdb_text import literal, quoted
from emrbox.athena.runner_write import BadTargetError, write

if TYPE_CHECKING:
    from collections.abc import Iterable

Document = dict[str, Any]
ROWS_AT_ONCE = 2048
RESULT = "result.csv"
OUT = "out"
# DuckDB's kinds of errors -> Athena's codes.
CODES: tuple[tuple[type[Exception], str], ...] = (
    (duckdb.ConversionException, "INVALID_CAST_ARGUMENT"),
    (duckdb.OutOfRangeException, "NUMERIC_VALUE_OUT_OF_RANGE"),
    (duckdb.OutOfMemoryException, "EXCEEDED_MEMORY_LIMIT"),
    (duckdb.PermissionException, "PERMISSION_DENIED"),
)


class BadDataError(Exception):
    """An object of a table is not of the table's format; says which table."""


def main() -> None:
    """Run the query of stdin."""
    folder = Path(sys.argv[1])
    work: Document = json.load(sys.stdin)
    # The address space is more than the memory: threads' stacks, the program itself.
    _limit(resource.RLIMIT_AS, (work["memory_mb"] + 2048) * 2**20)
    # At the lower limit SIGXCPU ends the process, and tells why; at the upper one SIGKILL would.
    resource.setrlimit(resource.RLIMIT_CPU, (work["cpu_seconds"], work["cpu_seconds"] + 1))
    _limit(resource.RLIMIT_NOFILE, 1024)
    try:
        answer = run(folder, work)
    except (duckdb.Error, BadDataError, BadTargetError, MemoryError) as problem:
        answer = {"error": error_of(problem)}
    sys.stdout.write(json.dumps(answer))


def _limit(what: int, most: int) -> None:
    resource.setrlimit(what, (most, most))


def run(folder: Path, work: Document) -> Document:
    """Run a query and write its rows. Returns the answer; raises duckdb.Error."""
    connection = duckdb.connect()
    for name, value in {
        "threads": 2,
        "memory_limit": f"{work['memory_mb']}MB",
        "temp_directory": "",
        "integer_division": True,
        "TimeZone": "UTC",
        "python_enable_replacements": False,  # names of this program's variables are no tables
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allowed_directories": [f"{folder}/"],
        "enable_external_access": False,
        "lock_configuration": True,
    }.items():
        connection.execute(f"SET {name} = {literal(value)}")
    scanned = 0
    for view in work["views"]:
        scanned += _create_view(connection, view, work["columns"])
    if work["cutoff_bytes"] is not None and scanned > work["cutoff_bytes"]:
        return {"is_over": True, "scanned_bytes": scanned}
    shape = connection.sql(work["sql"])  # not run yet: it says names and types
    names, kinds = list(shape.columns), [str(kind) for kind in shape.types]
    if work["target"] is not None:
        written = write(
            connection, work["sql"], list(zip(names, kinds, strict=True)), folder / OUT, work["target"]
        )
        return {**written, "scanned_bytes": scanned}
    result = connection.execute(work["sql"])
    with (folder / RESULT).open("w", newline="") as file:
        file.write(values.line(names))
        while rows := result.fetchmany(ROWS_AT_ONCE):
            file.writelines(values.line(map(values.text, row)) for row in rows)
    columns = [values.column_info(name, kind) for name, kind in zip(names, kinds, strict=True)]
    return {"columns": columns, "scanned_bytes": scanned}


def _create_view(connection: duckdb.DuckDBPyConnection, view: Document, used: list[str] | None) -> int:
    """Make a table's view. Returns the bytes that the query reads of it.

    Parquet: the compressed size of the columns that the query names, as Athena counts; else whole objects.
    """
    if "rows" in view:
        columns = [f"{quoted(name)} {kind}" for name, kind in view["columns"]]
        connection.execute(f"CREATE TABLE {view['name']} ({', '.join(columns)})")
        places = ", ".join("?" * len(columns))
        if view["rows"]:
            connection.executemany(f"INSERT INTO {view['name']} VALUES ({places})", view["rows"])
        return 0
    keys = [f"CAST({quoted(name)} AS {kind}) AS {quoted(name)}" for name, kind in view["keys"]]
    if not view["files"]:
        typed = [
            f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in [*view["columns"], *view["keys"]]
        ]
        connection.execute(f"CREATE VIEW {view['name']} AS SELECT {', '.join(typed)} WHERE false")
        return 0
    if view["format"] == "parquet":
        files = literal(view["files"])
        source = (
            f"read_parquet({files}, hive_partitioning=true, hive_types_autocast=false, union_by_name=true)"
        )
        try:
            described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        except duckdb.Error:
            raise BadDataError(view["table"]) from None
        there = {row[0].lower() for row in described}
        columns = [
            f"CAST({quoted(name) if name in there else 'NULL'} AS {kind}) AS {quoted(name)}"
            for name, kind in view["columns"]
        ]
        scanned = _column_bytes(connection, files, [name for name, _ in view["columns"]], used)
    else:
        source, columns = _text_source(view), _text_columns(view)
        scanned = view["bytes"]
    selected = ", ".join([*columns, *keys])
    connection.execute(f"CREATE VIEW {view['name']} AS SELECT {selected} FROM {source}")
    return scanned


def _column_bytes(
    connection: duckdb.DuckDBPyConnection, files: str, columns: Iterable[str], used: list[str] | None
) -> int:
    wanted = [name for name in columns if used is None or name in used]
    query = (
        "SELECT coalesce(sum(total_compressed_size), 0) FROM "
        f"parquet_metadata({files}) WHERE lower(split_part(path_in_schema, ', ', 1)) IN (SELECT unnest(?))"
    )
    [row] = connection.execute(query, [wanted]).fetchall()
    return int(row[0])


def _text_source(view: Document) -> str:
    options = view["options"]
    is_csv = view["format"] == "csv"
    delimiter = options.get("separatorChar", ",") if is_csv else _delimiter(options)
    names = ", ".join(f"{literal(name)}: 'VARCHAR'" for name, _ in view["columns"])
    quote = options.get("quoteChar", '"') if is_csv else ""
    settings = {
        "delim": delimiter,
        "quote": quote,
        "escape": quote,
        "nullstr": "" if is_csv else options.get("serialization.null.format", "\\N"),
        "skip": options["skip"],
        "header": False,
        "auto_detect": False,
        "null_padding": True,
        "hive_partitioning": True,
        "hive_types_autocast": False,
    }
    given = ", ".join(f"{name}={literal(value)}" for name, value in settings.items())
    return f"read_csv({literal(view['files'])}, columns={{{names}}}, {given})"


def _delimiter(options: Document) -> str:
    """Return what separates fields of a text file; Hive's default is the character 1."""
    return str(options.get("field.delim", options.get("serialization.format", "\x01")))


def _text_columns(view: Document) -> list[str]:
    """LazySimpleSerDe reads what does not fit a column's type as NULL; OpenCSVSerde refuses it."""
    cast = "CAST" if view["format"] == "csv" else "TRY_CAST"
    # substr: DuckDB makes a cast of a bare column a type of its reader, which then refuses the whole file.
    return [
        f"{cast}(substr({quoted(name)}, 1) AS {kind}) AS {quoted(name)}" for name, kind in view["columns"]
    ]


def error_of(problem: BaseException) -> str:
    """Return what Athena says of an error of DuckDB: its code, then the message."""
    if isinstance(problem, BadDataError):
        return f"HIVE_BAD_DATA: Not valid Parquet file in table {problem}"
    if isinstance(problem, BadTargetError):
        return str(problem)
    if isinstance(problem, MemoryError):
        return "EXCEEDED_MEMORY_LIMIT: Query exceeded the memory limit"
    message = str(problem).partition("\n")[0]
    parts = message.split('"')
    absent = "not found" in message or "does not have a column" in message
    if isinstance(problem, duckdb.BinderException) and absent and "column" in message and len(parts) > 1:
        unseen = "cannot be resolved or requester is not authorized to access requested resources"
        return f"COLUMN_NOT_FOUND: line 1:1: Column '{parts[1]}' {unseen}"
    if isinstance(problem, duckdb.CatalogException) and "unction" in message:
        return f"FUNCTION_NOT_FOUND: line 1:1: {message.partition(': ')[2]}"
    code = next((code for kind, code in CODES if isinstance(problem, kind)), "SYNTAX_ERROR")
    text = message.partition(": ")[2] or message
    return f"{code}: line 1:1: {text}" if code == "SYNTAX_ERROR" else f"{code}: {text}"


if __name__ == "__main__":
    main()

"""The part of the runner that writes rows as Parquet files, for CTAS, INSERT INTO and UNLOAD."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emrbox.athena.duckdb_text import literal, quoted

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

Document = dict[str, Any]
# Types of DuckDB's that Athena does not have -> those in which their values are stored.
STORED = {"HUGEINT": "BIGINT", '"NULL"': "VARCHAR"}
MOST_PARTITIONS = 100  # Athena User Guide, "CREATE TABLE AS": of one query


class BadTargetError(Exception):
    """Rows do not fit the table that they are for; in Athena's words."""


def write(
    connection: duckdb.DuckDBPyConnection, sql: str, found: list[tuple[str, str]], out: Path, target: Document
) -> Document:
    """Write a query's rows as Parquet files below `out`, which is not there yet.

    `target`: `compression`; `keys`, the last columns, by which the files are parted; `columns`, names and
    types of an existing table's, or null; `given`, the names of those that the rows have, or null for all;
    `no_data`.
    Returns `rows`, `shape` (names and types) and the relative `files`. Raises BadTargetError.
    """
    columns = target["columns"] or [(name.lower(), STORED.get(kind, kind)) for name, kind in found]
    given = target["given"] or [name for name, _ in columns]
    if absent := set(given) - {name for name, _ in columns}:
        raise BadTargetError(f"COLUMN_NOT_FOUND: line 1:1: Insert column name does not exist: {min(absent)}")
    if len(given) != len(found):
        raise BadTargetError(
            f"TYPE_MISMATCH: line 1:1: Insert query has {len(found)} expression(s) "
            f"but expected {len(given)} target column(s)"
        )
    if len({name for name, _ in columns}) != len(columns):
        raise BadTargetError("DUPLICATE_COLUMN_NAME: line 1:1: a column's name is there twice")
    keys = target["keys"]
    if keys and (len(keys) == len(columns) or [name for name, _ in columns[-len(keys) :]] != keys):
        raise BadTargetError(
            "HIVE_COLUMN_ORDER_MISMATCH: Partition keys must be the last columns in the table and in the "
            f"same order as the table properties: {keys}"
        )
    names = ", ".join(f"c{n}" for n in range(len(found)))
    sources = {name: f"c{n}" for n, name in enumerate(given)}
    cast = ", ".join(
        f"CAST({sources.get(name, 'NULL')} AS {kind}) AS {quoted(name)}" for name, kind in columns
    )
    where = " WHERE false" if target["no_data"] else ""
    connection.execute(f"CREATE TABLE _rows AS SELECT {cast} FROM ({sql}) AS _q({names}){where}")
    [count] = connection.execute("SELECT count(*) FROM _rows").fetchone() or [0]
    options = ["FORMAT parquet", f"COMPRESSION {literal(target['compression'])}"]
    file = out
    if keys:
        parts = f"SELECT count(*) FROM (SELECT DISTINCT {', '.join(map(quoted, keys))} FROM _rows)"
        [partitions] = connection.execute(parts).fetchone() or [0]
        if partitions > MOST_PARTITIONS:
            raise BadTargetError(
                f"HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of {MOST_PARTITIONS} open writers for "
                "partitions/buckets"
            )
        options.append(f"PARTITION_BY ({', '.join(map(quoted, keys))})")
    else:
        out.mkdir()
        file = out / "0.parquet"
    if count:
        connection.execute(f"COPY _rows TO {literal(str(file))} ({', '.join(options)})")
    files = sorted(str(one.relative_to(out)) for one in out.rglob("*") if one.is_file())
    return {"rows": count, "shape": columns, "files": files}

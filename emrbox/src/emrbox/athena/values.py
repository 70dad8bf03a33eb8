"""Values and types as Athena writes them: texts in results, and the API's ColumnInfo.

Forms of Trino's casts to varchar; Athena User Guide, "Data types in Amazon Athena". The numbers of precision
are those that Athena's JDBC types have, as seen in answers of GetQueryResults.
"""

from __future__ import annotations

import math
import re
from datetime import datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

# DuckDB's types -> Athena's, precision, scale.
TYPES: dict[str, tuple[str, int, int]] = {
    "BOOLEAN": ("boolean", 0, 0),
    "TINYINT": ("tinyint", 3, 0),
    "SMALLINT": ("smallint", 5, 0),
    "INTEGER": ("integer", 10, 0),
    "BIGINT": ("bigint", 19, 0),
    "HUGEINT": ("bigint", 19, 0),  # DuckDB's sum of whole numbers; Trino's is a bigint
    "FLOAT": ("float", 17, 0),
    "DOUBLE": ("double", 17, 0),
    "VARCHAR": ("varchar", 2147483647, 0),
    "BLOB": ("varbinary", 1073741824, 0),
    "DATE": ("date", 0, 0),
    "TIME": ("time", 3, 0),
    "TIMESTAMP": ("timestamp", 3, 0),
    "TIMESTAMP WITH TIME ZONE": ("timestamp with time zone", 3, 0),
}
NESTED = {"STRUCT(": "row", "MAP(": "map"}
DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
# Java writes a double between these without an exponent.
PLAIN = (1e-3, 1e7)


def column_info(name: str, kind: str) -> dict[str, Any]:
    """Return the API's ColumnInfo of a result's column; `kind` is DuckDB's type."""
    if decimal := DECIMAL.fullmatch(kind):
        athena = ("decimal", int(decimal[1]), int(decimal[2]))
    else:
        nested = next((to for start, to in NESTED.items() if kind.startswith(start)), "varchar")
        athena = TYPES.get(kind, ("array" if kind.endswith("]") else nested, 0, 0))
    return {
        "CatalogName": "hive",
        "SchemaName": "",
        "TableName": "",
        "Name": name,
        "Label": name,
        "Type": athena[0],
        "Precision": athena[1],
        "Scale": athena[2],
        "Nullable": "UNKNOWN",
        "CaseSensitive": athena[0] == "varchar",
    }


def text(value: Any) -> str | None:
    """Return a value of a result; None for NULL."""
    if value is None:
        return None
    write = next((write for kind, write in WRITERS if isinstance(value, kind)), str)
    return write(value)


def _inner(value: Any) -> str:
    found = text(value)
    return "null" if found is None else found


def _timestamp(value: datetime) -> str:
    zone = "" if value.tzinfo is None else " UTC"
    return value.replace(tzinfo=None).isoformat(" ", "milliseconds") + zone


def _double(value: float) -> str:
    """Return a number as Java's Double.toString does."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or PLAIN[0] <= abs(value) < PLAIN[1]:
        return repr(value) if "e" not in repr(value) else format(Decimal(repr(value)), "f")
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    first, *rest = map(str, digits)
    power = int(exponent) + len(rest)
    return f"{'-' if sign else ''}{first}.{''.join(rest) or '0'}E{power}"


# Types of Python -> how their values are written; the first that fits. All others: str.
WRITERS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (bool, lambda value: "true" if value else "false"),
    (float, _double),
    (Decimal, lambda value: format(value, "f")),
    (datetime, _timestamp),
    (time, lambda value: value.isoformat("milliseconds")),
    (bytes, lambda value: value.hex(" ")),
    (dict, lambda value: "{" + ", ".join(f"{_inner(k)}={_inner(v)}" for k, v in value.items()) + "}"),
    (list, lambda value: "[" + ", ".join(map(_inner, value)) + "]"),
)


def line(values: Iterable[str | None]) -> str:
    """Return a line of a result file: every value quoted, NULL as nothing at all."""
    return ",".join("" if v is None else '"' + v.replace('"', '""') + '"' for v in values) + "\n"

"""Types of fields that models of settings share, and the base of these models."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Seconds = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
Text = Annotated[str, Meta(min_length=1)]
S3Uri = Annotated[str, Meta(pattern="^s3://[^/]+", title="an address like s3://bucket/prefix")]
# As Spark writes a type (`DataType.simpleString`), and Glue and Athena read it.
_PLAIN_TYPES = "tinyint|smallint|int|bigint|float|double|boolean|string|binary|date|timestamp"
ColumnType = Annotated[
    str,
    Meta(
        pattern=rf"^(?:{_PLAIN_TYPES}|decimal\([0-9]{{1,2}},[0-9]{{1,2}}\)|(?:array|map|struct)<[^\x00-\x20]+>)\Z",
        title="a type such as string, bigint, double, timestamp, decimal(10,2) or array<string>",
    ),
]
PartitionType = Annotated[
    str,
    Meta(pattern=rf"^(?:{_PLAIN_TYPES})\Z", title="a type of one value, such as string, int or date"),
]
# Glue keeps names of columns in small letters, and Athena wants them quoted with other signs than these.
ColumnName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,254}\Z",
        title="the name of a column: letters, digits and _, no digit first",
    ),
]
Words = Annotated[tuple[str, ...], Meta(min_length=1)]
# A value of a map whose values become text: YAML reads `4` and `true` as other types.
Scalar = str | int | float | bool


def doc(text: str) -> Meta:
    """Return the documentation of a field: a line that `make docs` writes where options are documented."""
    return Meta(description=text)


def text_of(value: Scalar) -> str:
    """Return a value as EMR, Spark and Hadoop read it: `true`, `4`, or the text itself."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base: immutable, named arguments only, no unknown keys."""

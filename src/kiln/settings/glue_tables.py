"""Tables of the Glue Data Catalog, which Athena and Spark read, as people write them in `steps[].tables`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
from msgspec import Meta

from kiln.errors import UsageError
from kiln.settings.fields import ColumnName, ColumnType, Model, PartitionType, S3Uri, doc
from kiln.settings.typed import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Amazon Athena User Guide, "Name databases, tables, and columns": small letters, digits and underscores.
_NAME = r"^[a-z0-9_]{1,255}\Z"
_NAME_WORDS = "a name of small letters, digits and _, at most 255"
CatalogName = Annotated[str, Meta(pattern=_NAME, title=_NAME_WORDS)]
# Hive's folders: s3://bucket/table/date=2026-11-20/hour=05/
_KEY = r"[a-z_][a-z0-9_]{0,254}"
_PART = re.compile(rf"({_KEY})=([^/=%\x00-\x20]{{1,1024}})")
_KeyName = Annotated[str, Meta(pattern=rf"^{_KEY}\Z", title="a name of small letters, digits and _")]


class Table(Model, frozen=True, kw_only=True):
    """A table of Parquet files, which a step has filled or checked."""

    database: Annotated[CatalogName, doc("Database of the Glue Data Catalog; it is made when it is missing.")]
    name: Annotated[CatalogName, doc("Name of the table.")]
    path: Annotated[
        S3Uri,
        doc(
            "What the step has filled: the folder of the table, or of a partition of it, "
            "s3://bucket/table/date=2026-11-20/."
        ),
    ]
    columns: Annotated[
        dict[ColumnName, ColumnType],
        Meta(min_length=1),
        doc("Columns without those of the partition, name to type, as in `bigint`."),
    ]
    partitions: Annotated[
        dict[_KeyName, PartitionType],
        doc(
            "Keys of the partitions below `path`, name to type: each folder name=value with files in it "
            "becomes one."
        ),
    ] = msgspec.field(default_factory=dict)


class Folders(NamedTuple):
    """Where a table's files lie: the folder of the whole table, and name -> value of the partition."""

    location: str
    partition: dict[str, str]


def folders(path: str) -> Folders:
    """Return what the parts `name=value` at the end of a path say. They are kept in their order."""
    location, partition = path.rstrip("/"), dict[str, str]()
    while (part := _PART.fullmatch(location.rpartition("/")[2])) and part[1] not in partition:
        location = location.rpartition("/")[0]
        partition = {part[1]: part[2], **partition}
    return Folders(f"{location}/", partition)


def keys(table: Table) -> tuple[tuple[str, str], ...]:
    """Return names and types of a table's partition keys. Those in its path are text."""
    return (*((name, "string") for name in folders(table.path).partition), *table.partitions.items())


def below(table: Table, uris: Iterable[str]) -> list[str]:
    """Return the paths of the partitions that `partitions` asks for, sorted, from the files below `path`.

    Other files there are of no partition, such as those in folders of other names.
    """
    path = table.path.rstrip("/")
    wanted = keys(table)
    found = {uri.rpartition("/")[0] for uri in uris if not _is_hidden(uri)}
    return sorted(
        f"{one}/"
        for one in found
        if one.startswith(f"{path}/")
        and tuple(folders(one).partition) == tuple(name for name, _ in wanted)
        and folders(one).location == folders(path).location
    )


def _is_hidden(uri: str) -> bool:
    """Return whether readers of tables leave a file out, such as _SUCCESS."""
    return uri.rpartition("/")[2].startswith(("_", "."))


def check(tables: Sequence[Table], place: str) -> None:
    """Raise UsageError for what the catalog cannot hold; `place` is for messages."""
    for number, table in enumerate(tables):
        at = f"{place}.tables[{number}]"
        location, partition = folders(table.path)
        if location == "s3://":
            raise UsageError(f"{at}.path names no folder of a bucket", fix="give s3://bucket/table/…")
        if "=" in location:
            raise UsageError(
                f"{at}.path is {shown(table.path)}: its partition is not of the form name=value",
                fix="let it end with parts such as date=2026-11-20/, the name in small letters",
            )
        names = [name.lower() for name in (*table.columns, *partition, *table.partitions)]
        twice = next((one for one in names if names.count(one) > 1), None)
        if twice is not None:
            raise UsageError(
                f"{at} has the column {twice} twice; Glue keeps names in small letters",
                fix="rename it; the columns of the partition do not belong to columns",
            )

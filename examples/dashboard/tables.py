"""Tables of the Glue Data Catalog as data frames, each queried by Athena once for each state of its data.

PyAthena takes the place of results from AWS_ATHENA_S3_STAGING_DIR, the workgroup from AWS_ATHENA_WORK_GROUP.
"""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import pandas as pd
from botocore.exceptions import BotoCoreError, ClientError
from pyathena import connect
from pyathena.error import Error
from pyathena.pandas.cursor import PandasCursor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

T = TypeVar("T")

_POLL_SECONDS = 0.1
_PROBLEMS = (BotoCoreError, ClientError, Error)


class TableError(Exception):
    """A table cannot be read: its name and what AWS says."""


class Tables:
    """The tables of a database. `folder` keeps one result a query; only its user can read it."""

    def __init__(self, database: str, folder: Path) -> None:
        """Take credentials and region from the SDK's usual chain."""
        self._database, self._folder = database, folder
        self._glue, self._s3 = boto3.client("glue"), boto3.client("s3")
        self._made: tuple[list[str], Any] | None = None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def read(self, queries: Mapping[str, str]) -> dict[str, pd.DataFrame]:
        """Return the result of each table's query, all asked at once.

        Raises TableError when a table is not there, may not be read, has no rows, or files of another form.
        """
        with ThreadPoolExecutor(len(queries)) as pool:
            return dict(zip(queries, pool.map(self._read, queries, queries.values()), strict=True))

    def made(self, queries: Mapping[str, str], make: Callable[..., T]) -> T:
        """Return what `make` makes of the results. What it has made of the same data is kept.

        Raises TableError as `read` does, and what `make` raises.
        """
        found = self.read(queries)
        versions = [frame.attrs["version"] for frame in found.values()]
        if self._made is None or self._made[0] != versions:
            self._made = (versions, make(*found.values()))
        made: T = self._made[1]
        return made

    def make_ahead(self, queries: Mapping[str, str], make: Callable[..., object]) -> None:
        """Do the same before it is asked for. What fails is tried again, and reported, when it is."""
        with suppress(Exception):
            self.made(queries, make)

    def _read(self, table: str, query: str) -> pd.DataFrame:
        try:
            frame = self._kept_or_queried(table, query)
        except _PROBLEMS as problem:
            raise TableError(f"{self._database}.{table}: {problem}") from problem
        if frame.empty:
            raise TableError(f"{self._database}.{table} has no rows")
        return frame

    def _kept_or_queried(self, table: str, query: str) -> pd.DataFrame:
        version = self._version(table)
        # One file a query: a new version of the data takes the place of the old one.
        kept = self._folder / f"{_digest(self._database, query)}.parquet"
        with suppress(FileNotFoundError):
            frame = pd.read_parquet(kept)
            if frame.attrs["version"] == version:
                return frame
        frame = self._queried(query)
        frame.attrs["version"] = version
        _replace(kept, frame)
        return frame

    def _queried(self, query: str) -> pd.DataFrame:
        with connect(schema_name=self._database, poll_interval=_POLL_SECONDS) as connection:
            cursor = connection.cursor(PandasCursor)
            return cursor.execute(query).as_pandas()

    def _version(self, table: str) -> str:
        """Return what changes with the data: Athena's own result reuse goes by age and gives old rows."""
        found = self._glue.get_table(DatabaseName=self._database, Name=table)["Table"]
        own = found["StorageDescriptor"]
        asked = {"DatabaseName": self._database, "TableName": table, "ExcludeColumnSchema": True}
        partitions = {
            tuple(one["Values"]): one["StorageDescriptor"]["Location"]
            for page in self._glue.get_paginator("get_partitions").paginate(**asked)
            for one in page["Partitions"]
        }
        outside = {place for place in partitions.values() if not place.startswith(own["Location"])}
        objects = [one for place in sorted({own["Location"], *outside}) for one in self._objects(place)]
        return _digest(own["Columns"], sorted(partitions.items()), objects)

    def _objects(self, location: str) -> Iterator[tuple[str, str]]:
        bucket, _, prefix = location.partition("://")[2].partition("/")
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from ((one["Key"], one["ETag"]) for one in page.get("Contents", []))


def _digest(*values: Any) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def _replace(file: Path, frame: pd.DataFrame) -> None:
    """Write a file as a whole: two visitors may do so at once."""
    new = file.with_suffix(f".{os.getpid()}")
    frame.to_parquet(new)
    new.replace(file)

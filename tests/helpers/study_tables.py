"""Tables in the form of the study of perceptrons, small, with Parquet files made by DuckDB."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from pathlib import Path

SIZES = (5, 30, 600)
SEEDS = 2
SIDE = 21  # points of a surface's grid in each direction
# A red ring, and a green cross within `reach` of the centre.
_LABEL = """
CREATE MACRO label(x, y, width, reach) AS CASE
    WHEN abs(sqrt(x * x + y * y) - 5) < width THEN 'O'
    WHEN abs(abs(x) - abs(y)) < 0.7 AND x * x + y * y < reach * reach THEN 'X' ELSE 'B' END"""
_XO = """
SELECT x, y, label(x, y, 1, 4) AS label
FROM (SELECT random() * 16 - 8 AS x, random() * 16 - 8 AS y FROM range(400))"""
_TRAININGS = """
SELECT n::INT AS neurons, s::INT AS seed, 1 - 1.0 / n - s / 100 AS train_accuracy,
    1 - 1.1 / n - s / 50 AS test_accuracy, 2 + n / 100 + s / 7 AS seconds, seconds * 0.0003 AS usd
FROM unnest($sizes) a(n), range($seeds) b(s)"""
_SURFACE = """
SELECT x, y, label(x, y, 1 + 6 / $size, if($size > 10, 4, 0)) AS label
FROM (SELECT 16 * i / ($side - 1) - 8 AS x, 16 * j / ($side - 1) - 8 AS y
    FROM range($side) a(i), range($side) b(j))"""
_PLACES = {"x": "double", "y": "double", "label": "string"}
COLUMNS = {
    "xo": _PLACES,
    "trainings": {"neurons": "int", "seed": "int"}
    | dict.fromkeys(("train_accuracy", "test_accuracy", "seconds", "usd"), "double"),
    "surfaces": _PLACES,
}


def write(folder: Path) -> None:
    """Write the files below a folder, as the study's steps lay them below s3://…/mlp_study/."""
    with duckdb.connect() as connection:
        connection.execute("SELECT setseed(0.5)")
        connection.execute(_LABEL)

        def put(name: str, query: str, **values: Any) -> None:
            (folder / name).mkdir(parents=True)
            rows = connection.sql(query, params=values)
            rows.write_parquet(str(folder / name / "part-0.parquet"))

        put("xo", _XO)
        put("trainings", _TRAININGS, sizes=SIZES, seeds=SEEDS)
        for size in SIZES:
            put(f"surfaces/neurons={size}", _SURFACE, size=size, side=SIDE)


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query of DuckDB's whose {xo}, {trainings} and {surfaces} are the files."""
    files = {name: f"read_parquet('{folder / name}/**/*.parquet')" for name in COLUMNS}
    with duckdb.connect() as connection:
        return connection.execute(query.format(**files)).fetchall()


def put(session: Any, folder: Path, bucket: str, database: str) -> None:
    """Put the files into a bucket and make the tables. `session` has clients, as boto3's has."""
    s3, glue = session.client("s3"), session.client("glue")
    for file in folder.rglob("*.parquet"):
        s3.put_object(Bucket=bucket, Key=f"mlp_study/{file.relative_to(folder)}", Body=file.read_bytes())
    with suppress(glue.exceptions.AlreadyExistsException):
        glue.create_database(DatabaseInput={"Name": database})
    for name, columns in COLUMNS.items():
        location = f"s3://{bucket}/mlp_study/{name}/"
        keys = [{"Name": "neurons", "Type": "int"}] if name == "surfaces" else []
        table = {"Name": f"mlp_{name}", "TableType": "EXTERNAL_TABLE", "PartitionKeys": keys}
        glue.create_table(
            DatabaseName=database, TableInput=table | {"StorageDescriptor": _described(location, columns)}
        )
    for part in sorted((folder / "surfaces").iterdir()):
        described = _described(f"s3://{bucket}/mlp_study/surfaces/{part.name}/", COLUMNS["surfaces"])
        glue.create_partition(
            DatabaseName=database,
            TableName="mlp_surfaces",
            PartitionInput={"Values": [part.name.partition("=")[2]], "StorageDescriptor": described},
        )


def remove(session: Any, bucket: str, database: str) -> None:
    """Remove tables and files."""
    names = [f"mlp_{name}" for name in COLUMNS]
    session.client("glue").batch_delete_table(DatabaseName=database, TablesToDelete=names)
    session.resource("s3").Bucket(bucket).objects.filter(Prefix="mlp_study/").delete()


def _described(location: str, columns: dict[str, str]) -> dict[str, Any]:
    library = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
    return {
        "Columns": [{"Name": name, "Type": kind} for name, kind in columns.items()],
        "Location": location,
        "SerdeInfo": {"SerializationLibrary": library},
    }

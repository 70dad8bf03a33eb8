"""An account with tables of the Glue Data Catalog over objects in S3, and queries on them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from pathlib import Path

LIBRARIES = {
    "parquet": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    "text": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
    "csv": "org.apache.hadoop.hive.serde2.OpenCSVSerde",
}
RESULTS = "s3://results/out/"


class AthenaAccount:
    """Database `sales`; bucket `data` for tables, `results` for results."""

    def __init__(self, endpoint: Any, folder: Path) -> None:
        self.endpoint = endpoint
        self.folder = folder
        self.s3, self.glue = endpoint.client("s3"), endpoint.client("glue")
        self.athena = endpoint.client("athena")
        for bucket in ("data", "results"):
            self.s3.create_bucket(Bucket=bucket)
        self.glue.create_database(DatabaseInput={"Name": "sales"})

    def put_parquet(self, key: str, query: str) -> int:
        """Write the rows of a query of DuckDB's as one object of `data`. Returns its bytes."""
        path = self.folder / "object.parquet"
        with duckdb.connect() as connection:
            connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
        self.s3.put_object(Bucket="data", Key=key, Body=path.read_bytes())
        return path.stat().st_size

    def create_table(self, name: str, columns: dict[str, str], form: str = "parquet", **more: Any) -> None:
        """Create a table over `data/NAME/`. `more`: keys, serde (parameters), parameters."""
        self.glue.create_table(
            DatabaseName="sales",
            TableInput={
                "Name": name,
                "TableType": "EXTERNAL_TABLE",
                "Parameters": more.get("parameters", {}),
                "PartitionKeys": [{"Name": n, "Type": t} for n, t in more.get("keys", {}).items()],
                "StorageDescriptor": {
                    "Columns": [{"Name": n, "Type": t} for n, t in columns.items()],
                    "Location": f"s3://data/{name}/",
                    "SerdeInfo": {
                        "SerializationLibrary": LIBRARIES.get(form, form),
                        "Parameters": more.get("serde", {}),
                    },
                },
            },
        )

    def add_partition(self, table: str, values: list[str], location: str) -> None:
        """Register a partition."""
        self.glue.create_partition(
            DatabaseName="sales",
            TableName=table,
            PartitionInput={"Values": values, "StorageDescriptor": {"Location": location}},
        )

    def orders(self) -> None:
        """Make the partitioned table `orders`: 3 rows of 2026-01, 2 of 2026-02."""
        self.create_table(
            "orders", {"id": "bigint", "price": "double", "note": "string"}, keys={"month": "string"}
        )
        for month, first, count in (("2026-01", 1, 3), ("2026-02", 4, 2)):
            numbers = f"range({first}, {first + count})"
            rows = f"FROM {numbers} r(i) SELECT i AS id, i * 1.5 AS price, 'n' || i AS note"
            self.put_parquet(f"orders/month={month}/part-0.parquet", rows)
            self.add_partition("orders", [month], f"s3://data/orders/month={month}/")

    def run(self, query: str, athena: Any = None, **more: Any) -> dict[str, Any]:
        """Run a query to its end. Returns its QueryExecution."""
        client = athena or self.athena
        given = {
            "QueryExecutionContext": {"Database": "sales"},
            "ResultConfiguration": {"OutputLocation": RESULTS},
            **more,
        }
        started = client.start_query_execution(QueryString=query, **given)["QueryExecutionId"]
        for _ in range(3000):
            found: dict[str, Any] = client.get_query_execution(QueryExecutionId=started)["QueryExecution"]
            if found["Status"]["State"] not in {"QUEUED", "RUNNING"}:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{query} has not ended")

    def rows(self, query: str, **more: Any) -> list[list[str | None]]:
        """Return a query's rows, the names of its columns first."""
        execution = self.run(query, **more)
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        found = self.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
        return [[one.get("VarCharValue") for one in row["Data"]] for row in found["ResultSet"]["Rows"]]

    def reason(self, query: str, **more: Any) -> str:
        """Return why a query fails."""
        status = self.run(query, **more)["Status"]
        assert status["State"] == "FAILED", status
        return str(status["StateChangeReason"])

"""awswrangler as its tutorials use it: `python athena_awswrangler.py BUCKET CASE`, with AWS_* settings."""

import sys
from datetime import date

import awswrangler as wr
import pandas as pd

BUCKET, CASE = sys.argv[1:]
OUTPUT = f"s3://{BUCKET}/athena/"
FRAME = pd.DataFrame(
    {
        "id": [1, 2, 3],
        "name": ["a", None, 'q"c'],
        "price": [0.5, 1.5, 2.5],
        "day": [date(2026, 1, n) for n in (1, 2, 3)],
    }
)


def read():
    """Write a partitioned table and read it in each of the three ways."""
    wr.catalog.create_database("study", exist_ok=True)
    wr.s3.to_parquet(
        FRAME,
        path=f"s3://{BUCKET}/sales/",
        dataset=True,
        database="study",
        table="sales",
        partition_cols=["day"],
    )
    query = "SELECT id, name, price, day FROM sales ORDER BY id"
    for way in (
        {"ctas_approach": False},
        {"ctas_approach": True},
        {"ctas_approach": False, "unload_approach": True},
    ):
        given = (
            dict(way, s3_output=f"{OUTPUT}unloaded/")
            if way.get("unload_approach")
            else dict(way, s3_output=OUTPUT)
        )
        frame = wr.athena.read_sql_query(query, database="study", **given)
        assert frame["id"].tolist() == [1, 2, 3], (way, frame)
        assert frame["price"].sum() == 4.5, (way, frame)
        assert frame["name"].isna().tolist() == [False, True, False], (way, frame)
        assert frame["name"].tolist()[2] == 'q"c', (way, frame)
        assert str(frame["day"].tolist()[1])[:10] == "2026-01-02", (way, frame)
        assert frame.query_metadata["Statistics"]["DataScannedInBytes"] > 0
    assert [one["Name"] for one in wr.catalog.get_tables(database="study")] == ["sales"]
    chunks = list(
        wr.athena.read_sql_query(query, database="study", ctas_approach=False, chunksize=2, s3_output=OUTPUT)
    )
    assert [len(one) for one in chunks] == [2, 1]
    one = wr.athena.read_sql_query(
        "SELECT * FROM sales WHERE id = :id AND name = :name",
        params={"id": 1, "name": "a"}, database="study", ctas_approach=False, s3_output=OUTPUT,
    )  # fmt: skip
    assert one["price"].tolist() == [0.5]
    one = wr.athena.read_sql_query(
        "SELECT * FROM sales WHERE id = ?",
        params=["3"], paramstyle="qmark", database="study", ctas_approach=False, s3_output=OUTPUT,
    )  # fmt: skip
    assert one["price"].tolist() == [2.5]
    cached = wr.athena.read_sql_query(
        query,
        database="study",
        ctas_approach=False,
        s3_output=OUTPUT,
        athena_cache_settings={"max_cache_seconds": 900},
    )
    assert cached["id"].tolist() == [1, 2, 3]
    try:
        wr.athena.read_sql_query(
            "SELECT nope FROM sales", database="study", ctas_approach=False, s3_output=OUTPUT
        )
        reason = ""
    except wr.exceptions.QueryFailed as problem:
        reason = str(problem)
    assert "COLUMN_NOT_FOUND" in reason, reason


def manage():
    """DDL of awswrangler's own, and its default bucket for results."""
    wr.catalog.create_database("manage", exist_ok=True)
    wr.s3.to_csv(
        FRAME[["id", "price"]],
        path=f"s3://{BUCKET}/plain/",
        dataset=True,
        index=False,
        database="manage",
        table="plain",
    )
    with_output = {"database": "manage", "s3_output": OUTPUT}
    described = wr.athena.describe_table(table="plain", **with_output)
    assert described["Column Name"].tolist() == ["id", "price"], described
    assert "CREATE EXTERNAL TABLE" in wr.athena.show_create_table(table="plain", **with_output)
    made = wr.athena.create_ctas_table(
        sql="SELECT id, price * 2 AS twice FROM plain", ctas_table="doubled", wait=True, **with_output
    )
    assert made["ctas_table"] == "doubled"
    assert wr.athena.read_sql_table("doubled", ctas_approach=False, **with_output)["twice"].tolist() == [
        1.0,
        3.0,
        5.0,
    ]
    query = wr.athena.start_query_execution(sql="INSERT INTO doubled VALUES (4, 7.0)", **with_output)
    assert wr.athena.wait_query(query)["Status"]["State"] == "SUCCEEDED"
    assert len(wr.athena.read_sql_query("SELECT * FROM doubled", **with_output)) == 4
    keys = pd.DataFrame({"a": [1, 2], "month": ["01", "02"]})
    wr.s3.to_parquet(keys, path=f"s3://{BUCKET}/months/", dataset=True, partition_cols=["month"])
    wr.athena.start_query_execution(
        sql="CREATE EXTERNAL TABLE months (a bigint) PARTITIONED BY (month string) STORED AS PARQUET "
        f"LOCATION 's3://{BUCKET}/months/'", wait=True, **with_output,
    )  # fmt: skip
    assert wr.athena.repair_table(table="months", **with_output) == "SUCCEEDED"
    assert len(wr.catalog.get_parquet_partitions(database="manage", table="months")) == 2


if __name__ == "__main__":
    {"read": read, "manage": manage}[CASE]()

"""CREATE TABLE AS, INSERT INTO and UNLOAD: objects in S3, tables and partitions in Glue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from athena_account import AthenaAccount
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def account(endpoint: Any, tmp_path: Path) -> AthenaAccount:
    made = AthenaAccount(endpoint, tmp_path)
    made.orders()
    return made


def keys(account: AthenaAccount, bucket: str, prefix: str) -> list[str]:
    found = account.s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return [one["Key"] for one in found]


def test_create_table_as_writes_a_table_below_the_results(account: AthenaAccount) -> None:
    sums = "SELECT note, sum(id) AS ids, max(price) AS top, ARRAY[1] AS a FROM orders GROUP BY note"
    execution = account.run(f"CREATE TABLE totals AS {sums}")
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    assert execution["SubstatementType"] == "CREATE_TABLE_AS_SELECT"
    name = execution["QueryExecutionId"]
    assert execution["ResultConfiguration"]["OutputLocation"] == f"s3://results/out/tables/{name}"
    manifest = execution["Statistics"]["DataManifestLocation"].removeprefix("s3://results/")
    [address] = account.s3.get_object(Bucket="results", Key=manifest)["Body"].read().decode().split()
    assert [address.removeprefix("s3://results/")] == keys(account, "results", f"out/tables/{name}/")
    columns = account.glue.get_table(DatabaseName="sales", Name="totals")["Table"]["StorageDescriptor"][
        "Columns"
    ]
    assert [(one["Name"], one["Type"]) for one in columns] == [
        *(("note", "string"), ("ids", "bigint"), ("top", "double"), ("a", "array<int>")),
    ]
    assert account.athena.get_query_results(QueryExecutionId=name)["UpdateCount"] == 5
    assert account.rows("SELECT ids, a FROM totals WHERE note = 'n4'")[1:] == [["4", "[1]"]]
    assert account.reason("CREATE TABLE totals AS SELECT 1 AS a").startswith("TABLE_ALREADY_EXISTS")
    again = account.run("CREATE TABLE IF NOT EXISTS totals AS SELECT 1 AS a")
    assert again["Status"]["State"] == "SUCCEEDED"


def test_create_table_as_with_partitions_at_a_place_of_its_own(account: AthenaAccount) -> None:
    made = (
        "CREATE TABLE {} WITH (format = 'PARQUET', external_location = 's3://data/copy/', "
        "partitioned_by = ARRAY['month'], write_compression = 'SNAPPY') "
        "AS SELECT id, month FROM orders WHERE id > ?"
    )
    execution = account.run(made.format("copy"), ExecutionParameters=["2"])
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    assert {key.rpartition("/")[0] for key in keys(account, "data", "copy/")} == {
        "copy/month=2026-01",
        "copy/month=2026-02",
    }
    assert account.rows("SELECT id FROM copy WHERE month = '2026-01'")[1:] == [["3"]]
    reason = account.reason(made.format("more"), ExecutionParameters=["2"])
    assert reason.startswith("HIVE_PATH_ALREADY_EXISTS")
    wrong = made.replace("ARRAY['month']", "ARRAY['id']").replace("copy", "wrong")
    assert account.reason(wrong.format("t"), ExecutionParameters=["1"]).startswith(
        "HIVE_COLUMN_ORDER_MISMATCH"
    )
    assert not keys(account, "data", "wrong/")


def test_create_table_as_without_data_makes_an_empty_table(account: AthenaAccount) -> None:
    account.run("CREATE TABLE empty AS SELECT id, month FROM orders WITH NO DATA")
    assert account.rows("SELECT * FROM empty") == [["id", "month"]]


def test_insert_into_adds_objects_and_partitions(account: AthenaAccount) -> None:
    execution = account.run(
        "INSERT INTO orders (id, month) SELECT id + 100, '2026-03' FROM orders WHERE id > 3"
    )
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DML", "INSERT")
    account.run("INSERT INTO orders VALUES (9, 1, 'x', '2026-02')")
    assert account.rows("SELECT id, price, note FROM orders WHERE month >= '2026-02' ORDER BY 1")[1:] == [
        *(["4", "6.0", "n4"], ["5", "7.5", "n5"], ["9", "1.0", "x"]),
        *(["104", None, None], ["105", None, None]),
    ]
    months = [row[0] for row in account.rows("SHOW PARTITIONS orders")]
    assert months == ["month=2026-01", "month=2026-02", "month=2026-03"]
    assert len(keys(account, "data", "orders/month=2026-02/")) == 2
    assert account.reason("INSERT INTO orders SELECT 1").startswith("TYPE_MISMATCH")
    assert account.reason("INSERT INTO orders (nope) SELECT 1").startswith("COLUMN_NOT_FOUND")
    assert account.reason("INSERT INTO nothing SELECT 1").startswith("TABLE_NOT_FOUND")
    account.create_table("lines", {"a": "int"}, "text")
    assert account.reason("INSERT INTO lines SELECT 1").startswith("NOT_SUPPORTED")


def test_unload_writes_objects_and_no_table(account: AthenaAccount) -> None:
    select = "UNLOAD (SELECT id, ')' AS p FROM orders WHERE id > ?)"
    query = f"{select} TO 's3://data/with/out/' WITH (format = 'PARQUET');"
    execution = account.run(query, ExecutionParameters=["3"])
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    manifest = execution["Statistics"]["DataManifestLocation"].removeprefix("s3://results/")
    text = account.s3.get_object(Bucket="results", Key=manifest)["Body"].read().decode()
    assert [one.removeprefix("s3://data/") for one in text.split()] == keys(account, "data", "with/out/")
    account.create_table("with", {"id": "bigint", "p": "string"})
    assert account.rows('SELECT * FROM "with" ORDER BY 1')[1:] == [["4", ")"], ["5", ")"]]
    assert account.reason(query, ExecutionParameters=["3"]).startswith("HIVE_PATH_ALREADY_EXISTS")


REFUSED = [
    ("CREATE TABLE t WITH (format = 'ORC') AS SELECT 1 AS a", "format = 'ORC'"),
    ("CREATE TABLE t WITH (bucketed_by = ARRAY['a'], bucket_count = 2) AS SELECT 1 AS a", "bucketed_by"),
    ("CREATE TABLE t WITH (write_compression = 'LZ4') AS SELECT 1 AS a", "LZ4"),
    ("UNLOAD (SELECT 1 TO 's3://data/' WITH (format = 'PARQUET')", "(query) TO"),
    ("UNLOAD (DROP TABLE t) TO 's3://data/' WITH (format = 'PARQUET')", "mismatched"),
    ("INSERT OVERWRITE TABLE orders SELECT 1", "INSERT OVERWRITE"),
]


def test_what_cannot_be_written_is_refused_by_its_name(account: AthenaAccount) -> None:
    for statement, message in REFUSED:
        with pytest.raises(ClientError) as problem:
            account.run(statement)
        assert problem.value.response["Error"]["Code"] == "InvalidRequestException"
        assert message in problem.value.response["Error"]["Message"]


def test_more_partitions_than_a_query_may_make_fail_it(account: AthenaAccount) -> None:
    numbers = (
        "SELECT a.id AS i, 'm' || (a.id * 25 + b.id * 5 + c.id) AS month FROM orders a, orders b, orders c"
    )
    query = f"CREATE TABLE many WITH (partitioned_by = ARRAY['month']) AS {numbers}"
    assert account.reason(query).startswith("HIVE_TOO_MANY_OPEN_PARTITIONS")

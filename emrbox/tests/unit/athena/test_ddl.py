"""Hive's DDL: databases, tables and partitions of the Glue Data Catalog, as the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from athena_account import AthenaAccount
from botocore.exceptions import ClientError
from users import Someone, allow

if TYPE_CHECKING:
    from pathlib import Path

LINES = r"""-- delimited text
CREATE EXTERNAL TABLE IF NOT EXISTS `sales`.lines (
  a INT COMMENT 'it\'s', b struct<x:int,y:array<string>>, c decimal(10,2))
COMMENT 'all lines'
PARTITIONED BY (month string, day int)
ROW FORMAT DELIMITED FIELDS TERMINATED BY '|' NULL DEFINED AS 'none'
STORED AS TEXTFILE
LOCATION 's3://data/lines/'
TBLPROPERTIES ('skip.header.line.count'='1', "classification"="csv")"""
QUOTED = """CREATE EXTERNAL TABLE quoted (a string, b string)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
WITH SERDEPROPERTIES ('separatorChar' = ';', 'quoteChar' = "'") LOCATION 's3://data/quoted/'"""


@pytest.fixture
def account(endpoint: Any, tmp_path: Path) -> AthenaAccount:
    return AthenaAccount(endpoint, tmp_path)


def lines(account: AthenaAccount, query: str, **more: Any) -> list[str | None]:
    return [row[0] for row in account.rows(query, **more)]


def test_a_created_table_is_glues_and_can_be_shown_and_read(account: AthenaAccount) -> None:
    execution = account.run(LINES)
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    assert (execution["StatementType"], execution["SubstatementType"]) == ("DDL", "CREATE_TABLE")
    assert execution["ResultConfiguration"]["OutputLocation"].endswith(".txt")
    table = account.glue.get_table(DatabaseName="sales", Name="lines")["Table"]
    columns = table["StorageDescriptor"]["Columns"]
    assert [one["Type"] for one in columns] == ["int", "struct<x:int,y:array<string>>", "decimal(10,2)"]
    assert columns[0]["Comment"] == "it's"
    assert [one["Name"] for one in table["PartitionKeys"]] == ["month", "day"]
    assert table["Parameters"] == {
        "EXTERNAL": "TRUE",
        "comment": "all lines",
        "classification": "csv",
        "skip.header.line.count": "1",
    }
    shown = [str(line) for line in lines(account, "SHOW CREATE TABLE lines")]
    assert shown[0] == "CREATE EXTERNAL TABLE `sales.lines`("
    account.glue.delete_table(DatabaseName="sales", Name="lines")
    again = "\n".join(shown).replace("`sales.lines`", "sales.lines")
    assert account.run(again)["Status"]["State"] == "SUCCEEDED", again
    made = account.glue.get_table(DatabaseName="sales", Name="lines")["Table"]
    assert made["StorageDescriptor"] == table["StorageDescriptor"]
    described = [str(line).split("\t") for line in lines(account, "DESCRIBE lines")]
    assert [field.strip() for field in described[0]] == ["a", "int", "it's"]
    assert described[-1][0].strip() == "day"
    assert [str(one).strip() for one in lines(account, "SHOW COLUMNS IN lines")] == [
        "a",
        "b",
        "c",
        "month",
        "day",
    ]


def test_a_table_of_csv_reads_its_objects(account: AthenaAccount) -> None:
    account.s3.put_object(Bucket="data", Key="quoted/1", Body=b"'1;2';z\n")
    account.run(QUOTED)
    assert account.rows("SELECT * FROM quoted") == [["a", "b"], ["1;2", "z"]]
    reason = account.reason(QUOTED)
    assert "AlreadyExistsException" in reason
    unless_there = QUOTED.replace("TABLE quoted", "TABLE IF NOT EXISTS quoted")
    assert account.run(unless_there)["Status"]["State"] == "SUCCEEDED"


def test_partitions_are_added_repaired_shown_and_dropped(account: AthenaAccount) -> None:
    keys = "PARTITIONED BY (month string)"
    account.run(f"CREATE EXTERNAL TABLE t (id bigint) {keys} STORED AS PARQUET LOCATION 's3://data/t'")
    for place in ("t/month=01", "t/month=02", "elsewhere"):
        account.put_parquet(f"{place}/0", "SELECT 7 AS id")
    assert lines(account, "SELECT count(*) FROM t") == ["_col0", "0"]
    more = "PARTITION (month = '03') LOCATION 's3://data/elsewhere/'"
    account.run(f"ALTER TABLE t ADD PARTITION (month='01') {more}")
    assert lines(account, "SHOW PARTITIONS t") == ["month=01", "month=03"]
    assert lines(account, "MSCK REPAIR TABLE t") == [
        "Partitions not in metastore:\tt:month=02",
        "Repair: Added partition to metastore t:month=02",
    ]
    assert lines(account, "SELECT month FROM t ORDER BY 1")[1:] == ["01", "02", "03"]
    assert "AlreadyExistsException" in account.reason("ALTER TABLE t ADD PARTITION (month='01')")
    account.run("ALTER TABLE sales.t ADD IF NOT EXISTS PARTITION (month='01')")
    account.run("ALTER TABLE t DROP PARTITION (month='01'), PARTITION (month='03')")
    assert lines(account, "SHOW PARTITIONS t") == ["month=02"]
    assert lines(account, "MSCK REPAIR TABLE t")[1:] == ["Repair: Added partition to metastore t:month=01"]
    assert "partition columns" in account.reason("ALTER TABLE t DROP PARTITION (year='1')")
    assert account.s3.head_object(Bucket="data", Key="elsewhere/0")


def test_databases_and_tables_are_made_shown_and_dropped(account: AthenaAccount) -> None:
    account.run("CREATE DATABASE studies COMMENT 'of all' LOCATION 's3://data/' WITH DBPROPERTIES ('a'='b')")
    database = account.glue.get_database(Name="studies")["Database"]
    assert (database["Description"], database["Parameters"]) == ("of all", {"a": "b"})
    assert account.run("CREATE SCHEMA IF NOT EXISTS studies")["Status"]["State"] == "SUCCEEDED"
    assert "AlreadyExistsException" in account.reason("CREATE DATABASE studies")
    assert lines(account, "SHOW DATABASES") == ["sales", "studies"]
    assert lines(account, "SHOW SCHEMAS LIKE 'st*'") == ["studies"]
    for name in ("plain", "other"):
        account.run(f"CREATE EXTERNAL TABLE studies.{name} (a int) LOCATION 's3://data/{name}/'")
    assert lines(account, "SHOW TABLES IN studies") == ["other", "plain"]
    assert lines(account, "SHOW TABLES 'p*|x'", QueryExecutionContext={"Database": "studies"}) == ["plain"]
    assert "is not empty" in account.reason("DROP DATABASE studies")
    account.run("DROP TABLE studies.plain")
    assert account.reason("DROP TABLE studies.plain").endswith("Table not found studies.plain")
    assert account.run("DROP TABLE IF EXISTS studies.plain")["Status"]["State"] == "SUCCEEDED"
    account.run("DROP DATABASE studies CASCADE")
    assert lines(account, "SHOW DATABASES") == ["sales"]
    assert account.run("DROP SCHEMA IF EXISTS studies")["Status"]["State"] == "SUCCEEDED"
    assert "NotFoundException" in account.reason("DROP SCHEMA studies")


REFUSED = [
    ("EXPLAIN SELECT 1", "emrbox does not have EXPLAIN"),
    ("CREATE VIEW v AS SELECT 1", "emrbox does not have CREATE VIEW"),
    ("CREATE OR REPLACE VIEW v AS SELECT 1", "emrbox does not have CREATE OR"),
    ("DROP VIEW v", "emrbox does not have DROP VIEW"),
    ("SHOW TBLPROPERTIES t", "emrbox does not have SHOW TBLPROPERTIES"),
    ("ALTER TABLE t SET TBLPROPERTIES ('a'='b')", "emrbox does not have ALTER TABLE SET TBLPROPERTIES"),
    ("CREATE TABLE t (a int) LOCATION 's3://data/t/' TBLPROPERTIES ('table_type'='ICEBERG')", "Iceberg"),
    ("CREATE EXTERNAL TABLE t (a int) STORED AS ORC LOCATION 's3://data/t/'", "tables STORED AS ORC"),
    ("CREATE EXTERNAL TABLE t (a int) STORED AS PARQUET", "Expecting: 'LOCATION'"),
    ("CREATE EXTERNAL TABLE t (a int) LOCATION 'hdfs:///t'", "is not an S3 location"),
    ("CREATE EXTERNAL TABLE t (a nothing) LOCATION 's3://data/t/'", "nothing"),
    ("DROP TABLE", "line 1:1: mismatched input '<EOF>'. Expecting: a name"),
    ("DROP TABLE a b", "Expecting: <EOF>"),
    ("MSCK REPAIR orders", "Expecting: TABLE"),
    ("DELETE FROM t", "emrbox does not have DELETE"),
]


def test_what_is_not_there_is_refused_by_its_name(account: AthenaAccount) -> None:
    for statement, message in REFUSED:
        with pytest.raises(ClientError) as problem:
            account.run(statement)
        assert problem.value.response["Error"]["Code"] == "InvalidRequestException"
        assert message in problem.value.response["Error"]["Message"]


def test_a_statement_may_what_its_caller_may_in_glue(account: AthenaAccount) -> None:
    account.create_table("orders", {"id": "bigint"}, keys={"month": "string"})
    query = ("athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults")
    own = [allow(*query, "s3:*", "glue:GetTable", "glue:GetTables", "glue:GetPartitions")]
    someone = Someone(account.endpoint, {"Statement": own}).client("athena")
    assert account.run("SHOW TABLES", athena=someone)["Status"]["State"] == "SUCCEEDED"
    for statement, action in (
        ("DROP TABLE orders", "glue:DeleteTable"),
        ("CREATE DATABASE d", "glue:CreateDatabase"),
        ("CREATE EXTERNAL TABLE t (a int) LOCATION 's3://data/t/'", "glue:CreateTable"),
        ("ALTER TABLE orders ADD PARTITION (month='1')", "glue:CreatePartition"),
        ("CREATE TABLE t AS SELECT 1 AS a", "glue:CreateTable"),
    ):
        reason = account.reason(statement, athena=someone)
        assert reason.startswith("User: ")
        assert f"is not authorized to perform: {action} on resource: " in reason
        assert "(Service: AmazonDataCatalog; Status Code: 400; Error Code: AccessDeniedException; " in reason

"""SELECT on tables of the Glue Data Catalog: rows, result files, permissions and errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from athena_account import RESULTS, AthenaAccount
from botocore.exceptions import ClientError
from users import Someone, allow

if TYPE_CHECKING:
    from pathlib import Path

TYPES = """SELECT 1 AS i, CAST(NULL AS varchar) AS n, '' AS e, 'a"b' AS q, 1e7 AS d, 0.1E0 AS f,
CAST(1.5 AS decimal(10, 2)) AS c, DATE '2026-01-02' AS day, TIMESTAMP '2026-01-02 03:04:05' AS t,
true AS b, ARRAY[1, 2] AS a, 5 / 2"""


@pytest.fixture
def account(endpoint: Any, tmp_path: Path) -> AthenaAccount:
    made = AthenaAccount(endpoint, tmp_path)
    made.orders()
    return made


def test_a_partitioned_table_gives_rows_a_csv_and_its_metadata(account: AthenaAccount) -> None:
    query = "SELECT month, count(*) AS orders, sum(price) AS total FROM orders GROUP BY month ORDER BY month"
    execution = account.run(query)
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    location = execution["ResultConfiguration"]["OutputLocation"]
    assert location == f"{RESULTS}{execution['QueryExecutionId']}.csv"
    key = location.removeprefix("s3://results/")
    text = account.s3.get_object(Bucket="results", Key=key)["Body"].read().decode()
    assert text == '"month","orders","total"\n"2026-01","3","9.0"\n"2026-02","2","13.5"\n'
    assert account.s3.head_object(Bucket="results", Key=f"{key}.metadata")["ContentLength"] > 0
    page = account.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"], MaxResults=2)
    assert [one["VarCharValue"] for one in page["ResultSet"]["Rows"][1]["Data"]] == ["2026-01", "3", "9.0"]
    kinds = [one["Type"] for one in page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]]
    assert kinds == ["varchar", "bigint", "double"]
    assert page["NextToken"]


def test_values_are_written_as_athena_writes_them(account: AthenaAccount) -> None:
    assert account.rows(TYPES)[1] == [
        *("1", None, "", 'a"b', "1.0E7", "0.1", "1.50", "2026-01-02", "2026-01-02 03:04:05.000", "true"),
        *("[1, 2]", "2"),
    ]


def test_partitions_that_a_condition_excludes_are_not_read(account: AthenaAccount) -> None:
    every = account.run("SELECT * FROM orders")["Statistics"]["DataScannedInBytes"]
    one_month = account.run("SELECT * FROM orders WHERE month = '2026-02' AND id > 0")
    one_column = account.run("SELECT o.id FROM orders o WHERE o.month > '2026-01'")
    none = account.run("SELECT count(*) FROM orders WHERE month = '1999-01'")
    scanned = [one["Statistics"]["DataScannedInBytes"] for one in (none, one_column, one_month)]
    assert 0 == scanned[0] < scanned[1] < scanned[2] < every
    reads = [one for one in account.endpoint.calls() if one["operation"] == "GetObject"]
    assert len(reads) == 2 + 1 + 1
    assert account.rows("SELECT id FROM orders WHERE month = '2026-02' ORDER BY 1") == [["id"], ["4"], ["5"]]


def test_an_outer_join_keeps_the_rows_that_a_partition_would_give(account: AthenaAccount) -> None:
    query = """SELECT a.id, b.id FROM orders a LEFT JOIN orders b ON a.id = b.id AND b.month = '2026-01'
    WHERE b.month IS NULL ORDER BY a.id"""
    assert account.rows(query)[1:] == [["4", None], ["5", None]]


def test_delimited_text_and_csv_are_read_with_their_serde(account: AthenaAccount) -> None:
    account.create_table(
        "lines",
        {"a": "int", "b": "string"},
        "text",
        serde={"field.delim": "|"},
        parameters={"skip.header.line.count": "1"},
    )
    account.s3.put_object(Bucket="data", Key="lines/1", Body=b"a|b\n1|x\ny|\\N\n")
    account.create_table("quoted", {"a": "string", "b": "string"}, "csv", serde={"separatorChar": ","})
    account.s3.put_object(Bucket="data", Key="quoted/1", Body=b'"1,2","z"\n')
    account.s3.put_object(Bucket="data", Key="quoted/_hidden", Body=b"no,no\n")
    assert account.rows("SELECT * FROM lines ORDER BY a") == [["a", "b"], ["1", "x"], [None, None]]
    assert account.rows("SELECT * FROM quoted") == [["a", "b"], ["1,2", "z"]]
    assert account.run("SELECT a FROM lines")["Statistics"]["DataScannedInBytes"] == 13


def test_the_information_schema_is_the_catalogs(account: AthenaAccount) -> None:
    query = "SELECT column_name, data_type, extra_info FROM information_schema.columns WHERE table_schema = "
    assert account.rows(query + "'sales' ORDER BY ordinal_position")[1:] == [
        *(["id", "bigint", None], ["price", "double", None], ["note", "varchar", None]),
        ["month", "varchar", "partition key"],
    ]
    assert account.rows("SELECT schema_name FROM information_schema.schemata")[1:] == [["sales"]]
    tables = "SELECT t.table_name, o.id FROM information_schema.tables t, orders o WHERE o.id = 1"
    assert account.rows(tables)[1:] == [["orders", "1"]]
    assert account.reason("SELECT * FROM information_schema.nothing").startswith("TABLE_NOT_FOUND")


def test_parameters_take_the_places_of_question_marks(account: AthenaAccount) -> None:
    query = "SELECT id FROM orders WHERE month = ? AND id > ? ORDER BY id"
    assert account.rows(query, ExecutionParameters=["'2026-01'", "1"])[1:] == [["2"], ["3"]]
    with pytest.raises(ClientError, match="expected 2 but found 1"):
        account.run(query, ExecutionParameters=["1"])
    with pytest.raises(ClientError, match="no literal"):
        account.run(query, ExecutionParameters=["1", "(SELECT 1)"])


ERRORS = [
    ("SELECT * FROM nowhere.t", "SCHEMA_NOT_FOUND: line 1:15: Schema 'nowhere' does not exist"),
    (
        "SELECT * FROM nothing",
        "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.sales.nothing' does not exist",
    ),
    ("SELECT nope FROM orders", "COLUMN_NOT_FOUND: line 1:1: Column 'nope' cannot be resolved or requester "),
    ("SELECT nofunction(id) FROM orders", "FUNCTION_NOT_FOUND"),
    ("SELECT CAST(note AS integer) FROM orders", "INVALID_CAST_ARGUMENT"),
    ("SELECT * FROM read_text('/etc/passwd')", "FUNCTION_NOT_FOUND"),
    ('SELECT * FROM "/etc/passwd"', "TABLE_NOT_FOUND"),
]


def test_a_query_that_cannot_run_fails_with_athenas_code(account: AthenaAccount) -> None:
    for query, reason in ERRORS:
        assert account.reason(query).startswith(reason)


def test_what_is_no_statement_is_refused_at_the_start(account: AthenaAccount) -> None:
    for query in ("SELEC 1", "SELECT FROM WHERE", "SELECT 1; SELECT 2", "TRUNCATE orders", " "):
        with pytest.raises(ClientError) as problem:
            account.run(query)
        assert problem.value.response["Error"]["Code"] == "InvalidRequestException"
        response: Any = problem.value.response
        assert response["AthenaErrorCode"] == "MALFORMED_QUERY"


def test_a_table_that_emrbox_cannot_read_rightly_fails_the_query(account: AthenaAccount) -> None:
    account.create_table("projected", {"a": "int"}, parameters={"projection.enabled": "true"})
    account.create_table("escaped", {"a": "int"}, "text", serde={"escape.delim": "\\"})
    account.create_table("nested", {"a": "array<int>"}, "text")
    account.create_table("lines", {"a": "int"}, "org.openx.data.jsonserde.JsonSerDe")
    for query in (
        "SELECT * FROM projected",
        "SELECT * FROM escaped",
        "SELECT * FROM nested",
        "SELECT * FROM lines",
    ):
        assert account.reason(query).startswith("HIVE_UNSUPPORTED_FORMAT: emrbox ")


def test_data_that_is_no_parquet_fails_the_query(account: AthenaAccount) -> None:
    account.create_table("broken", {"a": "int"})
    account.s3.put_object(Bucket="data", Key="broken/1", Body=b"no parquet at all")
    assert account.reason("SELECT * FROM broken").startswith("HIVE_BAD_DATA")


def test_a_query_that_runs_can_be_stopped(account: AthenaAccount) -> None:
    endless = (
        "SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e, orders f, orders g, orders h"
    )
    long = ", ".join(f"orders o{n}" for n in range(14))
    started = account.athena.start_query_execution(
        QueryString=f"{endless}, {long}",
        QueryExecutionContext={"Database": "sales"},
        ResultConfiguration={"OutputLocation": RESULTS},
    )
    named = {"QueryExecutionId": started["QueryExecutionId"]}
    account.athena.stop_query_execution(**named)
    found = account.athena.get_query_execution(**named)["QueryExecution"]["Status"]
    assert found["State"] == "CANCELLED"
    with pytest.raises(ClientError, match="CANCELLED"):
        account.athena.get_query_results(**named)


def test_a_missing_output_location_is_refused(account: AthenaAccount) -> None:
    with pytest.raises(ClientError, match="No output location provided"):
        account.athena.start_query_execution(QueryString="SELECT 1")
    with pytest.raises(ClientError, match="Unable to verify/create output bucket absent"):
        account.run("SELECT 1", ResultConfiguration={"OutputLocation": "s3://absent/"})


QUERY = ("athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults")
GLUE = ("glue:GetTable", "glue:GetPartitions")
S3 = ("s3:GetBucketLocation", "s3:ListBucket", "s3:GetObject", "s3:PutObject")


@pytest.mark.parametrize(
    ("actions", "denied", "reason"),
    [
        ((*QUERY, *S3), "*", "User: "),
        (
            (*QUERY, *GLUE, *S3),
            "arn:aws:s3:::data",
            "PERMISSION_DENIED: Permission denied on S3 path: s3://data/",
        ),
        (
            (*QUERY, *GLUE, *S3),
            "arn:aws:s3:::data/*",
            "HIVE_CANNOT_OPEN_SPLIT: Error opening Hive split s3://data/",
        ),
        (
            (*QUERY, *GLUE, *S3),
            "arn:aws:s3:::results/*",
            "Access denied when writing output to url: s3://results/",
        ),
    ],
)
def test_a_query_may_what_its_caller_may(
    account: AthenaAccount, actions: tuple[str, ...], denied: str, reason: str
) -> None:
    refused = {"Effect": "Deny", "Action": ["s3:List*", "s3:GetObject", "s3:PutObject"], "Resource": denied}
    statements = [allow(*actions), *([refused] if denied != "*" else [])]
    someone = Someone(account.endpoint, {"Statement": statements}).client("athena")
    assert account.reason("SELECT * FROM orders", athena=someone).startswith(reason)


def test_a_caller_with_all_permissions_and_no_more_gets_rows(account: AthenaAccount) -> None:
    someone = Someone(account.endpoint, {"Statement": [allow(*QUERY, *GLUE, *S3)]}).client("athena")
    execution = account.run("SELECT count(*) FROM orders", athena=someone)
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    found = someone.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    assert found["ResultSet"]["Rows"][1]["Data"] == [{"VarCharValue": "5"}]
    with pytest.raises(ClientError, match="not authorized to perform: athena:StopQueryExecution"):
        someone.stop_query_execution(QueryExecutionId=execution["QueryExecutionId"])


def test_a_session_of_a_role_queries_with_its_token(account: AthenaAccount) -> None:
    iam = account.endpoint.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName="analyst",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow(*QUERY, *GLUE, *S3)]})
    iam.put_role_policy(RoleName="analyst", PolicyName="query", PolicyDocument=policy)
    sts = account.endpoint.client("sts")
    keys = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="study")["Credentials"]
    client = boto3.client(
        "athena",
        endpoint_url=account.endpoint.url,
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    assert account.run("SELECT id FROM orders", athena=client)["Status"]["State"] == "SUCCEEDED"
    client.close()

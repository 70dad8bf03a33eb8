"""What a query may not do: reach the host, scan more than its workgroup allows, take another's result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from athena_account import AthenaAccount
from botocore.exceptions import ClientError
from users import Someone, allow

if TYPE_CHECKING:
    from pathlib import Path

OWN = {"ResultConfiguration": {"OutputLocation": "s3://results/out/"}}


@pytest.fixture
def account(endpoint: Any, tmp_path: Path) -> AthenaAccount:
    made = AthenaAccount(endpoint, tmp_path)
    made.orders()
    return made


def test_a_statement_reaches_neither_files_nor_network_nor_settings(account: AthenaAccount) -> None:
    for query in (
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('http://127.0.0.1/')",
        "SELECT * FROM duckdb_settings()",
        "SELECT (SELECT content FROM read_text('/etc/passwd'))",
        "SELECT getenv('PATH')",
        "WITH a AS (SELECT 1 AS b) SELECT * FROM a, read_blob('/etc/passwd')",
    ):
        assert account.reason(query).startswith("FUNCTION_NOT_FOUND"), query
    assert account.reason("SELECT * FROM '/etc/passwd'").startswith("TABLE_NOT_FOUND")
    # The inner name hides a file's name from the search for tables, which the outer one then finds.
    hidden = 'SELECT * FROM (WITH "/etc/passwd.csv" AS (SELECT 1 AS a) SELECT a FROM "/etc/passwd.csv") x'
    assert "/etc/passwd" in account.reason(f'{hidden}, "/etc/passwd.csv"')
    for statement in (
        "SELECT * FROM glob('/etc/*')",
        "COPY (SELECT 1) TO '/tmp/stolen.csv'",
        "ATTACH '/tmp/other.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "EXPORT DATABASE '/tmp/all'",
        "CREATE TABLE t AS COPY (SELECT 1) TO '/tmp/stolen.csv'",
        "UNLOAD (COPY (SELECT 1) TO '/tmp/stolen.csv') TO 's3://data/x/' WITH (format = 'PARQUET')",
    ):
        with pytest.raises(ClientError) as problem:
            account.run(statement)
        assert problem.value.response["Error"]["Code"] == "InvalidRequestException", statement


def test_a_query_that_needs_too_much_memory_fails(account: AthenaAccount) -> None:
    reason = account.reason(
        "SELECT count(*) FROM (SELECT array_agg(i) FROM unnest(sequence(1, 200000000)) AS t(i))"
    )
    assert reason.startswith("EXCEEDED_MEMORY_LIMIT")


def test_a_query_that_takes_too_long_fails(account: AthenaAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emrbox.athena.queries.DEADLINE_SECONDS", 1)
    query = ", ".join(["SELECT count(*) FROM orders", *(f"orders o{n}" for n in range(19))])
    assert account.reason(query) == "Query timeout"


def test_a_query_that_uses_the_processor_too_long_fails_in_the_same_words(account: AthenaAccount) -> None:
    # Two threads use up the time of the processor before that of the clock.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emrbox.athena.queries.CPU_SECONDS", 1)
        query = ", ".join(["SELECT count(*) FROM orders", *(f"orders o{n}" for n in range(19))])
        assert account.reason(query) == "Query timeout"


def test_a_workgroup_limits_the_bytes_of_a_query(account: AthenaAccount) -> None:
    athena = account.athena
    account.create_table("lines", {"a": "string"}, "text")
    account.s3.put_object(Bucket="data", Key="lines/1", Body=b"xxxxxxx\n" * 1_250_001)
    limited = {**OWN, "BytesScannedCutoffPerQuery": 10_000_000}
    athena.create_work_group(Name="careful", Configuration=limited)
    assert account.run("SELECT id FROM orders", WorkGroup="careful")["Status"]["State"] == "SUCCEEDED"
    execution = account.run("SELECT count(*) FROM lines", WorkGroup="careful")
    assert execution["Status"]["State"] == "CANCELLED"
    assert "Bytes scanned limit was exceeded" in execution["Status"]["StateChangeReason"]
    athena.update_work_group(
        WorkGroup="careful", ConfigurationUpdates={"RemoveBytesScannedCutoffPerQuery": True}
    )
    assert account.run("SELECT count(*) FROM lines", WorkGroup="careful")["Status"]["State"] == "SUCCEEDED"


def test_a_workgroup_that_enforces_its_location_refuses_another_for_a_table(account: AthenaAccount) -> None:
    account.athena.create_work_group(Name="central", Configuration=OWN)
    query = "CREATE TABLE t WITH (external_location = 's3://data/t/') AS SELECT 1 AS a"
    assert "enforces a centralized output location" in account.reason(query, WorkGroup="central")


def test_a_result_is_reused_by_those_who_may_see_it(account: AthenaAccount) -> None:
    def reused(query: str, minutes: int = 60, athena: Any = None) -> bool:
        asked = {"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": minutes}}
        found = account.run(query, athena=athena, ResultReuseConfiguration=asked)
        assert found["Status"]["State"] == "SUCCEEDED", found["Status"]
        statistics = found["Statistics"]
        assert (statistics["DataScannedInBytes"] == 0) == statistics["ResultReuseInformation"][
            "ReusedPreviousResult"
        ]
        return bool(statistics["ResultReuseInformation"]["ReusedPreviousResult"])

    query = "SELECT sum(id) FROM orders"
    account.run(query)
    assert reused(query)
    assert account.rows(
        query, ResultReuseConfiguration={"ResultReuseByAgeConfiguration": {"Enabled": True}}
    ) == [
        *(["_col0"], ["15"]),
    ]
    assert not reused(query, minutes=0)
    assert not reused("SELECT sum(id)  FROM orders")
    may = allow("athena:*", "glue:*", "s3:*")
    hidden = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::results/*"}
    someone = Someone(account.endpoint, {"Statement": [may, hidden]}).client("athena")
    assert not reused(query, athena=someone)
    for one in account.s3.list_objects_v2(Bucket="results")["Contents"]:
        account.s3.delete_object(Bucket="results", Key=one["Key"])
    assert not reused(query)

"""Workgroups, and databases and tables as Athena's API shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from athena_account import RESULTS, AthenaAccount
from botocore.exceptions import ClientError
from users import Someone, allow

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def account(endpoint: Any, tmp_path: Path) -> AthenaAccount:
    made = AthenaAccount(endpoint, tmp_path)
    made.create_table("orders", {"id": "bigint"}, keys={"month": "string"})
    return made


def test_an_enforced_workgroup_says_where_results_go(account: AthenaAccount) -> None:
    configuration = {"ResultConfiguration": {"OutputLocation": "s3://results/team/"}}
    account.athena.create_work_group(Name="team", Configuration=configuration)
    enforced = account.run("SELECT 1", WorkGroup="team")
    assert enforced["ResultConfiguration"]["OutputLocation"].startswith("s3://results/team/")
    account.athena.update_work_group(
        WorkGroup="team", ConfigurationUpdates={"EnforceWorkGroupConfiguration": False}
    )
    asked = account.run("SELECT 1", WorkGroup="team")
    assert asked["ResultConfiguration"]["OutputLocation"].startswith(RESULTS)
    ids = account.athena.list_query_executions(WorkGroup="team")["QueryExecutionIds"]
    assert ids == [asked["QueryExecutionId"], enforced["QueryExecutionId"]]
    batch = account.athena.batch_get_query_execution(QueryExecutionIds=[*ids, "none"])
    assert [one["QueryExecutionId"] for one in batch["QueryExecutions"]] == ids
    assert [one["QueryExecutionId"] for one in batch["UnprocessedQueryExecutionIds"]] == ["none"]


def test_a_workgroup_is_made_shown_changed_and_deleted(account: AthenaAccount) -> None:
    athena = account.athena
    athena.create_work_group(Name="team", Description="a")
    athena.update_work_group(WorkGroup="team", Description="b", State="DISABLED")
    found = athena.get_work_group(WorkGroup="team")["WorkGroup"]
    assert (found["Description"], found["State"]) == ("b", "DISABLED")
    with pytest.raises(ClientError, match="disabled"):
        account.run("SELECT 1", WorkGroup="team")
    assert [one["Name"] for one in athena.list_work_groups()["WorkGroups"]] == ["primary", "team"]
    athena.delete_work_group(WorkGroup="team")
    with pytest.raises(ClientError, match="WorkGroup team is not found"):
        athena.get_work_group(WorkGroup="team")
    with pytest.raises(ClientError, match="primary"):
        athena.delete_work_group(WorkGroup="primary")


def test_what_emrbox_lacks_is_refused_by_its_name(account: AthenaAccount) -> None:
    with pytest.raises(ClientError, match="ExecutionRole"):
        account.athena.create_work_group(
            Name="team", Configuration={"ExecutionRole": "arn:aws:iam::123456789012:role/r"}
        )
    with pytest.raises(ClientError, match="CreateNamedQuery"):
        account.athena.create_named_query(Name="n", Database="d", QueryString="SELECT 1")


def test_the_catalog_is_glues(account: AthenaAccount) -> None:
    athena, named = account.athena, {"CatalogName": "AwsDataCatalog"}
    assert athena.list_data_catalogs()["DataCatalogsSummary"][0]["CatalogName"] == "AwsDataCatalog"
    assert [one["Name"] for one in athena.list_databases(**named)["DatabaseList"]] == ["sales"]
    table = athena.get_table_metadata(**named, DatabaseName="sales", TableName="orders")["TableMetadata"]
    assert [(one["Name"], one["Type"]) for one in table["Columns"]] == [("id", "bigint")]
    assert table["PartitionKeys"][0]["Name"] == "month"
    assert table["Parameters"]["location"] == "s3://data/orders/"
    listed = athena.list_table_metadata(**named, DatabaseName="sales", Expression="ord.*")
    assert [one["Name"] for one in listed["TableMetadataList"]] == ["orders"]
    with pytest.raises(ClientError) as problem:
        athena.get_database(**named, DatabaseName="none")
    assert problem.value.response["Error"]["Code"] == "MetadataException"


def test_each_service_is_asked_for_its_own_permission(account: AthenaAccount) -> None:
    statements = [allow("athena:*"), allow("glue:GetDatabase")]
    someone = Someone(account.endpoint, {"Statement": statements})
    assert someone.may("athena", "get_database", CatalogName="AwsDataCatalog", DatabaseName="sales")
    assert not someone.may("athena", "list_databases", CatalogName="AwsDataCatalog")
    own = {**allow("athena:GetWorkGroup"), "Resource": "arn:aws:athena:*:*:workgroup/team"}
    account.endpoint.client("iam").put_user_policy(
        UserName="someone",
        PolicyName="deny",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [{**own, "Effect": "Deny"}]}),
    )
    assert someone.may("athena", "get_work_group", WorkGroup="primary")
    assert not someone.may("athena", "get_work_group", WorkGroup="team")

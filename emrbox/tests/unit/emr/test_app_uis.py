"""Application UIs: who gets a URL of what, and when."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from hollow_emr import HollowEmr, hollow_request, refused

from emrbox.aws.errors import AwsError
from emrbox.emr.life.presigned import TOKEN
from emrbox.emr.life.states import ClusterState

ARN = "arn:aws:elasticmapreduce:us-east-1:123456789012:cluster/"
APPLICATION = "application_1700000000000_0001"
DAY = 86_400


def ready(emr: Any) -> str:
    cluster_id = emr.launch()
    emr.until(cluster_id, "WAITING")
    return str(cluster_id)


def attached(emr: Any, cluster_id: str) -> str:
    ui_id = emr.call("CreatePersistentAppUI", TargetResourceArn=ARN + cluster_id)["PersistentAppUIId"]
    emr.pages.reports[-1](None)
    return str(ui_id)


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({}, "/cluster"),
        ({"OnClusterAppUIType": "ResourceManager"}, "/cluster"),
        (
            {"OnClusterAppUIType": "ResourceManager", "ApplicationId": APPLICATION},
            f"/cluster/app/{APPLICATION}",
        ),
        ({"OnClusterAppUIType": "ApplicationMaster", "ApplicationId": APPLICATION}, f"/proxy/{APPLICATION}/"),
        ({"ApplicationId": APPLICATION}, f"/proxy/{APPLICATION}/"),
        ({"OnClusterAppUIType": "SparkHistoryServer"}, "/shs/"),
        (
            {"OnClusterAppUIType": "SparkHistoryServer", "ApplicationId": APPLICATION},
            f"/shs/history/{APPLICATION}/",
        ),
    ],
)
def test_a_url_opens_the_page_of_what_was_asked_for(emr: Any, asked: dict[str, str], path: str) -> None:
    emr.pages.applications = {APPLICATION}
    cluster_id = ready(emr)
    answer = emr.call("GetOnClusterAppUIPresignedURL", ClusterId=cluster_id, **asked)
    url = urlsplit(answer["PresignedURL"])
    assert answer["PresignedURLReady"] is True
    assert (url.hostname, url.path) == (f"{cluster_id.lower()}.emrappui.localhost", path)
    assert emr.uis.presigned.redeem(cluster_id, url.query.removeprefix(f"{TOKEN}="))


def test_a_history_server_that_does_not_answer_yet_has_no_url(emr: Any) -> None:
    cluster_id = ready(emr)
    emr.pages.answers = False
    asked = {"ClusterId": cluster_id, "OnClusterAppUIType": "SparkHistoryServer"}
    assert emr.call("GetOnClusterAppUIPresignedURL", **asked) == {"PresignedURLReady": False}


def test_a_dry_run_has_no_url(emr: Any) -> None:
    answer = emr.call("GetOnClusterAppUIPresignedURL", ClusterId=ready(emr), DryRun=True)
    assert answer == {"PresignedURLReady": True}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"OnClusterAppUIType": "ApplicationMaster"}, "ApplicationId is required"),
        ({"ApplicationId": "application_1_1"}, "has no application 'application_1_1'"),
        ({"ApplicationId": "../../jmx"}, "has no application '../../jmx'"),
        ({"OnClusterAppUIType": "TezUI"}, "emrbox has no Tez"),
        ({"OnClusterAppUIType": "YarnTimelineService"}, "emrbox has no YARN timeline server"),
        ({"OnClusterAppUIType": "JobHistoryServer"}, "emrbox has no MapReduce job history server"),
        ({"ExecutionRoleArn": "arn:aws:iam::123456789012:role/r"}, "no runtime roles"),
        ({"ClusterId": "j-NONE"}, "is not valid"),
    ],
)
def test_what_is_not_there_has_no_url(emr: Any, asked: dict[str, str], words: str) -> None:
    emr.pages.applications = {APPLICATION}
    request = {"ClusterId": ready(emr), **asked}
    assert words in refused(emr, "GetOnClusterAppUIPresignedURL", **request)


def test_a_cluster_that_does_not_run_has_no_pages(emr: Any) -> None:
    emr.starts_at_once = False
    cluster_id = emr.launch()
    assert "in the STARTING state" in refused(emr, "GetOnClusterAppUIPresignedURL", ClusterId=cluster_id)


def test_a_hollow_cluster_has_no_uis() -> None:
    emr = HollowEmr(hollow_request)
    cluster_id = emr.launch()
    for operation, request in (
        ("GetOnClusterAppUIPresignedURL", {"ClusterId": cluster_id}),
        ("CreatePersistentAppUI", {"TargetResourceArn": ARN + cluster_id}),
    ):
        assert "has no nodes" in refused(emr, operation, **request)


def test_a_ui_off_the_cluster_starts_is_attached_and_outlives_the_cluster(emr: Any) -> None:
    emr.pages.applications = {APPLICATION}
    cluster_id = ready(emr)
    tags = [{"Key": "team", "Value": "a"}]
    made = emr.call("CreatePersistentAppUI", TargetResourceArn=ARN + cluster_id, Tags=tags)
    assert made["RuntimeRoleEnabledCluster"] is False
    named = {"PersistentAppUIId": made["PersistentAppUIId"]}
    before = emr.call("DescribePersistentAppUI", **named)["PersistentAppUI"]
    assert (before["PersistentAppUIStatus"], before["PersistentAppUITypeList"]) == ("STARTING", ["SHS"])
    assert (before["Tags"], before["AuthorId"]) == (tags, "arn:aws:iam::123456789012:user/tester")
    assert emr.call("GetPersistentAppUIPresignedURL", **named) == {"PresignedURLReady": False}
    emr.clock.advance(3)
    emr.pages.reports[0](None)
    after = emr.call("DescribePersistentAppUI", **named)["PersistentAppUI"]
    assert after["PersistentAppUIStatus"] == "ATTACHED"
    assert after["LastModifiedTime"] > after["CreationTime"]
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    emr.until(cluster_id, "TERMINATED")
    answer = emr.call("GetPersistentAppUIPresignedURL", **named, ApplicationId=APPLICATION)
    url = urlsplit(answer["PresignedURL"])
    assert url.hostname == f"{made['PersistentAppUIId']}.emrappui.localhost"
    assert url.path == f"/shs/history/{APPLICATION}/"


def test_a_cluster_has_one_ui_until_it_fails(emr: Any) -> None:
    cluster_id = ready(emr)
    arn = ARN + cluster_id
    first, again = (emr.call("CreatePersistentAppUI", TargetResourceArn=arn) for _ in range(2))
    assert first == again
    emr.pages.reports[0]("no memory")
    named = {"PersistentAppUIId": first["PersistentAppUIId"]}
    described = emr.call("DescribePersistentAppUI", **named)["PersistentAppUI"]
    assert (described["PersistentAppUIStatus"], described["LastStateChangeReason"]) == ("FAILED", "no memory")
    assert "no memory" in refused(emr, "GetPersistentAppUIPresignedURL", **named)
    assert emr.call("CreatePersistentAppUI", TargetResourceArn=arn) != first


def test_a_history_server_that_does_not_start_again_is_reported(emr: Any) -> None:
    ui_id = attached(emr, ready(emr))
    emr.pages.problem = "no memory"
    assert "no memory" in refused(emr, "GetPersistentAppUIPresignedURL", PersistentAppUIId=ui_id)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            {"TargetResourceArn": "arn:aws:emr-containers:us-east-1:123456789012:/virtualclusters/a"},
            "EMR on EC2 only",
        ),
        ({"EMRContainersConfig": {"JobRunId": "1"}}, "EMR on EC2 only"),
        ({"ProfilerType": "TEZUI"}, "emrbox has no Tez"),
        ({"ProfilerType": "YTS"}, "emrbox has no YARN timeline server"),
        ({"TargetResourceArn": ARN + "j-NONE"}, "is not valid"),
    ],
)
def test_what_has_no_ui_off_the_cluster_is_refused(emr: Any, asked: dict[str, Any], words: str) -> None:
    request = {"TargetResourceArn": ARN + ready(emr), **asked}
    assert words in refused(emr, "CreatePersistentAppUI", **request)


def test_an_arn_of_another_account_or_region_is_refused(emr: Any) -> None:
    cluster_id = ready(emr)
    for arn in (
        f"arn:aws:elasticmapreduce:us-east-1:210987654321:cluster/{cluster_id}",
        f"arn:aws:elasticmapreduce:eu-west-1:123456789012:cluster/{cluster_id}",
    ):
        assert "There is no resource" in refused(emr, "CreatePersistentAppUI", TargetResourceArn=arn)


def test_a_persistent_url_is_for_spark_and_for_applications_that_were_there(emr: Any) -> None:
    ui_id = attached(emr, ready(emr))
    for asked, words in (
        ({"PersistentAppUIType": "TEZ"}, "emrbox has no Tez"),
        ({"ApplicationId": APPLICATION}, "has no application"),
        ({"ExecutionRoleArn": "arn:aws:iam::123456789012:role/r"}, "no runtime roles"),
        ({"PersistentAppUIId": "p-none"}, "is not valid"),
    ):
        request = {"PersistentAppUIId": ui_id, **asked}
        assert words in refused(emr, "GetPersistentAppUIPresignedURL", **request)


def test_a_cluster_that_ended_long_ago_gets_no_new_ui(emr: Any) -> None:
    cluster_id = ready(emr)
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    emr.until(cluster_id, "TERMINATED")
    emr.clock.advance(29 * DAY)
    attached(emr, cluster_id)
    emr.uis.forget_account("123456789012")
    emr.clock.advance(2 * DAY)
    assert "more than 30 days ago" in refused(
        emr, "CreatePersistentAppUI", TargetResourceArn=ARN + cluster_id
    )


def test_each_operation_needs_its_permission_on_the_cluster(emr: Any) -> None:
    cluster_id = ready(emr)
    ui_id = attached(emr, cluster_id)
    calls = {
        "GetOnClusterAppUIPresignedURL": {"ClusterId": cluster_id},
        "CreatePersistentAppUI": {"TargetResourceArn": ARN + cluster_id},
        "DescribePersistentAppUI": {"PersistentAppUIId": ui_id},
        "GetPersistentAppUIPresignedURL": {"PersistentAppUIId": ui_id},
    }
    for operation, request in calls.items():
        statement = {
            "Effect": "Allow",
            "Action": f"elasticmapreduce:{operation}",
            "Resource": ARN + cluster_id,
        }
        emr.policy = {"Statement": statement}
        emr.call(operation, **request)
        emr.policy = {"Statement": {**statement, "Resource": ARN + "j-OTHER"}}
        with pytest.raises(AwsError, match="not authorized") as refusal:
            emr.call(operation, **request)
        assert refusal.value.code == "AccessDeniedException"


def test_a_closed_account_leaves_no_ui_and_no_event_log(emr: Any) -> None:
    ui_id = attached(emr, ready(emr))
    emr.service.close_account("123456789012")
    assert emr.pages.forgotten == [ui_id, "123456789012"]


def test_only_a_cluster_that_works_is_served(emr: Any) -> None:
    cluster_id = ready(emr)
    assert emr.uis.address_of(cluster_id.lower(), emr.store) == "10.0.0.0"
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    emr.until(cluster_id, ClusterState.TERMINATED)
    assert emr.uis.address_of(cluster_id.lower(), emr.store) is None
    assert emr.uis.address_of("j-none", emr.store) is None
    assert emr.uis.address_of("p-none", emr.store) is None

"""Spark Connect sessions: who gets one, what becomes of it, who may use it."""

from __future__ import annotations

from typing import Any

import pytest
from hollow_emr import HollowEmr, hollow_request, refused

from emrbox.aws.errors import AwsError

HOUR, MINUTE = 3600, 60
ARN = "arn:aws:elasticmapreduce:us-east-1:123456789012:cluster/"


@pytest.fixture
def cluster_id(emr: Any) -> str:
    made = emr.launch(SessionEnabled=True)
    emr.until(made, "WAITING")
    return str(made)


def start(emr: Any, cluster_id: str, **request: Any) -> str:
    answer = emr.call("StartSession", **{"ClusterId": cluster_id, "Name": "s", **request})
    return str(answer["Id"])


def described(emr: Any, cluster_id: str, session_id: str) -> dict[str, Any]:
    return dict(emr.call("GetSession", ClusterId=cluster_id, SessionId=session_id)["Session"])


def state(emr: Any, cluster_id: str, session_id: str) -> str:
    return str(described(emr, cluster_id, session_id)["State"])


def test_a_session_is_submitted_then_idle_and_shows_what_was_asked_for(emr: Any, cluster_id: str) -> None:
    configurations = [{"Classification": "spark-defaults", "Properties": {"spark.executor.memory": "1g"}}]
    tags = [{"Key": "team", "Value": "a"}]
    answer = emr.call(
        "StartSession", ClusterId=cluster_id, Name="s", EngineConfigurations=configurations, Tags=tags
    )
    assert answer["State"] == "SUBMITTED"
    assert answer["Arn"] == f"{ARN}{cluster_id}/session/{answer['Id']}"
    session = described(emr, cluster_id, answer["Id"])
    assert (session["State"], session["Name"], session["ReleaseLabel"]) == ("IDLE", "s", "emr-spark-8.0.0")
    assert (session["EngineConfigurations"], session["Tags"]) == (configurations, tags)
    assert session["SessionIdleTimeoutInMinutes"] == 60
    assert session["StartedAt"] == session["IdleSince"]
    assert emr.cluster(cluster_id)["SessionEnabled"] is True


def test_a_session_ends_after_being_idle_for_its_time(emr: Any, cluster_id: str) -> None:
    session_id = start(emr, cluster_id, SessionIdleTimeoutInMinutes=5)
    emr.clock.advance(5 * MINUTE - 1)
    assert state(emr, cluster_id, session_id) == "IDLE"
    emr.clock.advance(1)
    session = described(emr, cluster_id, session_id)
    assert (session["State"], "EndedAt" in session) == ("TERMINATED", True)
    assert "idle for 5 minutes" in session["StateChangeReason"]


def test_a_session_is_busy_while_a_call_is_under_way(emr: Any, cluster_id: str) -> None:
    session_id = start(emr, cluster_id, SessionIdleTimeoutInMinutes=5)
    for change, wanted in ((1, "BUSY"), (1, "BUSY"), (-1, "BUSY")):
        emr.access.note_calls(session_id, change)
        assert state(emr, cluster_id, session_id) == wanted
    emr.clock.advance(HOUR)
    assert state(emr, cluster_id, session_id) == "BUSY"
    emr.access.note_calls(session_id, -1)
    emr.clock.advance(5 * MINUTE - 1)
    assert state(emr, cluster_id, session_id) == "IDLE"
    emr.clock.advance(1)
    assert state(emr, cluster_id, session_id) == "TERMINATED"


def test_terminating_ends_the_server_and_again_changes_nothing(emr: Any, cluster_id: str) -> None:
    session_id = start(emr, cluster_id)
    named = {"ClusterId": cluster_id, "SessionId": session_id}
    assert emr.call("TerminateSession", **named)["State"] == "TERMINATING"
    session = described(emr, cluster_id, session_id)
    assert (session["State"], session["StateChangeReason"]) == (
        "TERMINATED",
        "The session was terminated by user request.",
    )
    assert emr.call("TerminateSession", **named)["State"] == "TERMINATED"


def test_a_session_whose_server_does_not_start_or_ends_by_itself_has_failed(
    emr: Any, cluster_id: str
) -> None:
    lost = start(emr, cluster_id)
    emr.machines[cluster_id].servers[lost].report("out of memory")
    emr.machines[cluster_id].session_failure = OSError("no port")
    never = start(emr, cluster_id)
    for session_id, why in ((lost, "out of memory"), (never, "no port")):
        session = described(emr, cluster_id, session_id)
        assert (session["State"], session["StateChangeReason"]) == ("FAILED", why)


def test_sessions_end_with_their_cluster(emr: Any, cluster_id: str) -> None:
    session_id = start(emr, cluster_id)
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    emr.until(cluster_id, "TERMINATED")
    session = described(emr, cluster_id, session_id)
    assert (session["State"], "with its cluster" in session["StateChangeReason"]) == ("TERMINATED", True)
    assert "in the TERMINATED state" in refused(emr, "StartSession", ClusterId=cluster_id, Name="s")


def test_a_session_keeps_its_cluster_from_being_idle(emr: Any) -> None:
    cluster_id = emr.launch(SessionEnabled=True, AutoTerminationPolicy={"IdleTimeout": 600})
    emr.until(cluster_id, "WAITING")
    start(emr, cluster_id, SessionIdleTimeoutInMinutes=30)
    emr.clock.advance(30 * MINUTE - 1)
    assert emr.cluster(cluster_id)["Status"]["State"] == "WAITING"
    emr.clock.advance(12 * MINUTE)
    assert emr.cluster(cluster_id)["Status"]["State"] == "TERMINATED"


def test_sessions_are_listed_the_newest_first_by_state_and_in_pages(emr: Any, cluster_id: str) -> None:
    made = []
    for _ in range(3):
        made.append(start(emr, cluster_id))
        emr.clock.advance(1)
    emr.call("TerminateSession", ClusterId=cluster_id, SessionId=made[1])
    first = emr.call("ListSessions", ClusterId=cluster_id, MaxResults=2)
    second = emr.call("ListSessions", ClusterId=cluster_id, MaxResults=2, NextToken=first["NextToken"])
    assert [one["Id"] for one in (*first["Sessions"], *second["Sessions"])] == made[::-1]
    assert "NextToken" not in second
    idle = emr.call("ListSessions", ClusterId=cluster_id, SessionStates=["IDLE"])["Sessions"]
    assert [one["Id"] for one in idle] == [made[2], made[0]]
    assert "not valid" in refused(emr, "ListSessions", ClusterId=cluster_id, NextToken="x")


def test_a_repeated_request_with_its_token_is_one_session(emr: Any, cluster_id: str) -> None:
    first, again = (start(emr, cluster_id, ClientRequestToken="t") for _ in range(2))
    assert first == again
    assert start(emr, cluster_id, ClientRequestToken="u") != first


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"Name": ""}, "Name is required"),
        ({"ExecutionRoleArn": "arn:aws:iam::123456789012:role/r"}, "no runtime roles"),
        ({"SessionIdleTimeoutInMinutes": 0}, "from 1 to 1440"),
        ({"SessionIdleTimeoutInMinutes": 1441}, "from 1 to 1440"),
        (
            {"MonitoringConfiguration": {"S3LoggingConfiguration": {"Enabled": True}}},
            "S3LoggingConfiguration",
        ),
        ({"EngineConfigurations": [{"Classification": "hive-site"}]}, "'hive-site'"),
        (
            {"EngineConfigurations": [{"Classification": "spark-defaults", "Configurations": [{}]}]},
            "without others in it",
        ),
        *(
            (
                {"EngineConfigurations": [{"Classification": "spark-defaults", "Properties": properties}]},
                "cannot be set",
            )
            for properties in (
                {"spark.master": "local"},
                {"spark.connect.authenticate.token": "t"},
                {"spark.connect.grpc.binding.port": "1"},
                {"spark.app.name": "a\nspark.master=local"},
                {"not=spark": "a"},
            )
        ),
        ({"ClusterId": "j-NONE"}, "is not valid"),
    ],
)
def test_what_no_session_can_have_is_refused(
    emr: Any, cluster_id: str, asked: dict[str, Any], words: str
) -> None:
    request = {"ClusterId": cluster_id, "Name": "s", **asked}
    assert words in refused(emr, "StartSession", **request)
    assert emr.call("ListSessions", ClusterId=cluster_id)["Sessions"] == []


def test_a_cluster_without_sessions_has_none(emr: Any) -> None:
    cluster_id = emr.launch()
    emr.until(cluster_id, "WAITING")
    assert "are not enabled" in refused(emr, "StartSession", ClusterId=cluster_id, Name="s")


def test_a_cluster_has_a_thousand_active_sessions_at_most(emr: Any, cluster_id: str) -> None:
    for _ in range(999):
        emr.service.call("StartSession", {"ClusterId": cluster_id, "Name": "s"}, emr.caller())
    last = start(emr, cluster_id)
    assert "1000 active sessions" in refused(emr, "StartSession", ClusterId=cluster_id, Name="s")
    emr.call("TerminateSession", ClusterId=cluster_id, SessionId=last)
    start(emr, cluster_id)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ReleaseLabel": "emr-7.13.0"}, "from emr-spark-8.0.0 on"),
        (
            {
                "Instances": {
                    "InstanceGroups": [
                        {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 3}
                    ]
                }
            },
            "several primary nodes",
        ),
    ],
)
def test_a_launch_that_cannot_have_sessions_is_refused(changes: dict[str, Any], words: str) -> None:
    emr = HollowEmr(hollow_request)
    instances = {
        "KeepJobFlowAliveWhenNoSteps": True,
        **changes.pop("Instances", hollow_request()["Instances"]),
    }
    with pytest.raises(AwsError, match=words) as refusal:
        emr.launch(SessionEnabled=True, Instances=instances, **changes)
    assert refusal.value.code == "ValidationException"


def test_a_token_opens_its_session_for_an_hour(emr: Any, cluster_id: str) -> None:
    one, other = start(emr, cluster_id), start(emr, cluster_id)
    answer = emr.call("GetSessionEndpoint", ClusterId=cluster_id, SessionId=one)
    assert answer["Endpoint"] == f"http://{one.lower()}.emr-spark-connect.localhost:4566"
    assert (answer["AuthTokenExpirationTime"] - emr.clock.now()).total_seconds() == HOUR
    token = answer["AuthToken"]
    assert emr.access.admitted(one, token).id == one
    assert emr.access.admitted(other, token) is None
    assert emr.access.admitted(one, "guess") is None
    emr.access.note_calls(one, 1)  # it must not end by itself meanwhile
    emr.clock.advance(HOUR)
    assert emr.access.admitted(one, token) is None


def test_only_a_session_that_works_has_an_endpoint(emr: Any, cluster_id: str) -> None:
    session_id = start(emr, cluster_id)
    named = {"ClusterId": cluster_id, "SessionId": session_id}
    token = emr.call("GetSessionEndpoint", **named)["AuthToken"]
    emr.call("TerminateSession", **named)
    assert emr.access.admitted(session_id, token) is None
    assert "in the TERMINATED state" in refused(emr, "GetSessionEndpoint", **named)
    for operation in ("GetSession", "GetSessionEndpoint", "TerminateSession"):
        assert "is not valid" in refused(emr, operation, ClusterId=cluster_id, SessionId="is-NONE")


def test_a_hollow_cluster_has_sessions_without_an_endpoint() -> None:
    emr = HollowEmr(hollow_request)
    cluster_id = emr.launch(SessionEnabled=True)
    session_id = start(emr, cluster_id)
    assert state(emr, cluster_id, session_id) == "IDLE"
    emr.clock.advance(HOUR)
    assert state(emr, cluster_id, session_id) == "TERMINATED"
    session_id = start(emr, cluster_id)
    named = {"ClusterId": cluster_id, "SessionId": session_id}
    assert "has no nodes" in refused(emr, "GetSessionEndpoint", **named)


def test_permission_is_asked_for_on_the_cluster_or_on_the_session(emr: Any, cluster_id: str) -> None:
    session_id = start(emr, cluster_id)
    on_cluster = ARN + cluster_id
    on_session = f"{on_cluster}/session/{session_id}"
    named = {"ClusterId": cluster_id, "SessionId": session_id}
    for operation, request, resource, other in (
        ("StartSession", {"ClusterId": cluster_id, "Name": "s"}, on_cluster, on_session),
        ("ListSessions", {"ClusterId": cluster_id}, on_cluster, on_session),
        ("GetSession", named, on_session, on_cluster),
        ("GetSessionEndpoint", named, on_session, on_cluster),
        ("TerminateSession", named, on_session, on_cluster),
    ):
        statement = {"Effect": "Allow", "Action": f"elasticmapreduce:{operation}", "Resource": other}
        emr.policy = {"Statement": statement}
        with pytest.raises(AwsError, match="not authorized"):
            emr.call(operation, **request)
        emr.policy = {"Statement": {**statement, "Resource": resource}}
        emr.call(operation, **request)

"""DescribeJobFlows, and the refusals of GetClusterSessionCredentials."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from emrbox.aws import protocol
from emrbox.aws.errors import AwsError

BOOTSTRAP = {"Name": "prepare", "ScriptBootstrapAction": {"Path": "s3://b/p.sh", "Args": ["1"]}}


def described(emr: Any, **request: Any) -> list[dict[str, Any]]:
    answer = emr.call("DescribeJobFlows", **request)
    protocol.render_answer(protocol.operation_model("emr", "DescribeJobFlows"), answer)  # it fits the model
    return list(answer["JobFlows"])


def test_a_cluster_is_described_with_groups_steps_and_bootstrap_actions(emr: Any) -> None:
    step = emr.step_request()
    step["HadoopJarStep"]["Properties"] = [{"Key": "a", "Value": "b"}]
    cluster_id = emr.launch(Steps=[step], BootstrapActions=[BOOTSTRAP])
    emr.until(cluster_id, "RUNNING")
    [found] = described(emr)
    assert (found["JobFlowId"], found["ExecutionStatusDetail"]["State"]) == (cluster_id, "RUNNING")
    assert found["BootstrapActions"] == [{"BootstrapActionConfig": BOOTSTRAP}]
    assert found["Steps"][0]["StepConfig"] == step
    assert found["Steps"][0]["ExecutionStatusDetail"]["State"] == "RUNNING"
    groups = [(g["InstanceRole"], g["InstanceRunningCount"]) for g in found["Instances"]["InstanceGroups"]]
    assert groups == [("MASTER", 1), ("CORE", 2)]
    times = ("CreationDateTime", "StartDateTime", "ReadyDateTime")
    assert all(g[one] <= emr.clock.now() for g in found["Instances"]["InstanceGroups"] for one in times)
    assert (found["Instances"]["InstanceCount"], found["Instances"]["MasterInstanceId"]) == (3, "i-master0")


@pytest.mark.parametrize(
    ("exit_code", "action", "state"),
    [(0, "CONTINUE", "COMPLETED"), (1, "TERMINATE_CLUSTER", "FAILED"), (1, "CONTINUE", "TERMINATED")],
)
def test_ended_clusters_have_the_states_of_that_api(
    emr: Any, exit_code: int, action: str, state: str
) -> None:
    request = emr.run_request(Steps=[emr.step_request(action=action)])
    request["Instances"]["KeepJobFlowAliveWhenNoSteps"] = False
    cluster_id = emr.call("RunJobFlow", **request)["JobFlowId"]
    step_id = emr.call("ListSteps", ClusterId=cluster_id)["Steps"][0]["Id"]
    emr.run_of(cluster_id, step_id).end(exit_code)
    emr.until(cluster_id, "TERMINATED", "TERMINATED_WITH_ERRORS")
    assert [one["JobFlowId"] for one in described(emr, JobFlowStates=[state])] == [cluster_id]
    assert described(emr, JobFlowStates=["RUNNING"]) == []


def test_filters_and_ages(emr: Any) -> None:
    old = emr.launch()
    emr.call("TerminateJobFlows", JobFlowIds=[old])
    emr.until(old, "TERMINATED")
    emr.clock.advance(15 * 86400)
    new = emr.launch()
    assert [one["JobFlowId"] for one in described(emr)] == [new]  # ended ones for two weeks
    assert [one["JobFlowId"] for one in described(emr, JobFlowIds=[old, "j-NONE"])] == [old]
    between = emr.clock.now() - timedelta(days=1)
    assert [one["JobFlowId"] for one in described(emr, CreatedAfter=between)] == [new]
    assert [one["JobFlowId"] for one in described(emr, CreatedBefore=between)] == [old]


def test_session_credentials_are_refused_with_the_reason(emr: Any) -> None:
    with pytest.raises(AwsError) as unknown:
        emr.call("GetClusterSessionCredentials", ClusterId="j-NONE")
    assert unknown.value.document["ErrorCode"] == "NoSuchCluster"
    cluster_id = emr.launch()
    emr.until(cluster_id, "WAITING")
    with pytest.raises(AwsError, match="enables runtime roles") as refusal:
        emr.call("GetClusterSessionCredentials", ClusterId=cluster_id)
    assert refusal.value.code == "InvalidRequestException"

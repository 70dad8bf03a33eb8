"""The life of a cluster, with scripted machines."""

from __future__ import annotations

from typing import Any

import pytest

from emrbox.aws.errors import AwsError
from emrbox.emr.life import states
from emrbox.emr.life.layer import StartFailureError
from emrbox.emr.life.model import Ending, Reason
from emrbox.emr.life.states import ReasonCode


def test_a_kept_alive_cluster_without_steps_waits(emr: Any) -> None:
    cluster_id = emr.launch()
    status = emr.until(cluster_id, "WAITING")["Status"]
    assert status["StateChangeReason"] == {"Message": "Cluster ready to run steps."}
    assert "ReadyDateTime" in status["Timeline"]
    assert "EndDateTime" not in status["Timeline"]
    assert emr.cluster(cluster_id)["MasterPublicDnsName"] == "ip-10-0-0-0.ec2.internal"


def test_a_cluster_that_is_not_kept_alive_ends_after_its_last_step(emr: Any) -> None:
    emr.starts_at_once = False
    cluster_id = emr.launch(Instances={"KeepJobFlowAliveWhenNoSteps": False})
    (step,) = emr.add(cluster_id, emr.step_request())  # while STARTING
    emr.machines[cluster_id].is_open = True
    emr.run_of(cluster_id, step).end(0)
    status = emr.until(cluster_id, "TERMINATED")["Status"]
    assert status["StateChangeReason"] == {"Code": "ALL_STEPS_COMPLETED", "Message": "Steps completed"}
    assert emr.step_state(cluster_id, step) == "COMPLETED"
    assert emr.machines[cluster_id].is_shut_down


def test_terminate_cancels_unfinished_steps_and_ends_instances(emr: Any) -> None:
    cluster_id = emr.launch()
    running, pending = emr.add(cluster_id, emr.step_request(), emr.step_request())
    emr.run_of(cluster_id, running)
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    assert emr.cluster(cluster_id)["Status"]["State"] in {"TERMINATING", "TERMINATED"}
    status = emr.until(cluster_id, "TERMINATED")["Status"]
    assert status["StateChangeReason"]["Code"] == "USER_REQUEST"
    assert {emr.step_state(cluster_id, s) for s in (running, pending)} == {"CANCELLED"}
    instances = emr.call("ListInstances", ClusterId=cluster_id)["Instances"]
    assert {i["Status"]["State"] for i in instances} == {"TERMINATED"}
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])  # again: nothing happens


def test_terminate_works_while_the_cluster_starts(emr: Any) -> None:
    emr.starts_at_once = False
    cluster_id = emr.launch()
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    assert emr.until(cluster_id, "TERMINATED")["Status"]["StateChangeReason"]["Code"] == "USER_REQUEST"


def test_a_protected_cluster_is_not_terminated_but_the_others_of_the_call_are(emr: Any) -> None:
    protected, other = emr.launch(Instances={"TerminationProtected": True}), emr.launch()
    with pytest.raises(AwsError, match="termination protected"):
        emr.call("TerminateJobFlows", JobFlowIds=[protected, other])
    emr.until(other, "TERMINATED")
    emr.until(protected, "WAITING")
    emr.call("SetTerminationProtection", JobFlowIds=[protected], TerminationProtected=False)
    emr.call("TerminateJobFlows", JobFlowIds=[protected])
    emr.until(protected, "TERMINATED")


def test_a_failed_start_ends_with_errors_and_its_reason(emr: Any) -> None:
    reason = Reason(ReasonCode.BOOTSTRAP_FAILURE, "On the master instance (i-1), …")
    details = ({"ErrorCode": "BOOTSTRAP_FAILURE_X", "ErrorData": [], "ErrorMessage": "why"},)
    emr.start_failure = StartFailureError(Ending(reason, with_errors=True, details=details))
    cluster_id = emr.launch()
    status = emr.until(cluster_id, "TERMINATED_WITH_ERRORS")["Status"]
    assert status["StateChangeReason"]["Code"] == "BOOTSTRAP_FAILURE"
    assert status["ErrorDetails"][0]["ErrorCode"] == "BOOTSTRAP_FAILURE_X"
    assert "ReadyDateTime" not in status["Timeline"]
    assert emr.machines[cluster_id].is_shut_down


def test_an_unexpected_problem_ends_the_cluster_with_an_internal_error(emr: Any) -> None:
    emr.start_failure = OSError("no space")
    status = emr.until(emr.launch(), "TERMINATED_WITH_ERRORS")["Status"]
    assert status["StateChangeReason"]["Code"] == "INTERNAL_ERROR"


def test_a_master_that_dies_while_the_cluster_starts_is_the_reported_reason(emr: Any) -> None:
    emr.start_failure = OSError("no route to host")
    emr.starts_at_once = False
    cluster_id = emr.launch()
    emr.machines[cluster_id].lost = {"i-master0"}
    emr.machines[cluster_id].is_open = True
    status = emr.until(cluster_id, "TERMINATED_WITH_ERRORS")["Status"]
    assert status["StateChangeReason"]["Code"] == "INSTANCE_FAILURE"
    assert status["StateChangeReason"]["Message"] == states.MASTER_TERMINATED


def test_a_cluster_is_over_even_when_its_machines_do_not_end_as_they_should(
    emr: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster_id = emr.launch()
    emr.until(cluster_id, "WAITING")

    def fail() -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(emr.machines[cluster_id], "shut_down", fail)
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    emr.until(cluster_id, "TERMINATED")


def test_machines_that_did_not_end_are_ended_again_before_the_cluster_is_over(
    emr: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster_id = emr.launch()
    emr.until(cluster_id, "WAITING")
    machines, problems = emr.machines[cluster_id], [OSError("no answer"), TimeoutError("not terminated")]

    def end() -> None:
        if problems:
            raise problems.pop()
        machines.is_shut_down = True

    monkeypatch.setattr(machines, "shut_down", end)
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    assert emr.cluster(cluster_id)["Status"]["State"] == "TERMINATING"
    emr.until(cluster_id, "TERMINATED")
    assert machines.is_shut_down


def test_the_machines_end_even_when_a_step_cannot_be_killed(
    emr: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster_id = emr.launch()
    (step,) = emr.add(cluster_id, emr.step_request())

    def fail() -> None:
        raise PermissionError("kill")

    monkeypatch.setattr(emr.run_of(cluster_id, step), "kill", fail)
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    emr.until(cluster_id, "TERMINATED")
    assert emr.machines[cluster_id].is_shut_down


@pytest.mark.parametrize("protected", [False, True])
def test_a_cluster_ends_from_any_state_that_it_can_be_in(emr: Any, *, protected: bool) -> None:
    emr.starts_at_once = False
    starting = emr.launch(Instances={"TerminationProtected": protected})
    emr.starts_at_once = True
    waiting = emr.launch(Instances={"TerminationProtected": protected})
    running = emr.launch(Instances={"TerminationProtected": protected}, Steps=[emr.step_request()])
    emr.until(waiting, "WAITING")
    emr.until(running, "RUNNING")
    ids = [starting, waiting, running]
    if protected:
        with pytest.raises(AwsError, match="termination protected"):
            emr.call("TerminateJobFlows", JobFlowIds=ids)
        emr.call("SetTerminationProtection", JobFlowIds=ids, TerminationProtected=False)
    for _ in range(2):  # a second time changes nothing
        emr.call("TerminateJobFlows", JobFlowIds=ids)
        for cluster_id in ids:
            status = emr.until(cluster_id, "TERMINATED")["Status"]
            assert status["StateChangeReason"]["Code"] == "USER_REQUEST"


def test_the_masters_death_ends_the_cluster_and_interrupts_its_step(emr: Any) -> None:
    cluster_id = emr.launch()
    (step,) = emr.add(cluster_id, emr.step_request())
    emr.run_of(cluster_id, step)
    emr.machines[cluster_id].lost = {"i-master0"}
    status = emr.until(cluster_id, "TERMINATED_WITH_ERRORS")["Status"]
    assert status["StateChangeReason"] == {
        "Code": "INSTANCE_FAILURE",
        "Message": "The master node was terminated. ",
    }
    assert emr.step_state(cluster_id, step) == "INTERRUPTED"


def test_the_idle_policy_ends_a_cluster_when_its_time_is_over(emr: Any) -> None:
    cluster_id = emr.launch(AutoTerminationPolicy={"IdleTimeout": 60})
    emr.until(cluster_id, "WAITING")
    emr.clock.advance(59)
    emr.machines[cluster_id].is_busy = True
    emr.clock.advance(600)
    assert emr.until(cluster_id, "WAITING")
    emr.machines[cluster_id].is_busy = False
    emr.wait_for(
        lambda: emr.clock.advance(61) or emr.cluster(cluster_id), lambda c: c["Status"]["State"] != "WAITING"
    )
    assert (
        emr.until(cluster_id, "TERMINATED")["Status"]["StateChangeReason"]["Message"]
        == states.IDLE_TIMEOUT_REACHED
    )


def test_an_idle_policy_can_be_put_read_and_removed(emr: Any) -> None:
    cluster_id = emr.launch()
    assert emr.call("GetAutoTerminationPolicy", ClusterId=cluster_id) == {}
    emr.call("PutAutoTerminationPolicy", ClusterId=cluster_id, AutoTerminationPolicy={"IdleTimeout": 120})
    answer = emr.call("GetAutoTerminationPolicy", ClusterId=cluster_id)
    assert answer == {"AutoTerminationPolicy": {"IdleTimeout": 120}}
    emr.call("RemoveAutoTerminationPolicy", ClusterId=cluster_id)
    assert emr.call("GetAutoTerminationPolicy", ClusterId=cluster_id) == {}


def test_no_longer_kept_alive_an_idle_cluster_ends(emr: Any) -> None:
    cluster_id = emr.launch()
    emr.until(cluster_id, "WAITING")
    emr.call("SetKeepJobFlowAliveWhenNoSteps", JobFlowIds=[cluster_id], KeepJobFlowAliveWhenNoSteps=False)
    assert emr.until(cluster_id, "TERMINATED")["Status"]["StateChangeReason"]["Code"] == "ALL_STEPS_COMPLETED"


def test_tags_reach_the_instances_and_cannot_change_after_the_end(emr: Any) -> None:
    cluster_id = emr.launch(Tags=[{"Key": "run_id", "Value": "1"}])
    emr.call("AddTags", ResourceId=cluster_id, Tags=[{"Key": "owner", "Value": "me"}])
    emr.call("RemoveTags", ResourceId=cluster_id, TagKeys=["run_id"])
    assert emr.cluster(cluster_id)["Tags"] == [{"Key": "owner", "Value": "me"}]
    assert emr.machines[cluster_id].tags == [({"owner": "me"}, []), ({}, ["run_id"])]
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    emr.until(cluster_id, "TERMINATED")
    with pytest.raises(AwsError, match="cannot be modified"):
        emr.call("AddTags", ResourceId=cluster_id, Tags=[{"Key": "a", "Value": "b"}])

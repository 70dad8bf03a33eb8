"""Steps: order, failure actions, cancelling, concurrency (docs/aws_facts.md 1.3-1.5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from emrbox.aws.errors import AwsError
from emrbox.emr.api import history
from emrbox.emr.life.model import Status
from emrbox.emr.life.states import StepState


def test_steps_run_one_after_the_other_in_submission_order(emr: Any) -> None:
    cluster_id = emr.launch()
    first, second = emr.add(cluster_id, emr.step_request("a"), emr.step_request("b"))
    emr.run_of(cluster_id, first)
    assert emr.step_state(cluster_id, second) == "PENDING"
    assert emr.cluster(cluster_id)["Status"]["State"] == "RUNNING"
    emr.run_of(cluster_id, first).end(0)
    emr.run_of(cluster_id, second).end(0)
    emr.until_step(cluster_id, second, "COMPLETED")
    reason = emr.until(cluster_id, "WAITING")["Status"]["StateChangeReason"]
    assert reason == {"Message": "Cluster ready after last step completed."}


@pytest.mark.parametrize("action", ["CONTINUE", "CANCEL_AND_WAIT"])
def test_a_failing_step_leaves_a_kept_alive_cluster_waiting(emr: Any, action: str) -> None:
    cluster_id = emr.launch()
    failing, later = emr.add(cluster_id, emr.step_request("a", action), emr.step_request("b"))
    emr.run_of(cluster_id, failing).end(1)
    if action == "CONTINUE":
        emr.run_of(cluster_id, later).end(0)
        emr.until_step(cluster_id, later, "COMPLETED")
    else:
        emr.until_step(cluster_id, later, "CANCELLED")
    emr.until(cluster_id, "WAITING")
    step = emr.call("DescribeStep", ClusterId=cluster_id, StepId=failing)["Step"]
    assert step["Status"]["FailureDetails"]["Reason"] == "Unknown Error."


@pytest.mark.parametrize(
    ("keep_alive", "protected", "ends"),
    [(False, False, True), (False, True, True), (True, True, False), (True, False, True)],
)
def test_terminate_cluster_on_failure_follows_the_table(
    emr: Any, *, keep_alive: bool, protected: bool, ends: bool
) -> None:
    emr.starts_at_once = False
    cluster_id = emr.launch(
        Instances={"KeepJobFlowAliveWhenNoSteps": keep_alive, "TerminationProtected": protected}
    )
    failing, later = emr.add(cluster_id, emr.step_request("a", "TERMINATE_CLUSTER"), emr.step_request("b"))
    emr.machines[cluster_id].is_open = True
    emr.run_of(cluster_id, failing).end(1)
    emr.until_step(cluster_id, later, "CANCELLED")
    cluster = emr.until(cluster_id, "TERMINATED_WITH_ERRORS" if ends else "WAITING")
    if ends:
        assert cluster["Status"]["StateChangeReason"] == {
            "Code": "STEP_FAILURE",
            "Message": "Shut down as step failed",
        }


def test_a_failed_step_that_continues_ends_an_auto_terminating_cluster_without_errors(emr: Any) -> None:
    emr.starts_at_once = False
    cluster_id = emr.launch(Instances={"KeepJobFlowAliveWhenNoSteps": False})
    (step,) = emr.add(cluster_id, emr.step_request())
    emr.machines[cluster_id].is_open = True
    emr.run_of(cluster_id, step).end(1)
    status = emr.until(cluster_id, "TERMINATED")["Status"]
    assert status["StateChangeReason"] == {"Code": "STEP_FAILURE", "Message": "Steps completed with errors"}


def test_cancelling_kills_a_running_step_and_drops_a_pending_one(emr: Any) -> None:
    cluster_id = emr.launch()
    running, pending, third = emr.add(cluster_id, *[emr.step_request()] * 3)
    emr.run_of(cluster_id, running)
    answer = emr.call("CancelSteps", ClusterId=cluster_id, StepIds=[running, pending])
    assert [info["Status"] for info in answer["CancelStepsInfoList"]] == ["SUBMITTED", "SUBMITTED"]
    emr.until_step(cluster_id, running, "CANCELLED")
    assert emr.step_state(cluster_id, pending) == "CANCELLED"
    emr.run_of(cluster_id, third).end(0)
    emr.until_step(cluster_id, third, "COMPLETED")
    answer = emr.call("CancelSteps", ClusterId=cluster_id, StepIds=[third])
    assert answer["CancelStepsInfoList"][0]["Status"] == "FAILED"


def test_a_step_that_ignores_sigterm_stays_cancel_pending_until_it_is_killed(emr: Any) -> None:
    cluster_id = emr.launch()
    (step,) = emr.add(cluster_id, emr.step_request())
    emr.run_of(cluster_id, step).ignores_interrupt = True
    emr.until(cluster_id, "RUNNING")
    emr.call("CancelSteps", ClusterId=cluster_id, StepIds=[step])
    assert emr.step_state(cluster_id, step) == "CANCEL_PENDING"
    emr.run_of(cluster_id, step).kill()
    emr.until_step(cluster_id, step, "CANCELLED")


def test_a_step_that_was_asked_to_stop_can_still_be_killed(emr: Any) -> None:
    cluster_id = emr.launch()
    (step,) = emr.add(cluster_id, emr.step_request())
    emr.run_of(cluster_id, step).ignores_interrupt = True
    emr.call("CancelSteps", ClusterId=cluster_id, StepIds=[step])
    assert emr.step_state(cluster_id, step) == "CANCEL_PENDING"
    kill = {"StepIds": [step], "StepCancellationOption": "TERMINATE_PROCESS"}
    answer = emr.call("CancelSteps", ClusterId=cluster_id, **kill)
    assert answer["CancelStepsInfoList"] == [{"StepId": step, "Status": "SUBMITTED"}]
    emr.until_step(cluster_id, step, "CANCELLED")


def test_a_step_that_ends_well_while_it_is_cancelled_is_completed(emr: Any) -> None:
    cluster_id = emr.launch()
    (step,) = emr.add(cluster_id, emr.step_request())
    emr.run_of(cluster_id, step).ignores_interrupt = True
    emr.call("CancelSteps", ClusterId=cluster_id, StepIds=[step])
    emr.run_of(cluster_id, step).end(0)
    emr.until_step(cluster_id, step, "COMPLETED")


def test_concurrency_runs_several_steps_and_admits_only_continue(emr: Any) -> None:
    cluster_id = emr.launch(StepConcurrencyLevel=2)
    first, second, third = emr.add(cluster_id, *[emr.step_request()] * 3)
    emr.run_of(cluster_id, first)
    emr.run_of(cluster_id, second)
    assert emr.step_state(cluster_id, third) == "PENDING"
    with pytest.raises(AwsError, match="Action on failure 'CANCEL_AND_WAIT' is invalid"):
        emr.add(cluster_id, emr.step_request(action="CANCEL_AND_WAIT"))
    assert emr.call("ModifyCluster", ClusterId=cluster_id, StepConcurrencyLevel=3) == {
        "StepConcurrencyLevel": 3
    }
    emr.run_of(cluster_id, third)


def test_steps_cannot_be_added_to_a_cluster_that_ends(emr: Any) -> None:
    cluster_id = emr.launch()
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    with pytest.raises(AwsError, match="may not be modified") as refusal:
        emr.add(cluster_id, emr.step_request())
    assert refusal.value.code == "ValidationException"


def test_there_are_at_most_256_active_steps(emr: Any) -> None:
    emr.starts_at_once = False
    cluster_id = emr.launch()
    emr.add(cluster_id, *[emr.step_request()] * 256)
    with pytest.raises(AwsError, match="Maximum number of active steps"):
        emr.add(cluster_id, emr.step_request())


def test_steps_are_listed_newest_first_in_pages_of_fifty(emr: Any) -> None:
    emr.starts_at_once = False
    cluster_id = emr.launch()
    added = emr.add(cluster_id, *[emr.step_request()] * 120)
    listed, marker = [], None
    while True:
        page = emr.call("ListSteps", ClusterId=cluster_id, **({"Marker": marker} if marker else {}))
        assert len(page["Steps"]) <= 50
        listed += [step["Id"] for step in page["Steps"]]
        marker = page.get("Marker")
        if marker is None:
            break
    assert listed == added[::-1]


def test_a_launch_takes_256_steps_and_no_more(emr: Any) -> None:
    emr.starts_at_once = False
    with pytest.raises(AwsError, match="Maximum number of active steps"):
        emr.launch(Steps=[emr.step_request()] * 257)
    cluster_id = emr.launch(Steps=[emr.step_request()] * 256)
    with pytest.raises(AwsError, match="Maximum number of active steps"):
        emr.add(cluster_id, emr.step_request())
    (newest, *_) = emr.call("ListSteps", ClusterId=cluster_id)["Steps"]
    emr.call("CancelSteps", ClusterId=cluster_id, StepIds=[newest["Id"]])
    emr.add(cluster_id, emr.step_request())


def test_a_page_goes_on_when_the_last_step_of_the_one_before_has_changed_its_state(emr: Any) -> None:
    emr.starts_at_once = False
    cluster_id = emr.launch()
    added = emr.add(cluster_id, *[emr.step_request()] * 52)
    pending = {"ClusterId": cluster_id, "StepStates": ["PENDING"]}
    first = emr.call("ListSteps", **pending)
    emr.call("CancelSteps", ClusterId=cluster_id, StepIds=[first["Steps"][-1]["Id"]])
    second = emr.call("ListSteps", **pending, Marker=first["Marker"])
    assert [step["Id"] for step in second["Steps"]] == [added[1], added[0]]
    assert "Marker" not in second


def test_a_thousand_steps_of_any_age_are_shown_and_ten_thousand_of_a_week(emr: Any) -> None:
    emr.starts_at_once = False
    cluster_id = emr.launch()
    (first,) = emr.add(cluster_id, emr.step_request())
    record = emr.store.cluster(cluster_id)
    template = record.steps[0]
    for day, count in ((0, 600), (8, 9_500), (9, 600)):
        when = emr.clock.now() + timedelta(days=day)
        record.steps += [
            replace(template, id=f"s-{day}-{n}", status=Status(StepState.COMPLETED, when, ended=when))
            for n in range(count)
        ]
    emr.clock.advance(14 * 86400)

    def shown(day: int) -> int:
        return sum(step.id.startswith(f"s-{day}-") for step in history.steps(record, emr.clock.now()))

    assert (shown(0), shown(8), shown(9)) == (0, 9_400, 600)
    emr.clock.advance(30 * 86400)
    assert (shown(0), shown(8), shown(9)) == (0, 400, 600)
    assert emr.step_state(cluster_id, first) == "PENDING"  # what is not over is always there
    with pytest.raises(AwsError, match="Step id 's-0-1' is not valid"):
        emr.step_state(cluster_id, "s-0-1")


def test_list_steps_by_id_takes_ten_and_no_states(emr: Any) -> None:
    emr.starts_at_once = False
    cluster_id = emr.launch()
    added = emr.add(cluster_id, *[emr.step_request()] * 11)
    found = emr.call("ListSteps", ClusterId=cluster_id, StepIds=added[:2])["Steps"]
    assert [step["Id"] for step in found] == [added[1], added[0]]
    for bad in ({"StepIds": added}, {"StepIds": added[:1], "StepStates": ["PENDING"]}, {"StepIds": ["s-X"]}):
        with pytest.raises(AwsError) as refusal:
            emr.call("ListSteps", ClusterId=cluster_id, **bad)
        assert refusal.value.code == "InvalidRequestException"


def test_cancel_and_wait_does_not_fire_when_concurrency_was_lowered_while_several_ran(emr: Any) -> None:
    cluster_id = emr.launch()
    emr.until(cluster_id, "WAITING")
    first, second = emr.add(cluster_id, emr.step_request(action="CANCEL_AND_WAIT"), emr.step_request())
    emr.run_of(cluster_id, first)
    emr.call("ModifyCluster", ClusterId=cluster_id, StepConcurrencyLevel=2)
    emr.run_of(cluster_id, second)
    (third,) = emr.add(cluster_id, emr.step_request())
    emr.call("ModifyCluster", ClusterId=cluster_id, StepConcurrencyLevel=1)
    emr.run_of(cluster_id, first).end(1)
    emr.until_step(cluster_id, first, "FAILED")
    assert emr.step_state(cluster_id, third) == "PENDING"
    for step in (second, third):
        emr.run_of(cluster_id, step).end(0)
        emr.until_step(cluster_id, step, "COMPLETED")


@pytest.mark.parametrize("command", ["spark-example", "hive-script", "pig-script"])
def test_commands_that_need_missing_software_are_refused_by_name(emr: Any, command: str) -> None:
    step = emr.step_request()
    step["HadoopJarStep"]["Args"] = [command, "--run"]
    with pytest.raises(AwsError, match=f"{command} .step work. is not available in this region"):
        emr.launch(Steps=[step])
    cluster_id = emr.launch()
    with pytest.raises(AwsError, match=f"{command} .step work. is not available"):
        emr.add(cluster_id, step)
    step["HadoopJarStep"]["Jar"] = "s3://mine/own.jar"  # which may have a command of that name
    assert emr.add(cluster_id, step)


def test_runtime_roles_are_refused_by_name(emr: Any) -> None:
    cluster_id, role = emr.launch(), "arn:aws:iam::123456789012:role/of-steps"
    steps = [emr.step_request()]
    with pytest.raises(AwsError, match=r"^ValidationException: ExecutionRoleArn is not .* no runtime roles"):
        emr.call("AddJobFlowSteps", JobFlowId=cluster_id, Steps=steps, ExecutionRoleArn=role)
    with pytest.raises(
        AwsError, match=r"^ValidationException: StepExecutionRoleArn is not .* no runtime roles"
    ):
        emr.launch(StepExecutionRoleArn=role)

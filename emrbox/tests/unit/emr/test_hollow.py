"""Hollow clusters under the movable clock: hours pass in no time, each thing at its own moment."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hollow_emr import HOLLOW, HollowEmr, script

from emrbox.aws.errors import AwsError
from emrbox.emr.hollow.scripts import Scripts
from emrbox.emr.life import clock as clock_module
from emrbox.emr.life.clock import MovableClock


@pytest.fixture
def emr(emr: Any) -> HollowEmr:
    return HollowEmr(emr.run_request)


def test_a_hollow_cluster_waits_at_once_and_has_instances_that_ec2_does_not_know(emr: HollowEmr) -> None:
    cluster_id = emr.launch()
    assert emr.status(cluster_id)["State"] == "WAITING"
    instances = emr.call("ListInstances", ClusterId=cluster_id)["Instances"]
    assert {i["Status"]["State"] for i in instances} == {"RUNNING"}
    assert len({i["PrivateIpAddress"] for i in instances}) == 3
    assert all(i["PrivateIpAddress"].startswith("198.18.") for i in instances)


def test_a_step_of_two_hours_ends_at_its_own_moment(emr: HollowEmr) -> None:
    cluster_id = emr.launch(script(seconds=7200), script(seconds=60))
    emr.clock.advance(7199)
    assert emr.step_states(cluster_id) == ["RUNNING", "PENDING"]
    emr.clock.advance(10000)
    first, second = (step["Status"]["Timeline"] for step in emr.steps(cluster_id))
    assert first["EndDateTime"] == second["StartDateTime"] == emr.after(7200)
    assert second["EndDateTime"] == emr.after(7260)
    assert (
        emr.status(cluster_id)["StateChangeReason"]["Message"] == "Cluster ready after last step completed."
    )


def test_a_failing_step_says_why_and_its_action_follows(emr: HollowEmr) -> None:
    failing = script(action="TERMINATE_CLUSTER", seconds=5, exit_code=1, message="java.lang.OutOfMemoryError")
    cluster_id = emr.launch(failing, script(), LogUri="s3://logs/emr/")
    emr.clock.advance(5)
    status = emr.status(cluster_id)
    assert (status["State"], status["StateChangeReason"]["Code"]) == (
        "TERMINATED_WITH_ERRORS",
        "STEP_FAILURE",
    )
    failed, cancelled = emr.steps(cluster_id)
    details = failed["Status"]["FailureDetails"]
    assert details["Message"] == "java.lang.OutOfMemoryError"
    assert details["LogFile"] == f"s3://logs/emr/{cluster_id}/steps/{failed['Id']}/stderr.gz"
    assert cancelled["Status"]["State"] == "CANCELLED"


def test_a_rule_scripts_the_steps_of_a_program_that_knows_nothing_of_it(emr: HollowEmr) -> None:
    rule = {"step": "sd*", "cluster": "te?t", "seconds": 30, "exit_code": 1, "message": "planned"}
    emr.hollow.scripts.change({"steps": [rule], "all_launches": True})
    work = {"Name": "sd 2026", "ActionOnFailure": "CONTINUE", "HadoopJarStep": {"Jar": "s3://b/x.jar"}}
    cluster_id = emr.launch(work, {**work, "Name": "other"}, Tags=[])
    emr.clock.advance(29)
    assert emr.step_states(cluster_id) == ["RUNNING", "PENDING"]
    emr.clock.advance(1)
    assert emr.step_states(cluster_id) == ["FAILED", "COMPLETED"]
    assert emr.steps(cluster_id)[0]["Status"]["FailureDetails"]["Message"] == "planned"


def test_a_rule_with_a_misspelled_word_is_refused_by_that_word() -> None:
    with pytest.raises(ValueError, match="unknown secs; known are step, cluster, account, seconds"):
        Scripts().change({"steps": [{"step": "load", "secs": 3}]})


def test_a_script_that_cannot_be_read_fails_its_step_and_says_why(emr: HollowEmr) -> None:
    (failed,) = emr.steps(emr.launch(script(seconds="soon")))
    assert "emrbox-script" in failed["Status"]["FailureDetails"]["Message"]


def test_the_idle_policy_ends_a_cluster_at_its_time_after_the_last_step(emr: HollowEmr) -> None:
    cluster_id = emr.launch(script(seconds=1000), AutoTerminationPolicy={"IdleTimeout": 600})
    emr.clock.advance(1599)
    assert emr.state(cluster_id) == "WAITING"
    emr.clock.advance(1)
    status = emr.status(cluster_id)
    assert status["State"] == "TERMINATED"
    assert status["Timeline"]["EndDateTime"] == emr.after(1600)


def test_an_idle_policy_that_comes_later_counts_from_then_and_a_removed_one_not_at_all(
    emr: HollowEmr,
) -> None:
    kept, ended = emr.launch(), emr.launch()
    emr.clock.advance(5000)
    for cluster_id in (kept, ended):
        emr.call("PutAutoTerminationPolicy", ClusterId=cluster_id, AutoTerminationPolicy={"IdleTimeout": 60})
    emr.call("RemoveAutoTerminationPolicy", ClusterId=kept)
    emr.clock.advance(59)
    assert emr.state(ended) == "WAITING"
    emr.clock.advance(1)
    assert (emr.state(kept), emr.state(ended)) == ("WAITING", "TERMINATED")


def test_a_cluster_that_is_not_kept_alive_ends_after_its_steps(emr: HollowEmr) -> None:
    cluster_id = emr.launch(script(seconds=60), Instances={"KeepJobFlowAliveWhenNoSteps": False})
    assert emr.state(cluster_id) == "RUNNING"
    emr.clock.advance(60)
    assert emr.status(cluster_id)["StateChangeReason"]["Code"] == "ALL_STEPS_COMPLETED"
    instances = emr.call("ListInstances", ClusterId=cluster_id)["Instances"]
    assert {i["Status"]["State"] for i in instances} == {"TERMINATED"}


def test_a_running_step_is_cancelled_and_the_next_one_starts(emr: HollowEmr) -> None:
    cluster_id = emr.launch(script(seconds=600), script(seconds=600))
    first, _ = emr.steps(cluster_id)
    emr.call("CancelSteps", ClusterId=cluster_id, StepIds=[first["Id"]])
    assert emr.step_states(cluster_id) == ["CANCELLED", "RUNNING"]


def test_termination_cancels_what_is_unfinished(emr: HollowEmr) -> None:
    cluster_id = emr.launch(script(seconds=600), script())
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    assert emr.status(cluster_id)["StateChangeReason"]["Code"] == "USER_REQUEST"
    assert emr.step_states(cluster_id) == ["CANCELLED", "CANCELLED"]
    emr.clock.advance(600)
    assert emr.step_states(cluster_id) == ["CANCELLED", "CANCELLED"]


def test_delays_are_of_the_order_of_real_clusters_and_the_same_for_the_same_seed(emr: HollowEmr) -> None:
    def ready_after() -> float:
        emr.hollow.delays.change({"profile": "real", "seed": 7})
        cluster_id = emr.launch()
        assert emr.status(cluster_id)["StateChangeReason"]["Message"] == "Configuring cluster software"
        emr.clock.advance(3600)
        timeline = emr.status(cluster_id)["Timeline"]
        return float((timeline["ReadyDateTime"] - timeline["CreationDateTime"]).total_seconds())

    first = ready_after()
    assert 240 <= first <= 420  # docs/aws_facts.md 8
    assert ready_after() == first
    with pytest.raises(ValueError, match="profile"):
        emr.hollow.delays.change({"profile": "quick"})


def test_termination_takes_its_time_when_delays_say_so(emr: HollowEmr) -> None:
    cluster_id = emr.launch()
    emr.hollow.delays.change({"phases": {"terminating": [60, 60]}})
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    emr.clock.advance(59)
    assert emr.state(cluster_id) == "TERMINATING"
    emr.clock.advance(1)
    assert emr.state(cluster_id) == "TERMINATED"


def test_a_cluster_can_be_terminated_while_it_starts(emr: HollowEmr) -> None:
    emr.hollow.delays.change({"profile": "real"})
    cluster_id = emr.launch()
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    emr.clock.advance(3600)
    status = emr.status(cluster_id)
    assert status["State"] == "TERMINATED"
    assert "ReadyDateTime" not in status["Timeline"]


def test_the_clock_goes_on_with_real_time_unless_it_is_frozen() -> None:
    clock = MovableClock()
    done: list[Any] = []
    clock.call_later(0.02, lambda: done.append(clock.now()))
    while not done:
        time.sleep(0.005)
    clock.freeze()
    still = clock.now()
    assert clock.now() == still
    clock.advance(3600)
    assert clock.now() == still + timedelta(hours=1)
    clock.run()
    assert clock.now() > still + timedelta(hours=1)
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)


def test_the_clock_does_not_fall_behind_real_time_by_the_work_that_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real_seconds = [0.0]

    def work() -> None:
        real_seconds[0] += 10

    monkeypatch.setattr(clock_module, "time", SimpleNamespace(monotonic=lambda: real_seconds[0]))
    clock = MovableClock(start := datetime.now(UTC))
    clock.call_later(3600, work)
    clock.advance(3600)
    assert clock.now() - start == timedelta(hours=1, seconds=10)


def test_work_that_fails_does_not_stop_the_clock() -> None:
    clock = MovableClock()
    clock.freeze()
    done: list[int] = []
    clock.call_later(1, lambda: 1 / 0)  # type: ignore[arg-type]  # it only raises
    clock.call_later(2, lambda: done.append(2))
    clock.advance(3)
    assert done == [2]


def test_five_hundred_hollow_clusters_live_side_by_side(emr: HollowEmr) -> None:
    """How quickly they are listed, `make bench` measures."""
    launched = {emr.launch(script(seconds=7200)) for _ in range(500)}
    emr.clock.advance(7200)
    found: set[str] = set()
    where: dict[str, Any] = {}
    for _ in range(10):
        page = emr.call("ListClusters", ClusterStates=["WAITING"], **where)
        found |= {cluster["Id"] for cluster in page["Clusters"]}
        where = {"Marker": page["Marker"]} if "Marker" in page else {}
    assert found == launched


def test_no_capacity_ends_a_launch_as_aws_words_it(emr: HollowEmr) -> None:
    emr.faults.add({"kind": "no-capacity", "count": 1, "parameters": {"role": "CORE"}})
    status = emr.status(emr.launch())
    assert status["State"] == "TERMINATED_WITH_ERRORS"
    reason = status["StateChangeReason"]
    assert reason["Code"] == "INTERNAL_ERROR"
    assert reason["Message"].startswith(
        "EC2 is out of capacity for m5.xlarge in availability zone us-east-1a."
    )
    (detail,) = status["ErrorDetails"]
    code = "INTERNAL_ERROR_EC2_INSUFFICIENT_CAPACITY_AZ"
    assert detail["ErrorCode"] == code
    assert {"instance-type": "m5.xlarge"} in detail["ErrorData"]
    assert detail["ErrorData"][-1]["public-doc"].endswith(f"/ManagementGuide/{code}.html")
    assert emr.state(emr.launch()) == "WAITING"


def test_no_spot_capacity_for_the_master_has_a_code_of_its_own(emr: HollowEmr) -> None:
    emr.faults.add({"kind": "no-capacity"})
    master = {"InstanceRole": "MASTER", "Market": "SPOT", "InstanceType": "m5.xlarge", "InstanceCount": 1}
    (detail,) = emr.status(emr.launch(Instances={"InstanceGroups": [master]}))["ErrorDetails"]
    assert detail["ErrorCode"] == "INTERNAL_ERROR_SPOT_NO_CAPACITY_PRIMARY"


def test_a_bootstrap_action_fails_on_one_node(emr: HollowEmr) -> None:
    emr.faults.add({"kind": "bootstrap-fails"})
    assert emr.state(emr.launch()) == "WAITING"  # it has no bootstrap action
    action = {"Name": "b", "ScriptBootstrapAction": {"Path": "s3://b/x.sh"}}
    status = emr.status(emr.launch(BootstrapActions=[action]))
    assert status["State"] == "TERMINATED_WITH_ERRORS"
    assert status["StateChangeReason"]["Code"] == "BOOTSTRAP_FAILURE"
    assert status["StateChangeReason"]["Message"].startswith("On 1 slave instance")


def test_a_start_fails_with_the_reason_that_is_asked_for(emr: HollowEmr) -> None:
    wanted = {"reason": "VALIDATION_ERROR", "message": "no such key", "detail": "VALIDATION_ERROR_X"}
    emr.faults.add({"kind": "start-fails", "count": 1, "parameters": wanted})
    status = emr.status(emr.launch())
    assert status["State"] == "TERMINATED_WITH_ERRORS"
    assert status["StateChangeReason"] == {"Code": "VALIDATION_ERROR", "Message": "no such key"}
    assert [one["ErrorCode"] for one in status["ErrorDetails"]] == ["VALIDATION_ERROR_X"]
    assert emr.state(emr.launch()) == "WAITING"


@pytest.mark.parametrize(("with_errors", "state"), [(1, "TERMINATED_WITH_ERRORS"), (0, "TERMINATED")])
def test_a_cluster_fails_in_the_middle_of_a_step(emr: HollowEmr, with_errors: int, state: str) -> None:
    cluster_id = emr.launch(script(seconds=7200))
    wanted = {"reason": "", "message": "", "with_errors": with_errors, "after_seconds": 600}
    emr.faults.add({"kind": "cluster-fails", "parameters": wanted})
    emr.clock.advance(599)
    assert emr.state(cluster_id) == "RUNNING"
    emr.clock.advance(1)
    status = emr.status(cluster_id)
    assert (status["State"], status["StateChangeReason"]) == (state, {})
    assert emr.step_states(cluster_id) == ["CANCELLED"]


def test_emr_forgets_a_cluster_two_months_after_it_has_ended(emr: HollowEmr) -> None:
    living, ended = emr.launch(), emr.launch()
    emr.call("TerminateJobFlows", JobFlowIds=[ended])
    emr.clock.advance(59 * 86400)
    assert emr.state(ended) == "TERMINATED"
    emr.clock.advance(2 * 86400)
    assert emr.state(living) == "WAITING"
    with pytest.raises(AwsError, match="not valid"):
        emr.call("DescribeCluster", ClusterId=ended)


@pytest.mark.parametrize("kind", ["start-fails", "cluster-fails"])
def test_a_reason_that_emr_does_not_have_is_refused(emr: HollowEmr, kind: str) -> None:
    with pytest.raises(ValueError, match="INTERNAL_ERROR"):
        emr.faults.add({"kind": kind, "parameters": {"reason": "SOMETHING"}})


def test_the_master_is_lost_in_the_middle_of_a_step(emr: HollowEmr) -> None:
    cluster_id = emr.launch(script(seconds=7200))
    emr.faults.add({"kind": "master-lost", "cluster": cluster_id, "parameters": {"after_seconds": 600}})
    emr.clock.advance(599)
    assert emr.state(cluster_id) == "RUNNING"
    emr.clock.advance(1)
    status = emr.status(cluster_id)
    assert status["State"] == "TERMINATED_WITH_ERRORS"
    assert status["StateChangeReason"]["Code"] == "INSTANCE_FAILURE"
    assert emr.step_states(cluster_id) == ["INTERRUPTED"]


def test_all_core_nodes_are_lost_once_the_cluster_waits_and_it_goes_on_waiting(emr: HollowEmr) -> None:
    emr.faults.add({"kind": "core-lost"})
    cluster_id = emr.launch(script(seconds=60))
    emr.clock.advance(59)
    assert emr.core_count(cluster_id) == 2
    emr.clock.advance(1)
    assert (emr.state(cluster_id), emr.core_count(cluster_id)) == ("WAITING", 0)
    emr.clock.advance(3600)
    assert (emr.state(cluster_id), emr.core_count(cluster_id)) == ("WAITING", 0)
    emr.faults.clear()
    assert emr.core_count(emr.launch()) == 2


def test_lost_core_nodes_are_replaced_where_ec2_has_capacity(emr: HollowEmr) -> None:
    cluster_id = emr.launch()
    emr.hollow.delays.change({"phases": {"resizing": [300, 300]}})
    emr.faults.add({"kind": "core-lost", "parameters": {"replaced": 1}})
    emr.clock.advance(299)
    assert emr.core_count(cluster_id) == 0
    emr.clock.advance(1)
    assert emr.core_count(cluster_id) == 2


def test_a_spot_interruption_is_announced_two_minutes_before(emr: HollowEmr) -> None:
    groups = [
        {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
        {"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": 2, "Market": "SPOT"},
    ]
    cluster_id = emr.launch(Instances={"InstanceGroups": groups})
    emr.faults.add({"kind": "spot-interruption"})
    emr.clock.advance(0)
    (event,) = emr.published
    assert event["detail-type"] == "EC2 Spot Instance Interruption Warning"
    emr.clock.advance(119)
    assert {i["Status"]["State"] for i in emr.instances(cluster_id)} == {"RUNNING"}
    emr.clock.advance(1)
    gone = [i for i in emr.instances(cluster_id) if i["Status"]["State"] == "TERMINATED"]
    assert [i["Ec2InstanceId"] for i in gone] == [event["detail"]["instance-id"]]


def test_a_fault_waits_for_a_cluster_that_has_its_nodes(emr: HollowEmr) -> None:
    fault = emr.faults.add({"kind": "spot-interruption"})
    emr.launch()
    emr.clock.advance(0)
    assert (fault.fired, fault.count) == (0, 1)
    groups = [
        {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
        {"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": 1, "Market": "SPOT"},
    ]
    with_spot = emr.launch(Instances={"InstanceGroups": groups})
    emr.clock.advance(120)
    assert (fault.fired, fault.count, len(emr.published)) == (1, 0, 1)
    gone = [i for i in emr.instances(with_spot) if i["Status"]["State"] == "TERMINATED"]
    assert [i["Market"] for i in gone] == ["SPOT"]


def test_a_resize_that_names_only_its_group_is_of_the_groups_cluster(emr: HollowEmr) -> None:
    cluster_id = emr.launch()
    groups = emr.call("ListInstanceGroups", ClusterId=cluster_id)["InstanceGroups"]
    change = {"InstanceGroupId": groups[1]["Id"], "InstanceCount": 5}
    body = json.dumps({"InstanceGroups": [change]}).encode()
    assert emr.service.clusters_named(body) == [cluster_id, "test"]
    emr.faults.add({"kind": "lag", "parameters": {"seconds": 10}})
    emr.clock.advance(60)
    emr.call("ModifyInstanceGroups", InstanceGroups=[change])
    assert emr.core_count(cluster_id) == 2
    emr.clock.advance(10)
    assert emr.core_count(cluster_id) == 5
    arn = f"arn:aws:elasticmapreduce:us-east-1:123456789012:cluster/{cluster_id}"
    emr.policy.append({"Effect": "Deny", "Action": "elasticmapreduce:ModifyInstanceGroups", "Resource": arn})
    with pytest.raises(AwsError, match="explicit deny"):
        emr.call("ModifyInstanceGroups", InstanceGroups=[change])


def test_a_stuck_termination_lasts_its_time_or_until_the_fault_is_removed(emr: HollowEmr) -> None:
    timed, held = emr.launch(Name="timed"), emr.launch(Name="held")
    emr.faults.add({"kind": "termination-stuck", "cluster": "timed", "parameters": {"seconds": 900}})
    fault = emr.faults.add({"kind": "termination-stuck", "cluster": "held"})
    emr.call("TerminateJobFlows", JobFlowIds=[timed, held])
    emr.clock.advance(890)
    assert (emr.state(timed), emr.state(held)) == ("TERMINATING", "TERMINATING")
    emr.clock.advance(20)
    assert (emr.state(timed), emr.state(held)) == ("TERMINATED", "TERMINATING")
    emr.faults.remove(fault.id)
    emr.clock.advance(1)
    assert emr.state(held) == "TERMINATED"


def test_reads_lag_behind_writes(emr: HollowEmr) -> None:
    emr.faults.add({"kind": "lag", "parameters": {"seconds": 10}})
    cluster_id = emr.launch()
    assert emr.call("ListClusters")["Clusters"] == []
    with pytest.raises(AwsError, match="is not valid"):
        emr.status(cluster_id)
    emr.clock.advance(10)
    assert emr.state(cluster_id) == "WAITING"
    emr.call("AddTags", ResourceId=cluster_id, Tags=[{"Key": "late", "Value": "1"}])
    emr.call("AddJobFlowSteps", JobFlowId=cluster_id, Steps=[script(seconds=60)])
    assert emr.step_states(cluster_id) == []
    assert emr.tags(cluster_id) == HOLLOW
    assert emr.state(cluster_id) == "WAITING"
    emr.clock.advance(10)
    assert emr.step_states(cluster_id) == ["RUNNING"]
    assert {"Key": "late", "Value": "1"} in emr.tags(cluster_id)

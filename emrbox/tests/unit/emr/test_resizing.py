"""Groups that are added, grow, shrink and lose nodes."""

from __future__ import annotations

from typing import Any

import pytest

from emrbox.aws.errors import AwsError
from emrbox.emr.life.layer import StartFailureError
from emrbox.emr.life.model import ON_DEMAND, Ending, Reason
from emrbox.emr.life.states import ReasonCode

TASK = {"InstanceRole": "TASK", "InstanceType": "m5.xlarge", "InstanceCount": 1, "Name": "more"}


def group(emr: Any, cluster_id: str, role: str) -> dict[str, Any]:
    groups = emr.call("ListInstanceGroups", ClusterId=cluster_id)["InstanceGroups"]
    return next(dict(g) for g in groups if g["InstanceGroupType"] == role)


def sizes(emr: Any, cluster_id: str, role: str) -> tuple[str, int, int]:
    found = group(emr, cluster_id, role)
    return found["Status"]["State"], found["RequestedInstanceCount"], found["RunningInstanceCount"]


def resize(emr: Any, cluster_id: str, role: str, count: int | None = None, **more: Any) -> None:
    change = {"InstanceGroupId": group(emr, cluster_id, role)["Id"], **more}
    if count is not None:
        change["InstanceCount"] = count
    emr.call("ModifyInstanceGroups", ClusterId=cluster_id, InstanceGroups=[change])


def until(emr: Any, cluster_id: str, role: str, *wanted: Any) -> None:
    emr.wait_for(lambda: sizes(emr, cluster_id, role), lambda found: found == wanted)


@pytest.fixture
def cluster_id(emr: Any) -> str:
    launched = emr.launch()
    emr.until(launched, "WAITING")
    return str(launched)


def test_a_task_group_is_added_while_the_cluster_runs(emr: Any, cluster_id: str) -> None:
    answer = emr.call("AddInstanceGroups", JobFlowId=cluster_id, InstanceGroups=[TASK])
    assert len(answer["InstanceGroupIds"]) == 1
    until(emr, cluster_id, "TASK", "RUNNING", 1, 1)
    assert group(emr, cluster_id, "TASK")["Name"] == "more"
    timeline = group(emr, cluster_id, "TASK")["Status"]["Timeline"]
    assert "ReadyDateTime" in timeline


def test_growing_shows_resizing_until_the_nodes_have_joined_and_sends_events(
    emr: Any, cluster_id: str
) -> None:
    machines = emr.machines[cluster_id]
    machines.is_open = False
    resize(emr, cluster_id, "CORE", 4)
    until(emr, cluster_id, "CORE", "RESIZING", 4, 2)
    machines.is_open = True
    until(emr, cluster_id, "CORE", "RUNNING", 4, 4)
    details = [e["detail"] for e in emr.events if e["detail-type"] == "EMR Instance Group State Change"]
    assert [d["state"] for d in details] == ["RESIZING", "RUNNING"]
    assert details[0]["message"].endswith("It is resizing from an instance count of 2 to 4.")
    assert "is complete. It now has an instance count of 4." in details[1]["message"]
    assert (details[1]["requestedInstanceCount"], details[1]["runningInstanceCount"]) == ("4", "4")


def test_shrinking_decommissions_the_newest_nodes_before_it_ends_them(emr: Any, cluster_id: str) -> None:
    resize(emr, cluster_id, "CORE", 1)
    until(emr, cluster_id, "CORE", "RUNNING", 1, 1)
    machines = emr.machines[cluster_id]
    assert machines.decommissioned == machines.ended == ["i-core1"]
    ended = emr.call("ListInstances", ClusterId=cluster_id, InstanceStates=["TERMINATED"])["Instances"]
    assert [i["Ec2InstanceId"] for i in ended] == ["i-core1"]
    assert "EndDateTime" in ended[0]["Status"]["Timeline"]


def test_a_group_that_is_wanted_in_full_again_while_yarn_is_asked_loses_no_node(
    emr: Any, cluster_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = emr.machines[cluster_id]
    resize(emr, cluster_id, "CORE", 4)
    until(emr, cluster_id, "CORE", "RUNNING", 4, 4)
    order_to_leave = machines.order_to_leave

    def change_of_mind(asked: Any) -> Any:
        asked.targets = {ON_DEMAND: 4}
        return order_to_leave(asked)

    monkeypatch.setattr(machines, "order_to_leave", change_of_mind)
    resize(emr, cluster_id, "CORE", 2)
    until(emr, cluster_id, "CORE", "RUNNING", 4, 4)
    assert (machines.decommissioned, machines.ended) == ([], [])


def test_a_shrink_policy_says_who_leaves_first(emr: Any, cluster_id: str) -> None:
    policy = {"InstanceResizePolicy": {"InstancesToProtect": ["i-core1"]}, "DecommissionTimeout": 30}
    resize(emr, cluster_id, "CORE", 1, ShrinkPolicy=policy)
    until(emr, cluster_id, "CORE", "RUNNING", 1, 1)
    assert emr.machines[cluster_id].ended == ["i-core0"]
    assert group(emr, cluster_id, "CORE")["ShrinkPolicy"] == policy


def test_nodes_that_are_to_leave_first_have_a_time_out_of_their_own(emr: Any, cluster_id: str) -> None:
    first = {"InstancesToTerminate": ["i-core0"], "InstanceTerminationTimeout": 5}
    resize(emr, cluster_id, "CORE", 4)
    until(emr, cluster_id, "CORE", "RUNNING", 4, 4)
    resize(
        emr, cluster_id, "CORE", 2, ShrinkPolicy={"DecommissionTimeout": 30, "InstanceResizePolicy": first}
    )
    until(emr, cluster_id, "CORE", "RUNNING", 2, 2)
    assert emr.machines[cluster_id].waited_for == {"i-core0": 5, "i-core3": 30}


def test_instances_that_are_named_end_at_once_and_are_not_replaced(emr: Any, cluster_id: str) -> None:
    resize(emr, cluster_id, "CORE", EC2InstanceIdsToTerminate=["i-core0"])
    until(emr, cluster_id, "CORE", "RUNNING", 1, 1)
    assert emr.machines[cluster_id].ended == ["i-core0"]
    assert emr.machines[cluster_id].decommissioned == []


def test_lost_core_and_task_nodes_are_replaced(emr: Any, cluster_id: str) -> None:
    emr.machines[cluster_id].lost = {"i-core1"}
    emr.wait_for(
        lambda: {i["Ec2InstanceId"] for i in emr.call("ListInstances", ClusterId=cluster_id)["Instances"]},
        lambda found: "i-core2" in found,
    )
    until(emr, cluster_id, "CORE", "RUNNING", 2, 2)
    assert emr.cluster(cluster_id)["Status"]["State"] == "WAITING"


def test_without_capacity_a_group_is_suspended_until_it_is_resized_again(emr: Any, cluster_id: str) -> None:
    machines = emr.machines[cluster_id]
    reason = Reason(ReasonCode.INTERNAL_ERROR, "EC2 is out of capacity")
    machines.no_capacity = StartFailureError(Ending(reason, with_errors=True))
    machines.lost = {"i-core0", "i-core1"}  # zero core
    until(emr, cluster_id, "CORE", "SUSPENDED", 2, 0)
    assert group(emr, cluster_id, "CORE")["Status"]["StateChangeReason"] == {
        "Code": "INTERNAL_ERROR",
        "Message": "EC2 is out of capacity",
    }
    assert emr.cluster(cluster_id)["Status"]["State"] == "WAITING"
    machines.no_capacity = None
    resize(emr, cluster_id, "CORE", 3)
    until(emr, cluster_id, "CORE", "RUNNING", 3, 3)


def test_a_suspended_group_that_is_resized_to_what_it_has_runs_again(emr: Any, cluster_id: str) -> None:
    machines = emr.machines[cluster_id]
    reason = Reason(ReasonCode.INTERNAL_ERROR, "EC2 is out of capacity")
    machines.no_capacity = StartFailureError(Ending(reason, with_errors=True))
    resize(emr, cluster_id, "CORE", 4)
    until(emr, cluster_id, "CORE", "SUSPENDED", 4, 2)
    resize(emr, cluster_id, "CORE", 2)
    until(emr, cluster_id, "CORE", "RUNNING", 2, 2)
    messages = [e["detail"]["message"] for e in emr.events if "resiz" in e["detail"]["message"].lower()]
    assert "from an instance count of 2 to 2." in messages[-2]


def test_an_instance_that_could_not_be_let_go_is_missed_when_it_is_lost_later(
    emr: Any, cluster_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = emr.machines[cluster_id]

    def fail(*_: Any) -> None:
        raise OSError("YARN does not answer")

    monkeypatch.setattr(machines, "decommission", fail)
    resize(emr, cluster_id, "CORE", 1)
    until(emr, cluster_id, "CORE", "SUSPENDED", 1, 2)
    machines.lost = {"i-core1"}
    until(emr, cluster_id, "CORE", "SUSPENDED", 1, 1)


def test_a_node_that_fails_its_bootstrap_action_is_replaced_and_too_many_suspend_the_group(
    emr: Any, cluster_id: str
) -> None:
    machines = emr.machines[cluster_id]
    machines.unfit = 1
    resize(emr, cluster_id, "CORE", 3)
    until(emr, cluster_id, "CORE", "RUNNING", 3, 3)
    assert len(machines.ended) == 1
    machines.unfit = 100
    resize(emr, cluster_id, "CORE", 4)
    until(emr, cluster_id, "CORE", "SUSPENDED", 4, 3)


def test_terminating_while_a_group_grows_leaves_nothing_behind(emr: Any, cluster_id: str) -> None:
    machines = emr.machines[cluster_id]
    machines.is_open = False
    resize(emr, cluster_id, "CORE", 4)
    emr.wait_for(
        lambda: emr.call("ListInstances", ClusterId=cluster_id)["Instances"], lambda found: len(found) == 5
    )
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    emr.until(cluster_id, "TERMINATED")
    instances = emr.call("ListInstances", ClusterId=cluster_id)["Instances"]
    assert {i["Status"]["State"] for i in instances} == {"TERMINATED"}
    assert set(machines.ended) == {"i-core2", "i-core3"}  # the rest ends with the cluster


@pytest.mark.parametrize(
    ("role", "change", "message"),
    [
        ("MASTER", {"InstanceCount": 2}, "MASTER instance group cannot be resized"),
        ("CORE", {"InstanceCount": 0}, "fewer than the HDFS replication factor 1"),
        ("CORE", {"InstanceCount": 2001}, "Invalid instance count"),
        ("CORE", {"EC2InstanceIdsToTerminate": ["i-master0"]}, "is not part of instance group"),
    ],
)
def test_what_emr_refuses(emr: Any, cluster_id: str, role: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(AwsError, match=message):
        resize(emr, cluster_id, role, **change)


def test_the_replication_factor_that_is_configured_counts(emr: Any) -> None:
    configuration = {"Classification": "hdfs-site", "Properties": {"dfs.replication": "2"}}
    cluster_id = emr.launch(Configurations=[configuration])
    emr.until(cluster_id, "WAITING")
    with pytest.raises(AwsError, match="replication factor 2"):
        resize(emr, cluster_id, "CORE", 1)


@pytest.mark.parametrize("role", ["MASTER", "CORE"])
def test_only_task_groups_are_added(emr: Any, cluster_id: str, role: str) -> None:
    with pytest.raises(AwsError, match=r"cannot be added|Only TASK"):
        emr.call("AddInstanceGroups", JobFlowId=cluster_id, InstanceGroups=[{**TASK, "InstanceRole": role}])


def test_groups_do_not_change_before_the_cluster_is_ready_or_after_its_end(emr: Any) -> None:
    emr.starts_at_once = False
    cluster_id = emr.launch()
    for _ in range(2):
        with pytest.raises(AwsError, match="only be modified when the cluster is running or waiting"):
            emr.call("AddInstanceGroups", JobFlowId=cluster_id, InstanceGroups=[TASK])
        with pytest.raises(AwsError, match="only be modified when the cluster is running or waiting"):
            resize(emr, cluster_id, "CORE", 3)
        emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
        emr.until(cluster_id, "TERMINATED")


def test_protection_reaches_the_instances(emr: Any, cluster_id: str) -> None:
    emr.call("SetTerminationProtection", JobFlowIds=[cluster_id], TerminationProtected=True)
    assert emr.machines[cluster_id].protected is True

"""Unhealthy core nodes, and clusters with three masters."""

from __future__ import annotations

from typing import Any

import pytest
from hollow_emr import HollowEmr

from emrbox.aws.errors import AwsError

MINUTES = 60
THREE_MASTERS = [
    {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 3},
    {"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": 2},
]


def test_yarn_is_asked_for_the_health_of_nodes_every_minute(emr: Any) -> None:
    cluster_id = emr.launch()
    emr.until(cluster_id, "WAITING")
    machines = emr.machines[cluster_id]
    machines.sick_by_yarn = {"i-core0"}
    emr.clock.advance(44 * MINUTES)
    assert machines.ended == []
    emr.clock.advance(3 * MINUTES)
    assert (machines.decommissioned, machines.ended) == (["i-core0"], ["i-core0"])
    found, replacing = (
        event["detail"] for event in emr.events if event["detail-type"] == "EMR Unhealthy Node Replacement"
    )
    assert (found["severity"], found["instanceGroupType"]) == ("WARN", "CORE")
    assert found["message"].endswith(
        "are unhealthy. They will be replaced if they are unhealthy for 45 minutes."
    )
    assert "to replace the unhealthy core instances [i-core0] of instance group" in replacing["message"]


def test_unhealthy_nodes_that_stay_are_reported_as_such(emr: Any) -> None:
    cluster_id = emr.launch()
    emr.until(cluster_id, "WAITING")
    emr.call("SetUnhealthyNodeReplacement", JobFlowIds=[cluster_id], UnhealthyNodeReplacement=False)
    emr.machines[cluster_id].sick_by_yarn = {"i-core0", "i-core1"}
    emr.clock.advance(50 * MINUTES)
    kind = "EMR Unhealthy Node Replacement"
    [event] = [event["detail"]["message"] for event in emr.events if event["detail-type"] == kind]
    assert "core instances [i-core0, i-core1] of instance group" in event
    assert event.endswith("They will not be replaced.")


@pytest.fixture
def hollow(emr: Any) -> HollowEmr:
    return HollowEmr(emr.run_request)


def running(hollow: HollowEmr, cluster_id: str) -> set[str]:
    return {i["Id"] for i in hollow.instances(cluster_id) if i["Status"]["State"] == "RUNNING"}


def test_an_unhealthy_core_node_is_replaced_after_45_minutes(hollow: HollowEmr) -> None:
    cluster_id = hollow.launch()
    before = running(hollow, cluster_id)
    hollow.faults.add({"kind": "node-unhealthy"})
    hollow.clock.advance(44 * MINUTES)
    assert running(hollow, cluster_id) == before
    hollow.clock.advance(2 * MINUTES)
    after = running(hollow, cluster_id)
    assert (len(after), len(before - after), hollow.state(cluster_id)) == (3, 1, "WAITING")
    hollow.clock.advance(50 * MINUTES)
    assert running(hollow, cluster_id) == after  # the new node is healthy


def test_a_cluster_without_a_healthy_core_node_ends_after_45_minutes(hollow: HollowEmr) -> None:
    cluster_id = hollow.launch()
    hollow.faults.add({"kind": "node-unhealthy", "parameters": {"instances": 2}})
    hollow.clock.advance(44 * MINUTES)
    assert hollow.state(cluster_id) == "WAITING"
    hollow.clock.advance(2 * MINUTES)
    status = hollow.status(cluster_id)
    assert (status["State"], status["StateChangeReason"]) == (
        "TERMINATED_WITH_ERRORS",
        {"Code": "INSTANCE_FAILURE", "Message": "All slaves in the job flow were terminated"},
    )


def test_core_nodes_that_get_sick_one_after_the_other_are_replaced(emr: Any) -> None:
    cluster_id = emr.launch()
    emr.until(cluster_id, "WAITING")
    machines = emr.machines[cluster_id]
    machines.sick_by_yarn = {"i-core0"}
    emr.clock.advance(30 * MINUTES)
    machines.sick_by_yarn = {"i-core0", "i-core1"}
    emr.clock.advance(17 * MINUTES)
    assert machines.ended == ["i-core0"]
    emr.clock.advance(30 * MINUTES)
    assert machines.ended == ["i-core0", "i-core1"]
    assert emr.cluster(cluster_id)["Status"]["State"] == "WAITING"


def test_task_nodes_stay_as_they_are(hollow: HollowEmr) -> None:
    cluster_id = hollow.launch()
    task = {"InstanceRole": "TASK", "InstanceType": "m5.xlarge", "InstanceCount": 1}
    hollow.call("AddInstanceGroups", JobFlowId=cluster_id, InstanceGroups=[task])
    hollow.clock.advance(60)
    before = running(hollow, cluster_id)
    assert len(before) == 4
    hollow.faults.add({"kind": "node-unhealthy", "parameters": {"role": "TASK"}})
    hollow.clock.advance(60 * MINUTES)
    assert running(hollow, cluster_id) == before


def test_a_node_that_recovers_before_is_kept(hollow: HollowEmr) -> None:
    cluster_id = hollow.launch()
    before = running(hollow, cluster_id)
    hollow.faults.add({"kind": "node-unhealthy", "parameters": {"minutes": 40}})
    hollow.clock.advance(100 * MINUTES)
    assert running(hollow, cluster_id) == before


def test_nothing_is_replaced_while_that_is_off_or_the_cluster_is_protected(hollow: HollowEmr) -> None:
    off, protected = hollow.launch(), hollow.launch()
    hollow.call("SetUnhealthyNodeReplacement", JobFlowIds=[off], UnhealthyNodeReplacement=False)
    hollow.call("SetTerminationProtection", JobFlowIds=[protected], TerminationProtected=True)
    before = running(hollow, off) | running(hollow, protected)
    hollow.faults.add({"kind": "node-unhealthy", "count": None})
    hollow.clock.advance(60 * MINUTES)
    assert running(hollow, off) | running(hollow, protected) == before
    hollow.call("SetUnhealthyNodeReplacement", JobFlowIds=[off], UnhealthyNodeReplacement=True)
    hollow.clock.advance(1 * MINUTES)
    assert running(hollow, off) - before
    assert hollow.call("DescribeCluster", ClusterId=off)["Cluster"]["UnhealthyNodeReplacement"]


def test_of_three_masters_one_is_replaced_and_another_is_the_primary_node(hollow: HollowEmr) -> None:
    cluster_id = hollow.launch_in(InstanceGroups=THREE_MASTERS, KeepJobFlowAliveWhenNoSteps=False)
    described = hollow.call("DescribeCluster", ClusterId=cluster_id)["Cluster"]
    assert (described["AutoTerminate"], described["TerminationProtected"]) == (False, True)
    hollow.faults.add({"kind": "master-lost", "parameters": {"instances": 1}})
    hollow.clock.advance(60)
    masters = hollow.call("ListInstances", ClusterId=cluster_id, InstanceGroupTypes=["MASTER"])["Instances"]
    states = sorted(one["Status"]["State"] for one in masters)
    assert (states, hollow.state(cluster_id)) == (["RUNNING"] * 3 + ["TERMINATED"], "WAITING")
    primary = hollow.call("DescribeCluster", ClusterId=cluster_id)["Cluster"]["MasterPublicDnsName"]
    assert primary in {one["PrivateDnsName"] for one in masters if one["Status"]["State"] == "RUNNING"}


def test_two_of_three_masters_at_once_are_the_end(hollow: HollowEmr) -> None:
    cluster_id = hollow.launch_in(InstanceGroups=THREE_MASTERS)
    hollow.faults.add({"kind": "master-lost", "parameters": {"instances": 2}})
    hollow.clock.advance(60)
    assert hollow.state(cluster_id) == "TERMINATED_WITH_ERRORS"
    assert hollow.status(cluster_id)["StateChangeReason"]["Code"] == "INSTANCE_FAILURE"


def test_the_number_of_masters_is_one_or_three(hollow: HollowEmr) -> None:
    two = [{**THREE_MASTERS[0], "InstanceCount": 2}, THREE_MASTERS[1]]
    with pytest.raises(AwsError, match="must have exactly 3 instances for HA clusters"):
        hollow.launch_in(InstanceGroups=two)
    cluster_id = hollow.launch_in(InstanceGroups=THREE_MASTERS)
    master = hollow.call("ListInstanceGroups", ClusterId=cluster_id)["InstanceGroups"][0]["Id"]
    with pytest.raises(AwsError, match="cannot be resized"):
        hollow.call("ModifyInstanceGroups", InstanceGroups=[{"InstanceGroupId": master, "InstanceCount": 1}])

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


@pytest.fixture
def emr(emr: Any) -> HollowEmr:
    return HollowEmr(emr.run_request)


def running(emr: HollowEmr, cluster_id: str) -> set[str]:
    return {i["Id"] for i in emr.instances(cluster_id) if i["Status"]["State"] == "RUNNING"}


def test_an_unhealthy_core_node_is_replaced_after_45_minutes(emr: HollowEmr) -> None:
    cluster_id = emr.launch()
    before = running(emr, cluster_id)
    emr.faults.add({"kind": "node-unhealthy"})
    emr.clock.advance(44 * MINUTES)
    assert running(emr, cluster_id) == before
    emr.clock.advance(2 * MINUTES)
    after = running(emr, cluster_id)
    assert (len(after), len(before - after), emr.state(cluster_id)) == (3, 1, "WAITING")
    emr.clock.advance(50 * MINUTES)
    assert running(emr, cluster_id) == after  # the new node is healthy


def test_a_node_that_recovers_before_is_kept(emr: HollowEmr) -> None:
    cluster_id = emr.launch()
    before = running(emr, cluster_id)
    emr.faults.add({"kind": "node-unhealthy", "parameters": {"minutes": 40}})
    emr.clock.advance(100 * MINUTES)
    assert running(emr, cluster_id) == before


def test_nothing_is_replaced_while_that_is_off_or_the_cluster_is_protected(emr: HollowEmr) -> None:
    off, protected = emr.launch(), emr.launch()
    emr.call("SetUnhealthyNodeReplacement", JobFlowIds=[off], UnhealthyNodeReplacement=False)
    emr.call("SetTerminationProtection", JobFlowIds=[protected], TerminationProtected=True)
    before = running(emr, off) | running(emr, protected)
    emr.faults.add({"kind": "node-unhealthy", "count": None})
    emr.clock.advance(60 * MINUTES)
    assert running(emr, off) | running(emr, protected) == before
    emr.call("SetUnhealthyNodeReplacement", JobFlowIds=[off], UnhealthyNodeReplacement=True)
    emr.clock.advance(1 * MINUTES)
    assert running(emr, off) - before
    assert emr.call("DescribeCluster", ClusterId=off)["Cluster"]["UnhealthyNodeReplacement"]


def test_of_three_masters_one_is_replaced_and_another_is_the_primary_node(emr: HollowEmr) -> None:
    cluster_id = emr.launch_in(InstanceGroups=THREE_MASTERS, KeepJobFlowAliveWhenNoSteps=False)
    described = emr.call("DescribeCluster", ClusterId=cluster_id)["Cluster"]
    assert (described["AutoTerminate"], described["TerminationProtected"]) == (False, True)
    emr.faults.add({"kind": "master-lost", "parameters": {"instances": 1}})
    emr.clock.advance(60)
    masters = emr.call("ListInstances", ClusterId=cluster_id, InstanceGroupTypes=["MASTER"])["Instances"]
    states = sorted(one["Status"]["State"] for one in masters)
    assert (states, emr.state(cluster_id)) == (["RUNNING"] * 3 + ["TERMINATED"], "WAITING")
    primary = emr.call("DescribeCluster", ClusterId=cluster_id)["Cluster"]["MasterPublicDnsName"]
    assert primary in {one["PrivateDnsName"] for one in masters if one["Status"]["State"] == "RUNNING"}


def test_two_of_three_masters_at_once_are_the_end(emr: HollowEmr) -> None:
    cluster_id = emr.launch_in(InstanceGroups=THREE_MASTERS)
    emr.faults.add({"kind": "master-lost", "parameters": {"instances": 2}})
    emr.clock.advance(60)
    assert emr.state(cluster_id) == "TERMINATED_WITH_ERRORS"
    assert emr.status(cluster_id)["StateChangeReason"]["Code"] == "INSTANCE_FAILURE"


def test_the_number_of_masters_is_one_or_three(emr: HollowEmr) -> None:
    two = [{**THREE_MASTERS[0], "InstanceCount": 2}, THREE_MASTERS[1]]
    with pytest.raises(AwsError, match="must have exactly 3 instances for HA clusters"):
        emr.launch_in(InstanceGroups=two)
    cluster_id = emr.launch_in(InstanceGroups=THREE_MASTERS)
    master = emr.call("ListInstanceGroups", ClusterId=cluster_id)["InstanceGroups"][0]["Id"]
    with pytest.raises(AwsError, match="cannot be resized"):
        emr.call("ModifyInstanceGroups", InstanceGroups=[{"InstanceGroupId": master, "InstanceCount": 1}])

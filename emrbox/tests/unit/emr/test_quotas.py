"""Quotas of an account: clusters, instances, vCPUs of on-demand and of spot instances."""

from __future__ import annotations

from typing import Any

import pytest
from hollow_emr import HollowEmr

from emrbox.aws.errors import AwsError

OVER = ("INTERNAL_ERROR", "Request exceeds the EC2 service quota for that type.")
CORE_OF_SPOT = [
    {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
    {"InstanceRole": "CORE", "InstanceType": "m5.2xlarge", "InstanceCount": 2, "Market": "SPOT"},
]


@pytest.fixture
def emr(emr: Any) -> HollowEmr:
    return HollowEmr(emr.run_request)


def fleets(core: int) -> list[dict[str, Any]]:
    return [
        {
            "InstanceFleetType": role,
            "TargetOnDemandCapacity": units,
            "InstanceTypeConfigs": [{"InstanceType": "m5.xlarge"}],
        }
        for role, units in (("MASTER", 1), ("CORE", core))
    ]


def reason(emr: HollowEmr, cluster_id: str) -> tuple[str, str]:
    found = emr.status(cluster_id)["StateChangeReason"]
    return found["Code"], found["Message"]


def test_a_launch_above_the_quota_of_clusters_is_refused_until_one_ends(emr: HollowEmr) -> None:
    emr.faults.add({"kind": "quota", "parameters": {"clusters": 2}})
    first = emr.launch()
    emr.launch()
    with pytest.raises(AwsError, match="exceeds the limit of 2") as refusal:
        emr.launch()
    assert refusal.value.code == "ValidationException"
    emr.call("TerminateJobFlows", JobFlowIds=[first])
    assert emr.state(emr.launch()) == "WAITING"


def test_the_vcpus_of_all_clusters_count_by_market(emr: HollowEmr) -> None:
    emr.faults.add({"kind": "quota", "parameters": {"vcpus_on_demand": 16, "vcpus_spot": 16}})
    assert emr.state(emr.launch()) == "WAITING"  # 12 vCPUs on demand
    assert emr.state(emr.launch(Instances={"InstanceGroups": CORE_OF_SPOT})) == "WAITING"  # 4, and 16 spot
    above = emr.launch()
    assert emr.state(above) == "TERMINATED_WITH_ERRORS"
    assert reason(emr, above) == OVER


def test_the_instances_of_all_clusters_count_in_both_markets_until_they_end(emr: HollowEmr) -> None:
    emr.faults.add({"kind": "quota", "parameters": {"instances": 6}})
    first = emr.launch()
    assert emr.state(emr.launch(Instances={"InstanceGroups": CORE_OF_SPOT})) == "WAITING"  # 3 and 3
    above = emr.launch()
    assert (emr.state(above), reason(emr, above)) == ("TERMINATED_WITH_ERRORS", OVER)
    emr.call("TerminateJobFlows", JobFlowIds=[first])
    emr.clock.advance(60)
    assert emr.state(emr.launch()) == "WAITING"


def test_the_tightest_quota_decides(emr: HollowEmr) -> None:
    for row in ({"instances": 4}, {"vcpus_on_demand": 20}, {"instances": 5}):
        emr.faults.add({"kind": "quota", "parameters": row})
    cluster_id = emr.launch_in(InstanceFleets=fleets(core=9))
    core = emr.call("ListInstanceFleets", ClusterId=cluster_id)["InstanceFleets"][1]
    assert core["ProvisionedOnDemandCapacity"] == 3


def test_a_resize_above_the_quota_suspends_the_group(emr: HollowEmr) -> None:
    cluster_id = emr.launch()
    emr.faults.add({"kind": "quota", "parameters": {"vcpus_on_demand": 16}})
    core = emr.call("ListInstanceGroups", ClusterId=cluster_id)["InstanceGroups"][1]["Id"]
    for count, state in ((3, "RUNNING"), (4, "SUSPENDED")):
        emr.call("ModifyInstanceGroups", InstanceGroups=[{"InstanceGroupId": core, "InstanceCount": count}])
        emr.clock.advance(60)
        found = emr.call("ListInstanceGroups", ClusterId=cluster_id)["InstanceGroups"][1]["Status"]
        assert found["State"] == state
    assert found["StateChangeReason"] == {"Code": OVER[0], "Message": OVER[1]}
    assert emr.core_count(cluster_id) == 3


def test_a_fleet_has_what_the_quota_leaves_and_gets_the_rest_when_it_is_raised(emr: HollowEmr) -> None:
    fault = emr.faults.add({"kind": "quota", "parameters": {"vcpus_on_demand": 12}})
    cluster_id = emr.launch_in(InstanceFleets=fleets(core=4))
    core = emr.call("ListInstanceFleets", ClusterId=cluster_id)["InstanceFleets"][1]
    assert (core["ProvisionedOnDemandCapacity"], emr.state(cluster_id)) == (2, "STARTING")
    emr.faults.remove(fault.id)
    emr.clock.advance(60)
    assert emr.state(cluster_id) == "WAITING"


def test_a_quota_may_be_for_some_clusters_only(emr: HollowEmr) -> None:
    emr.faults.add({"kind": "quota", "cluster": "large*", "parameters": {"vcpus_on_demand": 8}})
    assert emr.state(emr.launch(Name="small")) == "WAITING"
    assert emr.state(emr.launch(Name="large-1")) == "TERMINATED_WITH_ERRORS"

"""Fleets of real nodes: one of two subnets, types and markets without capacity, nodes that come and go."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from emr_account import Account
from waiting import wait_until

pytestmark = pytest.mark.box

SPOT_TIME_OUT = timedelta(minutes=5)  # the shortest
ZONES = ("us-east-1a", "us-east-1b")
TYPES: list[dict[str, Any]] = [
    {"InstanceType": "c5.xlarge"},
    {"InstanceType": "m5.2xlarge", "WeightedCapacity": 2, "BidPriceAsPercentageOfOnDemandPrice": 50.0},
    {"InstanceType": "r5.xlarge"},
]


@pytest.fixture(scope="module")
def account(box: Any) -> Account:
    return Account(box)


def subnet(account: Account, zone: str) -> str:
    filters = [{"Name": "availability-zone", "Values": [zone]}]
    return str(account.ec2.describe_subnets(Filters=filters)["Subnets"][0]["SubnetId"])


def fleet(role: str, on_demand: int, spot: int, types: list[dict[str, Any]]) -> dict[str, Any]:
    targets = {"TargetOnDemandCapacity": on_demand, "TargetSpotCapacity": spot}
    return {"InstanceFleetType": role, "InstanceTypeConfigs": types, **targets}


def settled(account: Account, cluster_id: str, role: str) -> dict[str, Any]:
    """Return a fleet when it is RUNNING with what it wants."""

    def found() -> dict[str, Any] | None:
        fleets = account.emr.list_instance_fleets(ClusterId=cluster_id)["InstanceFleets"]
        one = next((f for f in fleets if f["InstanceFleetType"] == role), None)
        if one is None or one["Status"]["State"] != "RUNNING":
            return None
        markets = ("OnDemand", "Spot")
        is_whole = all(one[f"Provisioned{m}Capacity"] >= one[f"Target{m}Capacity"] for m in markets)
        return dict(one) if is_whole else None

    return dict(wait_until(found))


def yarn_nodes(account: Account, cluster_id: str) -> list[str]:
    step = account.run_step(cluster_id, "bash", "-c", "yarn node -list -all 2>/dev/null")
    lines = account.log(f"{cluster_id}/steps/{step['Id']}/stdout.gz").splitlines()
    return sorted(line.split()[1] for line in lines if line.startswith("ip-"))


def running(account: Account, cluster_id: str, role: str) -> list[dict[str, Any]]:
    request = {"ClusterId": cluster_id, "InstanceFleetType": role, "InstanceStates": ["RUNNING"]}
    return list(account.emr.list_instances(**request)["Instances"])


def test_a_fleet_takes_what_there_is_where_it_is_and_its_nodes_join_and_leave(
    box: Any, account: Account
) -> None:
    subnets = [subnet(account, zone) for zone in ZONES]
    fault = "fault", "add", "no-capacity", "--cluster", "fleets"
    for where in ("zone=us-east-1a",), ("instance_type=c5.*",), ("instance_type=m5.2xlarge", "available=1"):
        assert box.command(*fault, *where, "role=CORE").returncode == 0
    core = fleet("CORE", 3, 0, TYPES)
    instances = {
        "InstanceFleets": [fleet("MASTER", 1, 0, [{"InstanceType": "m5.xlarge"}]), core],
        "Ec2SubnetIds": subnets,
        "KeepJobFlowAliveWhenNoSteps": True,
    }
    cluster_id = account.launch(0, Name="fleets", Instances=instances)
    attributes = account.until(cluster_id, "WAITING")["Ec2InstanceAttributes"]
    assert (attributes["Ec2SubnetId"], attributes["Ec2AvailabilityZone"]) == (subnets[1], ZONES[1])
    assert {i["Placement"]["AvailabilityZone"] for i in account.instances(cluster_id)} == {ZONES[1]}
    bought = sorted(i["InstanceType"] for i in running(account, cluster_id, "CORE"))
    assert bought == ["m5.2xlarge", "r5.xlarge"]  # of the cheapest there is none, and one of the next
    assert settled(account, cluster_id, "CORE")["ProvisionedOnDemandCapacity"] == 3

    task = account.emr.add_instance_fleet(ClusterId=cluster_id, InstanceFleet=fleet("TASK", 0, 2, TYPES[:1]))
    settled(account, cluster_id, "TASK")
    assert [i["Market"] for i in running(account, cluster_id, "TASK")] == ["SPOT"] * 2
    assert [i.get("InstanceLifecycle") for i in account.instances(cluster_id)].count("spot") == 2
    assert yarn_nodes(account, cluster_id) == ["RUNNING"] * 4
    change = {"InstanceFleetId": task["InstanceFleetId"], "TargetSpotCapacity": 1}
    account.emr.modify_instance_fleet(ClusterId=cluster_id, InstanceFleet=change)
    wait_until(lambda: len(running(account, cluster_id, "TASK")) == 1)
    settled(account, cluster_id, "TASK")
    assert yarn_nodes(account, cluster_id) == ["DECOMMISSIONED", *["RUNNING"] * 3]

    account.emr.terminate_job_flows(JobFlowIds=[cluster_id])
    wait_until(lambda: {i["State"]["Name"] for i in account.instances(cluster_id)} == {"terminated"})


@pytest.mark.slow
def test_spot_fleets_that_get_nothing_act_at_their_time_out_in_real_time(box: Any, account: Account) -> None:
    """The same with a clock that is moved: tests/unit/emr/test_fleets.py. Takes 5.5 minutes, of waiting."""
    fault = "fault", "add", "no-capacity", "--cluster", "spot-*", "market=SPOT"
    assert box.command(*fault).returncode == 0
    switching, ending = (
        launch_on_spot(account, action) for action in ("SWITCH_TO_ON_DEMAND", "TERMINATE_CLUSTER")
    )
    time.sleep((SPOT_TIME_OUT - timedelta(seconds=20)).total_seconds())
    for cluster_id in (switching, ending):
        assert state(account, cluster_id) == "STARTING"
        assert [i["Status"]["State"] for i in cores(account, cluster_id)] == ["AWAITING_FULFILLMENT"]

    account.until(switching, "WAITING")
    [bought] = [i for i in cores(account, switching) if i["Status"]["State"] == "RUNNING"]
    assert (bought["Market"], yarn_nodes(account, switching)) == ("ON_DEMAND", ["RUNNING"])
    wait_until(lambda: state(account, ending) == "TERMINATED_WITH_ERRORS")
    ended = account.emr.describe_cluster(ClusterId=ending)["Cluster"]["Status"]
    assert ended["StateChangeReason"]["Code"] == "INSTANCE_FLEET_TIMEOUT"
    assert [i["Status"]["State"] for i in cores(account, ending)] == ["TERMINATED"]
    assert {i["State"]["Name"] for i in account.instances(ending)} <= {"terminated"}

    begins = [account.emr.describe_cluster(ClusterId=one)["Cluster"]["Status"] for one in (switching, ending)]
    acted = bought["Status"]["Timeline"]["CreationDateTime"], ended["Timeline"]["EndDateTime"]
    for begin, act in zip(begins, acted, strict=True):
        waited = act - begin["Timeline"]["CreationDateTime"]
        assert SPOT_TIME_OUT <= waited < SPOT_TIME_OUT + timedelta(seconds=20)


def launch_on_spot(account: Account, action: str) -> str:
    """Launch a cluster whose only core node is to be a spot instance."""
    minutes = int(SPOT_TIME_OUT.total_seconds()) // 60
    specification = {"TimeoutDurationMinutes": minutes, "TimeoutAction": action}
    core = fleet("CORE", 0, 1, TYPES[:1]) | {"LaunchSpecifications": {"SpotSpecification": specification}}
    master = fleet("MASTER", 1, 0, [{"InstanceType": "m5.xlarge"}])
    instances = {"InstanceFleets": [master, core], "KeepJobFlowAliveWhenNoSteps": True}
    return account.launch(0, Name=f"spot-{action}", Instances=instances)


def state(account: Account, cluster_id: str) -> str:
    return str(account.emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"])


def cores(account: Account, cluster_id: str) -> list[dict[str, Any]]:
    return list(account.emr.list_instances(ClusterId=cluster_id, InstanceFleetType="CORE")["Instances"])

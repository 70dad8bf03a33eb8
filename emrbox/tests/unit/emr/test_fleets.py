"""Instance fleets of hollow clusters: what they launch, of which types, where, and what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from emrbox.aws import protocol
from emrbox.aws.auth import Caller
from emrbox.aws.errors import AwsError
from emrbox.emr.api.service import EmrService
from emrbox.emr.hollow.hollow import Hollow
from emrbox.emr.life.clock import MovableClock, SystemClock
from emrbox.emr.life.events import event_of
from emrbox.emr.life.store import Store
from emrbox.faults.book import FaultBook
from emrbox.faults.faulty_nodes import FaultyNodes

HOLLOW = [{"Key": "emrbox:hollow", "Value": "true"}]
INSUFFICIENT = "EC2 provisioning - Insufficient Instance Capacity"
MINUTE = 60


def types(*names: str, **weights: int) -> list[dict[str, Any]]:
    """Types with their weights, `m5_xlarge=4`."""
    weighted = [{"InstanceType": n.replace("_", "."), "WeightedCapacity": w} for n, w in weights.items()]
    return [*({"InstanceType": name} for name in names), *weighted]


def fleet(role: str, on_demand: int = 0, spot: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "InstanceFleetType": role,
        "TargetOnDemandCapacity": on_demand,
        "TargetSpotCapacity": spot,
        "InstanceTypeConfigs": types("m5.xlarge"),
        **changes,
    }


def spot_timeout(minutes: int, action: str, **more: Any) -> dict[str, Any]:
    return {"SpotSpecification": {"TimeoutDurationMinutes": minutes, "TimeoutAction": action, **more}}


def by_strategy(on_demand: str = "lowest-price", spot: str = "capacity-optimized") -> dict[str, Any]:
    launch = spot_timeout(60, "TERMINATE_CLUSTER", AllocationStrategy=spot)
    return {**launch, "OnDemandSpecification": {"AllocationStrategy": on_demand}}


class FleetEmr:
    """EMR with hollow clusters, the book of faults, and the events that were sent."""

    def __init__(self) -> None:
        self.faults = FaultBook()
        self.events: list[dict[str, Any]] = []
        self.clock = MovableClock()
        self.clock.freeze()
        self.hollow = Hollow(
            wrap=lambda layer, cluster: FaultyNodes(layer, cluster, self.faults, self.clock.now),
            clock=self.clock,
        )
        store = Store(
            SystemClock(), lambda _: pytest.fail("not hollow"), lambda n: n, self.hollow, self._watch
        )
        self.service = EmrService(store)

    def _watch(self, *change: Any) -> None:
        if (event := event_of(*change)) is not None:
            self.events.append(event)

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        allow = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
        caller = Caller("arn:aws:iam::123456789012:user/t", lambda: [allow])
        answer = self.service.call(operation, request, caller)
        protocol.render_answer(protocol.operation_model("emr", operation), answer)  # it fits the model
        self.clock.advance(0)
        return answer

    def launch(self, *fleets: dict[str, Any], **instances: Any) -> str:
        request = {
            "Name": "test",
            "ReleaseLabel": "emr-spark-8.0.0",
            "ServiceRole": "service",
            "JobFlowRole": "nodes",
            "Tags": HOLLOW,
            "Instances": {
                "KeepJobFlowAliveWhenNoSteps": True,
                "InstanceFleets": [fleet("MASTER", on_demand=1), *fleets],
                **instances,
            },
        }
        return str(self.call("RunJobFlow", **request)["JobFlowId"])

    def no_capacity(self, **parameters: Any) -> str:
        return self.faults.add({"kind": "no-capacity", "parameters": parameters}).id

    def cluster(self, cluster_id: str) -> dict[str, Any]:
        return dict(self.call("DescribeCluster", ClusterId=cluster_id)["Cluster"])

    def state(self, cluster_id: str) -> str:
        return str(self.cluster(cluster_id)["Status"]["State"])

    def fleet(self, cluster_id: str, role: str = "CORE") -> dict[str, Any]:
        fleets = self.call("ListInstanceFleets", ClusterId=cluster_id)["InstanceFleets"]
        return next(dict(f) for f in fleets if f["InstanceFleetType"] == role)

    def units(self, cluster_id: str, role: str = "CORE") -> tuple[int, int]:
        found = self.fleet(cluster_id, role)
        return found["ProvisionedOnDemandCapacity"], found["ProvisionedSpotCapacity"]

    def instances(self, cluster_id: str, role: str = "CORE", **request: Any) -> list[dict[str, Any]]:
        request = {"ClusterId": cluster_id, "InstanceFleetType": role, **request}
        return list(self.call("ListInstances", **request)["Instances"])

    def bought(self, cluster_id: str, role: str = "CORE") -> list[tuple[str, str]]:
        """Type and market of the instances that run."""
        running = self.instances(cluster_id, role, InstanceStates=["RUNNING"])
        return sorted((i["InstanceType"], i["Market"]) for i in running)

    def modify(self, cluster_id: str, role: str = "CORE", **change: Any) -> None:
        change["InstanceFleetId"] = self.fleet(cluster_id, role)["Id"]
        self.call("ModifyInstanceFleet", ClusterId=cluster_id, InstanceFleet=change)

    def lose_one(self, cluster_id: str, role: str) -> None:
        """Let an instance of a fleet be gone."""
        cluster = self.service.store.cluster(cluster_id)
        fleet = next(group for group in cluster.groups if group.role == role)
        self.hollow.lose(cluster, fleet.present[:1], "")
        self.clock.advance(0)

    def details(self, kind: str) -> list[dict[str, Any]]:
        """Return the details of the events of a kind."""
        return [event["detail"] for event in self.events if event["detail-type"] == kind]

    def fleet_events(self, cluster_id: str, role: str = "CORE") -> list[dict[str, Any]]:
        details = [e["detail"] for e in self.events if e["detail-type"] == "EMR Instance Fleet State Change"]
        return [d for d in details if (d["clusterId"], d["instanceFleetType"]) == (cluster_id, role)]


@pytest.fixture
def emr() -> FleetEmr:
    return FleetEmr()


def test_a_cluster_of_fleets_comes_up_and_describes_itself(emr: FleetEmr) -> None:
    cluster_id = emr.launch(fleet("CORE", 2, 3), fleet("TASK", spot=1))
    cluster = emr.cluster(cluster_id)
    assert (cluster["Status"]["State"], cluster["InstanceCollectionType"]) == ("WAITING", "INSTANCE_FLEET")
    core = emr.fleet(cluster_id)
    assert core["Id"].startswith("if-")
    assert core["Status"]["State"] == "RUNNING"
    assert {"CreationDateTime", "ReadyDateTime"} <= set(core["Status"]["Timeline"])
    assert (core["TargetOnDemandCapacity"], core["TargetSpotCapacity"]) == (2, 3)
    assert emr.units(cluster_id) == (2, 3)
    [specification] = core["InstanceTypeSpecifications"]
    assert (specification["WeightedCapacity"], specification["BidPriceAsPercentageOfOnDemandPrice"]) == (
        1,
        100.0,
    )
    assert [i["Market"] for i in emr.instances(cluster_id)] == ["ON_DEMAND"] * 2 + ["SPOT"] * 3
    assert [i["InstanceFleetId"] for i in emr.instances(cluster_id, "TASK")] == [
        emr.fleet(cluster_id, "TASK")["Id"]
    ]
    by_id = emr.call("ListInstances", ClusterId=cluster_id, InstanceFleetId=core["Id"])["Instances"]
    assert len(by_id) == 5
    assert len(emr.call("ListInstances", ClusterId=cluster_id)["Instances"]) == 7


def test_instances_are_bought_until_the_target_is_met_even_if_that_is_more(emr: FleetEmr) -> None:
    cluster_id = emr.launch(fleet("CORE", 7, InstanceTypeConfigs=types(m5_2xlarge=5)))
    assert emr.bought(cluster_id) == [("m5.2xlarge", "ON_DEMAND")] * 2
    assert emr.units(cluster_id) == (10, 0)


def test_a_fleet_of_three_types_comes_up_on_those_that_there_are(emr: FleetEmr) -> None:
    emr.no_capacity(instance_type="c5.xlarge")
    emr.no_capacity(role="CORE", instance_type="m5.xlarge", available=1)
    wanted = types("c5.xlarge", "m5.xlarge", "r5.xlarge")
    cluster_id = emr.launch(fleet("CORE", 3, InstanceTypeConfigs=wanted))
    assert emr.state(cluster_id) == "WAITING"
    assert [name for name, _ in emr.bought(cluster_id)] == ["m5.xlarge", "r5.xlarge", "r5.xlarge"]


@pytest.mark.parametrize(
    ("strategies", "expected"),
    [
        (by_strategy(), ["c5.xlarge"] * 3),
        (by_strategy(on_demand="prioritized"), ["r5.xlarge"] * 3),
        ({}, ["c5.xlarge"] * 3),
    ],
)
def test_on_demand_instances_follow_price_or_priority(
    emr: FleetEmr, strategies: dict[str, Any], expected: list[str]
) -> None:
    wanted = types("m5.xlarge", "c5.xlarge", "r5.xlarge")
    for config, priority in zip(wanted, (2.0, 1.0, 0.0), strict=True):
        config["Priority"] = priority
    cluster_id = emr.launch(fleet("CORE", 3, InstanceTypeConfigs=wanted, LaunchSpecifications=strategies))
    assert [name for name, _ in emr.bought(cluster_id)] == expected


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("lowest-price", ["c5.xlarge"] * 3),
        ("capacity-optimized", ["m5.xlarge"] * 3),
        ("price-capacity-optimized", ["m5.xlarge"] * 3),
        ("capacity-optimized-prioritized", ["r5.xlarge"] * 3),
        ("diversified", ["c5.xlarge", "m5.xlarge", "r5.xlarge"]),
    ],
)
def test_spot_instances_follow_their_allocation_strategy(
    emr: FleetEmr, strategy: str, expected: list[str]
) -> None:
    emr.no_capacity(instance_type="c5.xlarge", market="SPOT", available=50)  # the others have more
    wanted = types("m5.xlarge", "c5.xlarge", "r5.xlarge")
    wanted[2]["Priority"] = 0.0
    launch = by_strategy(spot=strategy)
    cluster_id = emr.launch(fleet("CORE", spot=3, InstanceTypeConfigs=wanted, LaunchSpecifications=launch))
    assert [name for name, _ in emr.bought(cluster_id)] == expected


def test_the_price_of_a_unit_counts_not_that_of_an_instance(emr: FleetEmr) -> None:
    wanted = types(m5_2xlarge=4, c5_xlarge=1)  # 0.096 a unit against 0.17
    cluster_id = emr.launch(fleet("CORE", 4, InstanceTypeConfigs=wanted))
    assert emr.bought(cluster_id) == [("m5.2xlarge", "ON_DEMAND")]


def test_a_bid_below_the_spot_price_gets_nothing(emr: FleetEmr) -> None:
    emr.faults.add({"kind": "spot-price", "parameters": {"percent": 70.0}})
    cheap = {"InstanceType": "c5.xlarge", "BidPriceAsPercentageOfOnDemandPrice": 60.0}
    in_usd = {"InstanceType": "m5.xlarge", "BidPrice": "0.13"}  # 0.192 on demand, so 0.134 spot
    enough = {"InstanceType": "r5.xlarge"}  # 100 % by default
    cluster_id = emr.launch(fleet("CORE", spot=2, InstanceTypeConfigs=[cheap, in_usd, enough]))
    assert emr.bought(cluster_id) == [("r5.xlarge", "SPOT")] * 2


def test_missing_spot_instances_await_fulfillment_and_come_when_there_are_some(emr: FleetEmr) -> None:
    fault = emr.no_capacity(role="CORE", market="SPOT", available=1)
    cluster_id = emr.launch(fleet("CORE", 1, 3))
    assert emr.state(cluster_id) == "STARTING"
    waiting = emr.instances(cluster_id, InstanceStates=["AWAITING_FULFILLMENT"])
    assert len(waiting) == 2
    assert not {"Ec2InstanceId", "PrivateIpAddress"} & set(waiting[0])
    assert emr.units(cluster_id) == (1, 1)
    emr.clock.advance(10 * MINUTE)
    assert emr.state(cluster_id) == "STARTING"
    emr.faults.remove(fault)
    emr.clock.advance(MINUTE)
    assert emr.state(cluster_id) == "WAITING"
    assert emr.units(cluster_id) == (1, 3)
    running = {i["Id"]: i for i in emr.instances(cluster_id, InstanceStates=["RUNNING"])}
    assert {i["Id"] for i in waiting} <= set(running)
    assert all(i["Ec2InstanceId"] for i in running.values())


def test_a_spot_fleet_that_gets_nothing_switches_to_on_demand_at_its_time_out(emr: FleetEmr) -> None:
    emr.no_capacity(market="SPOT")
    launch = spot_timeout(20, "SWITCH_TO_ON_DEMAND")
    cluster_id = emr.launch(fleet("CORE", spot=2, LaunchSpecifications=launch))
    emr.clock.advance(20 * MINUTE - 1)
    assert emr.state(cluster_id) == "STARTING"
    emr.clock.advance(1)
    assert emr.state(cluster_id) == "WAITING"
    assert emr.bought(cluster_id) == [("m5.xlarge", "ON_DEMAND")] * 2
    assert emr.units(cluster_id) == (0, 2)  # they count towards the spot target
    states = {i["Status"]["State"] for i in emr.instances(cluster_id)}
    assert states == {"RUNNING", "TERMINATED"}


def test_a_spot_fleet_may_end_its_cluster_at_its_time_out(emr: FleetEmr) -> None:
    emr.no_capacity(market="SPOT")
    launch = spot_timeout(5, "TERMINATE_CLUSTER")
    cluster_id = emr.launch(fleet("CORE", spot=2, LaunchSpecifications=launch))
    emr.clock.advance(5 * MINUTE)
    status = emr.cluster(cluster_id)["Status"]
    assert (status["State"], status["StateChangeReason"]["Code"]) == (
        "TERMINATED_WITH_ERRORS",
        "INSTANCE_FLEET_TIMEOUT",
    )
    assert emr.fleet(cluster_id)["Status"]["State"] == "TERMINATED"
    assert {i["Status"]["State"] for i in emr.instances(cluster_id)} == {"TERMINATED"}


def test_a_cluster_that_waits_for_capacity_can_be_ended(emr: FleetEmr) -> None:
    emr.no_capacity(role="CORE")
    cluster_id = emr.launch(fleet("CORE", 1, 1))
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    emr.clock.advance(1)
    assert emr.state(cluster_id) == "TERMINATED"


def test_of_several_subnets_the_one_with_capacity_is_chosen(emr: FleetEmr) -> None:
    emr.no_capacity(instance_type="r5.*", zone="us-east-1a")
    emr.no_capacity(instance_type="r5.*", zone="us-east-1b", available=1)
    core = fleet("CORE", 2, InstanceTypeConfigs=types("r5.xlarge", "r5.2xlarge"))
    cluster_id = emr.launch(core, Ec2SubnetIds=["subnet-1", "subnet-2", "subnet-3"])
    attributes = emr.cluster(cluster_id)["Ec2InstanceAttributes"]
    assert attributes["RequestedEc2SubnetIds"] == ["subnet-1", "subnet-2", "subnet-3"]
    assert (attributes["Ec2SubnetId"], attributes["Ec2AvailabilityZone"]) == ("subnet-2", "us-east-1b")
    assert [name for name, _ in emr.bought(cluster_id)] == ["r5.2xlarge", "r5.xlarge"]
    [said] = [m for e in emr.events if "which was chosen" in (m := e["detail"]["message"])]
    assert "is being created in subnet (subnet-2) in VPC" in said


def test_groups_obey_the_table_of_capacity_by_zone_and_number(emr: FleetEmr) -> None:
    def launch(cores: int, zone: str) -> str:
        group = {"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": cores}
        master = {"InstanceRole": "MASTER", "InstanceType": "c5.xlarge", "InstanceCount": 1}
        placed = {"InstanceGroups": [master, group], "Placement": {"AvailabilityZone": zone}}
        instances = {"KeepJobFlowAliveWhenNoSteps": True, **placed}
        request = {"Name": "t", "ReleaseLabel": "emr-spark-8.0.0", "ServiceRole": "s", "JobFlowRole": "n"}
        return str(emr.call("RunJobFlow", **request, Instances=instances, Tags=HOLLOW)["JobFlowId"])

    emr.no_capacity(instance_type="m5.*", zone="*b", available=2)
    assert emr.state(launch(3, "us-east-1a")) == "WAITING"
    assert emr.state(launch(2, "us-east-1b")) == "WAITING"
    status = emr.cluster(launch(1, "us-east-1b"))["Status"]
    assert status["State"] == "TERMINATED_WITH_ERRORS"
    assert status["StateChangeReason"]["Message"] == (
        "EC2 is out of capacity for m5.xlarge in availability zone us-east-1b."
    )


def test_a_fleet_grows_and_shrinks_by_units(emr: FleetEmr) -> None:
    cluster_id = emr.launch(fleet("CORE", 4, InstanceTypeConfigs=types(m5_xlarge=2)))
    emr.modify(cluster_id, TargetOnDemandCapacity=8, TargetSpotCapacity=2)
    assert emr.units(cluster_id) == (8, 2)
    emr.modify(cluster_id, TargetOnDemandCapacity=3)
    assert emr.units(cluster_id) == (4, 2)  # one instance less would be too few
    assert emr.fleet(cluster_id)["Status"]["State"] == "RUNNING"
    first, last = emr.fleet_events(cluster_id)[0], emr.fleet_events(cluster_id)[-1]
    assert first["message"].startswith(
        f"Provisioning for instance fleet {first['instanceFleetId']} in Amazon EMR"
    )
    assert "is complete. The resize started at" in last["message"]
    assert (last["state"], last["severity"], last["provisionedOnDemandCapacity"]) == ("RUNNING", "INFO", "4")


def test_a_start_that_lacks_capacity_is_reported_again_and_again(emr: FleetEmr) -> None:
    emr.no_capacity(role="CORE", available=1)
    cluster_id = emr.launch(fleet("CORE", on_demand=2, spot=2))
    emr.clock.advance(5 * MINUTE)
    found = emr.details("EMR Instance Fleet Provisioning")
    assert len(found) > 3
    assert {(d["severity"], d["eventCode"], d["instanceFleetType"]) for d in found} == {
        ("WARN", INSUFFICIENT, "CORE")
    }
    who = f"{cluster_id} (test) for instance fleet {emr.fleet(cluster_id)['Id']}"
    of_type = "capacity for instance types [m5.xlarge]"
    assert (
        f"create your Amazon EMR cluster {who}. Amazon EC2 has insufficient On-Demand {of_type} and "
        f"insufficient Spot {of_type} in Availability Zone [us-east-1a]."
    ) in found[-1]["message"]
    emr.faults.clear()
    emr.clock.advance(5 * MINUTE)
    assert emr.state(cluster_id) == "WAITING"
    assert emr.details("EMR Instance Fleet Status Notification") == []


def test_a_resize_waits_for_capacity_until_its_time_out_and_then_stops(emr: FleetEmr) -> None:
    cluster_id = emr.launch(fleet("CORE", 1), fleet("TASK", spot=1))
    emr.no_capacity(market="SPOT")
    resize = {"SpotResizeSpecification": {"TimeoutDurationMinutes": 10}}
    emr.modify(cluster_id, "TASK", TargetSpotCapacity=3, ResizeSpecifications=resize)
    assert emr.fleet(cluster_id, "TASK")["Status"]["State"] == "RESIZING"
    assert len(emr.instances(cluster_id, "TASK", InstanceStates=["AWAITING_FULFILLMENT"])) == 2
    emr.clock.advance(10 * MINUTE)
    found = emr.fleet(cluster_id, "TASK")
    assert (found["Status"]["State"], found["ProvisionedSpotCapacity"]) == ("RUNNING", 1)
    event = emr.fleet_events(cluster_id, "TASK")[-1]
    assert event["severity"] == "WARN"
    assert "has reached the timeout and stopped. The resize started at" in event["message"]
    asked, stuck = emr.details("EMR Instance Fleet Status Notification")
    assert "was initiated by user at" in asked["message"]
    assert (stuck["severity"], "is stuck for the following reason" in stuck["message"]) == ("WARNING", True)
    *short, timed_out = emr.details("EMR Instance Fleet Resize")
    assert len(short) > 2  # as long as it goes on
    assert {detail["eventCode"] for detail in short} == {INSUFFICIENT}
    assert "insufficient Spot capacity for instance types [m5.xlarge] in Availability" in short[0]["message"]
    assert (timed_out["eventCode"], timed_out["instanceFleetType"]) == ("Spot Provisioning timeout", "TASK")
    emr.faults.clear()
    emr.clock.advance(3600)
    assert emr.units(cluster_id, "TASK") == (0, 1)  # it is not tried again by itself
    emr.modify(cluster_id, "TASK", TargetSpotCapacity=3)
    assert emr.units(cluster_id, "TASK") == (0, 3)


def test_a_task_fleet_is_added_once(emr: FleetEmr) -> None:
    cluster_id = emr.launch(fleet("CORE", 1))
    answer = emr.call("AddInstanceFleet", ClusterId=cluster_id, InstanceFleet=fleet("TASK", 1, 1))
    assert answer["InstanceFleetId"] == emr.fleet(cluster_id, "TASK")["Id"]
    assert emr.fleet(cluster_id, "TASK")["Status"]["State"] == "RUNNING"
    assert emr.units(cluster_id, "TASK") == (1, 1)
    for another in (fleet("TASK", 1), fleet("CORE", 1)):
        with pytest.raises(AwsError, match="InvalidRequestException"):
            emr.call("AddInstanceFleet", ClusterId=cluster_id, InstanceFleet=another)


def test_a_lost_spot_instance_is_replaced_by_another_type_of_the_fleet(emr: FleetEmr) -> None:
    task = fleet("TASK", spot=2, InstanceTypeConfigs=types("c5.xlarge", "m5.xlarge"))
    cluster_id = emr.launch(fleet("CORE", 1), task)
    emr.no_capacity(instance_type="c5.xlarge")
    emr.lose_one(cluster_id, "TASK")
    assert emr.bought(cluster_id, "TASK") == [("c5.xlarge", "SPOT"), ("m5.xlarge", "SPOT")]


GROUPS = [
    {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1},
    {"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": 1},
]


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("ListInstanceGroups", {}),
        ("AddInstanceGroups", {"JobFlowId": None, "InstanceGroups": [GROUPS[1] | {"InstanceRole": "TASK"}]}),
        ("ModifyInstanceGroups", {"InstanceGroups": [{"InstanceGroupId": "ig-1", "InstanceCount": 2}]}),
        ("ListInstances", {"InstanceGroupTypes": ["CORE"]}),
    ],
)
def test_a_cluster_of_fleets_refuses_what_is_for_groups(
    emr: FleetEmr, operation: str, request_: dict[str, Any]
) -> None:
    cluster_id = emr.launch(fleet("CORE", 1))
    named = {"JobFlowId": cluster_id} if "JobFlowId" in request_ else {"ClusterId": cluster_id}
    with pytest.raises(
        AwsError, match="Instance fleets and instance groups are mutually exclusive"
    ) as refusal:
        emr.call(operation, **{**request_, **named})
    assert refusal.value.code == "InvalidRequestException"
    if operation == "ListInstanceGroups":
        assert refusal.value.fields == {"ErrorCode": "API_DOES_NOT_SUPPORT_INSTANCE_FLEET_CLUSTERS"}
        assert refusal.value.message.endswith("Use the ListInstanceFleets operation instead.")


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("ListInstanceFleets", {}),
        ("AddInstanceFleet", {"InstanceFleet": fleet("TASK", 1)}),
        ("ModifyInstanceFleet", {"InstanceFleet": {"InstanceFleetId": "if-1"}}),
        ("ListInstances", {"InstanceFleetType": "CORE"}),
    ],
)
def test_a_cluster_of_groups_refuses_what_is_for_fleets(
    emr: FleetEmr, operation: str, request_: dict[str, Any]
) -> None:
    request = {"Name": "t", "ReleaseLabel": "emr-spark-8.0.0", "ServiceRole": "s", "JobFlowRole": "n"}
    instances = {"InstanceGroups": GROUPS, "KeepJobFlowAliveWhenNoSteps": True}
    cluster_id = emr.call("RunJobFlow", **request, Instances=instances, Tags=HOLLOW)["JobFlowId"]
    with pytest.raises(AwsError, match="mutually exclusive") as refusal:
        emr.call(operation, ClusterId=cluster_id, **request_)
    assert refusal.value.code == "InvalidRequestException"


def test_a_fleet_is_modified_only_while_its_cluster_is_ready(emr: FleetEmr) -> None:
    emr.no_capacity(role="CORE")
    cluster_id = emr.launch(fleet("CORE", 1))
    with pytest.raises(AwsError, match="only be modified when the cluster is running or waiting"):
        emr.modify(cluster_id, TargetOnDemandCapacity=2)
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    with pytest.raises(AwsError, match="shutting down, terminated, or finished may not be modified"):
        emr.modify(cluster_id, TargetOnDemandCapacity=2)


SIX = types("m5.xlarge", "m5.2xlarge", "c5.xlarge", "c5.2xlarge", "r5.xlarge", "r5.2xlarge")
BIDS = {"BidPrice": "0.1", "BidPriceAsPercentageOfOnDemandPrice": 50.0}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([fleet("MASTER", 1)], "at most one MASTER"),
        ([fleet("CORE", 1), fleet("CORE", 1)], "at most one CORE"),
        ([fleet("TASK", 1)], "requires a CORE"),
        ([fleet("CORE")], "must be greater than 0"),
        ([fleet("CORE", 1, InstanceTypeConfigs=[])], "1 to 5 instance types"),
        ([fleet("CORE", 1, InstanceTypeConfigs=SIX)], "1 to 5 instance types"),
        ([fleet("CORE", 1, InstanceTypeConfigs=types("m5.xlarge", "m5.xlarge"))], "more than once"),
        ([fleet("CORE", 2001)], "Invalid target capacity 2001"),
        ([fleet("CORE", 1, InstanceTypeConfigs=types("x9.huge"))], "'x9.huge' is not supported"),
        ([fleet("CORE", 1, InstanceTypeConfigs=types(m5_xlarge=0))], "Invalid weighted capacity 0"),
        (
            [fleet("CORE", spot=1, InstanceTypeConfigs=[types("m5.xlarge")[0] | BIDS])],
            "Specify at most one of bidPrice or bidPriceAsPercentageOfOnDemandPrice",
        ),
        (
            [fleet("CORE", spot=1, LaunchSpecifications=spot_timeout(4, "TERMINATE_CLUSTER"))],
            "between 5 and 1440",
        ),
    ],
)
def test_a_launch_of_fleets_is_refused(emr: FleetEmr, wrong: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(AwsError, match=message) as refusal:
        emr.launch(*wrong)
    assert refusal.value.code == "ValidationException"


def test_thirty_types_need_an_allocation_strategy(emr: FleetEmr) -> None:
    launch = by_strategy()
    cluster_id = emr.launch(fleet("CORE", 1, InstanceTypeConfigs=SIX, LaunchSpecifications=launch))
    assert emr.state(cluster_id) == "WAITING"


def test_a_fleet_and_groups_in_one_launch_are_refused(emr: FleetEmr) -> None:
    with pytest.raises(AwsError, match="exactly one of: instance groups, instance fleets"):
        emr.launch(InstanceGroups=GROUPS)

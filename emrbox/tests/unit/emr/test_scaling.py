"""Managed and automatic scaling of hollow clusters: what their scripts want, they get, within limits."""

from __future__ import annotations

from typing import Any

import pytest

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
MASTER = {"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}
CORE = {"InstanceRole": "CORE", "InstanceType": "m5.xlarge", "InstanceCount": 2}
TASK = {"InstanceRole": "TASK", "InstanceType": "m5.2xlarge", "InstanceCount": 0, "Market": "SPOT"}


def work(containers: int, seconds: int = 3600) -> dict[str, Any]:
    """A step that wants containers of YARN: an m5.xlarge has room for four."""
    words = ["--seconds", str(seconds), "--containers", str(containers)]
    jar = {"Jar": "command-runner.jar", "Args": ["emrbox-script", *words]}
    return {"Name": "work", "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar}


def policy(least: int, most: int, unit: str = "Instances", **more: int) -> dict[str, Any]:
    return {
        "ComputeLimits": {
            "UnitType": unit,
            "MinimumCapacityUnits": least,
            "MaximumCapacityUnits": most,
            **{f"Maximum{name}CapacityUnits": value for name, value in more.items()},
        }
    }


def scale_out(by: int = 2, cool_down: int = 0, **alarm: Any) -> dict[str, Any]:
    return {
        "Name": "out",
        "Action": {"SimpleScalingPolicyConfiguration": {"ScalingAdjustment": by, "CoolDown": cool_down}},
        "Trigger": {
            "CloudWatchAlarmDefinition": {
                "ComparisonOperator": "GREATER_THAN",
                "MetricName": "ContainerPending",
                "Period": 300,
                "Threshold": 0.0,
                **alarm,
            }
        },
    }


def rules(*found: dict[str, Any], least: int = 1, most: int = 10) -> dict[str, Any]:
    return {"Constraints": {"MinCapacity": least, "MaxCapacity": most}, "Rules": list(found)}


class HollowEmr:
    def __init__(self) -> None:
        self.faults = FaultBook()
        self.clock = MovableClock()
        self.clock.freeze()
        self.hollow = Hollow(
            wrap=lambda layer, cluster: FaultyNodes(layer, cluster, self.faults, self.clock.now),
            clock=self.clock,
        )
        self.events: list[dict[str, Any]] = []

        def watch(*change: Any) -> None:
            if (event := event_of(*change)) is not None:
                self.events.append(event)

        self.store = Store(
            SystemClock(), lambda _: pytest.fail("not hollow"), lambda name: name, self.hollow, watch
        )
        self.service = EmrService(self.store)
        self.statement: dict[str, Any] = {"Effect": "Allow", "Action": "*", "Resource": "*"}

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        caller = Caller("arn:aws:iam::123456789012:user/t", lambda: [{"Statement": [self.statement]}])
        answer = self.service.call(operation, request, caller)
        self.clock.advance(0)
        return answer

    def launch(self, *groups: dict[str, Any], fleets: Any = None, **changes: Any) -> str:
        instances: dict[str, Any] = {"KeepJobFlowAliveWhenNoSteps": True}
        if fleets:
            instances["InstanceFleets"] = fleets
        else:
            instances["InstanceGroups"] = [MASTER, *(groups or (CORE,))]
        request = {
            "Name": "test",
            "ReleaseLabel": "emr-spark-8.0.0",
            "ServiceRole": "service",
            "JobFlowRole": "nodes",
            "Instances": instances,
            "Tags": HOLLOW,
            **changes,
        }
        return str(self.call("RunJobFlow", **request)["JobFlowId"])

    def add(self, cluster_id: str, step: dict[str, Any]) -> str:
        return str(self.call("AddJobFlowSteps", JobFlowId=cluster_id, Steps=[step])["StepIds"][0])

    def put(self, cluster_id: str, managed: dict[str, Any]) -> None:
        self.call("PutManagedScalingPolicy", ClusterId=cluster_id, ManagedScalingPolicy=managed)

    def groups(self, cluster_id: str) -> list[dict[str, Any]]:
        return list(self.call("ListInstanceGroups", ClusterId=cluster_id)["InstanceGroups"])

    def group(self, cluster_id: str, role: str = "CORE") -> dict[str, Any]:
        return next(g for g in self.groups(cluster_id) if g["InstanceGroupType"] == role)

    def sizes(self, cluster_id: str) -> dict[str, int]:
        return {g["InstanceGroupType"]: g["RunningInstanceCount"] for g in self.groups(cluster_id)}

    def put_rules(self, cluster_id: str, policy: dict[str, Any], role: str = "CORE") -> dict[str, Any]:
        group = self.group(cluster_id, role)["Id"]
        return self.call(
            "PutAutoScalingPolicy", ClusterId=cluster_id, InstanceGroupId=group, AutoScalingPolicy=policy
        )

    def policy_state(self, cluster_id: str) -> str:
        return str(self.group(cluster_id)["AutoScalingPolicy"]["Status"]["State"])


@pytest.fixture
def emr() -> HollowEmr:
    return HollowEmr()


# Managed scaling.


def test_a_cluster_grows_with_what_waits_and_shrinks_when_it_is_done(emr: HollowEmr) -> None:
    cluster_id = emr.launch(CORE, TASK, ManagedScalingPolicy=policy(2, 20, Core=4, OnDemand=4))
    emr.clock.advance(60)
    assert emr.sizes(cluster_id) == {"MASTER": 1, "CORE": 2, "TASK": 0}
    emr.add(cluster_id, work(containers=40))
    emr.clock.advance(60)
    # Four core nodes have room for 16 of them; three task nodes of eight vCPUs for the rest.
    grown = emr.sizes(cluster_id)
    assert grown == {"MASTER": 1, "CORE": 4, "TASK": 3}
    emr.clock.advance(3600 - 60 + 29)
    assert emr.sizes(cluster_id) == grown
    emr.clock.advance(1)
    assert emr.sizes(cluster_id) == {"MASTER": 1, "CORE": 2, "TASK": 0}


def test_a_load_above_the_maximum_gets_the_maximum(emr: HollowEmr) -> None:
    cluster_id = emr.launch()
    emr.put(cluster_id, policy(1, 5))
    emr.add(cluster_id, work(containers=4000))
    emr.clock.advance(600)
    assert emr.sizes(cluster_id)["CORE"] == 5


def test_limits_hold_at_once_whatever_the_load(emr: HollowEmr) -> None:
    cluster_id = emr.launch({**CORE, "InstanceCount": 6})
    emr.put(cluster_id, policy(1, 4))
    assert emr.sizes(cluster_id)["CORE"] == 4
    emr.put(cluster_id, policy(7, 9))
    assert emr.sizes(cluster_id)["CORE"] == 7


def test_core_nodes_stay_as_many_as_replicas(emr: HollowEmr) -> None:
    cluster_id = emr.launch({**CORE, "InstanceCount": 10})  # dfs.replication is 3
    emr.put(cluster_id, policy(1, 20))
    emr.clock.advance(60)
    assert emr.sizes(cluster_id)["CORE"] == 3


def test_limits_in_vcpus_are_met_by_whole_instances(emr: HollowEmr) -> None:
    cluster_id = emr.launch()
    emr.put(cluster_id, policy(4, 18, "VCPU"))
    emr.add(cluster_id, work(containers=4000))
    emr.clock.advance(600)
    assert emr.sizes(cluster_id)["CORE"] == 4


def test_nodes_that_work_stay(emr: HollowEmr) -> None:
    cluster_id = emr.launch({**CORE, "InstanceCount": 5})
    emr.add(cluster_id, work(containers=9))
    emr.put(cluster_id, policy(1, 20))
    emr.clock.advance(60)
    assert emr.sizes(cluster_id)["CORE"] == 3


def test_nodes_that_are_on_their_way_are_given_up_when_the_load_is_over(emr: HollowEmr) -> None:
    emr.hollow.delays.change({"phases": {"resizing": [300, 300]}})
    cluster_id = emr.launch(ManagedScalingPolicy=policy(2, 20))
    emr.add(cluster_id, work(containers=40, seconds=60))
    assert emr.group(cluster_id)["RequestedInstanceCount"] == 10
    emr.clock.advance(95)
    assert emr.group(cluster_id)["RequestedInstanceCount"] == 2
    emr.clock.advance(3600)
    assert emr.sizes(cluster_id)["CORE"] == 2


def test_without_the_policy_sizes_stay(emr: HollowEmr) -> None:
    cluster_id = emr.launch(ManagedScalingPolicy=policy(2, 20))
    assert emr.call("GetManagedScalingPolicy", ClusterId=cluster_id) == {
        "ManagedScalingPolicy": policy(2, 20)
    }
    emr.call("RemoveManagedScalingPolicy", ClusterId=cluster_id)
    assert emr.call("GetManagedScalingPolicy", ClusterId=cluster_id) == {}
    emr.add(cluster_id, work(containers=40))
    emr.clock.advance(600)
    assert emr.sizes(cluster_id)["CORE"] == 2


def test_spot_instances_that_no_group_may_have_get_a_task_group(emr: HollowEmr) -> None:
    cluster_id = emr.launch(ManagedScalingPolicy=policy(2, 6, OnDemand=3, Core=3))
    emr.add(cluster_id, work(containers=4000))
    emr.clock.advance(60)
    task = emr.group(cluster_id, "TASK")
    assert (task["Market"], task["InstanceType"]) == ("SPOT", "m5.xlarge")
    assert emr.sizes(cluster_id) == {"MASTER": 1, "CORE": 3, "TASK": 3}


def test_a_group_without_capacity_is_passed_over_and_tried_again(emr: HollowEmr) -> None:
    other = {**TASK, "InstanceType": "r5.xlarge", "Name": "other"}
    cluster_id = emr.launch(
        CORE,
        {**TASK, "InstanceType": "m5.xlarge"},
        other,
        ManagedScalingPolicy=policy(2, 8, Core=2, OnDemand=2),
    )
    fault = emr.faults.add(
        {"kind": "no-capacity", "parameters": {"role": "TASK", "instance_type": "m5.xlarge"}}
    )
    emr.add(cluster_id, work(containers=4000, seconds=7200))
    emr.clock.advance(60)
    first, second = (g for g in emr.groups(cluster_id) if g["InstanceGroupType"] == "TASK")
    assert first["Status"]["State"] == "SUSPENDED"
    assert second["RunningInstanceCount"] == 6
    emr.faults.remove(fault.id)
    emr.put(cluster_id, policy(2, 10, Core=2, OnDemand=2))
    emr.clock.advance(600)
    assert sum(emr.sizes(cluster_id).values()) >= 5
    running = [g["RunningInstanceCount"] for g in emr.groups(cluster_id)]
    assert sum(running) == 1 + 10


def test_the_clusters_id_stands_in_the_dimension_of_an_attached_policy(emr: HollowEmr) -> None:
    cluster_id = emr.launch(AutoScalingRole="scaling")
    asked = rules(scale_out(Dimensions=[{"Key": "JobFlowId", "Value": "${emr.clusterId}"}]))
    answers = (
        emr.put_rules(cluster_id, asked)["AutoScalingPolicy"],
        emr.group(cluster_id)["AutoScalingPolicy"],
    )
    for answer in answers:
        [rule] = answer["Rules"]
        alarm = rule["Trigger"]["CloudWatchAlarmDefinition"]
        assert alarm["Dimensions"] == [{"Key": "JobFlowId", "Value": cluster_id}]


def test_fleets_are_scaled_by_units_in_both_markets(emr: HollowEmr) -> None:
    def fleet(role: str, on_demand: int, *types: str) -> dict[str, Any]:
        configs = [{"InstanceType": name} for name in types]
        return {
            "InstanceFleetType": role,
            "TargetOnDemandCapacity": on_demand,
            "InstanceTypeConfigs": configs,
        }

    fleets = [fleet("MASTER", 1, "m5.xlarge"), fleet("CORE", 1, "m5.xlarge"), fleet("TASK", 0, "m5.xlarge")]
    limits = policy(1, 9, "InstanceFleetUnits", Core=3, OnDemand=4)
    cluster_id = emr.launch(fleets=fleets, ManagedScalingPolicy=limits)
    emr.add(cluster_id, work(containers=4000))
    emr.clock.advance(60)

    def targets() -> dict[str, tuple[int, int]]:
        found = emr.call("ListInstanceFleets", ClusterId=cluster_id)["InstanceFleets"]
        markets = ("ProvisionedOnDemandCapacity", "ProvisionedSpotCapacity")
        return {f["InstanceFleetType"]: tuple(f[m] for m in markets) for f in found}

    assert targets() == {"MASTER": (1, 0), "CORE": (3, 0), "TASK": (1, 5)}
    emr.clock.advance(3700)
    assert targets() == {"MASTER": (1, 0), "CORE": (1, 0), "TASK": (0, 0)}


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (policy(3, 2), "min capacity cannot be higher than max capacity"),
        (policy(0, 2), "at least 1"),
        (policy(1, 2, Core=3), "The max Core capacity cannot be higher than max capacity"),
        (policy(1, 2, OnDemand=3), "max On-Demand capacity cannot be higher"),
        (policy(1, 2, OnDemand=-1), "negative or zero"),
        (policy(2, 26, OnDemand=12, Core=15), "MaximumCoreCapacityUnits must be less than or equal to"),
        (
            policy(1, 2, "InstanceFleetUnits"),
            "InstanceFleetUnits is not valid for clusters with instance groups",
        ),
        ({**policy(1, 2), "ScalingStrategy": "ADVANCED"}, "ScalingStrategy ADVANCED is not available"),
        ({**policy(1, 2), "UtilizationPerformanceIndex": 50}, "requires ScalingStrategy ADVANCED"),
        ({**policy(1, 2), "UtilizationPerformanceIndex": 2}, "must be one of 1, 25, 50, 75, 100"),
        ({}, "ComputeLimits is required"),
    ],
)
def test_limits_that_emr_refuses(emr: HollowEmr, limits: dict[str, Any], words: str) -> None:
    cluster_id = emr.launch()
    for refused in (
        lambda: emr.put(cluster_id, limits),
        lambda: emr.launch(ManagedScalingPolicy=limits),
    ):
        with pytest.raises(AwsError, match=words) as refusal:
            refused()
        assert refusal.value.code == "ValidationException"


def test_an_ended_cluster_gets_no_policy(emr: HollowEmr) -> None:
    cluster_id = emr.launch()
    emr.call("TerminateJobFlows", JobFlowIds=[cluster_id])
    with pytest.raises(AwsError, match="may not be modified"):
        emr.put(cluster_id, policy(1, 2))


# Automatic scaling.


def test_a_rule_acts_every_five_minutes_until_its_alarm_is_over(emr: HollowEmr) -> None:
    cluster_id = emr.launch({**CORE, "AutoScalingPolicy": rules(scale_out())}, AutoScalingRole="scaling")
    assert emr.policy_state(cluster_id) == "ATTACHED"
    emr.add(cluster_id, work(containers=19))
    emr.clock.advance(299)
    assert emr.sizes(cluster_id)["CORE"] == 2
    emr.clock.advance(1)
    assert emr.sizes(cluster_id)["CORE"] == 4
    emr.clock.advance(300)
    assert emr.sizes(cluster_id)["CORE"] == 6
    emr.clock.advance(3600)
    assert emr.sizes(cluster_id)["CORE"] == 6


def test_a_cool_down_begins_when_the_group_has_its_size(emr: HollowEmr) -> None:
    emr.hollow.delays.change({"phases": {"resizing": [200, 200]}})
    cluster_id = emr.launch(AutoScalingRole="scaling")
    emr.put_rules(cluster_id, rules(scale_out(by=1, cool_down=500), most=4))
    emr.add(cluster_id, work(containers=4000))
    times: dict[int, int] = {}
    for second in range(0, 3000, 50):
        times.setdefault(emr.group(cluster_id)["RequestedInstanceCount"], second)
        emr.clock.advance(50)
    # Asked for after 300 s, there after 500 s, at rest until 1000 s; the next sample is after 1200 s.
    assert times == {2: 0, 3: 300, 4: 1200}


def test_idle_groups_shrink_by_a_rule_down_to_their_constraint(emr: HollowEmr) -> None:
    idle = scale_out(
        by=-2, MetricName="YARNMemoryAvailablePercentage", Threshold=75.0, EvaluationPeriods=2, Unit="PERCENT"
    )
    cluster_id = emr.launch({**CORE, "InstanceCount": 3}, AutoScalingRole="scaling")
    emr.put_rules(cluster_id, rules(idle, least=2))
    emr.clock.advance(599)
    assert emr.sizes(cluster_id)["CORE"] == 3
    emr.clock.advance(1000)
    assert emr.sizes(cluster_id)["CORE"] == 2


def test_the_states_of_a_policy_are_shown_and_sent(emr: HollowEmr) -> None:
    cluster_id = emr.launch(AutoScalingRole="scaling")
    answer = emr.put_rules(cluster_id, rules(scale_out()))
    assert answer["AutoScalingPolicy"]["Status"] == {
        "State": "PENDING",
        "StateChangeReason": {"Code": "USER_REQUEST"},
    }
    assert emr.policy_state(cluster_id) == "ATTACHED"
    emr.put_rules(cluster_id, rules(scale_out(by=3)))
    group = emr.group(cluster_id)["Id"]
    emr.call("RemoveAutoScalingPolicy", ClusterId=cluster_id, InstanceGroupId=group)
    assert emr.policy_state(cluster_id) == "DETACHED"
    sent = [e["detail"] for e in emr.events if e["detail-type"] == "EMR Auto Scaling Policy State Change"]
    assert [one["state"] for one in sent] == ["PENDING", "ATTACHED", "PENDING", "ATTACHED", "DETACHED"]
    assert {one["resourceId"] for one in sent} == {group}
    assert "was added to instance group" in sent[0]["message"]
    assert "was updated at" in sent[2]["message"]
    assert emr.call("DescribeCluster", ClusterId=cluster_id)["Cluster"]["AutoScalingRole"] == "scaling"


def test_a_detached_policy_does_nothing(emr: HollowEmr) -> None:
    cluster_id = emr.launch({**CORE, "AutoScalingPolicy": rules(scale_out())}, AutoScalingRole="scaling")
    emr.call("RemoveAutoScalingPolicy", ClusterId=cluster_id, InstanceGroupId=emr.group(cluster_id)["Id"])
    emr.add(cluster_id, work(containers=4000))
    emr.clock.advance(3000)
    assert emr.sizes(cluster_id)["CORE"] == 2


def changed(**alarm: Any) -> dict[str, Any]:
    return rules(scale_out(**alarm))


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (rules(scale_out(), least=3, most=2), "MinCapacity <= MaxCapacity"),
        (rules(), "must have rules"),
        (rules(scale_out(), scale_out()), "unique names"),
        (
            rules({**scale_out(), "Action": {**scale_out()["Action"], "Market": "SPOT"}}),
            "Market is not available",
        ),
        (changed(cool_down=-1), "CoolDown"),
        (changed(MetricName="CPUUtilization"), "the metric CPUUtilization is not available"),
        (changed(Namespace="Mine"), "is not available"),
        (changed(Unit="PERCENT"), "the unit of ContainerPending is COUNT"),
        (changed(Period=60), "multiple of 300"),
        (changed(EvaluationPeriods=0), "1 or more"),
        (changed(EvaluationPeriods=289), "more than a day"),
        (changed(Dimensions=[{"Key": "JobFlowId", "Value": "j-OTHER"}]), "dimensions other than"),
    ],
)
def test_rules_that_are_refused(emr: HollowEmr, refused: dict[str, Any], words: str) -> None:
    cluster_id = emr.launch(AutoScalingRole="scaling")
    for call in (
        lambda: emr.put_rules(cluster_id, refused),
        lambda: emr.launch({**CORE, "AutoScalingPolicy": refused}, AutoScalingRole="scaling"),
    ):
        with pytest.raises(AwsError, match=words) as refusal:
            call()
        assert refusal.value.code == "ValidationException"


def test_rules_require_a_role_and_a_core_or_task_group(emr: HollowEmr) -> None:
    with pytest.raises(AwsError, match="requires an AutoScalingRole"):
        emr.launch({**CORE, "AutoScalingPolicy": rules(scale_out())})
    with pytest.raises(AwsError, match="requires an AutoScalingRole"):
        emr.put_rules(emr.launch(), rules(scale_out()))
    with pytest.raises(AwsError, match="MASTER"):
        emr.put_rules(emr.launch(AutoScalingRole="scaling"), rules(scale_out()), role="MASTER")


def test_managed_and_automatic_scaling_refuse_each_other(emr: HollowEmr) -> None:
    with_rules = {**CORE, "AutoScalingPolicy": rules(scale_out())}
    with pytest.raises(AwsError, match="not both"):
        emr.launch(with_rules, AutoScalingRole="scaling", ManagedScalingPolicy=policy(1, 2))
    cluster_id = emr.launch(with_rules, AutoScalingRole="scaling")
    with pytest.raises(AwsError, match="not both"):
        emr.put(cluster_id, policy(1, 2))
    emr.call("RemoveAutoScalingPolicy", ClusterId=cluster_id, InstanceGroupId=emr.group(cluster_id)["Id"])
    emr.put(cluster_id, policy(1, 2))
    with pytest.raises(AwsError, match="not both"):
        emr.put_rules(cluster_id, rules(scale_out()))
    added = {**TASK, "AutoScalingPolicy": rules(scale_out())}
    with pytest.raises(AwsError, match="not both"):
        emr.call("AddInstanceGroups", JobFlowId=cluster_id, InstanceGroups=[added])


def test_whoever_passes_a_scaling_role_must_be_allowed_to(emr: HollowEmr) -> None:
    emr.statement = {
        "Effect": "Allow",
        "Action": "*",
        "Resource": "*",
        "Condition": {
            "StringNotEqualsIfExists": {"iam:PassedToService": "application-autoscaling.amazonaws.com"}
        },
    }
    emr.launch()
    with pytest.raises(AwsError, match="PassRole"):
        emr.launch(AutoScalingRole="scaling")

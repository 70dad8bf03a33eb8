"""Whatever is asked and whatever happens, in any order: no illegal state, timeline or answer.

Hollow clusters under the movable clock, driven by Hypothesis through the service as clients drive it.
"""

from __future__ import annotations

import contextlib
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from emrbox.aws import protocol
from emrbox.aws.auth import Caller
from emrbox.aws.errors import AwsError
from emrbox.emr.api.service import EmrService
from emrbox.emr.hollow.hollow import Hollow
from emrbox.emr.life import states
from emrbox.emr.life.clock import MovableClock, SystemClock
from emrbox.emr.life.decisions import is_given_up, least_units
from emrbox.emr.life.events import event_of
from emrbox.emr.life.notices import Notice
from emrbox.emr.life.states import ClusterState, GroupState, InstanceState, PolicyState, StepState
from emrbox.emr.life.store import Store
from emrbox.faults.book import FaultBook
from emrbox.faults.faulty_nodes import FaultyNodes

if TYPE_CHECKING:
    from datetime import datetime

HOLLOW = [{"Key": "emrbox:hollow", "Value": "true"}]
ALLOW = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
ENDED: dict[type, set[Any]] = {
    ClusterState: set(states.CLUSTER_ENDED),
    GroupState: {GroupState.TERMINATED},
    InstanceState: {InstanceState.TERMINATED},
    StepState: {StepState.COMPLETED, StepState.CANCELLED, StepState.FAILED, StepState.INTERRUPTED},
}
TABLES: dict[type, dict[Any, Any]] = {
    ClusterState: states.CLUSTER_TRANSITIONS,
    GroupState: states.GROUP_TRANSITIONS,
    InstanceState: states.INSTANCE_TRANSITIONS,
    StepState: states.STEP_TRANSITIONS,
    PolicyState: states.POLICY_TRANSITIONS,
}
FIRST = {ClusterState.STARTING, StepState.PENDING, PolicyState.PENDING}
ROLES = "MASTER,CORE,TASK"
MOST_AT_ONCE = 2  # live clusters: many things are to happen to each
CHANGING = {
    GroupState.PROVISIONING,
    GroupState.BOOTSTRAPPING,
    GroupState.RESIZING,
    GroupState.RECONFIGURING,
}


class World:
    """One box's EMR for all examples; each uses its own clusters only."""

    def __init__(self) -> None:
        self.faults = FaultBook()
        clock = MovableClock()
        clock.freeze()
        self.hollow = Hollow(
            wrap=lambda layer, cluster: FaultyNodes(layer, cluster, self.faults, clock.now), clock=clock
        )
        self.moves: list[tuple[Any, Any, Any, datetime]] = []
        self.events: list[dict[str, Any]] = []
        store = Store(
            SystemClock(), lambda _: pytest.fail("hollow"), lambda name: name, self.hollow, self.watch
        )
        self.store, self.service = store, EmrService(store)

    def watch(self, cluster: Any, subject: Any, before: Any, now: datetime) -> None:
        if not isinstance(subject, Notice):
            self.moves.append((subject.id, before, subject.status.state, now))
        if (event := event_of(cluster, subject, before, now)) is not None:
            self.events.append(event)

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """Do an operation; its answer fits the model, or it is a refusal as AWS words them."""
        caller = Caller("arn:aws:iam::123456789012:user/t", lambda: [ALLOW])
        answer: dict[str, Any] = {}
        with contextlib.suppress(AwsError):
            answer = self.service.call(operation, request, caller)
            protocol.render_answer(protocol.operation_model("emr", operation), answer)
        self.hollow.clock.advance(0)
        return answer


class Mistakes(logging.Handler):
    """Keeps what was logged as an error: the clock's work has nobody to raise to."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


WORLD = World()
step_requests = st.builds(
    lambda seconds, code, action, containers: {
        "Name": "s",
        "ActionOnFailure": action,
        "HadoopJarStep": {
            "Jar": "command-runner.jar",
            "Args": [
                *("emrbox-script", "--seconds", str(seconds)),
                *("--exit-code", str(code), "--containers", str(containers)),
            ],
        },
    },
    st.sampled_from([0, 1, 60, 7200]),
    st.sampled_from([0, 0, 1]),
    st.sampled_from(["CONTINUE", "CANCEL_AND_WAIT", "TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW"]),
    st.sampled_from([0, 6, 30]),
)
step_lists = st.lists(step_requests, max_size=3)
flags = st.booleans()
which = st.integers(0, 5)


def as_fleet(group: dict[str, Any]) -> dict[str, Any]:
    """A fleet with half of a group's instances on demand and half spot, in types of one and two units."""
    role, count = group["InstanceRole"], group["InstanceCount"]
    types: list[dict[str, Any]] = [{"InstanceType": "m5.xlarge"}]
    if role != "MASTER":
        types.append({"InstanceType": "r5.2xlarge", "WeightedCapacity": 2})
    action = "SWITCH_TO_ON_DEMAND" if count == 1 else "TERMINATE_CLUSTER"
    return {
        "InstanceFleetType": role,
        "TargetOnDemandCapacity": count - count // 2,
        "TargetSpotCapacity": count // 2,
        "InstanceTypeConfigs": types,
        "LaunchSpecifications": {"SpotSpecification": {"TimeoutDurationMinutes": 5, "TimeoutAction": action}},
    }


def limits(cluster_id: str, least: int, most: int, on_demand: int) -> dict[str, Any]:
    unit = "InstanceFleetUnits" if "InstanceFleetType" in groups_of(cluster_id)[0] else "Instances"
    return {
        "ComputeLimits": {
            "UnitType": unit,
            "MinimumCapacityUnits": least,
            "MaximumCapacityUnits": most,
            "MaximumOnDemandCapacityUnits": on_demand,
            "MaximumCoreCapacityUnits": min(most, on_demand),
        }
    }


def scaling_rule(metric: str, comparison: str, threshold: float, by: int) -> dict[str, Any]:
    return {
        "Name": f"{metric} {by}",
        "Action": {"SimpleScalingPolicyConfiguration": {"ScalingAdjustment": by, "CoolDown": 300}},
        "Trigger": {
            "CloudWatchAlarmDefinition": {
                "MetricName": metric,
                "ComparisonOperator": comparison,
                "Threshold": threshold,
                "Period": 300,
            }
        },
    }


RULES = {
    "Constraints": {"MinCapacity": 1, "MaxCapacity": 6},
    "Rules": [
        scaling_rule("ContainerPending", "GREATER_THAN", 0.0, 2),
        scaling_rule("YARNMemoryAvailablePercentage", "GREATER_THAN", 60.0, -1),
    ],
}


def groups_of(cluster_id: str) -> list[dict[str, Any]]:
    """The groups or the fleets of a cluster."""
    found = WORLD.call("ListInstanceGroups", ClusterId=cluster_id).get("InstanceGroups")
    return list(found or WORLD.call("ListInstanceFleets", ClusterId=cluster_id)["InstanceFleets"])


class AnyLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.mistakes = Mistakes()
        logging.getLogger("emrbox").addHandler(self.mistakes)
        self.timelines: dict[str, dict[str, Any]] = {}
        WORLD.faults.clear()
        WORLD.moves.clear()
        WORLD.events.clear()

    @initialize()
    def one_that_waits(self) -> None:
        self.launch(
            steps=[], keep=True, protected=False, cores=2, tasks=1, idle=None, slow=False, fleets=False
        )
        WORLD.hollow.clock.advance(1)

    @precondition(lambda self: len(self.live()) < MOST_AT_ONCE)
    @rule(
        steps=step_lists,
        keep=flags,
        protected=flags,
        cores=st.integers(0, 3),
        tasks=st.integers(-1, 2),
        idle=st.sampled_from([None, 60, 3600]),
        slow=flags,
        fleets=flags,
    )
    def launch(
        self,
        *,
        steps: Any,
        keep: bool,
        protected: bool,
        cores: int,
        tasks: int,
        idle: int | None,
        slow: bool,
        fleets: bool,
    ) -> None:
        WORLD.hollow.delays.change({"profile": "real" if slow else "none"})
        groups = [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}]
        for role, count in (("CORE", cores or None), ("TASK", tasks if tasks >= 0 and cores else None)):
            if count is not None:
                groups.append({"InstanceRole": role, "InstanceType": "m5.xlarge", "InstanceCount": count})
        if fleets:
            kinds: dict[str, Any] = {"InstanceFleets": [as_fleet(group) for group in groups]}
        else:
            kinds = {"InstanceGroups": groups}
        request: dict[str, Any] = {
            "Name": "any",
            "ReleaseLabel": "emr-spark-8.0.0",
            "ServiceRole": "service",
            "JobFlowRole": "nodes",
            "AutoScalingRole": "scaling",
            "Tags": HOLLOW,
            "Steps": steps,
            "Instances": {
                **kinds,
                "KeepJobFlowAliveWhenNoSteps": keep,
                "TerminationProtected": protected,
            },
        }
        if idle is not None:
            request["AutoTerminationPolicy"] = {"IdleTimeout": idle}
        self.ids.append(WORLD.call("RunJobFlow", **request)["JobFlowId"])

    def live(self) -> list[str]:
        """The clusters to which something can still happen."""
        return [i for i in self.ids if WORLD.store.cluster(i).status.state in states.CLUSTER_LIVE]

    def chosen(self, which: int) -> str:
        """Mostly one that lives; else the last one."""
        live = self.live()
        return live[which % len(live)] if live and which else self.ids[-1]

    @rule(which=which, steps=st.lists(step_requests, min_size=1, max_size=3))
    def add_steps(self, which: int, steps: Any) -> None:
        cluster = self.chosen(which)
        WORLD.call("AddJobFlowSteps", JobFlowId=cluster, Steps=steps)

    @rule(which=which, picks=st.lists(st.integers(0, 9), min_size=1, max_size=3), kill=flags)
    def cancel(self, *, which: int, picks: list[int], kill: bool) -> None:
        cluster = self.chosen(which)
        known = [s["Id"] for s in WORLD.call("ListSteps", ClusterId=cluster)["Steps"]]
        option = "TERMINATE_PROCESS" if kill else "SEND_INTERRUPT"
        wanted = [known[i % len(known)] for i in picks] if known else ["s-NONE"]
        WORLD.call("CancelSteps", ClusterId=cluster, StepIds=wanted, StepCancellationOption=option)

    @rule(which=which, protected=flags)
    def protect(self, *, which: int, protected: bool) -> None:
        cluster = self.chosen(which)
        WORLD.call("SetTerminationProtection", JobFlowIds=[cluster], TerminationProtected=protected)

    @rule(which=which, keep=flags)
    def keep_alive(self, *, which: int, keep: bool) -> None:
        cluster = self.chosen(which)
        WORLD.call("SetKeepJobFlowAliveWhenNoSteps", JobFlowIds=[cluster], KeepJobFlowAliveWhenNoSteps=keep)

    @rule(which=which, level=st.sampled_from([0, 1, 2, 5]))
    def concurrency(self, which: int, level: int) -> None:
        cluster = self.chosen(which)
        WORLD.call("ModifyCluster", ClusterId=cluster, StepConcurrencyLevel=level)

    @rule(which=which, idle=st.sampled_from([None, 60, 3600]))
    def idle_policy(self, which: int, idle: int | None) -> None:
        cluster = self.chosen(which)
        if idle is None:
            WORLD.call("RemoveAutoTerminationPolicy", ClusterId=cluster)
        else:
            WORLD.call(
                "PutAutoTerminationPolicy", ClusterId=cluster, AutoTerminationPolicy={"IdleTimeout": idle}
            )

    @rule(which=which, really=st.sampled_from([False, False, False, True]))
    def terminate(self, *, which: int, really: bool) -> None:
        cluster = self.chosen(which)
        if really:  # seldom: nothing much happens to a cluster that is over
            WORLD.call("TerminateJobFlows", JobFlowIds=[cluster])

    @rule(which=which, count=st.integers(0, 2))
    def add_group(self, which: int, count: int) -> None:
        cluster = self.chosen(which)
        group = {"InstanceRole": "TASK", "InstanceType": "m5.xlarge", "InstanceCount": count}
        WORLD.call("AddInstanceGroups", JobFlowId=cluster, InstanceGroups=[group])

    @rule(which=which, count=st.integers(0, 2))
    def add_fleet(self, which: int, count: int) -> None:
        cluster = self.chosen(which)
        group = {"InstanceRole": "TASK", "InstanceType": "m5.xlarge", "InstanceCount": count}
        WORLD.call("AddInstanceFleet", ClusterId=cluster, InstanceFleet=as_fleet(group))

    @rule(which=which, pick=st.integers(0, 2), on_demand=st.integers(0, 5), spot=st.integers(0, 5))
    def resize_fleet(self, *, which: int, pick: int, on_demand: int, spot: int) -> None:
        cluster = self.chosen(which)
        groups = groups_of(cluster)
        resize = {"SpotResizeSpecification": {"TimeoutDurationMinutes": 10}}
        change = {
            "InstanceFleetId": groups[pick % len(groups)]["Id"],
            "TargetOnDemandCapacity": on_demand,
            "TargetSpotCapacity": spot,
            "ResizeSpecifications": resize if spot > 1 else {},
        }
        WORLD.call("ModifyInstanceFleet", ClusterId=cluster, InstanceFleet=change)

    @rule(
        which=which,
        pick=st.integers(-1, 2),
        count=st.sampled_from([None, 0, 1, 2, 4]),
        by_name=st.sampled_from([False, False, True]),
    )
    def resize(self, *, which: int, pick: int, count: int | None, by_name: bool) -> None:
        cluster = self.chosen(which)
        groups = groups_of(cluster)
        group = groups[pick % len(groups)]
        count = group.get("RunningInstanceCount", 1) if count is None else count
        change: dict[str, Any] = {"InstanceGroupId": group["Id"], "InstanceCount": count}
        if by_name:
            members = WORLD.call("ListInstances", ClusterId=cluster, InstanceGroupId=group["Id"])
            named = [i["Ec2InstanceId"] for i in members.get("Instances", [])[:1]]
            change = {"InstanceGroupId": group["Id"], "EC2InstanceIdsToTerminate": named}
        WORLD.call("ModifyInstanceGroups", ClusterId=cluster, InstanceGroups=[change])

    @rule(which=which, pick=st.integers(-1, 2), value=st.integers(0, 2), merges=flags)
    def reconfigure(self, *, which: int, pick: int, value: int, merges: bool) -> None:
        cluster = self.chosen(which)
        groups = groups_of(cluster)
        change = {
            "InstanceGroupId": groups[pick % len(groups)]["Id"],
            "ReconfigurationType": "MERGE" if merges else "OVERWRITE",
            "Configurations": [{"Classification": "yarn-site", "Properties": {"a": str(value)}}],
        }
        WORLD.call("ModifyInstanceGroups", ClusterId=cluster, InstanceGroups=[change])

    @rule(which=which, pick=st.integers(0, 9), replaces=flags)
    def sicken(self, *, which: int, pick: int, replaces: bool) -> None:
        record = WORLD.store.cluster(self.chosen(which))
        WORLD.call("SetUnhealthyNodeReplacement", JobFlowIds=[record.id], UnhealthyNodeReplacement=replaces)
        WORLD.hollow.make_unhealthy(record, record.present[pick : pick + 1])
        WORLD.hollow.clock.advance(0)

    @rule(which=which, least=st.integers(1, 3), more=st.integers(0, 5), on_demand=st.integers(1, 4))
    def put_managed_scaling(self, *, which: int, least: int, more: int, on_demand: int) -> None:
        cluster = self.chosen(which)
        most = least + more
        WORLD.call(
            "PutManagedScalingPolicy",
            ClusterId=cluster,
            ManagedScalingPolicy=limits(cluster, least, most, min(on_demand, most)),
        )

    @rule(which=which)
    def remove_managed_scaling(self, which: int) -> None:
        WORLD.call("RemoveManagedScalingPolicy", ClusterId=self.chosen(which))

    @rule(which=which, pick=st.integers(0, 2), put=flags)
    def automatic_scaling(self, *, which: int, pick: int, put: bool) -> None:
        cluster = self.chosen(which)
        groups = groups_of(cluster)
        named = {"ClusterId": cluster, "InstanceGroupId": groups[pick % len(groups)]["Id"]}
        if put:
            WORLD.call("PutAutoScalingPolicy", AutoScalingPolicy=RULES, **named)
        else:
            WORLD.call("RemoveAutoScalingPolicy", **named)

    @rule(which=which, pick=st.integers(0, 9))
    def lose_an_instance(self, which: int, pick: int) -> None:
        cluster = self.chosen(which)
        instances = WORLD.call("ListInstances", ClusterId=cluster)["Instances"]
        instances = [i for i in instances if "Ec2InstanceId" in i]
        instances = instances[1:] if pick else instances  # seldom the master, which would be the end
        if instances:
            record = WORLD.store.cluster(cluster)
            lost = instances[pick % len(instances)]["Ec2InstanceId"]
            WORLD.hollow.lose(record, [i for i in record.instances if i.ec2_id == lost], "")
            WORLD.hollow.clock.advance(0)

    @rule(
        which=which,
        there_is=st.sampled_from([False, False, True]),
        market=st.sampled_from(["*", "SPOT"]),
        available=st.integers(0, 2),
    )
    def capacity(self, *, which: int, there_is: bool, market: str, available: int) -> None:
        cluster = self.chosen(which)
        for fault in WORLD.faults.all():
            if fault.cluster == cluster:
                WORLD.faults.remove(fault.id)
        if not there_is:
            parameters = {"role": ROLES, "market": market, "available": available}
            WORLD.faults.add({"kind": "no-capacity", "cluster": cluster, "parameters": parameters})

    @rule(seconds=st.sampled_from([1, 59, 200, 3600, 86400]))
    def pass_time(self, seconds: int) -> None:
        WORLD.hollow.clock.advance(seconds)

    @invariant()
    def nothing_went_wrong_inside(self) -> None:
        assert self.mistakes.texts == []

    @invariant()
    def every_move_is_in_the_table(self) -> None:
        for subject, before, after, _ in WORLD.moves:
            legal = after in FIRST if before is None else after in TABLES[type(after)][before]
            assert legal, (subject, before, after)
        moments = [moment for *_, moment in WORLD.moves]
        assert moments == sorted(moments)

    @invariant()
    def what_is_under_way_is_worked_on(self) -> None:
        """A resize that nobody does, or a step that nothing runs, would last for ever."""
        for cluster_id in self.ids:
            record = WORLD.store.cluster(cluster_id)
            engine = WORLD.store.engine(record)
            if record.status.state in states.CLUSTER_READY:
                changing = {g.id for g in record.groups if g.status.state in CHANGING}
                assert changing <= engine.resizing.busy, cluster_id
                started = {s.id for s in record.steps if s.status.state in states.STEP_STARTED}
                assert started <= engine.stepping.under_way, cluster_id

    @invariant()
    def managed_scaling_holds_its_maximum(self) -> None:
        """What is wanted is within the limits, but for core nodes that hold replicas and those given up."""
        for cluster_id in self.ids:
            record = WORLD.store.cluster(cluster_id)
            policy = record.managed_scaling
            if policy is None or record.status.state not in states.CLUSTER_READY:
                continue
            groups = [g for g in record.groups if g.role != "MASTER" and not is_given_up(g)]
            wanted = sum(group.requested_count for group in groups)
            least = sum(least_units(record, group) for group in groups)
            assert wanted <= max(policy["ComputeLimits"]["MaximumCapacityUnits"], least), cluster_id

    @invariant()
    def events_report_moves_in_their_order(self) -> None:
        sent = [(e["detail"], e["time"]) for e in WORLD.events]
        assert [time for _, time in sent] == sorted(time for _, time in sent)
        entered = {(subject, str(after)) for subject, _, after, _ in WORLD.moves}
        for detail, _ in sent:
            kinds = ("resourceId", "stepId", "instanceGroupId", "instanceFleetId", "clusterId")
            subject = next(detail[kind] for kind in kinds if kind in detail)
            is_first = detail["state"] == GroupState.PROVISIONING  # nothing enters it: in notices only
            assert is_first or (subject, detail["state"]) in entered
            assert all(isinstance(value, str) for value in detail.values())
            json.loads(detail.get("stateChangeReason", "{}"))

    @invariant()
    def what_clients_see_is_consistent(self) -> None:
        for cluster_id in self.ids:
            cluster = WORLD.call("DescribeCluster", ClusterId=cluster_id)["Cluster"]
            steps = WORLD.call("ListSteps", ClusterId=cluster_id)["Steps"]
            groups = groups_of(cluster_id)
            instances = WORLD.call("ListInstances", ClusterId=cluster_id)["Instances"]
            self.check_timeline(cluster_id, ClusterState, cluster["Status"], "ReadyDateTime")
            for kind, items, second in (
                (StepState, steps, "StartDateTime"),
                (GroupState, groups, "ReadyDateTime"),
                (InstanceState, instances, "ReadyDateTime"),
            ):
                for item in items:
                    self.check_timeline(item["Id"], kind, item["Status"], second)
            self.check_counts(groups, instances)
            self.check_end(cluster["Status"]["State"], steps, groups, instances)

    def check_timeline(self, name: str, kind: Any, status: dict[str, Any], second: str) -> None:
        timeline, state = status["Timeline"], kind(status["State"])
        moments = [timeline[k] for k in ("CreationDateTime", second, "EndDateTime") if k in timeline]
        assert moments == sorted(moments), (name, status)
        assert ("EndDateTime" in timeline) == (state in ENDED[kind]), (name, status)
        if state in {"RUNNING", "WAITING", "COMPLETED", "RESIZING"}:
            assert second in timeline, (name, status)
        if state in {"PENDING", "STARTING", "AWAITING_FULFILLMENT", "PROVISIONING", "BOOTSTRAPPING"}:
            assert second not in timeline, (name, status)
        before = self.timelines.setdefault(name, {})
        assert before.items() <= timeline.items(), (name, before, timeline)
        before.update(timeline)

    def check_counts(self, groups: Any, instances: Any) -> None:
        for group in groups:
            if "InstanceFleetType" in group:
                self.check_units(group, [i for i in instances if i["InstanceFleetId"] == group["Id"]])
                continue
            mine = [i for i in instances if i["InstanceGroupId"] == group["Id"]]
            running = sum(i["Status"]["State"] == "RUNNING" for i in mine)
            assert group["RunningInstanceCount"] == running
            if group["Status"]["State"] == "RUNNING" and group["InstanceGroupType"] != "MASTER":
                assert group["RequestedInstanceCount"] == running

    def check_units(self, fleet: Any, instances: Any) -> None:
        weights = {t["InstanceType"]: t["WeightedCapacity"] for t in fleet["InstanceTypeSpecifications"]}
        given = [i for i in instances if i["Status"]["State"] not in {"AWAITING_FULFILLMENT", "TERMINATED"}]
        assert all("Ec2InstanceId" in i for i in given)
        units = fleet["ProvisionedOnDemandCapacity"] + fleet["ProvisionedSpotCapacity"]
        assert units == sum(weights[i["InstanceType"]] for i in given)
        if fleet["Status"]["State"] == "RUNNING" and fleet["InstanceFleetType"] != "MASTER":
            # Only the resizes of spot instances have a time-out here.
            assert fleet["ProvisionedOnDemandCapacity"] >= fleet["TargetOnDemandCapacity"]
            assert not any(i["Status"]["State"] == "AWAITING_FULFILLMENT" for i in instances)

    def check_end(self, state: str, steps: Any, groups: Any, instances: Any) -> None:
        step_states = {s["Status"]["State"] for s in steps}
        if state == "WAITING":
            assert not step_states & {"PENDING", "RUNNING", "CANCEL_PENDING"}
        if state in {"STARTING", "BOOTSTRAPPING"}:
            assert step_states <= {"PENDING", "CANCELLED"}
        if state.startswith("TERMINATED"):
            assert step_states <= {"COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED"}
            assert {i["Status"]["State"] for i in (*groups, *instances)} <= {"TERMINATED"}

    def teardown(self) -> None:
        WORLD.hollow.delays.change({"profile": "none"})
        for cluster_id in self.ids:
            WORLD.call("SetTerminationProtection", JobFlowIds=[cluster_id], TerminationProtected=False)
            WORLD.call("TerminateJobFlows", JobFlowIds=[cluster_id])
        WORLD.hollow.clock.advance(100_000)
        ended = [WORLD.call("DescribeCluster", ClusterId=i)["Cluster"]["Status"]["State"] for i in self.ids]
        assert set(ended) <= {"TERMINATED", "TERMINATED_WITH_ERRORS"}
        self.nothing_went_wrong_inside()
        logging.getLogger("emrbox").removeHandler(self.mistakes)


AnyLife.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
)
TestAnyLife = AnyLife.TestCase

"""Jobs on machines that end in any order, late, or not at all: no machine and no cluster is left behind."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hostile import many
from hypothesis import example, given
from hypothesis import strategies as st

from emrbox.emr.api.launch_request import new_cluster, new_step
from emrbox.emr.hollow.nodes import HollowNodes
from emrbox.emr.hollow.scripts import Scripts
from emrbox.emr.life import endings, states
from emrbox.emr.life.clock import MovableClock
from emrbox.emr.life.drivers import ClockDriver
from emrbox.emr.life.engine import Engine
from emrbox.emr.life.layer import NoCapacityError, Pace, StartFailureError
from emrbox.emr.life.model import ON_DEMAND, SPOT
from emrbox.emr.life.resizing import want
from emrbox.emr.life.wrapped_layer import WrappedLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emrbox.emr.life.model import Group, Instance, Purchase, TypeConfig
    from emrbox.emr.life.procedures import Job

START = datetime(2026, 11, 1, tzinfo=UTC)
# What must succeed for no machine to be left: their failures are the layer's to log.
ENDING = ("shut down", "end of instances")
PROBLEMS = (OSError("no route"), StartFailureError(endings.by_bootstrap("it failed")))


def nodes(time_out_action: str | None) -> dict[str, Any]:
    """One primary and two core nodes: instance groups, or fleets whose spot nodes have a time-out."""
    counts = (("MASTER", 1), ("CORE", 2))
    if time_out_action is None:
        groups = [{"InstanceRole": r, "InstanceType": "m5.xlarge", "InstanceCount": n} for r, n in counts]
        return {"InstanceGroups": groups}
    time_out = {"TimeoutDurationMinutes": 5, "TimeoutAction": time_out_action}
    resize = {"TimeoutDurationMinutes": 5}
    fleets = [
        {
            "InstanceFleetType": role,
            "TargetOnDemandCapacity": 1,
            "TargetSpotCapacity": count - 1,
            "InstanceTypeConfigs": [{"InstanceType": "m5.xlarge"}, {"InstanceType": "r5.xlarge"}],
            "LaunchSpecifications": {"SpotSpecification": time_out},
            "ResizeSpecifications": {"SpotResizeSpecification": resize},
        }
        for role, count in counts
    ]
    return {"InstanceFleets": fleets}


class Machines(WrappedLayer):
    """Counts what runs in EC2, which has only some spot instances more.

    The pace is that of real machines, so that checks are jobs too.
    """

    pace = Pace(lost_instances=1.0, scaling=5.0, idleness=5.0, logs=300.0)

    def __init__(self, cluster: Any, clock: MovableClock) -> None:
        self.nodes = HollowNodes(cluster, clock, Scripts())
        super().__init__(self.nodes)
        self._cluster = cluster
        self.alive: set[str] = set()
        self.shut_downs = 0
        self.spot_left = 0

    def room(self, role: str, asked: TypeConfig, market: str, zone: str | None) -> float:  # noqa: ARG002
        return self.spot_left if market == SPOT else math.inf

    def launch(self, group: Group, purchase: Purchase) -> list[Instance]:
        if purchase.market == SPOT:
            purchase = replace(purchase, count=min(purchase.count, self.spot_left))
            if not purchase.count:
                raise NoCapacityError(endings.without_capacity(self._cluster, group.role, purchase))
            self.spot_left -= purchase.count
        launched = super().launch(group, purchase)
        self.alive.update(i.ec2_id for i in launched)
        return launched

    def end(self, instances: Sequence[Instance]) -> None:
        self.alive.difference_update(i.ec2_id for i in instances)

    def shut_down(self) -> None:
        self.shut_downs += 1
        self.alive.difference_update(i.ec2_id for i in self._cluster.instances)


class World:
    """One cluster whose jobs end only when the test lets them."""

    def __init__(
        self,
        time_out_action: str | None = None,
        *,
        keep_alive: bool = True,
        idle_seconds: int | None = None,
    ) -> None:
        self.is_of_fleets = time_out_action is not None
        instances = {**nodes(time_out_action), "KeepJobFlowAliveWhenNoSteps": keep_alive}
        request = {"Name": "any", "ReleaseLabel": "emr-spark-8.0.0", "ServiceRole": "s", "JobFlowRole": "j"}
        self.clock = MovableClock(START)
        self.clock.freeze()
        self.cluster = new_cluster({**request, "Instances": instances}, "j", self.clock.now())
        self.cluster.idle_timeout_seconds = idle_seconds
        self.machines = Machines(self.cluster, self.clock)
        self.jobs: list[Job[Any]] = []
        self.engine = Engine(self.cluster, self.machines, self.jobs.append)
        self.driver = ClockDriver(self.cluster, self.engine, self.clock)
        self.cluster.wake = self.driver.wake
        self.driver.start()
        self.settle()

    def settle(self) -> None:
        self.clock.advance(0)

    def changed(self) -> None:
        self.cluster.wake()
        self.settle()

    def end_job(self, number: int) -> None:
        """Let one of the jobs end well."""
        if self.jobs:
            self.jobs.pop(number % len(self.jobs)).run()
            self.changed()

    def fail_job(self, number: int) -> None:
        """Let one of the jobs fail."""
        if self.jobs and not self.jobs[number % len(self.jobs)].name.startswith(ENDING):
            self.jobs.pop(number % len(self.jobs)).fail(PROBLEMS[number % len(PROBLEMS)])
            self.changed()

    def add_step(self, number: int) -> None:
        if self.cluster.status.state in states.CLUSTER_LIVE:
            script = ["emrbox-script", "--seconds", str(30 * number), "--containers", str(6 * number)]
            jar = {"Jar": "command-runner.jar", "Args": script}
            action = "TERMINATE_CLUSTER" if number == 0 else "CONTINUE"
            step = {"Name": "s", "ActionOnFailure": action, "HadoopJarStep": jar}
            self.cluster.steps.append(new_step(step, self.clock.now()))
            self.changed()

    def cancel(self, number: int) -> None:
        if steps := self.cluster.active_steps:
            option = "TERMINATE_PROCESS" if number % 2 else "SEND_INTERRUPT"
            self.engine.stepping.cancel(steps[number % len(steps)], option, self.clock.now())
            self.settle()

    def resize(self, count: int) -> None:
        if self.cluster.status.state in states.CLUSTER_READY:
            targets = {ON_DEMAND: 1, SPOT: count} if self.is_of_fleets else {ON_DEMAND: count}
            with self.cluster.lock:
                want(self.cluster, self.cluster.groups[1], targets, self.clock.now())
            self.changed()

    def supply(self, count: int) -> None:
        """Let EC2 have some spot instances more."""
        self.machines.spot_left = count

    def scale(self, number: int) -> None:
        if self.cluster.status.state in states.CLUSTER_LIVE:
            unit = "InstanceFleetUnits" if self.is_of_fleets else "Instances"
            limits = {"UnitType": unit, "MinimumCapacityUnits": 1, "MaximumCapacityUnits": 1 + number}
            self.cluster.managed_scaling = {"ComputeLimits": limits} if number else None
            self.changed()

    def lose(self, number: int) -> None:
        if alive := sorted(self.machines.alive):
            lost = alive[number % len(alive)]
            self.machines.alive.discard(lost)
            self.machines.nodes.lose([lost])
            self.settle()

    def pass_time(self, number: int) -> None:
        self.clock.advance((0, 1, 5, 59, 61, 400)[number])

    def go_on(self, number: int) -> None:
        """Let all jobs end well while time passes: long enough, it may be, for time-outs."""
        for _ in range(3):
            self.end_jobs()
            self.pass_time(number)

    def end_jobs(self) -> None:
        for _ in range(20):  # some lead to others
            self.end_job(0)

    def terminate(self, _number: int = 0) -> None:
        self.cluster.end(endings.by_user(), self.clock.now())
        self.changed()

    def drain(self) -> None:
        """Let every job end, and time pass, until nothing moves."""
        for _ in range(100):
            if self.engine.is_over and not self.jobs:
                return
            self.end_jobs()
            self.clock.advance(120)
        pytest.fail(f"stuck in {self.cluster.status.state}")

    def records(self) -> list[Any]:
        subjects: list[Any] = [
            self.cluster,
            *self.cluster.groups,
            *self.cluster.instances,
            *self.cluster.steps,
        ]
        return [(s.id, s.status.state, s.status.reason, s.status.ready, s.status.ended) for s in subjects]


MOSTLY = ("end_job", "end_job", "end_job", "pass_time", "go_on")
NAMES = (*MOSTLY, "fail_job", "add_step", "cancel", "resize", "supply", "scale", "lose", "terminate")
actions = st.tuples(st.sampled_from(NAMES), st.integers(0, 5))


@many
@given(
    time_out_action=st.sampled_from([None, "SWITCH_TO_ON_DEMAND", "TERMINATE_CLUSTER"]),
    keep_alive=st.booleans(),
    idle_seconds=st.sampled_from([None, 60]),
    supply=st.sampled_from([0, 1]),
    run=st.integers(0, 8),
    wanted=st.lists(actions, max_size=12),
)
@example(  # a resize of a fleet that ends at its time-out: few others get so far
    time_out_action="SWITCH_TO_ON_DEMAND",
    keep_alive=True,
    idle_seconds=None,
    supply=1,
    run=7,
    wanted=[("resize", 3), ("go_on", 5), ("supply", 5), ("resize", 4), ("go_on", 5), ("lose", 3)],
)
def test_whatever_order_jobs_end_in_a_cluster_ends_and_leaves_no_machine(
    *,
    time_out_action: str | None,
    keep_alive: bool,
    idle_seconds: int | None,
    supply: int,
    run: int,
    wanted: list[Any],
) -> None:
    world = World(time_out_action, keep_alive=keep_alive, idle_seconds=idle_seconds)
    world.supply(supply)
    for _ in range(run):  # how far the start has come when other things begin to happen
        world.end_job(0)
    for name, number in wanted:
        getattr(world, name)(number)
        before, jobs = world.records(), list(world.jobs)
        with world.cluster.lock:
            world.engine.turn(world.clock.now())
        assert (world.records(), world.jobs) == (before, jobs), "a turn too many has changed something"
    world.terminate()
    world.drain()
    assert world.cluster.status.state in states.CLUSTER_ENDED
    assert world.machines.shut_downs == 1
    assert world.machines.alive == set()
    assert {i.status.state for i in world.cluster.instances} <= {"TERMINATED"}  # none if none was launched
    assert not {s.status.state for s in world.cluster.steps} & states.STEP_ACTIVE


def test_instances_that_ec2_delivers_after_the_cluster_has_ended_are_ended_too() -> None:
    world = World()
    while world.jobs:
        world.end_job(0)
    world.resize(4)
    [launch] = world.jobs
    world.jobs.clear()
    world.terminate()
    world.clock.advance(61)  # a resize is not waited for longer
    [shut_down] = world.jobs
    world.end_job(0)
    assert shut_down.is_reported
    assert world.cluster.status.state == "TERMINATED"
    launch.run()
    assert len(world.machines.alive) == 2
    world.changed()
    world.drain()
    assert world.machines.alive == set()
    assert {i.status.state for i in world.cluster.instances} == {"TERMINATED"}

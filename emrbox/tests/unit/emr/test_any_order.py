"""Jobs on machines that end in any order, late, or not at all: no machine and no cluster is left behind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hostile import many
from hypothesis import given
from hypothesis import strategies as st

from emrbox.emr.api.launch_request import new_cluster, new_step
from emrbox.emr.hollow.nodes import HollowNodes
from emrbox.emr.hollow.scripts import Scripts
from emrbox.emr.life import endings, states
from emrbox.emr.life.clock import MovableClock
from emrbox.emr.life.drivers import ClockDriver
from emrbox.emr.life.engine import Engine
from emrbox.emr.life.layer import Pace, StartFailureError
from emrbox.emr.life.model import ON_DEMAND
from emrbox.emr.life.wrapped_layer import WrappedLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emrbox.emr.life.model import Group, Instance, Purchase
    from emrbox.emr.life.procedures import Job

START = datetime(2026, 11, 1, tzinfo=UTC)
# What must succeed for no machine to be left: their failures are the layer's to log.
ENDING = ("shut down", "end of instances")
PROBLEMS = (OSError("no route"), StartFailureError(endings.by_bootstrap("it failed")))


class Machines(WrappedLayer):
    """Counts what runs in EC2. The pace is that of real machines, so that checks are jobs too."""

    pace = Pace(lost_instances=1.0, scaling=5.0, idleness=5.0, logs=300.0)

    def __init__(self, cluster: Any, clock: MovableClock) -> None:
        self.nodes = HollowNodes(cluster, clock, Scripts())
        super().__init__(self.nodes)
        self._cluster = cluster
        self.alive: set[str] = set()
        self.shut_downs = 0

    def launch(self, group: Group, purchase: Purchase) -> list[Instance]:
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

    def __init__(self, *, keep_alive: bool = True, idle_seconds: int | None = None) -> None:
        groups = [
            {"InstanceRole": role, "InstanceType": "m5.xlarge", "InstanceCount": count}
            for role, count in (("MASTER", 1), ("CORE", 2))
        ]
        shape = {"InstanceGroups": groups, "KeepJobFlowAliveWhenNoSteps": keep_alive}
        request = {"Name": "any", "ReleaseLabel": "emr-spark-8.0.0", "ServiceRole": "s", "JobFlowRole": "j"}
        self.clock = MovableClock(START)
        self.clock.freeze()
        self.cluster = new_cluster({**request, "Instances": shape}, "j", self.clock.now())
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
            self.cluster.groups[1].targets = {ON_DEMAND: count}
            self.changed()

    def scale(self, number: int) -> None:
        if self.cluster.status.state in states.CLUSTER_LIVE:
            limits = {"UnitType": "Instances", "MinimumCapacityUnits": 1, "MaximumCapacityUnits": 1 + number}
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

    def terminate(self, _number: int = 0) -> None:
        self.cluster.end(endings.by_user(), self.clock.now())
        self.changed()

    def drain(self) -> None:
        """Let every job end, and time pass, until nothing moves."""
        for _ in range(100):
            if self.engine.is_over and not self.jobs:
                return
            while self.jobs:
                self.end_job(0)
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


MOSTLY = ("end_job", "end_job", "end_job", "pass_time")
NAMES = (*MOSTLY, "fail_job", "add_step", "cancel", "resize", "scale", "lose", "terminate")
actions = st.tuples(st.sampled_from(NAMES), st.integers(0, 5))


@many
@given(
    keep_alive=st.booleans(),
    idle_seconds=st.sampled_from([None, 60]),
    run=st.integers(0, 6),
    wanted=st.lists(actions, max_size=12),
)
def test_whatever_order_jobs_end_in_a_cluster_ends_and_leaves_no_machine(
    *, keep_alive: bool, idle_seconds: int | None, run: int, wanted: list[Any]
) -> None:
    world = World(keep_alive=keep_alive, idle_seconds=idle_seconds)
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
